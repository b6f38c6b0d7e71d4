public import MailTypes
public import Queue

/// What one attempt brought for one recipient, for the trace, the log and the counters.
public struct DeliveryEvent: Sendable, Hashable, Codable {
    public enum Outcome: String, Sendable, Hashable, Codable {
        case delivered, relayed, discarded, deferred, failed
    }

    public var id: QueueID
    public var recipient: EmailAddress
    public var outcome: Outcome
    /// What the other server, or this one in its place, said; no more of it than ``Reply/clipped`` leaves.
    public var reply: Reply?
    /// Who was spoken with; `nil` for mailboxes, and when nobody was reached.
    public var host: RemoteHost?
    /// How long the attempt took.
    public var seconds: Double
}

/// A server that was spoken with.
public struct RemoteHost: Sendable, Hashable, Codable {
    public var name: String
    /// `nil` for a socket in the file system.
    public var address: IPAddress?
    public var port: Int
    /// The session was encrypted.
    public var tls = false
    /// How TLS was to be made with an exchanger, and who says so; `nil` for other hosts.
    public var policy: String?
    /// What its certificate proved, or why it did not.
    public var certificate: String?

    public init(name: String, address: IPAddress?, port: Int) {
        self.name = name
        self.address = address
        self.port = port
    }
}

extension RemoteHost: CustomStringConvertible {
    public var description: String { address.map { "\(name)[\($0)]:\(port)" } ?? name }
}
