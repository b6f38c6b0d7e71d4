import Foundation
import Glibc
import MailTypes
import Pipeline
import Synchronization

/// One worker's place: a thread that talks to it, one request at a time, and puts a fresh one there when it has ended.
///
/// At most one request is under way, so whatever happens to the worker has happened to that one job. Jobs that wait for
/// DNS meanwhile are begun again with the next worker, and so are those for which the worker has no room: names that
/// are slow to answer hold up their own messages only.
final class WorkerSlot: Sendable {
    private let number: Int
    private let line: JobLine
    private let options: SandboxOptions
    private let observer: SandboxObserver
    private let resolve: @Sendable (DNSQuestion) async -> LookUpAnswer
    /// For those who want to know, or to kill it in a test.
    private let current = Mutex<pid_t>(0)

    init(
        _ number: Int, of line: JobLine, _ options: SandboxOptions, observer: SandboxObserver,
        resolve: @escaping @Sendable (DNSQuestion) async -> LookUpAnswer
    ) {
        self.number = number
        self.line = line
        self.options = options
        self.observer = observer
        self.resolve = resolve
    }

    var process: pid_t { current.withLock { $0 } }

    func start() {
        let thread = Thread { [self] in run() }
        thread.name = "sandbox-\(number)"
        thread.start()
    }

    private func run() {
        var talk = Talk(slot: self)
        while let work = line.take(for: number, takesNew: talk.takesNew) {
            switch work {
            case .begin(let job): talk.begin(job)
            case .resume(let job, let answers): talk.resume(job, answers)
            case .prepare: talk.prepare()
            }
        }
        talk.stop()
    }

    /// What the thread keeps while it runs.
    private struct Talk {
        let slot: WorkerSlot
        private var worker: (any Worker)?
        /// Counts workers, so that a job knows whether the one that began it is still there.
        private var generation = 0
        private var begun = 0
        private var parked: [UInt32: Parked] = [:]
        private var last: UInt32 = 0
        /// A worker that cannot be started is not tried again at once for each message.
        private var failure: (reason: String, until: ContinuousClock.Instant)?

        private struct Parked {
            let job: SignatureJob
            let questions: [DNSQuestion]
            /// Of the worker that has it; ``nobody`` if none has.
            let generation: Int
        }

        init(slot: WorkerSlot) { self.slot = slot }

        private static let pause = Duration.seconds(1)
        private static let nobody = -1
        private var limit: Duration { slot.options.jobTimeout.duration }

        var takesNew: Bool { parked.count < max(1, slot.options.maxWaiting) }

        /// Starts a worker; that there can be none, the observer is told.
        mutating func prepare() { _ = try? present() }

        // MARK: Jobs

        mutating func begin(_ job: SignatureJob) {
            guard !job.isFinished else { return }
            last &+= 1
            let number = last
            do throws(StageFailure) {
                if let questions = try ask(number, job) {
                    let place = try keeper(of: number, job)
                    parked[number] = Parked(job: job, questions: questions, generation: place)
                    slot.lookUp(questions, for: number)
                }
            } catch {
                finish(job, .failure(error))
            }
            retire()
        }

        mutating func resume(_ number: UInt32, _ answers: [LookUpAnswer]) {
            guard let waiting = parked.removeValue(forKey: number) else { return }
            do throws(StageFailure) {
                if !waiting.job.isFinished {
                    try answer(number, waiting, answers)
                } else if waiting.generation == generation {
                    _ = try exchange(.drop(job: number), nil)
                }
            } catch {
                finish(waiting.job, .failure(error))
            }
            retire()
        }

        private mutating func answer(
            _ number: UInt32, _ waiting: Parked, _ answers: [LookUpAnswer]
        ) throws(StageFailure) {
            _ = try present()
            if waiting.generation != generation {
                guard let questions = try ask(number, waiting.job) else { return }
                guard questions == waiting.questions else { throw trouble(.corrupt("other questions than before")) }
            }
            switch try exchange(.answers(job: number, answers), nil) {
            case .done(number, let reports): finish(waiting.job, .success(reports))
            case .failed(number, let reason): throw StageFailure("the worker could not do it: \(reason)")
            case .ready, .ask, .done, .failed: throw trouble(.corrupt("another reply than one to answers"))
            }
        }

