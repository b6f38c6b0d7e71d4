import MailTypes
import Pipeline

/// Does the jobs: in a worker's process, or in the server's own where there is no isolation. One thread uses it.
///
/// A job that waits for DNS is put aside here, and others go on.
final class Workbench {
    /// Jobs put aside; the server puts no more on one bench.
    static let mostParked = 64

    private let signatures: DKIMLibrary
    private let policies: SPFLibrary
    private var parked: [UInt32: Parked] = [:]

    private enum Parked {
        case signatures(SignatureVerification, questions: [String])
        case senderPolicy(SenderPolicyCheck)
    }

    init() throws(JobFailure) {
        signatures = try DKIMLibrary()
        policies = try SPFLibrary()
        try SelfTest.run(signatures)
        try SPFSelfTest.run(policies)
    }

    func begin(_ job: UInt32, _ order: JobOrder, _ message: Message?) -> WorkerReply {
        guard parked.count < Self.mostParked, parked[job] == nil else {
            return .failed(job: job, reason: "the bench is full")
        }
        do throws(JobFailure) {
            switch order {
            case .signatures(_, let most):
                guard let message else { throw JobFailure(reason: "there is no message") }
                return try verify(job, message, most: most)
            case .senderPolicy(let question):
                return try go(on: job, with: SenderPolicyCheck(policies, question))
            }
        } catch {
            return .failed(job: job, reason: error.reason)
        }
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
