import Pipeline
import Synchronization

/// Where jobs wait for a worker: new ones for any, answers for the one that has asked.
///
/// Who adds something wakes one worker, and of those that have nothing to do the one that had something last: what it
/// needs is still at hand, and workers that mail does not need stay asleep, or unborn.
final class JobLine: Sendable {
    enum Work: Sendable {
        case begin(SandboxJob)
        case resume(UInt32, [LookUpAnswer])
        /// Have a worker there before there is anything to do.
        case prepare
    }

    private struct State {
        var jobs: [SandboxJob] = []
        /// Those before it have been taken.
        var next = 0
        /// By worker.
        var answered: [[Work]]
        /// Workers that wait; the one that began to last is the last.
        var idle: [(worker: Int, takesNew: Bool)] = []
        var isClosed = false

        var waiting: Int { jobs.count - next }

        /// Whom to wake for a new job.
        mutating func taker() -> Int? {
            idle.lastIndex { $0.takesNew }.map { idle.remove(at: $0).worker }
        }

        /// Whom to wake for something of its own: nobody where it is busy, and will see it.
        mutating func sleeper(_ worker: Int) -> Int? {
            idle.firstIndex { $0.worker == worker }.map { idle.remove(at: $0).worker }
        }

        mutating func takeJob() -> SandboxJob {
            let job = jobs[next]
            next += 1
            if next == jobs.count || next > 256 {
                jobs.removeFirst(next)
                next = 0
            }
            return job
        }
    }

    private let state: Mutex<State>
    /// What each worker sleeps at. Who is woken looks again for something to do, so a call too many does no harm.
    private let bells: [Bell]
    private let limit: Int

    init(workers: Int, limit: Int) {
        self.limit = limit
        bells = (0..<workers).map { _ in Bell() }
        state = Mutex(State(answered: Array(repeating: [], count: workers)))
    }

    private func wake(_ worker: Int?) {
        if let worker { bells[worker].ring() }
    }

    /// - Returns: `false` if too many wait, or the line is closed.
    func add(_ job: SandboxJob) -> Bool {
        let (isTaken, worker) = state.withLock { state -> (Bool, Int?) in
            guard !state.isClosed, state.waiting < limit else { return (false, nil) }
            state.jobs.append(job)
            return (true, state.taker())
        }
        wake(worker)
        return isTaken
    }

    /// Waits for a worker and for what it reports; `refused` is told if too many wait already.
    func perform(_ job: SandboxJob, refused: @Sendable () -> Void) async throws(StageFailure) -> JobReport {
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard job.wait(continuation) else { return }
                if !add(job) {
                    job.finish(.failure(StageFailure("too many messages wait for a worker")))
                    refused()
                }
            }
        } onCancel: {
            job.finish(.failure(StageFailure("cancelled")))
        }
        return try outcome.get()
    }

    /// What DNS said to the job with that number at that worker.
    func resume(_ number: UInt32, at worker: Int, _ answers: [LookUpAnswer]) { put(.resume(number, answers), worker) }

    /// Has the first worker started.
    func prepare() { put(.prepare, 0) }

    private func put(_ work: Work, _ worker: Int) {
        let sleeper = state.withLock { state -> Int? in
            guard !state.isClosed, state.answered.indices.contains(worker) else { return nil }
            state.answered[worker].append(work)
            return state.sleeper(worker)
        }
        wake(sleeper)
    }

    /// The next thing for that worker to do; `nil`: the line is closed. Answers come before new jobs.
    func take(for worker: Int, takesNew: Bool) -> Work? {
        while true {
            let (work, isClosed) = state.withLock { state -> (Work?, Bool) in
                if state.isClosed { return (nil, true) }
                if !state.answered[worker].isEmpty { return (state.answered[worker].removeFirst(), false) }
                if takesNew, state.waiting > 0 { return (.begin(state.takeJob()), false) }
                // It may still be there from a call that came when it was awake.
                _ = state.sleeper(worker)
                state.idle.append((worker, takesNew))
                return (nil, false)
            }
            if isClosed { return nil }
            if let work { return work }
            bells[worker].wait()
        }
    }

    /// Nothing is taken from here any more. Answers the jobs that nobody has begun.
    func close() -> [SandboxJob] {
        let left = state.withLock { state in
            defer { (state.jobs, state.next, state.idle) = ([], 0, []) }
            state.isClosed = true
            return Array(state.jobs[state.next...])
        }
        for bell in bells { bell.ring() }
        return left
    }
}
