import GRDB
import Synchronization

/// The keys of mailboxes that have something, for one generation of the directory: asked for each delivery.
final class MailboxKeys: Sendable {
    private let known = Mutex<(generation: UInt64, keys: Set<String>)?>(nil)
    /// From what follows `FROM`, with the row of the table `address`.
    private let query: String

    init(_ source: StaticString) { query = "SELECT address.key FROM \(source)" }

    /// From memory, but for the first call after a change. Where the directory cannot be read, what was known before
    /// holds; who knew nothing says yes, and hears why when he asks for more.
    func contains(_ key: String, in directory: MailDirectory) -> Bool {
        // Before it is read: what a change overtakes is read once more.
        let generation = directory.generation.current
        if let known = known.withLock({ $0 }), known.generation == generation { return known.keys.contains(key) }
        let query = query
        guard let keys = try? directory.pool.read({ db in try Set(String.fetchAll(db, sql: query)) }) else {
            return known.withLock { $0?.keys.contains(key) ?? true }
        }
        known.withLock { $0 = (generation, keys) }
        return keys.contains(key)
    }
}
