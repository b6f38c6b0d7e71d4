import Configuration
import Directory
import Foundation
import MailTypes
import Pipeline

/// The traces as the command line reaches them: beside the server that writes them.
struct TraceAccess: ~Copyable {
    private let store: TraceStore

    init(_ settings: ServerConfiguration) throws {
        let path = DataFolder(settings).traces
        guard FileManager.default.fileExists(atPath: path) else {
            throw CommandFailure.wrong("There are no traces yet: \(path) does not exist.")
        }
        store = try told { try TraceStore.openReadOnly(path) }
    }

    deinit { store.close() }

    /// One by what somebody has typed: its id, or that of one of its copies in the queue.
    func record(_ text: String) throws -> TraceRecord {
        // The queue's id has the number of the copy behind it.
        guard let id = TransactionID(text.prefix { $0 != "-" }) else {
            throw CommandFailure.wrong("\"\(text)\" is not an id; ids have 16 characters, as in \"Taken as …\".")
        }
        guard let record = try told({ try store.trace(id) }) else {
            throw CommandFailure.wrong(
                """
                There is no trace of \(id); it may be older than what is kept. Of clients refused before MAIL only \
                some have one; look for the id in the log.
                """)
        }
        return record
    }

    /// Those that fit, the newest first.
    func records(_ query: TraceQuery) throws -> [TraceRecord] { try told { try store.traces(query) } }

    /// The one of a number that a score has, if this version can read it.
    func trace(number: Int64) throws -> Trace? {
        try told { try store.trace(number: number) }.flatMap { try? $0.trace() }
    }

    /// The scores of messages one by one, those of the newest first, until `body` says `false`.
    func eachScore(since date: Date, _ body: (ScoreRecord) throws -> Bool) throws {
        try told { try store.eachScore(since: date, body) }
    }

    func message(_ id: TransactionID) throws -> [UInt8]? { try told { try store.message(id) } }

    func deliveries(of id: TransactionID) throws -> [DeliveryRecord] { try told { try store.deliveries(of: id) } }
}

extension TraceRecord {
    /// The trace, if this version can read it.
    func readable() throws -> Trace {
        do { return try trace() } catch {
            throw CommandFailure.wrong("The trace \(id) was written by another version and cannot be shown.")
        }
    }
}
