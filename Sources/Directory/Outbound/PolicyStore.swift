public import Foundation
import GRDB

/// MTA-STS policies that were fetched, in `outbound.sqlite`: a restart forgets none. RFC 8461 §3.2.
///
/// All methods block.
public final class PolicyStore: Sendable {
    /// A policy as it came.
    public struct Entry: Sendable, Hashable {
        public var domain: String
        /// As the domain's TXT record named it.
        public var id: String
        public var fetched: Date
        public var expires: Date
        public var text: [UInt8]

        public init(domain: String, id: String, fetched: Date, expires: Date, text: [UInt8]) {
            self.domain = domain
            self.id = id
            self.fetched = fetched
            self.expires = expires
            self.text = text
        }
    }

    private let file: StoreFile

    /// Opens or makes the file, for the process that fetches.
    public init(_ path: String) throws(DirectoryError) {
        file = try StoreFile(path, durability: .full, migrations: Self.migrator)
    }

    /// Opens the file beside a server that writes.
    public init(readOnly path: String) throws(DirectoryError) { file = try StoreFile(readOnly: path) }

    public func close() { file.close() }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: policies") { db in
            try db.execute(
                sql: """
                    CREATE TABLE policy (
                        domain TEXT PRIMARY KEY NOT NULL,
                        id TEXT NOT NULL,
                        fetched REAL NOT NULL,
                        expires REAL NOT NULL,
                        text BLOB NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX policyByEnd ON policy (expires);
                    """)
        }
        return migrator
    }

    /// Those that are still in force then; the others are cleared away by a process that may.
    public func entries(at now: Date, clears: Bool = true) throws(DirectoryError) -> [Entry] {
        if clears {
            try file.write { db in
                try db.execute(sql: "DELETE FROM policy WHERE expires <= ?", arguments: [now.timeIntervalSince1970])
            }
        }
        return try file.read { db in
            try Row.fetchAll(
                db, sql: "SELECT * FROM policy WHERE expires > ? ORDER BY domain",
                arguments: [now.timeIntervalSince1970])
        }.map { row in
            Entry(
                domain: row["domain"], id: row["id"], fetched: Date(timeIntervalSince1970: row["fetched"]),
                expires: Date(timeIntervalSince1970: row["expires"]), text: Array(row["text"] as Data))
        }
    }

    /// Keeps a policy in place of the domain's former one.
    public func write(_ entry: Entry) throws(DirectoryError) {
        try file.write { db in
            try db.execute(
                sql: "INSERT OR REPLACE INTO policy (domain, id, fetched, expires, text) VALUES (?, ?, ?, ?, ?)",
                arguments: [
                    entry.domain, entry.id, entry.fetched.timeIntervalSince1970, entry.expires.timeIntervalSince1970,
                    Data(entry.text),
                ])
        }
    }

    public func remove(_ domain: String) throws(DirectoryError) {
        try file.write { db in try db.execute(sql: "DELETE FROM policy WHERE domain = ?", arguments: [domain]) }
    }
}
