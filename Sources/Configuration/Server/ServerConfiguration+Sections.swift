public import MailTypes

extension ServerConfiguration {
    /// `[limits]`: what all listeners share.
    public struct Limits: Sendable, Hashable {
        /// Connections of all listeners at once; never more than the process may open files.
        public var maxConnections = 20_000
        /// From one address (IPv6: one /64).
        public var maxConnectionsPerAddress = 200
        /// TLS handshakes under way at once: each costs milliseconds of a core.
        public var maxHandshakes = 500
        /// Octets of a message in memory before it goes to a file.
        public var contentMemory: ByteCount = "256KB"
        /// Octets of messages from one address that have not come to their end; zero: no limit.
        public var maxUnfinishedPerAddress: ByteCount = "1GB"
        public var unfinishedForgiven: Interval = "1m"
        /// Threads that write large messages to disk.
        public var spoolThreads = 4
        public init() {}
    }

    /// `[addresses]`
    public struct Addresses: Sendable, Hashable {
        /// Divides `anna+news` into mailbox and detail; empty: nothing does. RFC 5233.
        public var detailSeparator = "+"
        /// Domains, their aliases and relay domains take no mail before a record in DNS has proven whose they are.
        public var verifyDomains = false
        public init() {}
    }

    /// `[memory]`: what stages remember from one message to the next.
    public struct Memory: Sendable, Hashable {
        /// Keys of one table; beyond, those not seen for longest go.
        public var capacity = 1_000_000
        /// What a crash may lose.
        public var writeEvery: Interval = "2s"
        public init() {}
    }

    /// `[auth]`: what failed logins cost, on all listeners together. RFC 4954 §6.
    public struct Auth: Sendable, Hashable {
        /// Failures from one address (IPv6: one /64) within ``window`` before it is refused unheard.
        public var maxFailuresPerAddress = 20
        /// Failures for one account within ``window`` before strange addresses are refused.
        public var maxFailuresPerAccount = 50
        public var window: Interval = "10m"
        /// The wait before the reply to the first failure, doubled for each further one.
        public var firstDelay: Interval = "500ms"
        public var longestDelay: Interval = "10s"
        /// Threads that compare passwords, each of which keeps a core busy for tens of milliseconds.
        public var passwordThreads = 2
        /// Logins that may wait for one of them; further ones are asked to come back later.
        public var maxWaiting = 256
        /// How long a right password is remembered, as a keyed digest; zero: not at all.
        public var remember: Interval = "5m"
        public init() {}
    }

    /// `[chain]`: what holds for all stages.
    public struct Chain: Sendable, Hashable {
        public enum OnMixed: String, Sendable, Hashable, Codable, CaseIterable {
            /// A recipient with a policy of its own is asked to come in a transaction of its own: 451 4.5.3.
            case split
            /// All are taken; who would have refused the message gets it as junk.
            case junk
        }

        public var onMixed = OnMixed.split
        /// Who gets the mail of `postmaster` where a domain has no such mailbox. RFC 5321 §4.5.1.
        public var postmaster: EmailAddress?
        public init() {}
    }

    /// `[log]`: lines on standard error.
    public struct Log: Sendable, Hashable {
        public enum Format: String, Sendable, Hashable, Codable, CaseIterable {
            case logfmt, json
        }

        public enum Level: String, Sendable, Hashable, Codable, CaseIterable {
            case trace, debug, info, notice, warning, error, critical
        }

        public var format = Format.logfmt
        public var level = Level.info
        public init() {}
    }

    /// `[metrics]`: an HTTP listener for Prometheus.
    public struct Metrics: Sendable, Hashable {
        /// Empty: none.
        public var bind: [BindAddress] = []
        public init() {}
    }

    /// `[trace]`: how long verdicts can be explained and judged again.
    public struct Trace: Sendable, Hashable {
        public enum Messages: String, Sendable, Hashable, Codable, CaseIterable {
            /// Findings and facts alone.
            case none
            /// With the header.
            case header
            /// With the whole message.
            case whole
        }

        public var keepFor: Interval = "30d"
        public var keepMessages = Messages.header
        /// Messages longer than this are not kept with their trace.
        public var maxMessage: ByteCount = "1MB"
        /// All traces together; the oldest go first.
        public var maxSize: ByteCount = "1GB"
        public init() {}
    }

