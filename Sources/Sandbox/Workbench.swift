import MailTypes
import Pipeline

/// Does the jobs: in a worker's process, or in the server's own where there is no isolation. One thread uses it.
///
/// A job that waits for DNS is put aside here, and others go on.
final class Workbench {
    /// Jobs put aside; the server puts no more on one bench.
    static let mostParked = 64

    private let library: DKIMLibrary
    private var parked: [UInt32: Verification] = [:]

    private struct Verification {
        let verification: SignatureVerification
        let questions: [String]
    }

    init() throws(JobFailure) {
        library = try DKIMLibrary()
        try SelfTest.run(library)
    }

    func begin(_ job: UInt32, _ message: Message, most: Int) -> WorkerReply {
        guard parked.count < Self.mostParked, parked[job] == nil else {
            return .failed(job: job, reason: "the bench is full")
        }
        do throws(JobFailure) {
            let verification = try SignatureVerification(library, message, most: most)
            let questions = verification.questions
            if questions.isEmpty { return .done(job: job, verification.finish(with: [:])) }
            parked[job] = Verification(verification: verification, questions: questions)
            return .ask(job: job, questions.map { DNSQuestion($0, .txt) })
        } catch {
            return .failed(job: job, reason: error.reason)
        }
    }

    func resume(_ job: UInt32, _ answers: [LookUpAnswer]) -> WorkerReply {
        guard let waiting = parked.removeValue(forKey: job), waiting.questions.count == answers.count else {
            return .failed(job: job, reason: "nobody has asked that")
        }
        let named = Dictionary(zip(waiting.questions, answers), uniquingKeysWith: { first, _ in first })
        return .done(job: job, waiting.verification.finish(with: named))
    }

    func drop(_ job: UInt32) -> WorkerReply {
        parked[job] = nil
        return .failed(job: job, reason: "dropped")
    }
}
