extension SMTPServerMachine {
    /// What a listener speaks, and every limit that is the machine's to keep.
    public struct Configuration: Sendable, Hashable {
        /// The server's own name, in the greeting and in the reply to EHLO.
        public var hostname: String
        public var language: Language
        /// What the greeting of the driver and HELP call this server.
        public var software = "Sluice"

        /// The largest message in octets, dots unstuffed; 0 = no limit. RFC 1870.
        public var maxMessageSize = 50 * 1024 * 1024
        /// Accepted recipients of one transaction; RFC 5321 §4.5.3.1.8 asks for 100 at least.
        public var maxRecipients = 1000
        /// Permanently refused recipients of one connection: who guesses addresses is sent away.
        public var maxRefusedRecipients = 100
        /// `MAIL` commands of one connection that get as far as a transaction. RFC 9422 §4.1.
        public var maxTransactions = 1000
        /// Mistakes of one connection, before 421 4.7.0 and the close.
        public var maxErrors = 20
        /// Unknown commands before the first hello, before 421 and the close.
        public var maxUnknownBeforeHello = 3
        /// NOOP, RSET, HELP, VRFY, repeated hellos … between two messages.
        public var maxJunkCommands = 100
        /// Octets of a command line with its line end. RFC 5321 §4.5.3.1.4 and the extensions' additions.
        public var maxCommandLine = 4096
        /// Octets of a line of text with its line end; 0 = no limit. RFC 5321 §4.5.3.1.6.
        public var maxTextLine = 0

        public var lineEnds = LineEnds.strict
        /// A certificate is configured and the listener begins in the clear.
        public var offersStartTLS = false
        /// 530 5.7.0 for `MAIL` outside TLS.
        public var requiresTLS = false
        /// `PLAIN` and `LOGIN`, in the order they are announced; empty: no AUTH here.
        public var authMechanisms: [String] = []
        /// Passwords may cross the network in the clear.
        public var authWithoutTLS = false
        /// 530 5.7.0 for `MAIL` of a client that has not logged in. RFC 6409 §4.3.
        public var requiresAuth = false
        public var extensions = Extension.usual
        /// What talking before the greeting and illegal pipelining costs.
        public var syncViolation = SyncViolation.refuse

        public init(hostname: String, language: Language = .smtp) {
            self.hostname = hostname
            self.language = language
        }
    }

    public enum Language: String, Sendable, Hashable, CaseIterable {
        case smtp, submission, lmtp
    }

    /// What happens to a message in which CR or LF stand alone. RFC 5321 §2.3.8.
    public enum LineEnds: String, Sendable, Hashable, CaseIterable {
        /// It is read to its real end and refused with 550 5.6.0.
        case strict
        /// Each becomes CR LF. A line ended so never ends the message.
        case clean
    }

    /// What a client pays that does not wait for a reply it must wait for. RFC 2920 §3.1.
    public enum SyncViolation: String, Sendable, Hashable, CaseIterable {
        /// 554 5.5.0 and the close, for who has not logged in.
        case refuse
        /// Nothing; ``SMTPServerMachine/pipelinedWrongly`` and ``SMTPServerMachine/spokeEarly`` tell the chain.
        case note
    }

    /// A service extension that a listener may offer. STARTTLS and AUTH have switches of their own.
    public enum Extension: String, Sendable, Hashable, CaseIterable {
        case pipelining = "PIPELINING"  // RFC 2920
        case size = "SIZE"  // RFC 1870
        case eightBitMIME = "8BITMIME"  // RFC 6152
        case smtpUTF8 = "SMTPUTF8"  // RFC 6531
        case chunking = "CHUNKING"  // RFC 3030 §2
        case binaryMIME = "BINARYMIME"  // RFC 3030 §3
        case enhancedStatusCodes = "ENHANCEDSTATUSCODES"  // RFC 2034
        case dsn = "DSN"  // RFC 3461
        case prdr = "PRDR"  // draft-hall-prdr
        case requireTLS = "REQUIRETLS"  // RFC 8689
        case limits = "LIMITS"  // RFC 9422
        /// For listed peers only: the driver takes it out for all others.
        case xclient = "XCLIENT"

        /// All but XCLIENT.
        public static let usual = Set(allCases).subtracting([.xclient])
    }
}
