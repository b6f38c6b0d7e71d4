import Foundation
import GRDB
import MailTypes
import Pipeline
import Scoring

/// `lessons.sqlite`: each lesson with its tokens. What is made of them can be made again.
struct LessonFile {
    let pool: DatabasePool
    let digest: KeyDigest

    init(path: String) throws(DirectoryError) {
        let failure = { Self.failure($0, at: path) }
        pool = try DatabaseFile.open(path, durability: .full, givesBackSpace: true, failure: failure)
        try DatabaseFile.migrate(pool, with: Self.migrator, failure: failure)
        do {
            digest = try pool.write { db in
                if let known = try Data.fetchOne(db, sql: "SELECT value FROM secret") {
                    // A secret that cannot be read would make every lesson a new one.
                    guard let digest = KeyDigest(secret: Array(known)) else {
                        throw DirectoryError.lessonsUnavailable(
                            path: path, reason: "the secret is none", isDamaged: true)
                    }
                    return digest
                }
                let made = KeyDigest.random()
                try db.execute(sql: "INSERT INTO secret (value) VALUES (?)", arguments: [Data(made.stored)])
                return made
            }
        } catch {
            throw failure(error)
        }
    }

    /// What went wrong, told as a matter of the lessons; without SQL and its arguments, which are a user's data.
    static func failure(_ error: any Error, at path: String) -> DirectoryError {
        switch error {
        case let error as DirectoryError: error
        case let error as DatabaseError:
            .lessonsUnavailable(
                path: path, reason: error.message ?? "SQLite result \(error.resultCode.rawValue)",
                isDamaged: error.resultCode == .SQLITE_CORRUPT || error.resultCode == .SQLITE_NOTADB)
        case let error as CocoaError:
            .lessonsUnavailable(path: path, reason: error.localizedDescription, isDamaged: false)
        default: .lessonsUnavailable(path: path, reason: String(describing: error), isDamaged: false)
        }
    }

    /// Renames a damaged file, and what SQLite keeps beside it; returns its new name.
    static func setAside(_ path: String, now: Date) throws(DirectoryError) -> String {
        let time = now.formatted(.iso8601.dateSeparator(.omitted).timeSeparator(.omitted))
        let place = "\(path).damaged-\(time)"
        for suffix in ["", "-wal", "-shm"] where rename(path + suffix, place + suffix) != 0 && errno != ENOENT {
            throw failure(SystemError(call: "rename", path: path + suffix, code: errno), at: path)
        }
        return place
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: lessons") { db in
            try db.execute(
                sql: """
                    CREATE TABLE secret (value BLOB NOT NULL) STRICT;
                    CREATE TABLE scope (
                        name TEXT PRIMARY KEY,
                        change INTEGER NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    CREATE TABLE lesson (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        time REAL NOT NULL,
                        actor TEXT NOT NULL,
                        origin TEXT NOT NULL,
                        scope TEXT NOT NULL,
                        isSpam INTEGER NOT NULL,
                        message BLOB NOT NULL,
                        messageID TEXT,
                        count INTEGER NOT NULL,
                        tokens BLOB,
                        ended REAL,
                        "end" TEXT
                    ) STRICT;
                    -- Learning a message twice is one lesson.
                    CREATE UNIQUE INDEX lessonOfMessage ON lesson (scope, message) WHERE ended IS NULL;
                    CREATE INDEX lessonByEnd ON lesson (ended) WHERE ended IS NOT NULL;
                    """)
        }
        migrator.registerMigration("2: blocks of tokens") { db in
            // Tokens are made in another way, and the text that they were of is not kept: those of before would never
            // be found in a message. What was taught is listed for a while, so that somebody can teach it again.
            try db.execute(
                sql: """
                    UPDATE lesson SET ended = ?, "end" = ?, tokens = NULL WHERE ended IS NULL;
                    UPDATE scope SET change = change + 1;
                    """,
                arguments: [Date().timeIntervalSinceReferenceDate, LessonEnd.outdated.rawValue])
        }
        return migrator
    }

    func close() { try? pool.close() }
}

