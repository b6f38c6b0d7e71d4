import MailTypes

/// The addresses of a From or Sender field. RFC 5322 §3.4, RFC 6854.
enum Authors {
    /// More in one field is an attack on whoever reads it.
    private static let most = 1000

    /// The addresses in order, or `nil` where the value is no list of mailboxes and groups.
    static func addresses(in field: HeaderField) -> [EmailAddress]? {
        var reader = AddressListReader(field.rawValue)
        guard let addresses = reader.read(), addresses.count <= most else { return nil }
        return addresses
    }
}

// address-list = address *( "," address )          empty elements are passed over (obs-addr-list)
// address      = mailbox / group
// mailbox      = addr-spec / [ phrase ] "<" [ obs-route ] addr-spec ">"
// group        = phrase ":" [ mailbox-list ] ";"
private struct AddressListReader {
    private var lexer: FieldLexer
    private var addresses: [EmailAddress] = []
    /// The words since the last divider: a phrase, or an address without brackets.
    private var words: [FieldLexer.Token] = []
    private var isInGroup = false
    /// A mailbox or group has ended; only a divider may follow.
    private var isComplete = false

    init(_ octets: some Collection<UInt8>) { lexer = FieldLexer(octets) }

    mutating func read() -> [EmailAddress]? {
        while let token = lexer.next() {
            guard take(token) else { return nil }
        }
        guard !isInGroup, endElement() else { return nil }
        return addresses
    }

    private mutating func take(_ token: FieldLexer.Token) -> Bool {
        switch token {
        case .special(UInt8(ascii: ",")): return endElement()
        case .special(UInt8(ascii: ";")):
            guard isInGroup, endElement() else { return false }
            isInGroup = false
            isComplete = true
            return true
        case .broken: return false
        case _ where isComplete: return false
        case .special(UInt8(ascii: ":")):
            guard !isInGroup, !words.isEmpty, !words.contains(.special(UInt8(ascii: "@"))) else { return false }
            isInGroup = true
            words = []
            return true
        case .special(UInt8(ascii: "<")): return readBrackets()
        case .special(UInt8(ascii: "@")), .special(UInt8(ascii: ".")), .atom, .quoted, .literal:
            words.append(token)
            return true
        case .special: return false
        }
    }

    /// At a comma, at the end of a group and at the end of the field.
    private mutating func endElement() -> Bool {
        defer {
            words = []
            isComplete = false
        }
        guard !words.isEmpty else { return true }
        guard let address = Self.address(words[...]) else { return false }
        addresses.append(address)
        return true
    }

    /// From behind `<` to behind `>`.
    private mutating func readBrackets() -> Bool {
        guard !words.contains(.special(UInt8(ascii: "@"))) else { return false }
        var inner: [FieldLexer.Token] = []
        while let token = lexer.next(), token != .broken {
            guard token == .special(UInt8(ascii: ">")) else {
                inner.append(token)
                continue
            }
            // obs-route = "@" domain *( "," "@" domain ) ":"
            var spec = inner[...]
            if spec.first == .special(UInt8(ascii: "@")), let colon = spec.firstIndex(of: .special(UInt8(ascii: ":"))) {
                spec = spec[(colon + 1)...]
            }
            guard let address = Self.address(spec) else { return false }
            addresses.append(address)
            words = []
            isComplete = true
            return true
        }
        return false
    }

    // addr-spec = local-part "@" domain
    private static func address(_ tokens: ArraySlice<FieldLexer.Token>) -> EmailAddress? {
        guard let at = tokens.lastIndex(of: .special(UInt8(ascii: "@"))) else { return nil }
        guard let local = dotted(tokens[..<at], allowsQuotes: true) else { return nil }
        let domainTokens = tokens[(at + 1)...]
        if domainTokens.count == 1, case .literal(let literal)? = domainTokens.first {
            return EmailAddress(localPart: local, domain: String(decoding: literal, as: UTF8.self))
        }
        return dotted(domainTokens, allowsQuotes: false).map { EmailAddress(localPart: local, domain: $0) }
    }

    // word *( "." word )
    private static func dotted(_ tokens: ArraySlice<FieldLexer.Token>, allowsQuotes: Bool) -> String? {
        var octets: [UInt8] = []
        var wantsWord = true
        for token in tokens {
            switch token {
            case .atom(let part) where wantsWord: octets += part
            case .quoted(let part) where wantsWord && allowsQuotes: octets += part
            case .special(UInt8(ascii: ".")) where !wantsWord: octets.append(UInt8(ascii: "."))
            default: return nil
            }
            wantsWord.toggle()
        }
        return wantsWord ? nil : String(decoding: octets, as: UTF8.self)
    }
}
