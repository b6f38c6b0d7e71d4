import Foundation

/// Some threads that wait for what takes long, so that neither event loops nor tasks do.
final class BlockingThreads: @unchecked Sendable {
    // Everything below is read and written under `condition`.
    private let condition = NSCondition()
    private var jobs: [@Sendable () -> Void] = []
    private var isStopped = false
    private let limit: Int

    init(_ count: Int, limit: Int, name: String) {
        self.limit = limit
        for number in 0..<max(1, count) {
            // They hold this object until they are stopped.
            let thread = Thread { [self] in work() }
            thread.name = "\(name)-\(number)"
            thread.start()
        }
    }

    private func work() {
        while let job = next() { job() }
    }

    private func next() -> (@Sendable () -> Void)? {
        condition.lock()
        defer { condition.unlock() }
        while jobs.isEmpty, !isStopped { condition.wait() }
        return jobs.isEmpty ? nil : jobs.removeFirst()
    }

    private func add(_ job: @escaping @Sendable () -> Void) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard !isStopped, jobs.count < limit else { return false }
        jobs.append(job)
        condition.signal()
        return true
    }

    /// What `body` answers on one of the threads; `nil` if too many wait already.
    func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value? {
        await withCheckedContinuation { continuation in
            if !add({ continuation.resume(returning: body()) }) { continuation.resume(returning: nil) }
        }
    }

    /// The threads end when nothing waits any more.
    func stop() {
        condition.lock()
        isStopped = true
        condition.broadcast()
        condition.unlock()
    }
}
