/// A mailbox address as SMTP carries it: a local part and a domain. RFC 5321 §4.1.2.
///
/// Two addresses are equal when their octets are. Comparing `String`s would call `é` in its two
/// Unicode spellings equal, and SQLite, the file system and other servers would not agree.
public struct EmailAddress: Sendable {
    /// The local part without its quotes: `a b` for `"a b"@example.org`. Case is kept.
    public let localPart: String
    /// The domain in lower case, in A-labels once the front-end has accepted it, or an address
    /// literal with its brackets.
    public let domain: String

    /// Makes an address of parts that were checked already; ASCII letters of the domain become
    /// lower case. What comes from outside goes through ``AddressParser``.
    public init(localPart: String, domain: String) {
        self.localPart = localPart
        self.domain = domain.asciiLowercased
    }

    /// What two spellings of one mailbox have in common: both parts in lower case, the local part
    /// composed (NFC). Lookups use it; nothing is ever sent to it.
    public var key: String { "\(localPart.lookupKey)@\(domain)" }
}

extension EmailAddress: Hashable {
    public static func == (left: Self, right: Self) -> Bool {
        left.localPart.utf8.elementsEqual(right.localPart.utf8) && left.domain.utf8.elementsEqual(right.domain.utf8)
    }

    public func hash(into hasher: inout Hasher) {
        for octet in localPart.utf8 { hasher.combine(octet) }
        hasher.combine(UInt8(ascii: "@"))
        for octet in domain.utf8 { hasher.combine(octet) }
    }
}

extension EmailAddress: ExpressibleByStringLiteral {
    /// For addresses written in our own source; the last `@` divides.
    public init(stringLiteral value: String) {
        let at = value.lastIndex(of: "@") ?? value.endIndex
        self.init(localPart: String(value[..<at]), domain: String(value[at...].dropFirst()))
    }
}

extension EmailAddress: CustomStringConvertible {
    /// As it stands between `<` and `>`, the local part quoted where it must be. RFC 5321 §4.1.2.
    public var description: String {
        if isDotString { return "\(localPart)@\(domain)" }
        var quoted = "\""
        for scalar in localPart.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { quoted += "\\" }
            quoted.unicodeScalars.append(scalar)
        }
        return "\(quoted)\"@\(domain)"
    }

    /// Whether the local part needs no quotes: atoms with one dot between each two.
    private var isDotString: Bool {
        var wantsAtom = true
        for octet in localPart.utf8 {
            if octet == UInt8(ascii: ".") {
                if wantsAtom { return false }
                wantsAtom = true
            } else {
                guard octet.isAtext else { return false }
                wantsAtom = false
            }
        }
        return !wantsAtom
    }
}

extension EmailAddress: Codable {
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        self = try AddressParser.mailbox(text)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
