public import MailTypes

/// Everything that `sluice.toml` says: all but the chain.
public struct ServerConfiguration: Sendable, Hashable {
    /// The server's own name in greetings, Received fields and reports.
    public var hostname = "localhost"
    /// The folder of directory, queue, mailboxes, traces and keys.
    public var data = "/var/lib/sluice"
    /// The folder of the chain's files.
    public var filters = "filters.d"
    public var tls = TLS()
    public var dns = DNS()
    public var listeners: [Listener] = []
    public var queue = Queue()
    public var delivery = Delivery()
    public var auth = Auth()
    public var chain = Chain()
    public var log = Log()
    public var metrics = Metrics()
    public var trace = Trace()
    public var run = Run()

    /// The file it was read from; `nil`: built in.
    public var file: String?

    public init() {}

    /// What is used where there is no file: protocols on unprivileged ports of this machine alone.
    public static let `default`: ServerConfiguration = {
        var configuration = ServerConfiguration()
        configuration.listeners = [
            Listener(.smtp, bind: [.loopback(port: 2525)]),
            Listener(.submission, bind: [.loopback(port: 2587)]),
            Listener(.lmtp, bind: [.loopback(port: 2424)]),
        ]
        return configuration
    }()
}

// MARK: - Sections

extension ServerConfiguration {
    /// `[tls]`: the certificates that listeners show.
    public struct TLS: Sendable, Hashable {
        /// PEM files: the certificate with its chain, and its key.
        public var certificate: String?
        public var key: String?
        /// `[[tls.names]]`: further names, chosen by SNI. RFC 6066 §3.
        public var names: [Name] = []

        public struct Name: Sendable, Hashable {
            /// `mail.example.org`, or `*.example.org`.
            public var name: String = ""
            public var certificate: String = ""
            public var key: String = ""
            public init() {}
        }

        public init() {}

        /// Whether there is a certificate for those that ask for no name, or for an unknown one.
        public var isConfigured: Bool { certificate != nil && key != nil }
    }

    /// `[dns]`: whom names are asked of.
    public struct DNS: Sendable, Hashable {
        /// Recursive servers, as `address:port`; empty: as in resolv.conf.
        public var servers: [ServerAddress] = []
        /// Whether answers are validated, which needs servers that pass on signatures. RFC 4035.
        public var dnssec = false
        /// The root's keys for that.
        public var trustAnchor = "/usr/share/dns/root.key"
        public init() {}
    }

    /// `[queue]`
    public struct Queue: Sendable, Hashable {
        /// How long mail is tried. RFC 5321 §4.5.4.1.
        public var giveUpAfter: Interval = "30h"
        /// When the sender is told that it takes long; zero: never.
        public var warnAfter: Interval = "4h"
        /// The wait after the first attempt.
        public var retryFirst: Interval = "5m"
        /// No wait is longer.
        public var retryLongest: Interval = "4h"
        /// How much longer each wait is than the one before.
        public var retryFactor = 1.7
        /// Larger messages lie in files of their own, not in the journal.
        public var inlineLimit: ByteCount = "256KB"
        /// The size of the journal's segments.
        public var segmentSize: ByteCount = "64MB"
        /// Free space of the file system below which no mail is taken: 452 4.3.1.
        public var reserve: ByteCount = "64MB"
        /// Free inodes below which no mail is taken.
        public var inodeReserve = 1000
        public init() {}
    }

    /// `[delivery]`
    public struct Delivery: Sendable, Hashable {
        public enum AddressFamily: String, Sendable, Hashable, Codable, CaseIterable {
            case any, ipv4, ipv6
        }

        /// How much TLS is asked of mail exchangers.
        public enum Security: String, Sendable, Hashable, Codable, CaseIterable {
            /// Never.
            case none
            /// Where it is offered, any certificate. RFC 7435.
            case opportunistic
            /// TLS, or no delivery; any certificate.
            case required
            /// TLS with a trusted certificate that names the host.
            case verified
        }

        /// Connections at the same time, in all.
        public var maxConnections = 200
        /// Connections at the same time to one destination.
        public var maxConnectionsPerDestination = 10
        /// Messages sent over one connection before it is closed.
        public var maxMessagesPerConnection = 100
        /// How long a connection is kept for the next message; zero: it is closed at once.
        public var keepConnection: Interval = "5s"
        /// Messages delivered into mailboxes at the same time.
        public var maxLocalDeliveries = 20
        /// The port of mail exchangers.
        public var port = 25
        public var family = AddressFamily.any
        /// Own addresses to connect from: at most one IPv4 and one IPv6.
        public var sourceAddresses: [IPAddress] = []
        public var tls = Security.opportunistic
        public var timeouts = Timeouts()
        public init() {}
    }
}

extension ServerConfiguration.Delivery {
    /// `[delivery.timeouts]`: how long the other server is waited for. RFC 5321 §4.5.3.2.
    public struct Timeouts: Sendable, Hashable {
        public var connect: Interval = "30s"
        public var greeting: Interval = "5m"
        public var hello: Interval = "5m"
        public var tls: Interval = "1m"
        public var mail: Interval = "5m"
        public var recipient: Interval = "5m"
        public var data: Interval = "2m"
        /// For each piece of the message to be taken.
        public var block: Interval = "3m"
        /// From the final dot to the reply.
        public var final: Interval = "10m"
        public var quit: Interval = "5s"
        public init() {}
    }
}
