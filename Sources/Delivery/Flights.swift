import Synchronization

/// Work that nobody waits for, except a stop.
final class Flights: Sendable {
    private let count = Atomic(0)

    /// Whether something is under way.
    var areAny: Bool { count.load(ordering: .acquiring) > 0 }

    func begin(_ work: @escaping @Sendable () async -> Void) {
        count.add(1, ordering: .relaxed)
        Task {
            await work()
            self.count.subtract(1, ordering: .releasing)
        }
    }
}
