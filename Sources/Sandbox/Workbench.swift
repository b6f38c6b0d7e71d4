import MailTypes
import Pipeline
import Scoring

/// Where jobs are done: in a worker's process, or in the server's own where there is no isolation. One thread uses it.
protocol Bench: AnyObject {
    func begin(_ job: UInt32, _ order: JobOrder, _ material: JobMaterial?) -> WorkerReply
    func resume(_ job: UInt32, _ answers: [LookUpAnswer]) -> WorkerReply
    func drop(_ job: UInt32) -> WorkerReply
}

/// Verifies signatures and checks policies.
///
/// A job that waits for DNS is put aside here, and others go on.
final class Workbench: Bench {
    /// Jobs put aside; the server puts no more on one bench.
    static let mostParked = 64

    private let signatures: DKIMLibrary
    private let policies: SPFLibrary
    private var parked: [UInt32: Parked] = [:]
    private var patterns: (number: UInt64, scanner: PatternScanner)?

    private enum Parked {
        case signatures(SignatureVerification, questions: [String])
        case senderPolicy(SenderPolicyCheck)
    }

    init() throws(JobFailure) {
        signatures = try DKIMLibrary()
        policies = try SPFLibrary()
        try SelfTest.run(signatures)
        try SPFSelfTest.run(policies)
        try PatternSelfTest.run()
    }

    func begin(_ job: UInt32, _ order: JobOrder, _ material: JobMaterial?) -> WorkerReply {
        guard parked.count < Self.mostParked, parked[job] == nil else {
            return .failed(job: job, reason: "the bench is full")
        }
        do throws(JobFailure) {
            switch order {
            case .signatures(_, let most):
                guard case .message(let message) = material else { throw JobFailure(reason: "there is no message") }
                return try verify(job, message, most: most)
            case .senderPolicy(let question):
                return try go(on: job, with: SenderPolicyCheck(policies, question))
            case .patternImage(let number, _):
                guard case .image(let image) = material else { throw JobFailure(reason: "there are no patterns") }
                try take(image, number)
                return .done(job: job, .patternImage(number: number))
            case .patterns(let image, let texts):
                return .done(job: job, .patterns(try hits(image, texts, material)))
            case .scan: throw JobFailure(reason: "this worker has no scanner")
            }
        } catch {
            return .failed(job: job, reason: error.reason)
        }
    }

    /// Lets the patterns go that it has had, and takes others.
    private func take(_ image: SharedImage, _ number: UInt64) throws(JobFailure) {
        patterns = nil
        guard let scanner = PatternScanner(image.octets) else {
            throw JobFailure(reason: "there is no memory for the patterns")
        }
        patterns = (number, scanner)
    }

    private func hits(
        _ image: UInt64, _ texts: JobOrder.Texts, _ material: JobMaterial?
    ) throws(JobFailure) -> [PatternHit] {
        guard let patterns, patterns.number == image else { throw JobFailure(reason: "these patterns are not here") }
        let octets: [UInt8]
        switch (texts, material) {
        case (.here(let own), _): octets = own
        case (.file, .octets(let own)): octets = own
        case (.file, _): throw JobFailure(reason: "there are no texts")
        }
        guard let hits = patterns.scanner.match(PatternTexts(octets: octets)) else {
            throw JobFailure(reason: "the texts could not be searched")
        }
        return hits
    }

    private func verify(_ job: UInt32, _ message: Message, most: Int) throws(JobFailure) -> WorkerReply {
        let verification = try SignatureVerification(signatures, message, most: most)
        let questions = verification.questions
        if questions.isEmpty { return .done(job: job, .signatures(verification.finish(with: [:]))) }
        parked[job] = .signatures(verification, questions: questions)
        return .ask(job: job, questions.map { DNSQuestion($0, .txt) })
    }

    private func go(on job: UInt32, with check: SenderPolicyCheck) throws(JobFailure) -> WorkerReply {
        switch try check.step() {
        case .found(let report): return .done(job: job, .senderPolicy(report))
        case .asks(let question):
            parked[job] = .senderPolicy(check)
            return .ask(job: job, [question])
        }
    }

    func resume(_ job: UInt32, _ answers: [LookUpAnswer]) -> WorkerReply {
        switch parked.removeValue(forKey: job) {
        case .signatures(let verification, let questions) where questions.count == answers.count:
            let named = Dictionary(zip(questions, answers), uniquingKeysWith: { first, _ in first })
            return .done(job: job, .signatures(verification.finish(with: named)))
        case .senderPolicy(let check) where answers.count == 1:
            do throws(JobFailure) {
                check.answer(answers[0])
                return try go(on: job, with: check)
            } catch {
                return .failed(job: job, reason: error.reason)
            }
        case .signatures, .senderPolicy, nil: return .failed(job: job, reason: "nobody has asked that")
        }
    }

    func drop(_ job: UInt32) -> WorkerReply {
        parked[job] = nil
        return .failed(job: job, reason: "dropped")
    }
}
