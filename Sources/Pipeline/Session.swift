public import MailTypes

/// One connection of a client, as far as it has told about itself.
public struct Session: Sendable, Hashable, Codable {
    /// The language the client speaks; it decides what may be asked of it.
    public enum Language: String, Sendable, Hashable, Codable {
        case smtp, submission, lmtp
        /// Told by a mail server that asks this one as a milter, and does itself what follows.
        case milter
        /// Made by this server: reports, released mail, `sluice try`.
        case `internal`
    }

    /// How the client said hello; what a client that said HELO speaks is SMTP without extensions. RFC 5321 §4.1.1.1.
    public enum HelloVerb: String, Sendable, Hashable, Codable {
        case helo, ehlo, lhlo
    }

    /// What is known of the connection's encryption.
    public struct TLS: Sendable, Hashable, Codable {
        public var version: String
        public var cipher: String
        public var serverName: String?
        public init(version: String, cipher: String, serverName: String? = nil) {
            self.version = version
            self.cipher = cipher
            self.serverName = serverName
        }
    }

    /// Who has logged in.
    public struct User: Sendable, Hashable, Codable {
        /// The mailbox whose password was right.
        public var mailbox: EmailAddress
        /// The SASL mechanism.
        public var mechanism: String
        public init(mailbox: EmailAddress, mechanism: String) {
            self.mailbox = mailbox
            self.mechanism = mechanism
        }
    }

    public var language: Language
    /// The listener's name in `sluice.toml`.
    public var listener: String
    public var client: IPAddress
    public var clientPort: Int
    /// The argument of HELO, EHLO or LHLO.
    public var hello: String?
    /// `nil` also in records of older versions, which did not keep it.
    public var helloVerb: HelloVerb?
    /// The client's name in the DNS, where a listed proxy has looked it up and told it.
    public var clientName: String?
    /// What the client's address leads to in the DNS, whether or not that leads back; from a listed proxy, too.
    public var clientReverseName: String?
    /// Where the client connected to, where a listed proxy has told it.
    public var serverAddress: IPAddress?
    public var serverPort: Int?
    public var tls: TLS?
    public var user: User?
    /// The client spoke before the greeting.
    public var spokeEarly = false
    /// The client pipelined where it may not. RFC 2920 §3.1.
    public var pipelinedWrongly = false
    /// Each recipient can be answered for itself after the message: LMTP, and SMTP with PRDR.
    public var repliesPerRecipient = false

    public init(language: Language, listener: String = "", client: IPAddress, clientPort: Int = 0) {
        self.language = language
        self.listener = listener
        self.client = client
        self.clientPort = clientPort
        repliesPerRecipient = language == .lmtp
    }
}

extension Session {
    /// Who has asked holds the message and knows where it goes: what stages say of routes is not needed.
    var isRoutedElsewhere: Bool { language == .milter }
}
