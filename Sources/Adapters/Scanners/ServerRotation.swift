import Synchronization

/// Which of several servers is asked first: in their order, and those that have just failed last.
final class ServerRotation<Server: Hashable & Sendable>: Sendable {
    private let failed = Mutex<[Server: ContinuousClock.Instant]>([:])
    private let pause: Duration
    private let now: @Sendable () -> ContinuousClock.Instant

    /// - Parameter pause: How long a server that has failed is asked only if no other answers.
    init(pause: Duration = .seconds(30), now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.pause = pause
        self.now = now
    }

    func order(of servers: [Server]) -> [Server] {
        let now = now()
        let resting = failed.withLock { failed in
            failed = failed.filter { now - $0.value < pause }
            return failed
        }
        return servers.filter { resting[$0] == nil } + servers.filter { resting[$0] != nil }
    }

    func note(_ server: Server, isWell: Bool) {
        let now = now()
        failed.withLock { $0[server] = isWell ? nil : now }
    }
}