    /// `[sandbox]`: where C libraries read what strangers send.
    public struct Sandbox: Sendable, Hashable {
        public enum Isolation: String, Sendable, Hashable, Codable, CaseIterable {
            /// In processes that may do nothing but compute.
            case process
            /// In the server's own process.
            case none
        }

        public var isolation = Isolation.process
        /// Processes, or threads where there is no isolation.
        public var workers = 2
        /// Jobs after which a worker is replaced.
        public var jobsPerWorker = 10_000
        /// How long a worker may compute for one job.
        public var jobTimeout: Interval = "10s"
        /// What a worker may map beyond the program itself.
        public var memory: ByteCount = "256MB"
        /// Jobs that wait for a worker; more fail at once.
        public var maxWaiting = 1000
        public init() {}
    }

    /// `[clamav]`: what messages are scanned for viruses with, where the chain has the stage `clamav`.
    public struct ClamAV: Sendable, Hashable {
        /// The folder with the virus databases, as freshclam writes them.
        public var database = "/var/lib/clamav"
        /// Messages that are scanned at once.
        public var workers = 2
        /// Messages after which a scanner is replaced.
        public var scansPerWorker = 1000
        /// How long one message may be scanned; what is left then is not looked at, and it is told.
        public var maxTime: Interval = "15s"
        /// How long a scanner may take before it is killed.
        public var timeout: Interval = "20s"
        /// What a scanner may map beyond the program and the databases.
        public var memory: ByteCount = "1GB"
        /// Octets that are unpacked of one message.
        public var maxScanSize: ByteCount = "400MB"
        /// Octets of one file in it.
        public var maxFileSize: ByteCount = "100MB"
        /// Files that are unpacked of one message.
        public var maxFiles = 10_000
        /// Files in files in files.
        public var maxNesting = 17
        /// Where scanners make a folder to unpack in.
        public var folder = "/dev/shm"
        /// Where clamd listens, for stages that ask it: the first that answers scans.
        public var servers: [BindAddress] = [.unix(path: "/run/clamav/clamd.ctl")]
        /// Messages that are with clamd at once.
        public var connections = 4
        public init() {}
    }

    /// `[dmarc_reports]`, and what `[tls_reports]` has of the same: what owners of domains are sent. RFC 7489 §7.2.
    public struct Reports: Sendable, Hashable {
        public var send = false
        /// Who reports; `nil`: the server's name.
        public var organization: String?
        /// Whom the mails are from; `nil`: the server's postmaster.
        public var from: EmailAddress?
        /// An address or a page for those who have questions.
        public var contact: String?
        /// The hour of UTC from which on the day before is reported on.
        public var hour = 2
        /// A larger mail is not sent.
        public var maxSize: ByteCount = "10MB"
        /// Addresses that one report goes to.
        public var maxDestinations = 5
        /// Mails of one day.
        public var maxReports = 1000
        public init() {}
    }

    /// `[tls_reports]`: what owners of domains are sent of TLS with their exchangers. RFC 8460.
    public struct TLSReports: Sendable, Hashable {
        public var reports = Reports()
        /// Whether sessions are counted.
        public var gather = true
        /// Reports go at moments of their own within so long.
        public var spread: Interval = "4h"
        public init() {}
    }

    /// `[quarantine]`: messages that a stage has put aside.
    public struct Quarantine: Sendable, Hashable {
        /// How long they are kept.
        public var keepFor: Interval = "30d"
        /// Whether the owners of mailboxes are told each day what is new there.
        public var digest = false
        /// The hour of UTC from which on they are told.
        public var digestHour = 6
        /// What a digest's links begin with.
        public var link = ""
        /// How long a link is good.
        public var linkLife: Interval = "7d"
        public init() {}
    }

    /// `[run]`: the process.
    public struct Run: Sendable, Hashable {
        /// Who the process becomes once its sockets are bound; `nil`: it stays who it is.
        public var user: String?
        /// `nil`: the user's own group.
        public var group: String?
        /// How long transactions under way may take to end when the server is told to stop.
        public var stopLimit: Interval = "30s"
        public init() {}
    }

    /// `[autoreply]`: mailboxes that answer by themselves.
    public struct Autoreply: Sendable, Hashable {
        /// Replies of one mailbox in an hour; to further mail there is none.
        public var maxPerHour = 100
        /// Senders of one mailbox that are remembered; there is no reply to further ones.
        public var maxSenders = 10_000
        public init() {}
    }
}
