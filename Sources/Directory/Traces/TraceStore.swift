public import MailTypes
public import struct Foundation.Date

/// One transaction's trace as it is stored: what it is searched by, and the trace itself as JSON.
public struct TraceRecord: Sendable, Hashable, Codable {
    public var id: TransactionID
    public var started: Date
    public var finished: Date
    /// The client's IP address.
    public var client: String
    /// `nil`: the null reverse-path, or none was said.
    public var sender: EmailAddress?
    public var recipients: [EmailAddress]
    /// The last reply.
    public var code: Int
    public var text: String
    /// One word: `accepted`, `rejected`, `deferred`, `aborted`, …
    public var outcome: String
    public var json: [UInt8]

    public init(
        id: TransactionID, started: Date, finished: Date, client: String, sender: EmailAddress?,
        recipients: [EmailAddress], code: Int, text: String, outcome: String, json: [UInt8]
    ) {
        self.id = id
        self.started = started
        self.finished = finished
        self.client = client
        self.sender = sender
        self.recipients = recipients
        self.code = code
        self.text = text
        self.outcome = outcome
        self.json = json
    }
}

/// Which traces; all that is set must fit. Newest first.
public struct TraceQuery: Sendable, Hashable {
    /// An address, or `@domain`.
    public var to: String?
    public var from: String?
    public var since: Date?
    public var until: Date?
    public var outcome: String?
    public var limit = 100
    public init() {}
}

/// Traces, written behind by one thread; losing some never holds up mail.
public final class TraceStore: Sendable {
    public struct Options: Sendable {
        public var maximumAge: Interval = "30d"
        /// Octets of traces and messages kept in all.
        public var maximumSize: ByteCount = "1GB"
        /// Messages longer than this are not kept with their trace.
        public var maximumMessage: ByteCount = "1MB"
        /// Traces that wait to be written; further ones are dropped and counted.
        public var backlog = 10_000
        /// Octets that wait to be written.
        public var backlogSize: ByteCount = "64MB"
        public var now: @Sendable () -> Date = { Date() }
        public init() {}
    }

    public static func open(_ path: String, options: Options = Options()) throws(DirectoryError) -> TraceStore {
        throw .unavailable("not built yet")
    }
    /// For another process beside the server's: reads only.
    public static func openReadOnly(_ path: String) throws(DirectoryError) -> TraceStore {
        throw .unavailable("not built yet")
    }

    private init() {}

    /// Hands a trace to the writer; never waits. `false`: the backlog is full, and it was dropped.
    @discardableResult
    public func append(_ record: TraceRecord, message: Bytes? = nil) -> Bool { false }
    /// Traces that were dropped since the start.
    public var dropped: Int { 0 }
    public func trace(_ id: TransactionID) throws(DirectoryError) -> TraceRecord? { nil }
    public func traces(_ query: TraceQuery) throws(DirectoryError) -> [TraceRecord] { [] }
    /// The message that was kept with a trace.
    public func message(_ id: TransactionID) throws(DirectoryError) -> [UInt8]? { nil }
    /// Returns when all that was appended before is written, or could not be.
    public func flush() {}
    public func close() {}
}
