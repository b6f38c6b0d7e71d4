public import struct Foundation.Date
import GRDB
public import MailTypes
import Synchronization

/// Who was told what by whom and when, in `autoreplies.sqlite`: nobody gets a mailbox's reply twice in its
/// period. RFC 5230 §4.2.
///
/// There is one row for each mailbox and sender. It is written before the reply is made
/// (``AutoreplyRecord/State/begun``) and again when the reply is in the queue, where it is held until then. Each write
/// is durable when it returns. A row goes when its period is over. All methods block.
public final class AutoreplyLedger: Sendable {
    /// What a mailbox may answer, so that who writes in many names does not make a flood of it.
    public struct Limits: Sendable {
        /// Replies of one mailbox in one hour.
        public var perHour = 100
        /// Senders of one mailbox that are remembered; there is no reply to further ones.
        public var senders = 10_000
        public init() {}
    }

    private let file: StoreFile
    private let limits: Limits
    private let cleared = Mutex(Date.distantPast)

    private static let hour = 3_600.0
    /// How often rows whose time is over are cleared away, in seconds.
    private static let clearingInterval = 3_600.0

    public init(_ path: String, limits: Limits = Limits()) throws(DirectoryError) {
        self.limits = limits
        file = try StoreFile(path, durability: .full, migrations: Self.migrator)
    }

    /// Opens the file beside a server that writes.
    public init(readOnly path: String) throws(DirectoryError) {
        limits = Limits()
        file = try StoreFile(readOnly: path)
    }

    public func close() { file.close() }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: replies") { db in
            try db.execute(
                sql: """
                    CREATE TABLE reply (
                        mailbox TEXT NOT NULL,
                        sender TEXT NOT NULL,
                        time REAL NOT NULL,
                        ends REAL NOT NULL,
                        source TEXT NOT NULL,
                        id TEXT NOT NULL,
                        state TEXT NOT NULL,
                        PRIMARY KEY (mailbox, sender)
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX replyByEnd ON reply (ends);
                    """)
        }
        return migrator
    }

    // MARK: - Claiming

    /// Whether a reply is to be made.
    public enum Claim: Sendable, Hashable {
        /// It is, under this id, and that is written down.
        case granted(AutoreplyRecord)
        /// It was made for this very message, by a process before this one.
        case made(AutoreplyRecord)
        case toldBefore(Date)
        /// The mailbox has answered so often in the last hour.
        case tooManyReplies(Int)
        case tooManySenders(Int)
    }

    /// Notes that a sender is about to be told, unless that must not be.
    /// - Parameters:
    ///   - since: Who was told before has been told something else.
    ///   - period: How long nobody is told again.
    public func claim(_ record: AutoreplyRecord, since: Date, period: Interval) throws(DirectoryError) -> Claim {
        try clear(at: record.time)
        return try file.write { db in
            var record = record
            record.ends = record.time.addingTimeInterval(period.seconds)
            if let known = try Self.find(record.mailbox, record.sender, db) {
                if known.source == record.source, known.state != .begun { return .made(known) }
                let isOpen = known.state == .begun || known.source == record.source
                // A clock that was set back is no reason to tell somebody twice.
                if !isOpen, known.time >= since, record.time < known.time.addingTimeInterval(period.seconds) {
                    return .toldBefore(known.time)
                }
                // What was begun may be in the queue under its id.
                if isOpen { record.id = known.id }
            }
            let count = try Row.fetchOne(
                db,
                sql: """
                    SELECT count(*) AS senders, total(time > ?) AS replies FROM reply
                    WHERE mailbox = ? AND sender <> ?
                    """,
                arguments: [record.time.timeIntervalSince1970 - Self.hour, record.mailbox, record.sender])
            if let count {
                if count["replies"] as Double >= Double(limits.perHour) { return .tooManyReplies(limits.perHour) }
                if count["senders"] as Int >= limits.senders { return .tooManySenders(limits.senders) }
            }
            try Self.write(record, db)
            return .granted(record)
        }
    }

    /// Writes an entry down in place of what was known.
    public func write(_ record: AutoreplyRecord) throws(DirectoryError) {
        try file.write { db in try Self.write(record, db) }
    }

    private static func write(_ record: AutoreplyRecord, _ db: Database) throws {
        try db.cachedStatement(
            sql: """
                INSERT OR REPLACE INTO reply (mailbox, sender, time, ends, source, id, state)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            record.mailbox, record.sender, record.time.timeIntervalSince1970, record.ends.timeIntervalSince1970,
            record.source, record.id.text, record.state.rawValue,
        ])
    }

    /// Deletes what is over.
    private func clear(at now: Date) throws(DirectoryError) {
        let isDue = cleared.withLock { last in
            guard abs(now.timeIntervalSince(last)) >= Self.clearingInterval else { return false }
            last = now
            return true
        }
        guard isDue else { return }
        try file.write { db in
            try db.execute(sql: "DELETE FROM reply WHERE ends < ?", arguments: [now.timeIntervalSince1970])
        }
    }

    // MARK: - Reading

    /// What a sender was told by a mailbox.
    public func record(mailbox: String, sender: String) throws(DirectoryError) -> AutoreplyRecord? {
        try file.read { db in try Self.find(mailbox, sender, db) }
    }

    /// What a mailbox has told whom, the last first; of all mailboxes without one.
    public func records(mailbox: String? = nil, limit: Int = 10_000) throws(DirectoryError) -> [AutoreplyRecord] {
        try file.read { db in
            try Row.fetchAll(
                db, sql: "SELECT * FROM reply WHERE ?1 IS NULL OR mailbox = ?1 ORDER BY time DESC LIMIT ?2",
                arguments: [mailbox, limit])
        }.compactMap(Self.record)
    }

    private static func find(_ mailbox: String, _ sender: String, _ db: Database) throws -> AutoreplyRecord? {
        try Row.fetchOne(
            db.cachedStatement(sql: "SELECT * FROM reply WHERE mailbox = ? AND sender = ?"),
            arguments: [mailbox, sender]
        ).flatMap(record)
    }

    private static func record(_ row: Row) -> AutoreplyRecord? {
        guard let id = TransactionID(row["id"] as String),
            let state = AutoreplyRecord.State(rawValue: row["state"])
        else { return nil }
        var record = AutoreplyRecord(
            mailbox: row["mailbox"], sender: row["sender"], source: row["source"], id: id,
            time: Date(timeIntervalSince1970: row["time"]))
        record.ends = Date(timeIntervalSince1970: row["ends"])
        record.state = state
        return record
    }
}

/// One reply to one sender.
public struct AutoreplyRecord: Sendable, Hashable, Codable {
    public enum State: String, Sendable, Hashable, Codable {
        /// It may be in the queue, held; nothing of it has left.
        case begun
        /// It is in the queue, or was.
        case queued
        /// The chain does not let it out.
        case refused
    }

    /// The keys of both addresses.
    public var mailbox: String
    public var sender: String
    /// The queue's id of the message that is answered.
    public var source: String
    /// The reply's transaction.
    public var id: TransactionID
    public var time: Date
    /// When its row is cleared away.
    public var ends: Date
    public var state = State.begun

    public init(mailbox: String, sender: String, source: String, id: TransactionID, time: Date) {
        self.mailbox = mailbox
        self.sender = sender
        self.source = source
        self.id = id
        self.time = time
        ends = time
    }
}
