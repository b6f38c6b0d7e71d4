public import MailTypes
public import Pipeline
public import struct Foundation.Date
import Synchronization

/// Traces of the last weeks, in `traces.sqlite`.
///
/// They are written behind, in batches, by one thread: mail never waits for its trace. When the writer cannot
/// keep up, traces are dropped and counted. A `kill -9` costs what waits (``Options/writeInterval``), a power
/// cut perhaps the last batches too (synchronous = NORMAL): a trace explains a message, and none is lost with it.
/// Other processes may read while the server writes.
public final class TraceStore: Sendable {
    public struct Options: Sendable {
        /// Older traces go.
        public var maximumAge: Interval = "30d"
        /// Octets of traces and messages in all; beyond, the oldest go.
        public var maximumSize: ByteCount = "1GB"
        /// A longer message is not kept with its trace.
        public var maximumMessage: ByteCount = "1MB"
        /// Traces that may wait to be written; further ones are dropped.
        public var backlog = 10_000
        /// Octets of messages that may wait with them; further traces come without.
        public var backlogSize: ByteCount = "64MB"
        /// How long a trace waits at most, while the writer keeps up.
        public var writeInterval: Interval = "250ms"
        /// How often old traces are looked for.
        public var sweepInterval: Interval = "1m"
        public var now: @Sendable () -> Date = { Date() }
        /// Is told, at each sweep at most, what was dropped or could not be written; for the log.
        public var report: @Sendable (String) -> Void = { _ in }

        public init() {}
    }

    private struct Backlog {
        var waiting: [TraceFile.Entry] = []
        var deliveries: [DeliveryRecord] = []
        /// Octets of their messages.
        var size = 0
        var dropped = 0
    }

    private struct Upkeep {
        var lastSweep: Date
        /// Octets in the file, once they have been counted; only this process changes them.
        var size: Int?
        var reported = 0
        var failure: String?
    }

    private let file: TraceFile
    private let options: Options
    private let backlog = Mutex(Backlog())
    /// Held while a batch is written: one at a time.
    private let upkeep: BatchLock<Upkeep>
    private let heartbeat = Mutex<Heartbeat?>(nil)

    /// This many make the writer begin before its time.
    private static let batch = 256

    /// Opens or makes the file, for the process that writes.
    public static func open(_ path: String, options: Options = Options()) throws(DirectoryError) -> TraceStore {
        let store = TraceStore(file: try TraceFile(path: path, isReadOnly: false), options: options)
        let beat = Heartbeat(name: "traces", every: options.writeInterval) { [weak store] in store?.beat() }
        store.heartbeat.withLock { $0 = beat }
        return store
    }

    /// Opens the file beside a server that writes; nothing can be appended.
    public static func openReadOnly(_ path: String) throws(DirectoryError) -> TraceStore {
        var options = Options()
        options.backlog = 0
        return TraceStore(file: try TraceFile(path: path, isReadOnly: true), options: options)
    }

    private init(file: TraceFile, options: Options) {
        self.file = file
        self.options = options
        upkeep = BatchLock(Upkeep(lastSweep: .distantPast))
    }

    deinit { close() }

    /// Writes the rest and stops.
    public func close() {
        if let beat = heartbeat.withLock({ $0.take() }) {
            beat.stop()
            flush()
        }
        file.close()
    }

    // MARK: Writing

    /// Hands a trace to the writer, with the message if it is to be kept; never waits.
    /// `false`: too many wait already, and this one was dropped.
    @discardableResult
    public func append(_ trace: Trace, finished: Date, message: Bytes? = nil) -> Bool {
        append(message) { try TraceRecord(trace, finished: finished) }
    }

    /// The same for a trace that has been encoded already.
    @discardableResult
    public func append(_ record: TraceRecord, message: Bytes? = nil) -> Bool {
        append(message) { record }
    }

    /// `record` is made by the writer.
    private func append(_ message: Bytes?, _ record: @escaping @Sendable () throws -> TraceRecord) -> Bool {
        let message = message.flatMap { $0.count <= options.maximumMessage.octets ? $0 : nil }
        let waiting = backlog.withLock { backlog -> Int? in
            guard backlog.waiting.count < options.backlog else {
                backlog.dropped += 1
                return nil
            }
            let fits = backlog.size + (message?.count ?? 0) <= options.backlogSize.octets
            backlog.size += fits ? message?.count ?? 0 : 0
            backlog.waiting.append(TraceFile.Entry(record: record, message: fits ? message : nil))
            return backlog.waiting.count
        }
        guard let waiting else { return false }
        if waiting == Self.batch { heartbeat.withLock { $0 }?.wake() }
        return true
    }

