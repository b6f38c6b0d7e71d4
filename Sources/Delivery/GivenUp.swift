import MailTypes
import Queue
import Synchronization

/// Messages that an operator has given up. Few: those that end are forgotten with the process, since no id is used
/// again.
final class GivenUp: Sendable {
    private static let reply = Reply(554, .other, "Given up by the postmaster")

    private let ids = Mutex<Set<QueueID>>([])

    func insert(_ id: QueueID) { ids.withLock { _ = $0.insert(id) } }
    /// The message has not ended by it, and what becomes of it next is to be said anew.
    func remove(_ id: QueueID) { ids.withLock { _ = $0.remove(id) } }
    func contains(_ id: QueueID) -> Bool { ids.withLock { !$0.isEmpty && $0.contains(id) } }

    /// What attempts have brought for a message that was given up meanwhile: they were the last.
    static func last(_ attempts: [Attempt]) -> [Attempt] {
        attempts.map { attempt in
            switch attempt.result {
            case .delivered, .discarded, .relayed, .failed: return attempt
            case .deferred, .returned:
                return Attempt(claimed: attempt.claimed, result: .failed(Self.reply), host: attempt.host)
            }
        }
    }
}
