import GRDB

/// A SQLite file that one store has for itself. Whatever goes wrong is told as a ``DirectoryError``. All methods block.
struct StoreFile: Sendable {
    private let pool: DatabasePool

    /// Opens or makes the file, for the process that writes.
    init(
        _ path: String, durability: DatabaseFile.Durability, migrations: DatabaseMigrator
    ) throws(DirectoryError) {
        pool = try DatabaseFile.open(path, durability: durability)
        try DatabaseFile.migrate(pool, with: migrations)
    }

    /// Opens the file beside a server that writes.
    init(readOnly path: String) throws(DirectoryError) { pool = try DatabaseFile.openReadOnly(path) }

    func close() { try? pool.close() }

    func read<Value>(_ body: (Database) throws -> Value) throws(DirectoryError) -> Value {
        do { return try pool.read(body) } catch { throw DirectoryError(error) }
    }

    /// All of it or nothing.
    func write<Value>(_ body: (Database) throws -> Value) throws(DirectoryError) -> Value {
        do { return try pool.write(body) } catch { throw DirectoryError(error) }
    }
}
