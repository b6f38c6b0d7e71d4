import Foundation
import GRDB
import MailTypes

/// How the SQLite files of this program are opened.
enum DatabaseFile {
    /// What a power cut may cost.
    enum Durability: String {
        /// Nothing that was committed.
        case full = "FULL"
        /// The last transactions; the file stays sound.
        case normal = "NORMAL"
    }

    /// - Parameters:
    ///   - givesBackSpace: What is deleted can be given back to the file system by `PRAGMA incremental_vacuum`.
    ///   - failure: How an error is told.
    static func open(
        _ path: String, durability: Durability, busyTimeout: Interval = "5s", readers: Int = 4,
        givesBackSpace: Bool = false, failure: (any Error) -> DirectoryError = { DirectoryError($0) }
    ) throws(DirectoryError) -> DatabasePool {
        var configuration = configuration(busyTimeout: busyTimeout, readers: readers)
        configuration.prepareDatabase { db in
            // It can be said only while the file is empty; later it is without effect.
            if givesBackSpace, !db.configuration.readonly { try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL") }
        }
        do {
            try makePrivate(path)
            let pool = try DatabasePool(path: path, configuration: configuration)
            // GRDB sets NORMAL as it turns WAL on, so what shall hold is said afterwards, to the one connection that
            // writes. The level stands in our own source; a pragma takes no bound parameter.
            try pool.writeWithoutTransaction { db in
                try db.execute(sql: "PRAGMA synchronous = \(durability.rawValue)")
            }
            return pool
        } catch {
            throw failure(error)
        }
    }

    /// Opens a file that must exist, beside the process that writes it.
    static func openReadOnly(_ path: String) throws(DirectoryError) -> DatabasePool {
        var configuration = configuration(busyTimeout: "5s", readers: 1)
        configuration.readonly = true
        do { return try DatabasePool(path: path, configuration: configuration) } catch { throw DirectoryError(error) }
    }

    /// Applies the migrations that the file has not seen; refuses a file that has seen more.
    static func migrate(
        _ pool: DatabasePool, with migrator: DatabaseMigrator,
        failure: (any Error) -> DirectoryError = { DirectoryError($0) }
    ) throws(DirectoryError) {
        do {
            if try pool.read(migrator.hasBeenSuperseded) { throw DirectoryError.newerSchema(path: pool.path) }
            try migrator.migrate(pool)
        } catch {
            throw failure(error)
        }
    }

    private static func configuration(busyTimeout: Interval, readers: Int) -> GRDB.Configuration {
        var configuration = GRDB.Configuration()
        configuration.busyMode = .timeout(busyTimeout.seconds)
        configuration.maximumReaderCount = max(1, readers)
        return configuration
    }

    /// SQLite gives its journal the permissions of the file, so the file is made first, for its owner only.
    private static func makePrivate(_ path: String) throws(SystemError) {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: path, code: errno) }
        Glibc.close(descriptor)
    }
}

extension DirectoryError {
    /// What went wrong below, told as a matter of the directory.
    init(_ error: any Error) {
        switch error {
        case let error as DirectoryError: self = error
        case let error as DatabaseError:
            // Without the SQL and its arguments: those are a user's data.
            self = .unavailable(error.message ?? "SQLite result \(error.resultCode.rawValue)")
        default: self = .unavailable(String(describing: error))
        }
    }
}
