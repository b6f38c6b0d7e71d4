public import MailTypes

/// Everything that `sluice.toml` says: all but the chain.
public struct ServerConfiguration: Sendable, Hashable {
    /// The server's own name in greetings, Received fields and reports.
    public var hostname = "localhost"
    /// The folder of directory, queue, mailboxes, traces and keys.
    public var data = "/var/lib/sluice"
    /// The folder of the chain's files.
    public var filters = "filters.d"
    /// The folder of rules that add to those of the program; it may be missing.
    public var rules = "rules.d"
    public var tls = TLS()
    public var dns = DNS()
    public var listeners: [Listener] = []
    public var limits = Limits()
    public var queue = Queue()
    public var delivery = Delivery()
    public var auth = Auth()
    public var addresses = Addresses()
    public var chain = Chain()
    public var memory = Memory()
    public var log = Log()
    public var metrics = Metrics()
    public var trace = Trace()
    public var sandbox = Sandbox()
    public var clamav = ClamAV()
    public var dmarcReports = Reports()
    public var tlsReports = TLSReports()
    public var quarantine = Quarantine()
    public var run = Run()
    public var autoreply = Autoreply()
    public var events = Events()

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
        /// A file of the public suffix list; `nil`: the system's.
        public var publicSuffixes: String?
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
        /// Octets that may wait for the disk; more is refused with 451.
        public var pendingLimit: ByteCount = "256MB"
        /// Octets of new messages kept in memory for the delivery that follows.
        public var recentLimit: ByteCount = "32MB"
        /// Crashes in the middle of a message's delivery after which it is held.
        public var crashLimit = 3
        /// Threads that write and sync at the same time.
        public var lanes = 8
        public init() {}
    }

    /// `[delivery]`
    public struct Delivery: Sendable, Hashable {
        public enum AddressFamily: String, Sendable, Hashable, Codable, CaseIterable {
            case preferIPv6 = "prefer-ipv6"
            case preferIPv4 = "prefer-ipv4"
            case onlyIPv6 = "only-ipv6"
            case onlyIPv4 = "only-ipv4"
        }

        /// How much TLS is asked of mail exchangers.
        public enum Security: String, Sendable, Hashable, Codable, CaseIterable {
            /// Never.
            case none
            /// Where it is offered, any certificate. RFC 7435.
            case opportunistic
            /// TLS, or no delivery; any certificate.
            case required
            /// TLS with a certificate that DANE or a trusted authority proves.
            case verified
            /// TLS that DANE proves. RFC 7672.
            case dane
            /// TLS as the domain's MTA-STS policy wants it, which must be in force. RFC 8461.
            case mtaSTS = "mta-sts"
        }

        /// `[[delivery.tls_policy]]`: how much TLS is asked of the exchangers of one domain.
        public struct TLSPolicy: Sendable, Hashable {
            /// `example.org`, or `.example.org` for all domains below it.
            public var domain = ""
            public var tls = Security.opportunistic
            /// Whether its TLSA records are kept.
            public var dane = true
            /// Whether its MTA-STS policy is kept.
            public var mtaSTS = true
            /// Where it stands.
            public var location = SourceLocation(file: "")
            public init() {}
        }

        /// `[delivery.mta_sts]`: how domains' policies are fetched. RFC 8461.
        public struct MTASTS: Sendable, Hashable {
            /// Whether they are, and kept.
            public var enabled = true
            /// The port of the servers that they are fetched from.
            public var port = 443
            /// How long a fetch may take.
            public var timeout: Interval = "30s"
            /// Policies that are kept.
            public var capacity = 100_000
            public init() {}
        }

        /// Connections at the same time, in all.
        public var maxConnections = 500
        /// Connections at the same time to one destination.
        public var maxConnectionsPerDestination = 20
        /// Messages sent over one connection before it is closed.
        public var maxMessagesPerConnection = 100
        /// How long a connection is kept for the next message; zero: it is closed at once.
        public var keepConnection: Interval = "2s"
        /// Recipients of one transaction with another server. RFC 5321 §4.5.3.1.8.
        public var maxRecipients = 100
        /// Addresses of one destination that are tried in one attempt.
        public var maxHosts = 8
        /// Threads that write into mailboxes.
        public var localThreads = 4
        /// The port of mail exchangers.
        public var port = 25
        public var family = AddressFamily.preferIPv6
        /// Own addresses to connect from: at most one IPv4 and one IPv6.
        public var sourceAddresses: [IPAddress] = []
        /// Mail exchangers on loopback and private addresses are not connected to.
        public var refusePrivateExchangers = true
        public var tls = Security.opportunistic
        /// Where that stands; `nil`: nowhere.
        public var tlsLocation: SourceLocation?
        /// Whether TLSA records are kept, where `[dns] dnssec` validates them. RFC 7672.
        public var dane = true
        public var mtaSTS = MTASTS()
        public var tlsPolicies: [TLSPolicy] = []
        /// PEM certificates that verified TLS trusts; `nil`: those of the system.
        public var trustRoots: String?
        /// Octets of a message that a report brings back; of a longer one only the header. RFC 3461 §4.3.
        public var maxReturned: ByteCount = "50000"
        /// Received fields that a message may have before it is held. RFC 5321 §6.3.
        public var maxReceived = 100
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
        public var quit: Interval = "10s"
        public init() {}
    }
}