    /// Hands the outcome of an attempt to deliver to the writer; never waits. `false`: it was dropped.
    @discardableResult
    public func append(_ delivery: DeliveryRecord) -> Bool {
        backlog.withLock { backlog in
            guard backlog.deliveries.count < options.backlog else {
                backlog.dropped += 1
                return false
            }
            backlog.deliveries.append(delivery)
            return true
        }
    }

    /// Traces and deliveries that were dropped since the start.
    public var dropped: Int { backlog.withLock { $0.dropped } }

    /// Returns when all that was appended before is written, or could not be.
    public func flush() {
        upkeep.withLock { upkeep in writeWaiting(&upkeep) }
    }

    private func beat() {
        upkeep.withLock { upkeep in
            writeWaiting(&upkeep)
            let now = options.now()
            guard now.timeIntervalSince(upkeep.lastSweep) >= options.sweepInterval.seconds else { return }
            upkeep.lastSweep = now
            sweep(&upkeep, at: now)
        }
    }

    private func writeWaiting(_ upkeep: inout Upkeep) {
        let (batch, deliveries) = backlog.withLock { backlog in
            defer {
                backlog.waiting = []
                backlog.deliveries = []
                backlog.size = 0
            }
            return (backlog.waiting, backlog.deliveries)
        }
        guard !batch.isEmpty || !deliveries.isEmpty else { return }
        do {
            // Counted before the batch, which would otherwise be counted twice.
            let size = try upkeep.size ?? file.size()
            let (lost, growth) = try file.write(batch, deliveries)
            upkeep.size = size + growth
            backlog.withLock { $0.dropped += lost }
            try shrink(&upkeep)
            upkeep.failure = nil
        } catch {
            upkeep.failure = DirectoryError(error).description
            // Not tried again: while a disk is full, what is new matters more than what is old.
            backlog.withLock { $0.dropped += batch.count + deliveries.count }
        }
    }

    /// Removes the oldest until ``Options/maximumSize`` holds.
    private func shrink(_ upkeep: inout Upkeep) throws {
        let size = try upkeep.size ?? file.size()
        upkeep.size = size
        let excess = size - options.maximumSize.octets
        guard excess > 0 else { return }
        // Where only a part could be removed, the next time counts anew.
        upkeep.size = nil
        upkeep.size = size - (try file.remove(excess: excess))
    }

    private func sweep(_ upkeep: inout Upkeep, at now: Date) {
        do {
            // As below: where only a part could be removed, the next time counts anew.
            let size = upkeep.size.take()
            let freed = try file.removeOlder(than: now.addingTimeInterval(-options.maximumAge.seconds))
            upkeep.size = size.map { $0 - freed }
            try shrink(&upkeep)
        } catch {
            upkeep.failure = DirectoryError(error).description
        }
        let dropped = dropped
        if dropped > upkeep.reported {
            options.report("\(dropped - upkeep.reported) traces were dropped: \(upkeep.failure ?? "too many at once")")
            upkeep.reported = dropped
        } else if let failure = upkeep.failure {
            options.report(failure)
        }
    }

    /// Clears away what is too old or too much, now. Otherwise it is done each ``Options/sweepInterval``.
    public func sweep() {
        upkeep.withLock { upkeep in
            writeWaiting(&upkeep)
            sweep(&upkeep, at: options.now())
        }
    }

    // MARK: Reading. All of these block.

    public func trace(_ id: TransactionID) throws(DirectoryError) -> TraceRecord? {
        do { return try file.record(id) } catch { throw DirectoryError(error) }
    }

    /// The traces that fit the query, the newest first.
    public func traces(_ query: TraceQuery) throws(DirectoryError) -> [TraceRecord] {
        do { return try file.records(query) } catch { throw DirectoryError(error) }
    }

    /// The trace of a number that a score has.
    public func trace(number: Int64) throws(DirectoryError) -> TraceRecord? {
        do { return try file.record(number: number) } catch { throw DirectoryError(error) }
    }

    /// Hands over the scores of messages since `date` one by one, those of the newest first, until `body` says `false`.
    public func eachScore(since date: Date, _ body: (ScoreRecord) throws -> Bool) throws(DirectoryError) {
        do { try file.eachScore(since: date, body) } catch { throw DirectoryError(error) }
    }

    /// What became of its recipients after the reply, in order.
    public func deliveries(of id: TransactionID) throws(DirectoryError) -> [DeliveryRecord] {
        do { return try file.deliveries(of: id) } catch { throw DirectoryError(error) }
    }

    /// The message that was kept with a trace, as it arrived.
    public func message(_ id: TransactionID) throws(DirectoryError) -> [UInt8]? {
        do { return try file.message(id) } catch { throw DirectoryError(error) }
    }
}
