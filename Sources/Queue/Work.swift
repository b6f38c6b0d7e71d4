public import struct Foundation.Date
public import MailTypes

/// Where a delivery goes, as far as limits and fairness are concerned: recipients of one message
/// with the same destination travel together.
public enum QueueDestination: Sendable, Hashable, Codable {
    /// The mailboxes of this server.
    case mailboxes
    /// Thrown away.
    case discard
    /// The mail exchangers of a domain.
    case exchanger(domain: String)
    case host(RelayHost)

    public init(_ route: Route) {
        switch route {
        case .mailbox: self = .mailboxes
        case .exchanger(let domain): self = .exchanger(domain: domain)
        case .host(let host): self = .host(host)
        case .discard: self = .discard
        }
    }
}

/// Recipients of one message whose time has come. They are the claimer's until
/// ``MailQueue/settle(_:_:now:lazily:completion:)``.
public struct Work: Sendable {
    public struct Recipient: Sendable, Hashable {
        /// Its place in ``QueuedMessage/recipients``.
        public var number: Int
        /// Earlier attempts that ended in a deferral.
        public var attempts: Int
        /// How long delivery has been tried, for ``RetrySchedule``; not the clock's difference,
        /// see there.
        public var age: Interval
        /// Whether the sender has been told already that it takes long.
        public var warned: Bool
        /// Whether the message comes from the journal, as an earlier process left it: an attempt of that process may
        /// have succeeded without a trace.
        public var isRecovered = false
    }

    public var id: QueueID
    public var destination: QueueDestination
    public var recipients: [Recipient]
}

/// What became of one claimed recipient.
public struct RecipientOutcome: Sendable {
    public enum Result: Sendable {
        /// Lies in a mailbox of this server, or was thrown away as the chain wished.
        case delivered
        /// Another server has taken it.
        case relayed(Reply)
        /// To be tried again. `warned`: the sender has been told.
        case deferred(until: Date, reply: Reply, warned: Bool)
        /// Given up; whatever report is due has been committed already.
        case failed(Reply)
        /// Not tried at all (a limit, a stop): due again at `until`, and no attempt is counted.
        case returned(until: Date)
    }

    /// Its place in ``QueuedMessage/recipients``.
    public var number: Int
    public var result: Result

    public init(_ number: Int, _ result: Result) {
        self.number = number
        self.result = result
    }
}
