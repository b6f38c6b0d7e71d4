import Foundation
import Synchronization

/// Threads of its own for work that blocks, with a waiting line that ends somewhere.
///
/// Neither an event loop nor the cooperative pool may wait for a disk or compute a password's hash:
/// on two cores, two such waits stop everything.
final class WorkerPool: Sendable {
    /// The waiting line is full, or the pool has been closed.
    struct Refused: Error {}

    private let line: Line

    /// Starts `threads` threads; at most `waiting` works wait for one of them.
    init(name: String, threads: Int, waiting: Int) {
        line = Line(limit: max(1, waiting))
        for number in 0..<max(1, threads) {
            let thread = Thread { [line] in line.serve() }
            thread.name = "\(name)-\(number)"
            thread.start()
        }
    }

    deinit { line.close() }

    /// The result of `work`, computed on one of the pool's threads.
    func run<Success: Sendable>(_ work: @escaping @Sendable () -> Success) async throws(Refused) -> Success {
        let result: Result<Success, Refused> = await withCheckedContinuation { continuation in
            let isTaken = line.add { continuation.resume(returning: .success(work())) }
            if !isTaken { continuation.resume(returning: .failure(Refused())) }
        }
        return try result.get()
    }

    /// Takes no more work; what has been taken is done.
    func close() { line.close() }

    /// Works in the order of their arrival.
    private final class Line: @unchecked Sendable {
        // Everything below is read and written under `condition`.
        private let condition = NSCondition()
        private var works: [@Sendable () -> Void] = []
        private var next = 0
        private var isClosed = false
        private let limit: Int

        init(limit: Int) { self.limit = limit }

        func add(_ work: @escaping @Sendable () -> Void) -> Bool {
            condition.lock()
            defer { condition.unlock() }
            guard !isClosed, works.count - next < limit else { return false }
            works.append(work)
            condition.signal()
            return true
        }

        func close() {
            condition.lock()
            defer { condition.unlock() }
            isClosed = true
            condition.broadcast()
        }

        func serve() {
            while let work = take() { work() }
        }

        private func take() -> (@Sendable () -> Void)? {
            condition.lock()
            defer { condition.unlock() }
            while next == works.count {
                if isClosed { return nil }
                works.removeAll(keepingCapacity: true)
                next = 0
                condition.wait()
            }
            let work = works[next]
            works[next] = {}
            next += 1
            if next > 1_024, next * 2 > works.count {
                works.removeFirst(next)
                next = 0
            }
            return work
        }
    }
}
