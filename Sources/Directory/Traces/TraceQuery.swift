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
