import Foundation

/// A lock that may be held while a disk is written.
///
/// `Mutex` is for moments: on Linux the kernel hands a contended one over by itself, which the thread sanitizer cannot
/// see and takes for a race.
final class BatchLock<State>: @unchecked Sendable {
    private let lock = NSLock()
    // Read and written under `lock` only.
    private var state: State

    init(_ state: State) { self.state = state }

    func withLock<Result>(_ body: (inout State) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&state)
    }
}
