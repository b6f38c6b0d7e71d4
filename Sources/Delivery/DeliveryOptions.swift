public import MailTypes
public import Queue

/// A place on the network.
public struct ServerEndpoint: Sendable, Hashable {
    public var address: IPAddress
    public var port: Int

    public init(_ address: IPAddress, _ port: Int) {
        self.address = address
        self.port = port
    }
}

extension Set<ServerEndpoint> {
    /// Whether one of these would answer there: also by the unspecified address, which leads to this machine, and, of
    /// one that listens on all addresses, by each address of the loopback network.
    public func answers(at address: IPAddress, _ port: Int) -> Bool {
        if contains(ServerEndpoint(address, port)) { return true }
        if address.isUnspecified { return contains { $0.port == port } }
        return address.isLoopback && contains { $0.port == port && $0.address.isUnspecified }
    }
}

/// Every limit of delivery.
public struct DeliveryOptions: Sendable {
    // MARK: How much at once

    /// Connections to one destination.
    public var maxConnectionsPerDestination = 20
    /// Connections in all.
    public var maxConnections = 500
    /// Works that wait for a connection to one destination; more stay in the queue.
    public var maxWaitingPerDestination = 200
    /// Threads that write into mailboxes.
    public var localThreads = 4
    /// How long a message that lies in its mailbox may wait for others to share its sync. Readers see it at once; only
    /// the queue hears later.
    public var localSyncDelay: Interval = "50ms"
    /// So many messages are synced without waiting for more.
    public var localBatch = 128
    /// Works that wait for a thread; more stay in the queue.
    public var maxWaitingLocal = 2048
    /// Recipients of one transaction with another server. RFC 5321 §4.5.3.1.8.
    public var maxRecipients = 100
    /// Messages over one connection.
    public var maxMessagesPerConnection = 100
    /// How long a connection without work is kept for the next message.
    public var idleTime: Interval = "2s"
    /// Addresses of one destination that are tried in one attempt.
    public var maxHosts = 8

    // MARK: How long. RFC 5321 §4.5.3.2.

    public var connectTimeout: Interval = "30s"
    public var greetingTimeout: Interval = "5m"
    /// EHLO, STARTTLS, AUTH and RSET.
    public var helloTimeout: Interval = "5m"
    public var handshakeTimeout: Interval = "1m"
    public var mailTimeout: Interval = "5m"
    public var recipientTimeout: Interval = "5m"
    public var dataTimeout: Interval = "2m"
    /// For each block of the content.
    public var contentTimeout: Interval = "3m"
    public var finalTimeout: Interval = "10m"
    public var quitTimeout: Interval = "10s"
    /// How long a stop waits for what is under way.
    public var stopTimeout: Interval = "20s"

    // MARK: Where to

    /// Where mail exchangers listen.
    public var exchangerPort = 25
    public var addressFamilies = AddressFamilies.preferIPv6
    /// Own addresses to connect from, one of each family; the system chooses for a family that is not there.
    public var sourceAddresses: [IPAddress] = []
    /// Mail exchangers on loopback, private, link-local and other addresses that are nobody's on the Internet
    /// are not connected to. Hosts that the admin names are.
    public var refusesPrivateExchangers = true
    /// Names by which this server is an exchanger, beside its host name.
    public var ownNames: Set<String> = []
    /// Addresses where ``exchangerPort`` is its own: mail that is sent there comes back.
    public var ownAddresses: Set<IPAddress> = []
    /// Where this server itself takes mail: a relay host that is one of these is refused.
    public var ownEndpoints: Set<ServerEndpoint> = []
    /// Certificates in PEM that verified TLS trusts; `nil`: those of the system.
    public var trustRoots: String?

    // MARK: Reports and loops

    /// Octets of a message that a report brings back; of a longer one only the header. RFC 3461 §4.3.
    public var maxReturnedContent = 50_000
    /// Received fields that a message may have. RFC 5321 §6.3.
    public var maxReceived = 100
    /// When the wait for a reply to a report's own failure ends, and the like: as the queue's.
    public var schedule = RetrySchedule()

    public init() {}

    public enum AddressFamilies: String, Sendable, Hashable, Codable {
        case preferIPv6 = "prefer-ipv6"
        case preferIPv4 = "prefer-ipv4"
        case onlyIPv6 = "only-ipv6"
        case onlyIPv4 = "only-ipv4"
    }
}