/// What is done to lessons within one transaction.
struct LessonRows {
    let db: Database
    let now: Date

    struct Active {
        var id: Int64
        var isSpam: Bool
    }

    func active(_ message: UInt128, in scope: LessonScope) throws -> Active? {
        try Row.fetchOne(
            db, sql: "SELECT id, isSpam FROM lesson WHERE scope = ? AND message = ? AND ended IS NULL",
            arguments: [scope.text, message.stored]
        ).map { Active(id: $0["id"], isSpam: $0["isSpam"]) }
    }

    func insert(
        _ subject: LessonSubject, _ message: UInt128, isSpam: Bool, in scope: LessonScope, by actor: String,
        _ origin: LessonOrigin
    ) throws {
        let statement = try db.cachedStatement(
            sql: """
                INSERT INTO lesson (time, actor, origin, scope, isSpam, message, messageID, count, tokens)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
        try statement.execute(arguments: [
            now.timeIntervalSinceReferenceDate, actor, origin.rawValue, scope.text, isSpam, message.stored,
            subject.messageID, subject.tokens.count, Self.packed(subject.tokens),
        ])
    }

    /// Its tokens are not needed any more; that there was a lesson is told for a while.
    func end(_ id: Int64, _ reason: LessonEnd) throws {
        try db.execute(
            sql: "UPDATE lesson SET ended = ?, \"end\" = ?, tokens = NULL WHERE id = ?",
            arguments: [now.timeIntervalSinceReferenceDate, reason.rawValue, id])
    }

    func counts(in scope: LessonScope) throws -> (spam: Int, ham: Int) {
        let row = try Row.fetchOne(
            db, sql: "SELECT COUNT(*) AS n, SUM(isSpam) AS spam FROM lesson WHERE scope = ? AND ended IS NULL",
            arguments: [scope.text])
        let (count, spam): (Int, Int) = (row?["n"] ?? 0, row?["spam"] ?? 0)
        return (spam, count - spam)
    }

    /// The oldest of the kind of which there are more make room; what is older than `age` goes anyway.
    func expire(in scope: LessonScope, most: Int, age: Interval) throws -> Int {
        var doomed = try Int64.fetchAll(
            db, sql: "SELECT id FROM lesson WHERE scope = ? AND ended IS NULL AND time < ?",
            arguments: [scope.text, now.timeIntervalSinceReferenceDate - age.seconds])
        for id in doomed { try end(id, .expired) }
        var (spam, ham) = try counts(in: scope)
        while spam + ham > most {
            let isSpam = spam >= ham
            let excess = spam + ham - most
            let some = try Int64.fetchAll(
                db, sql: "SELECT id FROM lesson WHERE scope = ? AND ended IS NULL AND isSpam = ? ORDER BY id LIMIT ?",
                arguments: [scope.text, isSpam, max(1, min(excess, abs(spam - ham)))])
            guard !some.isEmpty else { break }
            for id in some { try end(id, .expired) }
            if isSpam { spam -= some.count } else { ham -= some.count }
            doomed += some
        }
        return doomed.count
    }

    /// Forgets that there were lessons which ended so long ago.
    func clear(endedFor age: Interval) throws {
        try db.execute(
            sql: "DELETE FROM lesson WHERE ended < ?", arguments: [now.timeIntervalSinceReferenceDate - age.seconds])
        try db.execute(sql: "PRAGMA incremental_vacuum")
    }

    func advance(_ scope: LessonScope) throws {
        try db.execute(
            sql: """
                INSERT INTO scope (name, change) VALUES (?, 1)
                ON CONFLICT (name) DO UPDATE SET change = change + 1
                """, arguments: [scope.text])
    }

    // MARK: Reading

    func change(of scope: LessonScope) throws -> UInt64 {
        UInt64(
            clamping: try Int64.fetchOne(db, sql: "SELECT change FROM scope WHERE name = ?", arguments: [scope.text])
                ?? 0)
    }

    func scopes() throws -> [LessonScope] {
        try String.fetchAll(db, sql: "SELECT name FROM scope ORDER BY name").compactMap(LessonScope.init(text:))
    }

    /// Scopes of which a lesson counts still that is older than that.
    func scopes(olderThan age: Interval) throws -> [LessonScope] {
        try String.fetchAll(
            db, sql: "SELECT DISTINCT scope FROM lesson WHERE ended IS NULL AND time < ?",
            arguments: [now.timeIntervalSinceReferenceDate - age.seconds]
        ).compactMap(LessonScope.init(text:))
    }

    /// Lessons that count, the oldest first; of each kind only the newest `most`, if that is given.
    func lessons(in scope: LessonScope, newest most: Int? = nil) throws -> [LessonTrainer.Lesson] {
        func some(_ isSpam: Bool) throws -> [(id: Int64, lesson: LessonTrainer.Lesson)] {
            let rows = try Row.fetchCursor(
                db,
                sql: """
                    SELECT id, tokens FROM lesson WHERE scope = ? AND ended IS NULL AND isSpam = ?
                    ORDER BY id DESC LIMIT ?
                    """, arguments: [scope.text, isSpam, most ?? -1])
            var found: [(id: Int64, lesson: LessonTrainer.Lesson)] = []
            while let row = try rows.next() {
                let tokens: Data = row["tokens"] ?? Data()
                found.append((row["id"], LessonTrainer.Lesson(tokens: Self.unpacked(tokens), isSpam: isSpam)))
            }
            return found
        }
        return (try some(true) + some(false)).sorted { $0.id < $1.id }.map(\.lesson)
    }

    func history(_ scope: LessonScope?, limit: Int) throws -> [LessonEntry] {
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT id, time, actor, origin, scope, isSpam, messageID, count, ended, "end" FROM lesson
                WHERE ?1 IS NULL OR scope = ?1 ORDER BY id DESC LIMIT ?2
                """, arguments: [scope?.text, limit])
        return rows.compactMap(LessonEntry.init)
    }

