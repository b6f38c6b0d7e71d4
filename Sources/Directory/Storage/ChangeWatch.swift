import GRDB
import MailTypes
import Synchronization

/// The safety net below ``GenerationFile``: SQLite itself counts the commits that others make, so what a
/// writer did that died before it could tell is found by asking once a second.
final class ChangeWatch: Sendable {
    private let connection: DatabaseQueue
    private let generation: GenerationFile
    private let version = Mutex<Int64?>(nil)
    private let heartbeat = Mutex<Heartbeat?>(nil)

    init(path: String, generation: GenerationFile, interval: Interval) throws {
        var configuration = Configuration()
        configuration.readonly = true
        connection = try DatabaseQueue(path: path, configuration: configuration)
        self.generation = generation
        look()
        let beat = Heartbeat(name: "directory-watch", every: interval) { [weak self] in self?.look() }
        heartbeat.withLock { $0 = beat }
    }

    deinit { stop() }

    /// Drops this process's caches if anybody has committed since the last look.
    func look() {
        // `data_version` means something only within one connection, outside of a transaction.
        let now = try? connection.unsafeRead { db in try Int64.fetchOne(db, sql: "PRAGMA data_version") }
        guard let now else { return }
        let before = version.withLock { version in
            defer { version = now }
            return version
        }
        if let before, before != now { generation.advanceLocally() }
    }

    func stop() {
        heartbeat.withLock { $0.take() }?.stop()
        try? connection.close()
    }
}
