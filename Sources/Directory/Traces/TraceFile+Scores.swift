public import Foundation
import GRDB
import MailTypes
public import Pipeline

// The scores of messages, apart from their traces: what counts them reads nothing else.
extension TraceFile {
    /// Octets that a row takes, about.
    static let scoreSize = 150
    /// Recipients of one trace whose scores are kept.
    private static let mostScores = 1_000
    /// By what a message's identity is made short; it need not be secret, for who makes two meet is counted once.
    private static let digest = KeyDigest(secret: Array(repeating: 0, count: KeyDigest.secretSize))

    static func addScores(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("3: scores") { db in
            try db.execute(
                sql: """
                    CREATE TABLE score (
                        number INTEGER NOT NULL REFERENCES trace (number) ON DELETE CASCADE,
                        place INTEGER NOT NULL,
                        started REAL NOT NULL,
                        recipient TEXT NOT NULL,
                        scope TEXT NOT NULL,
                        score REAL NOT NULL,
                        isExempt INTEGER NOT NULL,
                        identity BLOB,
                        PRIMARY KEY (number, place)
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
    }

    static func insert(_ copies: [ScoredCopy], of number: Int64, started: Date, _ db: Database) throws {
        guard !copies.isEmpty else { return }
        let statement = try db.cachedStatement(
            sql: """
                INSERT INTO score (number, place, started, recipient, scope, score, isExempt, identity)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """)
        for (place, copy) in copies.prefix(mostScores).enumerated() {
            let identity = copy.identity.flatMap { text in
                digest.map { digest in withUnsafeBytes(of: digest(text)) { Data($0) } }
            }
            try statement.execute(arguments: [
                number, place, started.timeIntervalSinceReferenceDate, copy.recipient.description, copy.scope.key,
                copy.score, copy.isExempt, identity,
            ])
        }
    }

    /// The newest first, until `body` says `false`.
    func eachScore(since date: Date, _ body: (ScoreRecord) throws -> Bool) throws {
        try pool.read { db in
            let rows = try Row.fetchCursor(
                db,
                sql: """
                    SELECT number, started, recipient, scope, score, isExempt, identity FROM score
                    WHERE started >= ? ORDER BY number DESC, place
                    """,
                arguments: [date.timeIntervalSinceReferenceDate])
            var scopes: [String: PolicyScope] = [:]
            while let row = try rows.next() {
                let key: String = row[3]
                let scope = scopes[key] ?? PolicyScope(key: key)
                scopes[key] = scope
                let record = ScoreRecord(
                    trace: row[0], started: Date(timeIntervalSinceReferenceDate: row[1]), recipient: row[2],
                    scope: scope, score: row[4], isExempt: row[5], identity: (row[6] as Data?).map(Array.init))
                guard try body(record) else { return }
            }
        }
    }
}

/// The score of a message for one recipient, as it is kept beside its trace.
public struct ScoreRecord: Sendable, Hashable {
    /// The trace's number in the file.
    public var trace: Int64
    public var started: Date
    /// The address that was said.
    public var recipient: String
    /// Whose thresholds held.
    public var scope: PolicyScope
    public var score: Double
    /// The score was set aside, whatever it was.
    public var isExempt: Bool
    /// Equal for each attempt to send the same message; `nil` where nobody can tell.
    public var identity: [UInt8]?

    public init(
        trace: Int64, started: Date, recipient: String, scope: PolicyScope, score: Double, isExempt: Bool = false,
        identity: [UInt8]? = nil
    ) {
        self.trace = trace
        self.started = started
        self.recipient = recipient
        self.scope = scope
        self.score = score
        self.isExempt = isExempt
        self.identity = identity
    }
}
