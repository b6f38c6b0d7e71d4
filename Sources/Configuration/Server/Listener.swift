public import MailTypes

/// `[[listener]]`: one protocol on one or more sockets.
public struct Listener: Sendable, Hashable {
    public enum Language: String, Sendable, Hashable, Codable, CaseIterable {
        case smtp, submission, lmtp, milter
    }

    public enum TLSMode: String, Sendable, Hashable, Codable, CaseIterable {
        /// Never.
        case none
        /// When the client asks for it. RFC 3207.
        case starttls
        /// From the first octet. RFC 8314.
        case implicit
    }

    public enum Mechanism: String, Sendable, Hashable, Codable, CaseIterable {
        case plain = "PLAIN"  // RFC 4616
        case login = "LOGIN"
    }

    /// What happens to a message in which CR or LF stand alone. RFC 5321 §2.3.8.
    public enum LineEnds: String, Sendable, Hashable, Codable, CaseIterable {
        case strict, clean
    }

    /// What a client pays that does not wait for a reply it must wait for. RFC 2920 §3.1.
    public enum SyncViolation: String, Sendable, Hashable, Codable, CaseIterable {
        case refuse, note
    }

    /// A service extension that can be switched off.
    public enum ServiceExtension: String, Sendable, Hashable, Codable, CaseIterable {
        case pipelining = "PIPELINING"
        case size = "SIZE"
        case eightBitMIME = "8BITMIME"
        case smtpUTF8 = "SMTPUTF8"
        case chunking = "CHUNKING"
        case binaryMIME = "BINARYMIME"
        case enhancedStatusCodes = "ENHANCEDSTATUSCODES"
        case dsn = "DSN"
        case prdr = "PRDR"
        case requireTLS = "REQUIRETLS"
        case limits = "LIMITS"
    }

    public var language: Language
    /// In logs and metrics; no two listeners have the same.
    public var name: String
    public var bind: [BindAddress]
    public var tls: TLSMode
    /// A certificate of its own instead of `[tls]`.
    public var certificate: String?
    public var key: String?
    /// 530 5.7.0 for MAIL outside TLS.
    public var requiresTLS = false

    /// What may be used to log in; empty: nothing.
    public var auth: [Mechanism]
    /// Passwords may cross the network in the clear.
    public var authWithoutTLS = false
    /// 530 5.7.0 for MAIL of a client that has not logged in. RFC 6409 §4.3.
    public var requiresAuth: Bool

    /// Who may connect at all; empty: everybody.
    public var access: [Network] = []
    /// Proxies that tell the client's address in the PROXY protocol, and must.
    public var proxyFrom: [Network] = []
    /// Hosts that may use XCLIENT.
    public var xclientFrom: [Network] = []
    /// Networks that may ask for reports of success without a login. RFC 3461 §4.1.
    public var successReportsFrom: [Network] = []

    /// What the greeting calls the server after its name.
    public var banner = "Sluice"
    public var lineEnds = LineEnds.strict
    public var syncViolation = SyncViolation.refuse
    public var extensionsOff: [ServiceExtension] = []
    /// Who may connect to its sockets in the file system.
    public var socketMode: FileMode = "0660"
    public var limits = Limits()

    public init(_ language: Language, name: String? = nil, bind: [BindAddress] = []) {
        self.language = language
        self.name = name ?? language.rawValue
        self.bind = bind
        self.tls = language.usualTLS
        self.auth = language.usualMechanisms
        self.requiresAuth = language == .submission
        guard language == .milter else { return }
        // A mail server has a connection for each client, and keeps it as long as that stays.
        limits.maxConnectionsPerAddress = limits.maxConnections
        limits.commandTimeout = "2h"
    }
}

extension Listener {
    /// Every limit of a listener.
    public struct Limits: Sendable, Hashable {
        public var maxConnections = 5000
        /// From one address (IPv6: one /64).
        public var maxConnectionsPerAddress = 50
        /// Mistakes of one connection before 421 4.7.0.
        public var maxErrors = 20
        /// Unknown commands before the first hello.
        public var maxUnknownBeforeHello = 3
        /// NOOP, RSET, HELP, VRFY, repeated hellos between two messages.
        public var maxJunkCommands = 100
        /// Accepted recipients of one transaction. RFC 5321 §4.5.3.1.8.
        public var maxRecipients = 1000
        /// Refused recipients of one connection.
        public var maxRefusedRecipients = 100
        /// Transactions of one connection. RFC 9422.
        public var maxTransactions = 1000
        /// Looked at by MAIL, by RCPT and while the message flows; zero: no limit. RFC 1870.
        public var messageSize: ByteCount = "50MB"
        public var headerSize: ByteCount = "1MB"
        public var headerFields = 1000
        /// A command with its line end. RFC 5321 §4.5.3.1.4.
        public var commandLine: ByteCount = "4KB"
        /// A line of a message with its line end; zero: no limit. RFC 5321 §4.5.3.1.6.
        public var textLine: ByteCount = "0"
        /// How long the greeting is held back, to see who cannot wait for it.
        public var greetDelay: Interval = "0s"
        /// From the last reply to the end of the next command, however its octets trickle in.
        /// RFC 5321 §4.5.3.2.7. For milters it is two hours: no server says anything while its client thinks.
        public var commandTimeout: Interval = "5m"
        /// Silence in the middle of a message. RFC 5321 §4.5.3.2.5.
        public var dataTimeout: Interval = "3m"
        /// How long replies may lie unread.
        public var writeTimeout: Interval = "1m"
        /// From STARTTLS, or the connection, to the end of the handshake.
        public var tlsTimeout: Interval = "30s"
        /// Until the whole PROXY header has come.
        public var proxyTimeout: Interval = "5s"
        /// Octets of a message per second on average, after ``rateGrace``; zero: any.
        public var minimumRate: ByteCount = "100"
        public var rateGrace: Interval = "1m"
        public init() {}
    }
}

extension Listener.Language {
    public var usualTLS: Listener.TLSMode { self == .lmtp || self == .milter ? .none : .starttls }
    public var usualMechanisms: [Listener.Mechanism] { self == .submission ? [.plain, .login] : [] }
}