    func entry(_ id: Int64) throws -> LessonEntry? {
        try Row.fetchOne(
            db,
            sql: """
                SELECT id, time, actor, origin, scope, isSpam, messageID, count, ended, "end" FROM lesson WHERE id = ?
                """, arguments: [id]
        ).flatMap(LessonEntry.init)
    }

    func newest(in scope: LessonScope) throws -> Date? {
        try Double.fetchOne(
            db, sql: "SELECT MAX(time) FROM lesson WHERE scope = ? AND ended IS NULL", arguments: [scope.text]
        ).map(Date.init(timeIntervalSinceReferenceDate:))
    }

    // MARK: Tokens

    /// Eight octets each, the lowest first.
    static func packed(_ tokens: [UInt64]) -> Data {
        tokens.map(\.littleEndian).withUnsafeBytes { Data($0) }
    }

    /// What is left over at the end is no token.
    static func unpacked(_ data: Data) -> [UInt64] {
        data.withUnsafeBytes { octets in
            (0..<octets.count / 8).map { place in
                UInt64(littleEndian: octets.loadUnaligned(fromByteOffset: place * 8, as: UInt64.self))
            }
        }
    }
}

extension LessonEntry {
    fileprivate init?(_ row: Row) {
        guard let scope = LessonScope(text: row["scope"]), let origin = LessonOrigin(rawValue: row["origin"]) else {
            return nil
        }
        self.init(
            id: row["id"], time: Date(timeIntervalSinceReferenceDate: row["time"]), actor: row["actor"],
            origin: origin, scope: scope, isSpam: row["isSpam"], messageID: row["messageID"], tokens: row["count"],
            end: (row["end"] as String?).flatMap(LessonEnd.init(rawValue:)),
            ended: (row["ended"] as Double?).map(Date.init(timeIntervalSinceReferenceDate:)))
    }
}
