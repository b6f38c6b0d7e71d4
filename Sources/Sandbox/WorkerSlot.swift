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
    private let make: @Sendable () throws(WorkerStartFailure) -> any Worker
    private let known: @Sendable (DNSQuestion, JobKind) -> LookUpAnswer?
    private let resolve: @Sendable (DNSQuestion, JobKind) async -> LookUpAnswer
    /// For those who want to know, or to kill it in a test.
    private let current = Mutex<pid_t>(0)

    init(
        _ number: Int, of line: JobLine, _ options: SandboxOptions, observer: SandboxObserver,
        make: @escaping @Sendable () throws(WorkerStartFailure) -> any Worker,
        known: @escaping @Sendable (DNSQuestion, JobKind) -> LookUpAnswer?,
        resolve: @escaping @Sendable (DNSQuestion, JobKind) async -> LookUpAnswer
    ) {
        self.number = number
        self.line = line
        self.options = options
        self.observer = observer
        self.make = make
        self.known = known
        self.resolve = resolve
    }

    var process: pid_t { current.withLock { $0 } }

    /// A worker with libopendkim and libspf2.
    static func verifier(_ options: SandboxOptions) throws(WorkerStartFailure) -> any Worker {
        switch options.isolation {
        case .process: try WorkerProcess(options)
        case .none: try LocalWorker { () throws(JobFailure) in try Workbench() }
        }
    }

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
        /// The patterns that the worker has.
        private var image: UInt64?
        private var parked: [UInt32: Parked] = [:]
        private var last: UInt32 = 0
        /// A worker that cannot be started is not tried again at once for each message.
        private var failure: (reason: String, until: ContinuousClock.Instant)?

        private struct Parked {
            let job: SandboxJob
            /// What was asked last, and what of it was not known.
            var questions: [DNSQuestion] = []
            var wanted: [DNSQuestion] = []
            /// What DNS has said to this job, for a worker that begins it anew.
            var known: [DNSQuestion: LookUpAnswer] = [:]
            /// Questions that this worker has had.
            var asked = 0
            /// Of the worker that has it; ``nobody`` if none has.
            var generation = Talk.nobody

            init(_ job: SandboxJob) { self.job = job }

            /// Whether the job may ask that, and that many in all.
            func allows(_ questions: [DNSQuestion]) -> Bool {
                let most = job.order.mostQuestions
                return job.order.allows(questions) && asked + questions.count <= most
                    && known.count + questions.count { known[$0] == nil } <= most
            }

            /// Takes what DNS has said, as much as there is room for.
            mutating func learn(_ answers: some Sequence<(DNSQuestion, LookUpAnswer)>) {
                var room = PacketLimits.packet - known.values.reduce(0) { $0 + $1.size }
                for (question, answer) in answers {
                    room -= answer.size
                    known[question] = room >= 0 ? answer : .failed
                }
            }

            var answers: [LookUpAnswer] { questions.map { known[$0] ?? .failed } }
        }

        init(slot: WorkerSlot) { self.slot = slot }

        private static let pause = Duration.seconds(1)
        private static let nobody = -1
        private var limit: Duration { slot.options.jobTimeout.duration }

        var takesNew: Bool { parked.count < max(1, slot.options.maxWaiting) }

        /// Starts a worker; that there can be none, the observer is told.
        mutating func prepare() { _ = try? present() }

        // MARK: Jobs

        mutating func begin(_ job: SandboxJob) {
            guard !job.isFinished else { return }
            last &+= 1
            do throws(StageFailure) { try start(last, Parked(job)) } catch { finish(job, .failure(error)) }
            retire()
        }

        mutating func resume(_ number: UInt32, _ answers: [LookUpAnswer]) {
            guard var state = parked.removeValue(forKey: number) else { return }
            state.learn(zip(state.wanted, answers))
            do throws(StageFailure) {
                if !state.job.isFinished {
                    _ = try present()
                    if state.generation == generation {
                        try follow(try exchange(.answers(job: number, state.answers), nil), number, state)
                    } else {
                        try start(number, state)
                    }
                } else if state.generation == generation {
                    _ = try exchange(.drop(job: number), nil)
                }
            } catch {
                finish(state.job, .failure(error))
            }
            retire()
        }

        /// Has the worker that is there begin the job.
        private mutating func start(_ number: UInt32, _ state: Parked) throws(StageFailure) {
            _ = try present()
            begun += 1
            var state = state
            state.asked = 0
            if let image = state.job.image { try provide(image) }
            try follow(try exchange(.begin(job: number, state.job.order), state.job.material), number, state)
        }

        /// Has the worker that is there take the patterns, unless it has them.
        private mutating func provide(_ image: PatternImage) throws(StageFailure) {
            guard self.image != image.number else { return }
            // A worker lets its old ones go before it takes others, whatever comes of these.
            self.image = nil
            let order = JobOrder.patternImage(number: image.number, size: image.octetCount)
            switch try exchange(.begin(job: 0, order), .image(image.shared)) {
            case .done(0, .patternImage(image.number)): self.image = image.number
            case .failed(0, let reason): throw StageFailure("the worker could not take the patterns: \(reason)")
            case .ready, .ask, .done, .failed: throw trouble(.corrupt("another reply than one to its patterns"))
            }
        }

        /// Goes on with a job until it is finished, or waits for DNS.
        private mutating func follow(
            _ reply: WorkerReply, _ number: UInt32, _ state: Parked
        ) throws(StageFailure) {
            var (reply, state) = (reply, state)
            while true {
                switch reply {
                case .done(number, let report) where report.kind == state.job.order.kind:
                    return finish(state.job, .success(report))
                case .failed(number, let reason): throw StageFailure("the worker could not do it: \(reason)")
                case .ask(number, let questions) where state.allows(questions):
                    state.questions = questions
                    state.learn(atHand(questions.filter { state.known[$0] == nil }, state.job.order.kind))
                    state.wanted = questions.filter { state.known[$0] == nil }
                    state.asked += questions.count
                    guard state.wanted.isEmpty else {
                        state.generation = try keeper(of: number, state.job)
                        parked[number] = state
                        return slot.lookUp(state.wanted, for: number, state.job.order.kind)
                    }
                    reply = try exchange(.answers(job: number, state.answers), nil)
                case .ready, .ask, .done, .failed: throw trouble(.corrupt("another reply than one to its job"))
                }
            }
        }

        /// What nobody has to wait for.
        private func atHand(_ questions: [DNSQuestion], _ kind: JobKind) -> [(DNSQuestion, LookUpAnswer)] {
            questions.compactMap { question in slot.known(question, kind).map { (question, $0) } }
        }

        /// Who keeps a job that waits for DNS: the worker, which has read its header, or nobody if that keeps as many
        /// or as much as it can.
        private mutating func keeper(of number: UInt32, _ job: SandboxJob) throws(StageFailure) -> Int {
            let kept = parked.values.filter { $0.generation == generation }
            let octets = kept.reduce(job.size) { $0 + $1.job.size }
            // One place stays free for a job that is begun again.
            let hasRoom = kept.count < Workbench.mostParked - 1 && octets <= slot.options.memory.octets / 4
            if !hasRoom { _ = try exchange(.drop(job: number), nil) }
            return hasRoom ? generation : Self.nobody
        }

        private func finish(_ job: SandboxJob, _ outcome: SandboxJob.Outcome) {
            guard job.finish(outcome) else { return }
            slot.observer.finished((try? outcome.get()) == nil ? .failed : .done)
        }

        // MARK: The worker

        private mutating func exchange(
            _ request: WorkerRequest, _ material: JobMaterial?
        ) throws(StageFailure) -> WorkerReply {
            let worker = try present()
            do throws(WorkerTrouble) { return try worker.exchange(request, material, within: limit) } catch {
                throw trouble(error.end)
            }
        }

        private mutating func present() throws(StageFailure) -> any Worker {
            if let worker {
                guard let end = worker.trouble ?? (worker.isOutdated ? .recycled : nil) else { return worker }
                // What happens to one while nobody asks it costs no message.
                remove(end)
            }
            if let failure, failure.until > .now { throw StageFailure("there is no worker: \(failure.reason)") }
            do throws(WorkerStartFailure) {
                let fresh = try slot.make()
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
            (self.worker, begun, image) = (nil, 0, nil)
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
    private func lookUp(_ questions: [DNSQuestion], for job: UInt32, _ kind: JobKind) {
        Task { [line, number, resolve] in
            let answers = await withTaskGroup(of: (Int, LookUpAnswer).self) { group in
                for (place, question) in questions.enumerated() {
                    group.addTask { (place, await resolve(question, kind)) }
                }
                return await group.reduce(into: Array(repeating: LookUpAnswer.failed, count: questions.count)) {
                    $0[$1.0] = $1.1
                }
            }
            line.resume(job, at: number, answers)
        }
    }
}
