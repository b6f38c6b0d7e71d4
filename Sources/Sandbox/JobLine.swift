import Foundation
import Pipeline

/// Where jobs wait for a worker: new ones for any, answers for the one that has asked.
final class JobLine: @unchecked Sendable {
    enum Work {
        case begin(SandboxJob)
        case resume(UInt32, [LookUpAnswer])
        /// Have a worker there before there is anything to do.
        case prepare
    }

    // Everything below is read and written under `condition`.
    private let condition = NSCondition()
    private var jobs: [SandboxJob] = []
    /// Those before it have been taken.
    private var next = 0
    private var answered: [[Work]]
    private var isClosed = false
    private let limit: Int

    init(workers: Int, limit: Int) {
        self.limit = limit
        answered = Array(repeating: [], count: workers)
    }

    /// - Returns: `false` if too many wait, or the line is closed.
    func add(_ job: SandboxJob) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard !isClosed, jobs.count - next < limit else { return false }
        jobs.append(job)
        condition.broadcast()
        return true
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
    func resume(_ number: UInt32, at worker: Int, _ answers: [LookUpAnswer]) {
        condition.lock()
        defer { condition.unlock() }
        guard !isClosed else { return }
        answered[worker].append(.resume(number, answers))
        condition.broadcast()
    }

    /// Has the first worker started.
    func prepare() {
        condition.lock()
        defer { condition.unlock() }
        guard !isClosed, !answered.isEmpty else { return }
        answered[0].append(.prepare)
        condition.broadcast()
    }

    /// The next thing for that worker to do; `nil`: the line is closed. Answers come before new jobs.
    func take(for worker: Int, takesNew: Bool) -> Work? {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if isClosed { return nil }
            if !answered[worker].isEmpty { return answered[worker].removeFirst() }
            if takesNew, next < jobs.count {
                let job = jobs[next]
                next += 1
                if next == jobs.count || next > 256 {
                    jobs.removeFirst(next)
                    next = 0
                }
                return .begin(job)
            }
            condition.wait()
        }
    }

    /// Nothing is taken from here any more. Answers the jobs that nobody has begun.
    func close() -> [SandboxJob] {
        condition.lock()
        defer { condition.unlock() }
        isClosed = true
        let left = Array(jobs[next...])
        (jobs, next) = ([], 0)
        condition.broadcast()
        return left
    }
}
