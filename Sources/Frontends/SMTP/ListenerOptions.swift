public import MailTypes
public import Protocols

/// One listener of SMTP, submission, LMTP or the milter protocol: where it listens, what it speaks, and its limits.
public struct ListenerOptions: Sendable, Hashable {
    public enum TLSMode: String, Sendable, Hashable, CaseIterable {
        case none, starttls
        /// TLS from the first octet. RFC 8314 §3.
        case implicit
    }

    /// Its name in `sluice.toml`, logs and metrics.
    public var name: String
    public var bind: [BindAddress]
    /// What the protocol machine needs; ``tls`` decides `offersStartTLS`, ``xclientFrom`` the XCLIENT extension.
    public var machine: SMTPServerMachine.Configuration
    public var tls = TLSMode.none
    /// Mail servers ask here as of a milter, for clients of their own. Of ``machine`` hold the name and the limits of
    /// messages and recipients.
    public var isMilter = false

    /// Who may connect at all; empty: everybody.
    public var access: [Network] = []
    /// Peers that speak the PROXY protocol first, version 1 or 2; from all others it is no command.
    public var proxyFrom: [Network] = []
    /// Peers that may tell by XCLIENT for whom they speak.
    public var xclientFrom: [Network] = []
    /// Clients that hear of success where they ask for it, as everybody does who has logged in. RFC 3461 §4.1.
    public var successReportsFrom: [Network] = []

    /// How large a message's header may be.
    public var header = HeaderLimits()

    /// How long the greeting is held back, to see who cannot wait for it.
    public var greetDelay: Interval = "0s"
    /// Connections at once, in all and from one address (IPv6: from one /64).
    public var maxConnections = 1000
    public var maxConnectionsPerAddress = 50
    /// From the end of the last command or reply to the end of the next command, however its octets
    /// trickle in. RFC 5321 §4.5.3.2.7.
    public var commandTimeout: Interval = "5m"
    /// The longest pause within a message. RFC 5321 §4.5.3.2.5.
    public var dataTimeout: Interval = "3m"
    /// Octets per second that a message must reach on average, after ``rateGrace``; 0 = no limit.
    public var minimumRate = 100
    public var rateGrace: Interval = "1m"
    /// How long replies may lie unread before the connection is given up.
    public var writeTimeout: Interval = "1m"
    /// From STARTTLS, or the connection, to the end of the handshake.
    public var handshakeTimeout: Interval = "30s"
    /// Until the whole PROXY header has come.
    public var proxyTimeout: Interval = "5s"
    /// Connections that the kernel holds ready. listen(2).
    public var backlog = 1024
    /// Who may connect to its sockets in the file system: the mode of these. unix(7).
    public var socketMode = 0o660

    public init(name: String, bind: [BindAddress], machine: SMTPServerMachine.Configuration) {
        self.name = name
        self.bind = bind
        self.machine = machine
    }
}

/// Limits that all listeners share.
public struct ServerLimits: Sendable, Hashable {
    /// Connections of all listeners at once. Never more than the process may open files, less ``reservedDescriptors``:
    /// ``mostConnections(of:)``.
    public var maxConnections = 20_000
    public var maxConnectionsPerAddress = 200
    /// File descriptors kept for queue, logs, delivery and DNS.
    public var reservedDescriptors = 256
    /// TLS handshakes under way at once: each costs milliseconds of a core.
    public var maxHandshakes = 500
    /// Octets of a message in memory before it goes to a file.
    public var contentMemory = 256 << 10
    /// Octets of messages from one address (IPv6: one /64) that have not come to their end; what is broken
    /// off counts on for a while. 0 = no limit.
    public var maxUnfinishedPerAddress = 1 << 30
    /// In how long as much of that is forgiven as the limit allows.
    public var unfinishedForgiven: Interval = "1m"
    /// Octets read ahead of the machine; a client that pipelines more waits.
    public var maxInput = 64 << 10
    /// Octets of replies that may wait for a slow reader before no more of its commands are read.
    public var maxOutput = 16 << 10
    /// Threads that write large messages to disk.
    public var spoolThreads = 4
    /// How often deadlines are looked at.
    public var tick: Interval = "500ms"
    /// How often a mail server that has asked about a message as of a milter is told that the answer takes time;
    /// it waits for a reply for some time, which is minutes by default in Postfix and Sendmail.
    public var milterProgress: Interval = "5s"
    /// How long a stop waits for transactions under way.
    public var stopTimeout: Interval = "30s"
    public init() {}

    /// What ``maxConnections`` comes to where the process may open that many files. Half of few are for clients.
    public func mostConnections(of descriptors: Int) -> Int {
        let reserved = min(reservedDescriptors, descriptors / 2)
        return max(1, min(maxConnections, descriptors - reserved))
    }
}
