import Synchronization

/// Ends waiting, not the work: what comes after the deadline is dropped.
enum Deadline {
    /// The result of `work`, or a failure when `deadline` passes first. A work that ignores its
    /// cancellation goes on by itself and is forgotten, so a service that hangs costs nobody else.
    static func limit<Success: Sendable>(
        _ deadline: ContinuousClock.Instant?,
        _ work: @escaping @Sendable () async throws(StageFailure) -> Success
    ) async throws(StageFailure) -> Success {
        guard let deadline else { return try await work() }
        let race = Race<Success>()
        // It begins here and now: what it asks is asked before anybody else is woken.
        let worker = Task.immediate { () async in
            do throws(StageFailure) { race.finish(.success(try await work())) } catch { race.finish(.failure(error)) }
        }
        let watch = DeadlineWatch.shared.call(at: deadline) {
            race.finish(.failure(StageFailure("no answer in time", timedOut: true)))
        }
        let result = await withTaskCancellationHandler {
            await race.result()
        } onCancel: {
            race.finish(.failure(StageFailure("cancelled")))
        }
        worker.cancel()
        DeadlineWatch.shared.cancel(watch)
        return try result.get()
    }

    /// The first to arrive is the result.
    private final class Race<Success: Sendable>: Sendable {
        private enum State {
            case running
            case awaited(CheckedContinuation<Result<Success, StageFailure>, Never>)
            case finished(Result<Success, StageFailure>)
        }

        private let state = Mutex(State.running)

        func finish(_ result: Result<Success, StageFailure>) {
            let waiting = state.withLock { state -> CheckedContinuation<Result<Success, StageFailure>, Never>? in
                switch state {
                case .running:
                    state = .finished(result)
                    return nil
                case .awaited(let continuation):
                    state = .finished(result)
                    return continuation
                case .finished:
                    return nil
                }
            }
            waiting?.resume(returning: result)
        }

        func result() async -> Result<Success, StageFailure> {
            await withCheckedContinuation { continuation in
                let ready = state.withLock { state -> Result<Success, StageFailure>? in
                    if case .finished(let result) = state { return result }
                    state = .awaited(continuation)
                    return nil
                }
                if let ready { continuation.resume(returning: ready) }
            }
        }
    }
}
