import Foundation
import GRDB
import GRDBSQLite

/// A statement that changes rows, with its values bound by SQLite's own calls.
///
/// For rows that come with every message: GRDB's way there, by values of any type in an array, costs more than the row.
/// It is used within one transaction of the database it was made for.
struct RowStatement {
    private let statement: Statement
    private let db: Database
    private var place: CInt = 0
    private var failure: CInt = SQLITE_OK

    private var handle: SQLiteStatement { statement.sqliteStatement }

    /// - Throws: What SQLite says to `sql`, whose values are all `?`.
    init(_ db: Database, sql: String) throws {
        self.db = db
        statement = try db.cachedStatement(sql: sql)
    }

    // MARK: Values, in their order

    mutating func bind(_ text: String) {
        var text = text
        next { row, place in
            text.withUTF8 { octets in
                // For SQLite no pointer is no value.
                guard !octets.isEmpty else { return sqlite3_bind_text(row, place, "", 0, Self.copied) }
                return octets.withMemoryRebound(to: CChar.self) {
                    sqlite3_bind_text64(
                        row, place, $0.baseAddress, UInt64($0.count), Self.copied, UInt8(SQLITE_UTF8))
                }
            }
        }
    }

    /// `nil` is NULL.
    mutating func bind(_ text: String?) {
        if let text { bind(text) } else { next(sqlite3_bind_null) }
    }

    mutating func bind(_ number: Int64) { next { sqlite3_bind_int64($0, $1, number) } }

    mutating func bind(_ number: Double) { next { sqlite3_bind_double($0, $1, number) } }

    /// A blob.
    mutating func bind(_ octets: some ContiguousBytes) {
        next { row, place in
            octets.withUnsafeBytes {
                $0.isEmpty
                    ? sqlite3_bind_zeroblob(row, place, 0)
                    : sqlite3_bind_blob64(row, place, $0.baseAddress, UInt64($0.count), Self.copied)
            }
        }
    }

    /// A blob; `nil` is NULL.
    mutating func bind(_ octets: (some ContiguousBytes)?) {
        if let octets { bind(octets) } else { next(sqlite3_bind_null) }
    }

    private mutating func next(_ bind: (SQLiteStatement?, CInt) -> CInt) {
        place += 1
        let code = bind(handle, place)
        if failure == SQLITE_OK { failure = code }
    }

    /// Says that SQLite makes a copy of what it is shown: `SQLITE_TRANSIENT`.
    private static var copied: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }

    // MARK: Running

    /// Runs the statement with the values bound, and forgets these.
    /// - Throws: `DatabaseError`, after which nothing of the row is there.
    mutating func run() throws {
        var code = failure
        if code == SQLITE_OK { code = sqlite3_step(handle) }
        let message = code == SQLITE_DONE ? nil : db.lastErrorMessage
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
        (place, failure) = (0, SQLITE_OK)
        guard code == SQLITE_DONE else { throw DatabaseError(resultCode: ResultCode(rawValue: code), message: message) }
    }
}
