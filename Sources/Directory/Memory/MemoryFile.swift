import Foundation
import GRDB
import MailTypes
import Pipeline

/// `memory.sqlite`, in which stage memory outlives a restart. A power cut may cost the last batches
/// (synchronous = NORMAL): what they held is learned again.
struct MemoryFile {
    let pool: DatabasePool
    let digest: KeyDigest

    init(path: String, isReadOnly: Bool) throws(DirectoryError) {
        pool = isReadOnly ? try DatabaseFile.openReadOnly(path) : try DatabaseFile.open(path, durability: .normal)
        if !isReadOnly { try DatabaseFile.migrate(pool, with: Self.migrator) }
        do {
            digest = try pool.read(Self.digest) ?? (isReadOnly ? .random() : try pool.write(Self.makeDigest))
        } catch {
            throw DirectoryError(error)
        }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: visits, counters") { db in
            try db.execute(
                sql: """
                    CREATE TABLE secret (value BLOB NOT NULL) STRICT;
                    CREATE TABLE visit (
                        tableName TEXT NOT NULL,
                        key BLOB NOT NULL,
                        first REAL NOT NULL,
                        last REAL NOT NULL,
                        count INTEGER NOT NULL,
                        lifetime REAL NOT NULL,
                        PRIMARY KEY (tableName, key)
                    ) STRICT, WITHOUT ROWID;
                    CREATE TABLE counter (
                        tableName TEXT NOT NULL,
                        key BLOB NOT NULL,
                        window REAL NOT NULL,
                        part INTEGER NOT NULL,
                        amounts TEXT NOT NULL,
                        last REAL NOT NULL,
                        PRIMARY KEY (tableName, key)
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
        return migrator
    }

    /// The secret was made with the file, and goes with it.
    private static func digest(_ db: Database) throws -> KeyDigest? {
        try Data.fetchOne(db, sql: "SELECT value FROM secret").flatMap { KeyDigest(secret: Array($0)) }
    }

    private static func makeDigest(_ db: Database) throws -> KeyDigest {
        let digest = KeyDigest.random()
        // Keys of another secret mean nothing any more.
        try db.execute(sql: "DELETE FROM secret; DELETE FROM visit; DELETE FROM counter")
        try db.execute(sql: "INSERT INTO secret (value) VALUES (?)", arguments: [Data(digest.stored)])
        return digest
    }

    func close() { try? pool.close() }

    // MARK: Reading, at the start

    /// Tells `body` all that is not forgotten, what was seen last first.
    func readVisits(at now: Date, _ body: (String, UInt128, RememberedVisits) -> Void) throws {
        try pool.read { db in
            let rows = try Row.fetchCursor(
                db, sql: "SELECT * FROM visit WHERE last + lifetime > ? ORDER BY last DESC",
                arguments: [now.timeIntervalSinceReferenceDate])
            while let row = try rows.next() {
                guard let key = UInt128(stored: row["key"]) else { continue }
                let visits = Visits(
                    first: Date(timeIntervalSinceReferenceDate: row["first"]),
                    last: Date(timeIntervalSinceReferenceDate: row["last"]), count: row["count"])
                body(
                    row["tableName"], key,
                    RememberedVisits(visits: visits, lifetime: Interval(seconds: row["lifetime"])))
            }
        }
    }

    func readCounters(at now: Date, _ body: (String, UInt128, SlidingWindow) -> Void) throws {
        try pool.read { db in
            let rows = try Row.fetchCursor(
                db, sql: "SELECT * FROM counter WHERE last > ? ORDER BY last DESC",
                arguments: [now.timeIntervalSinceReferenceDate])
            while let row = try rows.next() {
                let amounts = (row["amounts"] as String).split(separator: " ").compactMap { Int($0) }
                guard let key = UInt128(stored: row["key"]),
                    let window = SlidingWindow(window: row["window"], part: row["part"], amounts: amounts)
                else { continue }
                body(row["tableName"], key, window)
            }
        }
    }

    // MARK: Writing behind

    func write(_ changes: Shelf<RememberedVisits>.Changes, table: String) throws {
        try pool.write { db in
            let delete = try db.cachedStatement(sql: "DELETE FROM visit WHERE tableName = ? AND key = ?")
            for key in changes.removed { try delete.execute(arguments: [table, key.stored]) }
            let insert = try db.cachedStatement(
                sql: """
                    INSERT OR REPLACE INTO visit (tableName, key, first, last, count, lifetime)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """)
            for (key, entry) in changes.kept {
                try insert.execute(arguments: [
                    table, key.stored, entry.visits.first.timeIntervalSinceReferenceDate,
                    entry.visits.last.timeIntervalSinceReferenceDate, entry.visits.count, entry.lifetime.seconds,
                ])
            }
        }
    }

    func write(_ changes: Shelf<SlidingWindow>.Changes, table: String) throws {
        try pool.write { db in
            let delete = try db.cachedStatement(sql: "DELETE FROM counter WHERE tableName = ? AND key = ?")
            for key in changes.removed { try delete.execute(arguments: [table, key.stored]) }
            let insert = try db.cachedStatement(
                sql: """
                    INSERT OR REPLACE INTO counter (tableName, key, window, part, amounts, last)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """)
            for (key, entry) in changes.kept {
                let amounts = entry.amounts.indices.map { String(entry.amounts[$0]) }.joined(separator: " ")
                try insert.execute(arguments: [
                    table, key.stored, entry.window, entry.part, amounts, entry.end.timeIntervalSinceReferenceDate,
                ])
            }
        }
    }

    func removeForgotten(at now: Date) throws {
        try pool.write { db in
            let now = now.timeIntervalSinceReferenceDate
            try db.execute(sql: "DELETE FROM visit WHERE last + lifetime <= ?", arguments: [now])
            try db.execute(sql: "DELETE FROM counter WHERE last <= ?", arguments: [now])
        }
    }

    func remove(_ rows: [(table: String, key: UInt128)]) throws {
        try pool.write { db in
            for name in ["visit", "counter"] {
                let delete = try db.cachedStatement(sql: "DELETE FROM \(name) WHERE tableName = ? AND key = ?")
                for row in rows { try delete.execute(arguments: [row.table, row.key.stored]) }
            }
        }
    }
}

extension UInt128 {
    /// Sixteen octets, the highest first.
    var stored: Data { withUnsafeBytes(of: bigEndian) { Data($0) } }

    init?(stored: Data) {
        guard stored.count == 16 else { return nil }
        self = stored.reduce(0) { $0 << 8 | UInt128($1) }
    }
}
