/// Who sends and who receives, apart from what the message itself claims. RFC 5321 §2.3.1.
public struct Envelope: Sendable, Hashable, Codable {
    /// The reverse-path of `MAIL FROM`; `nil` is the null path `<>` of a bounce.
    public var sender: EmailAddress?
    public var parameters: MailParameters
    public var recipients: [EnvelopeRecipient]

    public init(
        sender: EmailAddress?, parameters: MailParameters = MailParameters(), recipients: [EnvelopeRecipient] = []
    ) {
        self.sender = sender
        self.parameters = parameters
        self.recipients = recipients
    }
}

/// One `RCPT TO` as it was said.
public struct EnvelopeRecipient: Sendable, Hashable, Codable {
    public var address: EmailAddress
    public var parameters: RecipientParameters

    public init(_ address: EmailAddress, parameters: RecipientParameters = RecipientParameters()) {
        self.address = address
        self.parameters = parameters
    }
}

/// The parameters of `MAIL FROM` that matter after the reply.
public struct MailParameters: Sendable, Hashable, Codable {
    /// How the body is encoded. RFC 6152, RFC 3030.
    public enum Body: String, Sendable, Hashable, Codable {
        case sevenBit = "7BIT"
        case eightBitMIME = "8BITMIME"
        case binaryMIME = "BINARYMIME"
    }

    /// What a failure report should carry back. RFC 3461 §4.3.
    public enum Return: String, Sendable, Hashable, Codable {
        case full = "FULL"
        case headers = "HDRS"
    }

    /// The size in octets that the client declared. RFC 1870 §3.
    public var size: Int?
    public var body: Body?
    /// Addresses and header may be UTF-8. RFC 6531 §3.4.
    public var smtpUTF8 = false
    public var ret: Return?
    /// The client's own id of the envelope, decoded from xtext. RFC 3461 §4.4.
    public var envelopeID: String?
    /// Every hop must use verified TLS. RFC 8689.
    public var requireTLS = false

    public init() {}
}

/// The parameters of `RCPT TO`. RFC 3461 §4.1 and §4.2.
public struct RecipientParameters: Sendable, Hashable, Codable {
    /// When the sender wants to hear of this recipient.
    public struct Notify: OptionSet, Sendable, Hashable, Codable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        public static let success = Self(rawValue: 1)
        public static let failure = Self(rawValue: 2)
        public static let delay = Self(rawValue: 4)
        /// `NOTIFY=NEVER`.
        public static let never = Self([])
        /// What holds where the client says nothing. RFC 3461 §4.1.
        public static let usual: Self = [.failure, .delay]
    }

    /// `nil`: the client did not say.
    public var notify: Notify?
    /// The address the sender first wrote, with its type: `rfc822;anna@example.org`, decoded.
    public var originalRecipient: String?

    public init() {}

    /// ``originalRecipient`` in ASCII, as far as its type knows a form for that: an address of type `utf-8` with
    /// `\x{FC}` for `ü` and for what xtext would encode. RFC 6533 §3.
    public var asciiOriginalRecipient: String? {
        guard let originalRecipient, originalRecipient.utf8.prefix(6).equalsIgnoringCase("utf-8;") else {
            return originalRecipient
        }
        var written = String.UnicodeScalarView()
        for scalar in originalRecipient.unicodeScalars {
            if scalar.value > 0x20, scalar.value < 0x7F, scalar != "+", scalar != "=" {
                written.append(scalar)
            } else {
                let digits = String(scalar.value, radix: 16, uppercase: true)
                written += "\\x{\(digits.count < 2 ? "0" : "")\(digits)}".unicodeScalars
            }
        }
        return String(written)
    }
}
