import MailTypes
import Pipeline
import Synchronization

/// Something for a worker to do, for which somebody waits. It is answered once, by whoever comes first.
final class SandboxJob: Sendable {
    typealias Outcome = Result<JobReport, StageFailure>

    private enum State {
        case new
        case waiting(CheckedContinuation<Outcome, Never>)
        case finished(Outcome)
    }

    let order: JobOrder
    /// Where the order is about one.
    let message: Message?
    private let state = Mutex(State.new)

    init(_ order: JobOrder, _ message: Message? = nil) {
        self.order = order
        self.message = message
    }

    /// Octets of the message.
    var size: Int { message?.size ?? 0 }

    /// Whether nobody waits any more.
    var isFinished: Bool { state.withLock { if case .finished = $0 { true } else { false } } }

    /// - Returns: `false` if there is an outcome already, which the waiter has got.
    func wait(_ continuation: CheckedContinuation<Outcome, Never>) -> Bool {
        let ready = state.withLock { state -> Outcome? in
            if case .finished(let outcome) = state { return outcome }
            state = .waiting(continuation)
            return nil
        }
        if let ready { continuation.resume(returning: ready) }
        return ready == nil
    }

    /// - Returns: `false` if it had an outcome already.
    @discardableResult
    func finish(_ outcome: Outcome) -> Bool {
        let (isFirst, waiter) = state.withLock { state -> (Bool, CheckedContinuation<Outcome, Never>?) in
            switch state {
            case .finished: return (false, nil)
            case .new:
                state = .finished(outcome)
                return (true, nil)
            case .waiting(let continuation):
                state = .finished(outcome)
                return (true, continuation)
            }
        }
        waiter?.resume(returning: outcome)
        return isFirst
    }
}
