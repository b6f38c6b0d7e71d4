import Queue
import Synchronization

/// Messages that an operator has given up. Few: those that end are forgotten with the process, since no id is used
/// again.
final class GivenUp: Sendable {
    private let ids = Mutex<Set<QueueID>>([])

    func insert(_ id: QueueID) { ids.withLock { _ = $0.insert(id) } }
    /// The message has not ended by it, and what becomes of it next is to be said anew.
    func remove(_ id: QueueID) { ids.withLock { _ = $0.remove(id) } }
    func contains(_ id: QueueID) -> Bool { ids.withLock { $0.contains(id) } }
}
