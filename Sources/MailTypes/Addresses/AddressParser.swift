/// Reads addresses: those of the SMTP protocol, and those that a person or a file writes.
///
/// There is one reading of an address in the whole server, and it is strict: what the grammar of
/// RFC 5321 §4.1.2 does not allow is refused, not guessed at, for a second reading elsewhere is how
/// `user%there@here` and `"user@there"@here` have opened relays. Three decisions go beyond the grammar:
///
/// - An underscore may stand in a domain wherever a letter may: hosts with such names send real mail.
/// - An empty quoted local part (`""@example.org`) is refused: no mailbox has no name.
/// - Labels that begin with `xn--` are taken as they are, and so are U-labels where UTF-8 is allowed;
///   turning one into the other takes IDNA's tables, which the front-end has.
public enum AddressParser {
    /// What an address may look like; lengths are in octets.
    public struct Options: Sendable, Hashable {
        /// UTF-8 in local part and domain. RFC 6531 §3.3.
        public var allowsUTF8: Bool
        /// The longest local part, counted without quotes and backslashes. RFC 5321 §4.5.3.1.1.
        public var maxLocalPart: Int

        public init(allowsUTF8: Bool = false, maxLocalPart: Int = AddressParser.maxLocalPart) {
            self.allowsUTF8 = allowsUTF8
            self.maxLocalPart = maxLocalPart
        }

        /// What files and databases hold: all that ever came in by some listener.
        public static let stored = Options(allowsUTF8: true, maxLocalPart: maxPath)
    }

    /// RFC 5321 §4.5.3.1.1. Longer ones are seen in the wild; a listener may let them in.
    public static let maxLocalPart = 64
    /// RFC 5321 §4.5.3.1.2.
    public static let maxDomain = 255
    /// With its angle brackets. RFC 5321 §4.5.3.1.3.
    public static let maxPath = 256
    /// RFC 1035 §2.3.4.
    public static let maxLabel = 63

    /// Why something is no address.
    public struct Malformed: Error, Hashable, Sendable {
        public enum Reason: String, Sendable, Hashable {
            /// Not what the grammar allows.
            case syntax = "is not an address such as user@example.org"
            /// Local part, domain, label or path is longer than RFC 5321 §4.5.3.1 allows.
            case tooLong = "is longer than an address may be"
            /// Octets beyond ASCII where SMTPUTF8 was not asked for, or octets that are no UTF-8.
            case nonASCIINotAllowed = "has characters beyond ASCII where they are not allowed"
            /// Not `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
            case badLiteral = "has an address literal of an unknown form"
            case controlCharacter = "has a control character in it"
        }

        public let reason: Reason
    }

    /// Reads `user@example.org`, as a person or a file writes it, without angle brackets.
    public static func mailbox(_ text: String) throws(Malformed) -> EmailAddress {
        try mailbox(Array(text.utf8)[...], options: .stored)
    }

    /// Reads a mailbox that is all of `octets`. RFC 5321 §4.1.2 (Mailbox).
    public static func mailbox(
        _ octets: ArraySlice<UInt8>, options: Options = Options()
    ) throws(Malformed) -> EmailAddress {
        var scanner = AddressScanner(octets, options: options)
        let address = try scanner.mailbox()
        guard scanner.isAtEnd else { throw scanner.refusal() }
        return address
    }

    /// Reads a domain or an address literal that is all of `text`, and returns it in lower case.
    ///
    /// For `EHLO` and for domains that a person writes. RFC 5321 §4.1.2 (Domain), §4.1.3.
    public static func domain(_ text: String, allowsUTF8: Bool = true) throws(Malformed) -> String {
        var scanner = AddressScanner(Array(text.utf8)[...], options: Options(allowsUTF8: allowsUTF8))
        let domain = try scanner.domainOrLiteral()
        guard scanner.isAtEnd else { throw scanner.refusal() }
        return domain
    }
}

extension AddressParser.Malformed: CustomStringConvertible {
    public var description: String { reason.rawValue }
}

extension EmailAddress {
    /// Whether the local part asks this host to hand the mail on: `user%there`, `there!user`,
    /// `"user@there"`, `"@a,@b:user"`.
    ///
    /// Such a local part is legal and may be somebody's name, but a server that reads it a second
    /// time is an open relay. RFC 2505 §2.1, RFC 5321 §3.6.1 and appendix F.2.
    public var hasRoutingLocalPart: Bool {
        localPart.utf8.contains { octet in
            octet == UInt8(ascii: "%") || octet == UInt8(ascii: "!") || octet == UInt8(ascii: "@")
        }
    }

    /// Whether the domain is an address literal, `[192.0.2.1]`. RFC 5321 §4.1.3.
    public var hasLiteralDomain: Bool { domain.utf8.first == UInt8(ascii: "[") }
}
