public import MailTypes
public import struct Foundation.Date

/// Which traces; all that is set must fit.
public struct TraceQuery: Sendable, Hashable {
    /// A recipient that was said, taken or not: an address, or `@example.org` for a whole domain.
    public var to: String?
    /// The reverse-path: an address, `@example.org`, or `<>`.
    public var from: String?
    /// The client's IP address.
    public var client: String?
    /// `accepted`, `rejected`, …
    public var outcome: String?
    public var since: Date?
    public var until: Date?
    public var limit = 100

    public init() {}
}

/// A trace in one line.
public struct TraceSummary: Sendable, Hashable, Codable {
    public var id: TransactionID
    public var started: Date
    public var finished: Date
    /// The client's IP address.
    public var client: String
    /// `nil`: the null reverse-path, or none was said.
    public var sender: EmailAddress?
    /// All that were said.
    public var recipients: [EmailAddress]
    public var outcome: String
    /// The last reply: `250 2.0.0 …`.
    public var reply: String?
    /// Octets of the message.
    public var size: Int?
}
