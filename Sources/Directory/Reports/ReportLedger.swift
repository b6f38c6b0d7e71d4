public import MailTypes
public import struct Foundation.Date
import GRDB

/// Which reports of one kind were sent, in a file such as `reports.sqlite`: nobody gets one twice, and no day is left
/// out.
///
/// A row is written before its mail is made (``ReportEntry/State/begun``) and again when the mail is in the queue,
/// where it is held until then. Each write is durable when it returns. All methods block.
public final class ReportLedger: Sendable {
    private let file: StoreFile

    /// Rows of days that ended so many seconds before the last one are cleared away.
    private static let keptFor = 8 * 86_400.0

    /// Opens or makes the file, for the process that sends.
    public init(_ path: String) throws(DirectoryError) {
        file = try StoreFile(path, durability: .full, migrations: Self.migrator)
    }

    /// Opens the file beside a server that writes.
    public init(readOnly path: String) throws(DirectoryError) { file = try StoreFile(readOnly: path) }

    public func close() { file.close() }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: covered, reports") { db in
            try db.execute(
                sql: """
                    CREATE TABLE covered (
                        number INTEGER PRIMARY KEY CHECK (number = 1),
                        end REAL NOT NULL
                    ) STRICT;
                    CREATE TABLE report (
                        domain TEXT NOT NULL,
                        address TEXT NOT NULL,
                        end REAL NOT NULL,
                        id TEXT NOT NULL,
                        state TEXT NOT NULL,
                        PRIMARY KEY (domain, address, end)
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX reportByEnd ON report (end);
                    """)
        }
        return migrator
    }

    // MARK: Days

    /// The end of the last day that is done with; `nil`: there was none.
    public func covered() throws(DirectoryError) -> Date? {
        try file.read { db in try Double.fetchOne(db, sql: "SELECT end FROM covered") }
            .map(Date.init(timeIntervalSince1970:))
    }

    /// Notes that every day to that moment is done with.
    public func cover(until end: Date) throws(DirectoryError) {
        try file.write { db in
            try db.execute(
                sql: "INSERT OR REPLACE INTO covered (number, end) VALUES (1, ?)",
                arguments: [end.timeIntervalSince1970])
            try db.execute(
                sql: "DELETE FROM report WHERE end < ?", arguments: [end.timeIntervalSince1970 - Self.keptFor])
        }
    }

    // MARK: Reports

    /// Writes an entry down, in place of what was known of the same report.
    public func write(_ entry: ReportEntry) throws(DirectoryError) {
        try file.write { db in
            try db.execute(
                sql: "INSERT OR REPLACE INTO report (domain, address, end, id, state) VALUES (?, ?, ?, ?, ?)",
                arguments: [
                    entry.domain, entry.address, entry.end.timeIntervalSince1970, entry.id.text, entry.state.rawValue,
                ])
        }
    }

    /// What is known of the report of the day that ended then.
    public func entry(domain: String, address: String, end: Date) throws(DirectoryError) -> ReportEntry? {
        try file.read { db in
            try Row.fetchOne(
                db, sql: "SELECT * FROM report WHERE domain = ? AND address = ? AND end = ?",
                arguments: [domain, address, end.timeIntervalSince1970])
        }.flatMap(Self.entry)
    }

    /// All that is known.
    public func entries() throws(DirectoryError) -> [ReportEntry] {
        try file.read { db in try Row.fetchAll(db, sql: "SELECT * FROM report ORDER BY end, domain, address") }
            .compactMap(Self.entry)
    }

    /// How many were made of the day that ended then.
    public func count(end: Date) throws(DirectoryError) -> Int {
        try file.read { db in
            try Int.fetchOne(
                db, sql: "SELECT count(*) FROM report WHERE end = ?", arguments: [end.timeIntervalSince1970]) ?? 0
        }
    }

    private static func entry(_ row: Row) -> ReportEntry? {
        guard let id = TransactionID(row["id"] as String), let state = ReportEntry.State(rawValue: row["state"]) else {
            return nil
        }
        return ReportEntry(
            domain: row["domain"], address: row["address"], end: Date(timeIntervalSince1970: row["end"]), id: id,
            state: state)
    }
}

/// One report to one address.
public struct ReportEntry: Sendable, Hashable {
    public enum State: String, Sendable, Hashable {
        /// It may be in the queue, held; nothing of it has left.
        case begun
        /// It is in the queue, or was; or a web server has taken it.
        case queued
        /// The chain does not let it out.
        case refused
    }

    public var domain: String
    /// The key of the address, or the URL.
    public var address: String
    /// Of the day.
    public var end: Date
    /// The transaction's.
    public var id: TransactionID
    public var state: State

    public init(domain: String, address: String, end: Date, id: TransactionID, state: State) {
        self.domain = domain
        self.address = address
        self.end = end
        self.id = id
        self.state = state
    }
}
