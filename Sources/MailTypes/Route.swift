/// How one recipient's copy leaves the queue.
public enum Route: Sendable, Hashable, Codable {
    /// Into a mailbox of this server.
    case mailbox(EmailAddress)
    /// To the mail exchangers of the recipient's domain, as DNS names them. RFC 5321 §5.
    case exchanger(domain: String)
    /// To a named host, without asking for MX records.
    case host(RelayHost)
    /// Nowhere: taken, and thrown away.
    case discard
}

/// A server that mail is handed to by name or address.
public struct RelayHost: Sendable, Hashable, Codable {
    public enum Language: String, Sendable, Hashable, Codable {
        case smtp, lmtp
    }

    /// How much TLS is asked for.
    public enum Security: String, Sendable, Hashable, Codable, CaseIterable {
        /// Never.
        case none
        /// STARTTLS where it is offered, any certificate. RFC 7435.
        case opportunistic
        /// STARTTLS, or no delivery; any certificate.
        case required
        /// STARTTLS with a certificate that names the host and is trusted.
        case verified
        /// TLS from the first octet, certificate verified. RFC 8314.
        case implicit
    }

    public var name: String
    public var port: Int
    public var language: Language
    public var security: Security
    /// The name under which a login is kept in the directory; the secret itself never lies in the queue.
    public var credential: String?
    /// Who is tried in this order while the ones before cannot take mail; theirs are not heeded.
    public var fallbacks: [RelayHost] = []

    public init(
        name: String, port: Int = 25, language: Language = .smtp, security: Security = .opportunistic,
        credential: String? = nil
    ) {
        self.name = name
        self.port = port
        self.language = language
        self.security = security
        self.credential = credential
    }
}

extension RelayHost {
    private enum CodingKeys: CodingKey {
        case name, port, language, security, credential, fallbacks
    }

    /// What records of older versions lack has its default.
    public init(from decoder: any Decoder) throws {
        let record = try decoder.container(keyedBy: CodingKeys.self)
        name = try record.decode(String.self, forKey: .name)
        port = try record.decode(Int.self, forKey: .port)
        language = try record.decode(Language.self, forKey: .language)
        security = try record.decode(Security.self, forKey: .security)
        credential = try record.decodeIfPresent(String.self, forKey: .credential)
        fallbacks = try record.decodeIfPresent([RelayHost].self, forKey: .fallbacks) ?? []
    }

    public func encode(to encoder: any Encoder) throws {
        var record = encoder.container(keyedBy: CodingKeys.self)
        try record.encode(name, forKey: .name)
        try record.encode(port, forKey: .port)
        try record.encode(language, forKey: .language)
        try record.encode(security, forKey: .security)
        try record.encodeIfPresent(credential, forKey: .credential)
        if !fallbacks.isEmpty { try record.encode(fallbacks, forKey: .fallbacks) }
    }
}

/// What becomes of one recipient's copy.
public enum Disposition: String, Sendable, Hashable, Codable {
    case deliver
    /// Delivered, marked, into the Junk folder.
    case junk
    /// Kept where only a person can release it.
    case quarantine
}