        /// Begins the job: the questions it has, or `nil` if it is finished.
        private mutating func ask(_ number: UInt32, _ job: SignatureJob) throws(StageFailure) -> [DNSQuestion]? {
            _ = try present()
            begun += 1
            let request = WorkerRequest.begin(job: number, .signatures, size: job.message.size, most: job.most)
            switch try exchange(request, job.message) {
            case .ask(number, let questions) where !questions.isEmpty: return questions
            case .done(number, let reports):
                finish(job, .success(reports))
                return nil
            case .failed(number, let reason): throw StageFailure("the worker could not do it: \(reason)")
            case .ready, .ask, .done, .failed: throw trouble(.corrupt("another reply than one to a job"))
            }
        }

        /// Who keeps a job that waits for DNS: the worker, which has read its header, or nobody if that keeps as many
        /// or as much as it can.
        private mutating func keeper(of number: UInt32, _ job: SignatureJob) throws(StageFailure) -> Int {
            let kept = parked.values.filter { $0.generation == generation }
            let octets = kept.reduce(job.message.size) { $0 + $1.job.message.size }
            // One place stays free for a job that is begun again.
            let hasRoom = kept.count < Workbench.mostParked - 1 && octets <= slot.options.memory.octets / 4
            if !hasRoom { _ = try exchange(.drop(job: number), nil) }
            return hasRoom ? generation : Self.nobody
        }

        private func finish(_ job: SignatureJob, _ outcome: SignatureJob.Outcome) {
            guard job.finish(outcome) else { return }
            slot.observer.finished((try? outcome.get()) == nil ? .failed : .done)
        }

        // MARK: The worker

        private mutating func exchange(
            _ request: WorkerRequest, _ message: Message?
        ) throws(StageFailure) -> WorkerReply {
            let worker = try present()
            do throws(WorkerTrouble) { return try worker.exchange(request, message, within: limit) } catch {
                throw trouble(error.end)
            }
        }

        private mutating func present() throws(StageFailure) -> any Worker {
            if let worker {
                guard let trouble = worker.trouble else { return worker }
                // What happens to one while nobody asks it costs no message.
                remove(trouble)
            }
            if let failure, failure.until > .now { throw StageFailure("there is no worker: \(failure.reason)") }
            do throws(WorkerStartFailure) {
                let fresh: any Worker =
                    switch slot.options.isolation {
                    case .process: try WorkerProcess(slot.options)
                    case .none: try LocalWorker()
                    }
                (worker, failure) = (fresh, nil)
                slot.current.withLock { $0 = fresh.process }
                return fresh
            } catch {
                failure = (error.reason, .now + Self.pause)
                slot.observer.couldNotStart(error.reason)
                throw StageFailure("there is no worker: \(error.reason)")
            }
        }

        /// Ends the worker, and says so to the job that it was busy with.
        private mutating func trouble(_ end: WorkerEnd) -> StageFailure {
            let end = remove(end)
            return StageFailure("the worker has ended: \(end)", timedOut: end == .hung)
        }

        @discardableResult
        private mutating func remove(_ reason: WorkerEnd) -> WorkerEnd {
            guard let worker else { return reason }
            let end = worker.end(reason)
            slot.current.withLock { $0 = 0 }
            slot.observer.ended(end, Int(worker.process), begun)
            (self.worker, begun) = (nil, 0)
            generation += 1
            return end
        }

        /// Lets a worker go that has done its jobs; those it has put aside may end first, for a while.
        private mutating func retire() {
            guard worker != nil, begun >= slot.options.jobsPerWorker else { return }
            let isFree = !parked.values.contains { $0.generation == generation }
            if isFree || begun >= 2 * slot.options.jobsPerWorker { remove(.recycled) }
        }

        mutating func stop() {
            for waiting in parked.values { finish(waiting.job, .failure(SandboxPool.stopped)) }
            parked = [:]
            remove(.recycled)
        }
    }

    /// Asks everything at once, and brings the answers to the thread.
    private func lookUp(_ questions: [DNSQuestion], for job: UInt32) {
        Task { [line, number, resolve] in
            let answers = await withTaskGroup(of: (Int, LookUpAnswer).self) { group in
                for (place, question) in questions.enumerated() {
                    group.addTask { (place, await resolve(question)) }
                }
                return await group.reduce(into: Array(repeating: LookUpAnswer.failed, count: questions.count)) {
                    $0[$1.0] = $1.1
                }
            }
            line.resume(job, at: number, answers)
        }
    }
}
