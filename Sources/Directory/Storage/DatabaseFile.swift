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

    static func open(
        _ path: String, durability: Durability, busyTimeout: Interval = "5s", readers: Int = 4
    ) throws(DirectoryError) -> DatabasePool {
        do {
            try makePrivate(path)
            return try DatabasePool(
                path: path, configuration: configuration(durability, busyTimeout: busyTimeout, readers: readers))
        } catch {
            throw DirectoryError(error)
        }
    }

    /// Applies the migrations that the file has not seen; refuses a file that has seen more.
    static func migrate(_ pool: DatabasePool, with migrator: DatabaseMigrator) throws(DirectoryError) {
        do {
            if try pool.read(migrator.hasBeenSuperseded) { throw DirectoryError.newerSchema(path: pool.path) }
            try migrator.migrate(pool)
        } catch {
            throw DirectoryError(error)
        }
    }

    private static func configuration(
        _ durability: Durability, busyTimeout: Interval, readers: Int
    ) -> GRDB.Configuration {
        var configuration = GRDB.Configuration()
        configuration.busyMode = .timeout(busyTimeout.seconds)
        configuration.maximumReaderCount = max(1, readers)
        configuration.prepareDatabase { db in
            // The level stands in our own source; a pragma takes no bound parameter.
            try db.execute(sql: "PRAGMA synchronous = \(durability.rawValue)")
        }
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
