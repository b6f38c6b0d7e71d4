import Foundation
import GRDB
import MailTypes

/// The tables of `traces.sqlite`.
struct TraceFile {
    struct Entry: Sendable {
        let record: @Sendable () throws -> TraceRecord
        let message: Bytes?
    }

    let pool: DatabasePool

    /// Recipients of one trace that can be searched by.
    private static let mostRecipients = 1_000
    /// Octets that a row takes beside trace and message, about.
    private static let rowSize = 512
    /// Traces that are cleared away in one transaction.
    private static let sweepBatch = 500

    init(path: String, isReadOnly: Bool) throws(DirectoryError) {
        if isReadOnly {
            pool = try DatabaseFile.openReadOnly(path)
            return
        }
        pool = try DatabaseFile.open(path, durability: .normal, givesBackSpace: true)
        try DatabaseFile.migrate(pool, with: Self.migrator)
        do {
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_autocheckpoint = \(Self.journalPages)") }
        } catch {
            throw DirectoryError(error)
        }
    }

    /// So many pages come together in the journal before they go to their places, with two syncs. Pages of the indices
    /// are written by one batch after the other, and go there once for all of these.
    private static let journalPages = 4_000

    func close() { try? pool.close() }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: traces, recipients") { db in
            try db.execute(
                sql: """
                    CREATE TABLE trace (
                        number INTEGER PRIMARY KEY,
                        id TEXT NOT NULL UNIQUE,
                        started REAL NOT NULL,
                        size INTEGER NOT NULL,
                        client TEXT NOT NULL,
                        senderKey TEXT NOT NULL,
                        senderDomain TEXT NOT NULL,
                        outcome TEXT NOT NULL,
                        summary TEXT NOT NULL,
                        json BLOB NOT NULL,
                        message BLOB
                    ) STRICT;
                    CREATE INDEX traceByTime ON trace (started, size);
                    CREATE INDEX traceBySender ON trace (senderKey);
                    CREATE INDEX traceBySenderDomain ON trace (senderDomain);
                    CREATE INDEX traceByClient ON trace (client);
                    CREATE TABLE recipient (
                        key TEXT NOT NULL,
                        number INTEGER NOT NULL REFERENCES trace (number) ON DELETE CASCADE,
                        domain TEXT NOT NULL,
                        PRIMARY KEY (key, number)
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX recipientByNumber ON recipient (number);
                    CREATE INDEX recipientByDomain ON recipient (domain, number);
                    """)
        }
        addDeliveries(&migrator)
        addScores(&migrator)
        addSecurity(&migrator)
        return migrator
    }

    // MARK: Writing

    /// One transaction. A trace of an id that is there already takes its place. Returns how many could not be encoded,
    /// and by how many octets the whole has grown.
    func write(_ entries: [Entry], _ deliveries: [DeliveryRecord] = []) throws -> (lost: Int, growth: Int) {
        let rows = entries.compactMap { entry -> (TraceRecord, [UInt8], Bytes?)? in
            (try? entry.record()).map { ($0, $0.summary, entry.message) }
        }
        let growth = try pool.write { db in
            var growth = deliveries.count * Self.deliverySize
            for (record, summary, message) in rows { growth += try insert(record, summary, message, db) }
            for delivery in deliveries { try Self.insert(delivery, db) }
            return growth
        }
        return (entries.count - rows.count, growth)
    }

    private func insert(_ record: TraceRecord, _ summary: [UInt8], _ message: Bytes?, _ db: Database) throws -> Int {
        let scores = record.scores.count * Self.scoreSize
        let size = record.json.count + summary.count + (message?.count ?? 0) + scores + Self.rowSize
        var freed = 0
        if try !insert(record, summary, message?.array, size: size, db) {
            // There is one of this id, which is rare: it is not looked for each time.
            let former = try db.cachedStatement(sql: "DELETE FROM trace WHERE id = ? RETURNING size")
            freed = try Int.fetchAll(former, arguments: [record.id.text]).reduce(0, +)
            _ = try insert(record, summary, message?.array, size: size, db)
        }
        let number = db.lastInsertedRowID
        var recipient = try RowStatement(
            db, sql: "INSERT OR IGNORE INTO recipient (key, number, domain) VALUES (?, ?, ?)")
        for address in record.recipients.prefix(Self.mostRecipients) {
            recipient.bind(address.key)
            recipient.bind(number)
            recipient.bind(address.domain)
            try recipient.run()
        }
        try Self.insert(record.scores, of: number, started: record.started, db)
        return size - freed
    }

    /// `false`: a trace of this id is there already.
    private func insert(
        _ record: TraceRecord, _ summary: [UInt8], _ message: [UInt8]?, size: Int, _ db: Database
    ) throws -> Bool {
        var row = try RowStatement(
            db,
            sql: """
                INSERT INTO trace
                    (id, started, size, client, senderKey, senderDomain, outcome, summary, json, message)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING
                """)
        row.bind(record.id.text)
        row.bind(record.started.timeIntervalSinceReferenceDate)
        row.bind(Int64(size))
        row.bind(record.client)
        row.bind(record.sender?.key ?? "")
        row.bind(record.sender?.domain ?? "")
        row.bind(record.outcome)
        row.bind(String(decoding: summary, as: UTF8.self))
        row.bind(record.json)
        row.bind(message)
        try row.run()
        return db.changesCount > 0
    }

    // MARK: Clearing away

    /// Returns how many octets that gave back.
    func removeOlder(than date: Date) throws -> Int {
        let limit = date.timeIntervalSinceReferenceDate
        var (freed, removed) = (0, 0)
        repeat {
            let sizes = try pool.write { db in
                try Int.fetchAll(
                    db,
                    sql: """
                        DELETE FROM trace WHERE number IN
                            (SELECT number FROM trace WHERE started < ? ORDER BY started LIMIT ?)
                        RETURNING size
                        """,
                    arguments: [limit, Self.sweepBatch])
            }
            removed = sizes.count
            freed += sizes.reduce(0, +)
        } while removed >= Self.sweepBatch
        return freed + (try removeDeliveries(before: limit))
    }

    /// Removes the oldest traces, with what became of their recipients, until `excess` octets are free. Returns how
    /// many are.
    func remove(excess: Int) throws -> Int {
        var freed = 0
        while freed < excess {
            let more = try pool.write { [freed] db in try Self.removeOldest(freeing: excess - freed, db) }
            guard more > 0 else { break }
            freed += more
        }
        try pool.writeWithoutTransaction { db in
            // Each row that it gives back is one step of the statement.
            _ = try Row.fetchAll(db, sql: "PRAGMA incremental_vacuum")
        }
        return freed
    }

    private static func removeOldest(freeing excess: Int, _ db: Database) throws -> Int {
        let rows = try Row.fetchAll(
            db, sql: "SELECT number, id, size FROM trace ORDER BY started LIMIT ?", arguments: [sweepBatch])
        let delete = try db.cachedStatement(sql: "DELETE FROM trace WHERE number = ?")
        var freed = 0
        for row in rows where freed < excess {
            try delete.execute(arguments: [row["number"] as Int64])
            freed += row["size"] as Int + (try removeDeliveries(of: row["id"], db))
        }
        return freed
    }

    /// Octets of all traces and deliveries. It looks at each, so it is asked for once, and what comes and goes after
    /// that is reckoned; the indices hold what it needs.
    func size() throws -> Int {
        try pool.read { db in
            let traces = try Int.fetchOne(db, sql: "SELECT coalesce(sum(size), 0) FROM trace") ?? 0
            return traces + (try Int.fetchOne(db, sql: "SELECT count(*) FROM delivery") ?? 0) * Self.deliverySize
        }
    }

    // MARK: Reading

    func record(_ id: TransactionID) throws -> TraceRecord? {
        let row = try pool.read { db in
            try Row.fetchOne(db, sql: "SELECT summary, json FROM trace WHERE id = ?", arguments: [id.text])
        }
        return try row.map(Self.record)
    }

    func record(number: Int64) throws -> TraceRecord? {
        let row = try pool.read { db in
            try Row.fetchOne(db, sql: "SELECT summary, json FROM trace WHERE number = ?", arguments: [number])
        }
        return try row.map(Self.record)
    }

    private static func record(_ row: Row) throws -> TraceRecord {
        var record = try JSONDecoder().decode(TraceRecord.self, from: Data((row["summary"] as String).utf8))
        record.json = Array(row["json"] as Data)
        return record
    }

    func message(_ id: TransactionID) throws -> [UInt8]? {
        try pool.read { db in
            try Data.fetchOne(db, sql: "SELECT message FROM trace WHERE id = ?", arguments: [id.text]).map(Array.init)
        }
    }

    func records(_ query: TraceQuery) throws -> [TraceRecord] {
        let (sql, arguments) = try Self.selection(query)
        return try pool.read { db in try Row.fetchAll(db, sql: sql, arguments: arguments) }.map(Self.record)
    }

    private static func selection(_ query: TraceQuery) throws -> (sql: String, arguments: StatementArguments) {
        var conditions: [String] = []
        var arguments = StatementArguments()
        func add(_ condition: String, _ value: (some DatabaseValueConvertible)?) {
            guard let value else { return }
            conditions.append(condition)
            arguments += [value]
        }
        switch try query.to.map(Pattern.init) {
        case .address(let key): add("number IN (SELECT number FROM recipient WHERE key = ?)", key)
        case .domain(let name): add("number IN (SELECT number FROM recipient WHERE domain = ?)", name)
        case nil: break
        }
        switch try query.from.map(Pattern.init) {
        case .address(let key): add("senderKey = ?", key)
        case .domain(let name): add("senderDomain = ?", name)
        case nil: break
        }
        add("client = ?", query.client)
        add("outcome = ?", query.outcome)
        add("started >= ?", query.since?.timeIntervalSinceReferenceDate)
        add("started <= ?", query.until?.timeIntervalSinceReferenceDate)
        let filter = conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
        arguments += [max(0, query.limit)]
        let sql = "SELECT summary, json FROM trace\(filter) ORDER BY started DESC, number DESC LIMIT ?"
        return (sql, arguments)
    }

    /// What somebody who searches typed.
    private enum Pattern {
        /// An address's key; empty for the null reverse-path.
        case address(String)
        case domain(String)

        init(_ text: String) throws(DirectoryError) {
            if text == "<>" || text.isEmpty {
                self = .address("")
            } else if text.hasPrefix("@") {
                self = .domain(String(text.dropFirst()).lowercased())
            } else {
                do { self = .address(try AddressParser.mailbox(text).key) } catch {
                    throw .malformed(text: text.shown, reason: "is not an address, nor a domain as in @example.org")
                }
            }
        }
    }
}
