public import Foundation
import GRDB
import MailTypes
public import Pipeline

/// How sessions with the exchangers of other domains fared with TLS, day by day, in `tls-sessions.sqlite`: what
/// reports are made of. RFC 8460 §4.
///
/// It is bounded: what finds no room in a policy's failures still counts as a failed session. A power cut may cost the
/// last sums. All methods block.
public final class TLSSessionStore: Sendable {
    /// What strangers can make of a day.
    public struct Limits: Sendable {
        /// Policies, each of one domain, of one day.
        public var policies = 100_000
        /// Policies of one domain on one day: a domain may change its own, and each exchanger has TLSA records.
        public var policiesOfDomain = 50
        /// Ways to fail under one policy.
        public var failures = 200
        public init() {}
    }

    private let file: StoreFile
    private let limits: Limits

    /// Days that ended so many seconds ago are cleared away: as long as the ledger of reports reaches back.
    private static let keptFor = 9 * 86_400.0

    /// Opens or makes the file, for the process that counts.
    public init(_ path: String, limits: Limits = Limits()) throws(DirectoryError) {
        self.limits = limits
        file = try StoreFile(path, durability: .normal, migrations: Self.migrator)
    }

    /// Opens the file beside a server that writes.
    public init(readOnly path: String) throws(DirectoryError) {
        limits = Limits()
        file = try StoreFile(readOnly: path)
    }

    public func close() { file.close() }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: policies, failures") { db in
            try db.execute(
                sql: """
                    CREATE TABLE policy (
                        number INTEGER PRIMARY KEY,
                        day REAL NOT NULL,
                        domain TEXT NOT NULL,
                        policy TEXT NOT NULL,
                        succeeded INTEGER NOT NULL,
                        failed INTEGER NOT NULL,
                        UNIQUE (day, domain, policy)
                    ) STRICT;
                    CREATE TABLE failure (
                        policy INTEGER NOT NULL REFERENCES policy (number) ON DELETE CASCADE,
                        failure TEXT NOT NULL,
                        count INTEGER NOT NULL,
                        PRIMARY KEY (policy, failure)
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
        return migrator
    }

    /// Adds sums to those that are there, all or none, and clears old days away.
    /// - Returns: sessions that found no room.
    public func add(_ tallies: [TLSTally], at now: Date) throws(DirectoryError) -> Int {
        let texts: [(policy: String, failures: [(text: String, count: Int)])]
        do {
            texts = try tallies.map { tally in
                (
                    policy: try Self.text(tally.policy),
                    failures: try tally.failures.map { (text: try Self.text($0.key), count: $0.value) }
                )
            }
        } catch { throw DirectoryError(error) }
        return try file.write { db in
            try db.execute(
                sql: "DELETE FROM policy WHERE day < ?", arguments: [now.timeIntervalSince1970 - Self.keptFor])
            var left = 0
            // Counted once: it takes a while where there are many.
            var counts: [Date: Int] = [:]
            for (tally, text) in zip(tallies, texts) {
                if let number = try row(of: tally, text.policy, &counts, db) {
                    try add(text.failures, to: number, db)
                } else {
                    left += tally.succeeded + tally.failed
                }
            }
            return left
        }
    }

    /// The row with the sums of a tally added; `nil`: there is no room for one more.
    private func row(
        of tally: TLSTally, _ policy: String, _ counts: inout [Date: Int], _ db: Database
    ) throws -> Int64? {
        let day = tally.day.timeIntervalSince1970
        let known = try Int64.fetchOne(
            db, sql: "SELECT number FROM policy WHERE day = ? AND domain = ? AND policy = ?",
            arguments: [day, tally.domain, policy])
        if let known {
            try db.execute(
                sql: "UPDATE policy SET succeeded = succeeded + ?, failed = failed + ? WHERE number = ?",
                arguments: [tally.succeeded, tally.failed, known])
            return known
        }
        let all: Int
        if let count = counts[tally.day] {
            all = count
        } else {
            all = try Int.fetchOne(db, sql: "SELECT count(*) FROM policy WHERE day = ?", arguments: [day]) ?? 0
        }
        counts[tally.day] = all
        let own = try Int.fetchOne(
            db, sql: "SELECT count(*) FROM policy WHERE day = ? AND domain = ?", arguments: [day, tally.domain])
        guard own ?? 0 < limits.policiesOfDomain, all < limits.policies else { return nil }
        counts[tally.day] = all + 1
        try db.execute(
            sql: "INSERT INTO policy (day, domain, policy, succeeded, failed) VALUES (?, ?, ?, ?, ?)",
            arguments: [day, tally.domain, policy, tally.succeeded, tally.failed])
        return db.lastInsertedRowID
    }

    private func add(_ failures: [(text: String, count: Int)], to number: Int64, _ db: Database) throws {
        guard !failures.isEmpty else { return }
        var room = limits.failures
        room -= try Int.fetchOne(db, sql: "SELECT count(*) FROM failure WHERE policy = ?", arguments: [number]) ?? 0
        for (text, count) in failures {
            try db.execute(
                sql: "UPDATE failure SET count = count + ? WHERE policy = ? AND failure = ?",
                arguments: [count, number, text])
            guard db.changesCount == 0, room > 0 else { continue }
            try db.execute(
                sql: "INSERT INTO failure (policy, failure, count) VALUES (?, ?, ?)", arguments: [number, text, count])
            room -= 1
        }
    }

    /// The sums of the days that begin in that time, `end` not among them: of one domain, or of all.
    public func tallies(from begin: Date, to end: Date, of domain: String? = nil) throws(DirectoryError) -> [TLSTally] {
        let arguments: StatementArguments = [begin.timeIntervalSince1970, end.timeIntervalSince1970, domain, domain]
        let condition = "policy.day >= ? AND policy.day < ? AND (? IS NULL OR policy.domain = ?)"
        let (rows, failures) = try file.read { db in
            (
                try Row.fetchAll(
                    db, sql: "SELECT * FROM policy WHERE \(condition) ORDER BY day, domain, number",
                    arguments: arguments),
                try Row.fetchAll(
                    db,
                    sql: """
                        SELECT failure.* FROM failure JOIN policy ON policy.number = failure.policy WHERE \(condition)
                        """, arguments: arguments)
            )
        }
        var byPolicy: [Int64: [TLSFailure: Int]] = [:]
        for row in failures {
            guard let failure = Self.value(TLSFailure.self, row["failure"]) else { continue }
            byPolicy[row["policy"], default: [:]][failure] = row["count"]
        }
        return rows.compactMap { row in
            guard let policy = Self.value(PublishedPolicy.self, row["policy"]) else { return nil }
            var tally = TLSTally(
                domain: row["domain"], day: Date(timeIntervalSince1970: row["day"]), policy: policy)
            (tally.succeeded, tally.failed) = (row["succeeded"], row["failed"])
            tally.failures = byPolicy[row["number"]] ?? [:]
            return tally
        }
    }

    // MARK: Columns

    /// The same value has one text.
    private static func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    /// `nil` for what another version wrote.
    private static func value<Value: Decodable>(_ type: Value.Type, _ text: String) -> Value? {
        try? JSONDecoder().decode(type, from: Data(text.utf8))
    }
}
