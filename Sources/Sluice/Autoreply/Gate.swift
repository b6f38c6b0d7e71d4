import Synchronization

/// Lets only so many in at once, and only so many wait, in the order in which they came.
final class Gate: Sendable {
    private struct State {
        var inside = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
        /// Those before it in `waiting` were let in.
        var next = 0
    }

    private let state = Mutex(State())
    private let most: (inside: Int, waiting: Int)

    init(inside: Int, waiting: Int) { most = (max(1, inside), max(0, waiting)) }

    /// Runs `body` when its turn has come; `nil`: too many wait.
    func pass<Result: Sendable>(_ body: () async -> Result) async -> Result? {
        guard await enter() else { return nil }
        let result = await body()
        leave()
        return result
    }

    private enum Admission { case now, later, never }

    private func enter() async -> Bool {
        switch admission() {
        case .now: return true
        case .never: return false
        case .later: break
        }
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                // Somebody may have left since it was looked.
                if state.inside < most.inside {
                    state.inside += 1
                    return true
                }
                state.waiting.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
        return true
    }

    private func admission() -> Admission {
        state.withLock { state in
            if state.inside < most.inside {
                state.inside += 1
                return .now
            }
            return state.waiting.count - state.next < most.waiting ? .later : .never
        }
    }

    private func leave() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.next < state.waiting.count else {
                state.inside -= 1
                return nil
            }
            defer {
                state.next += 1
                // What is over is let go once it is the greater part.
                if state.next * 2 > state.waiting.count {
                    state.waiting.removeFirst(state.next)
                    state.next = 0
                }
            }
            return state.waiting[state.next]
        }
        next?.resume()
    }
}
