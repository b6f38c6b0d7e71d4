public import MailTypes
public import Pipeline
public import Scoring

/// The workers, as the server uses them: it answers ``Question/signatures(_:most:)`` and
/// ``Question/senderPolicy(_:)``.
///
/// Workers are started when they are needed first, one by ``prepare()``. At most ``SandboxOptions/workers`` compute at
/// a time and ``SandboxOptions/maxWaiting`` jobs wait; a job that nobody waits for any more is not begun.
public final class SandboxPool: Sendable {
    private let line: JobLine
    private let slots: [WorkerSlot]
    private let observer: SandboxObserver

    static let stopped = StageFailure("the workers have stopped")

    /// `resolve` asks DNS for the workers, who cannot; `known` is what it has said already.
    public init(
        _ options: SandboxOptions = SandboxOptions(), observer: SandboxObserver = SandboxObserver(),
        known: @escaping @Sendable (DNSQuestion) -> DNSAnswer? = { _ in nil },
        resolve: @escaping @Sendable (DNSQuestion) async throws(StageFailure) -> DNSAnswer
    ) {
        let line = JobLine(workers: max(1, options.workers), limit: max(1, options.maxWaiting))
        let slots = (0..<max(1, options.workers)).map { number in
            WorkerSlot(
                number, of: line, options, observer: observer,
                make: { () throws(WorkerStartFailure) in try WorkerSlot.verifier(options) },
                known: { question, kind in known(question).map { LookUpAnswer($0, for: kind) } },
                resolve: { question, kind in
                    do throws(StageFailure) { return LookUpAnswer(try await resolve(question), for: kind) } catch {
                        return .failed
                    }
                })
        }
        self.line = line
        self.slots = slots
        self.observer = observer
        for slot in slots { slot.start() }
    }

    deinit { stop() }

    /// Starts one worker now: that there can be none, the admin hears at the start, not from the first signed message.
    public func prepare() { line.prepare() }

    /// Ends the workers. What has not been answered fails.
    public func stop() {
        for job in line.close() { job.finish(.failure(Self.stopped)) }
    }

    /// What is to be said of each DKIM-Signature field of the message, from the top; `most` are verified, and never
    /// more than thirty.
    public func signatures(on message: Message, most: Int) async throws(StageFailure) -> [SignatureReport] {
        // What is not signed costs no worker anything.
        guard Self.isSigned(message) else { return [] }
        let order = JobOrder.signatures(size: message.size, most: most)
        guard case .signatures(let reports) = try await perform(SandboxJob(order, .message(message))) else {
            throw Self.mixedUp
        }
        return reports
    }

    /// What libspf2 makes of a domain's policy.
    public func senderPolicy(_ question: SenderPolicyQuestion) async throws(StageFailure) -> SenderPolicyReport {
        let order = JobOrder.senderPolicy(question)
        guard case .senderPolicy(let report) = try await perform(SandboxJob(order)) else { throw Self.mixedUp }
        return report
    }

    /// Which patterns match the texts.
    public func hits(of image: PatternImage, in texts: PatternTexts) async throws(StageFailure) -> [PatternHit] {
        let isLarge = texts.octets.count > PacketLimits.patternTexts
        let order = JobOrder.patterns(
            image: image.number, isLarge ? .file(size: texts.octets.count) : .here(texts.octets))
        let job = SandboxJob(order, isLarge ? .octets(texts.octets) : nil, image: image)
        guard case .patterns(let hits) = try await perform(job) else { throw Self.mixedUp }
        return hits
    }

    /// Never happens: a slot looks at the kind of what it is told.
    static let mixedUp = StageFailure("a report of another kind")

    private func perform(_ job: SandboxJob) async throws(StageFailure) -> JobReport {
        try await line.perform(job) { [observer] in observer.finished(.refused) }
    }

    /// Whether the message has a DKIM-Signature field at all.
    public static func isSigned(_ message: Message) -> Bool {
        message.header.fields.contains { $0.isNamed("DKIM-Signature") }
    }

    /// The processes of the workers that there are.
    public var processes: [Int] { slots.map { Int($0.process) }.filter { $0 > 0 } }
}
