import MailTypes
import Pipeline
import SluiceTesting
import Synchronization
import Testing

@testable import Filters

/// The stage with libspf2's opinions instead of its own.
@Suite struct SPFEngineTests {
    /// Says the same of everybody.
    private final class Library: ServiceSource {
        let answer: Answer
        let asked = Mutex<[SenderPolicyQuestion]>([])

        init(_ answer: Answer) { self.answer = answer }

        func answer(_ question: Question) async throws(StageFailure) -> Answer {
            guard case .senderPolicy(let question) = question else { throw StageFailure("DNS is the worker's to ask") }
            asked.withLock { $0.append(question) }
            if case .failure(let failure) = answer { throw failure }
            return answer
        }
    }

    private static func find(
        _ sender: EmailAddress?, hello: String = "mx.out.example", _ library: Library
    ) async throws -> Finding {
        var policy = SPF.Configuration.every(.reject)
        policy.engine = .libspf2
        policy.maxLookups = 7
        var session = Session.sample()
        session.hello = hello
        return try await SPF(policy).sender(.sample(session: session, sender: sender, services: library))
    }

    @Test func `what libspf2 finds is what the stage finds, in its name`() async throws {
        let library = Library(.senderPolicy(SenderPolicyReport(.fail, reason: "mechanism", explanation: "Go away.")))
        let finding = try await Self.find("a@out.example", library)
        guard case .reject(let reply) = finding.verdict else {
            Issue.record("\(finding.verdict)")
            return
        }
        #expect(reply.lines.last == "out.example explains: Go away.")
        #expect(finding.note?.contains("sender out.example fail: libspf2: mechanism") == true, "\(finding)")
        #expect(finding.entries(of: "spf").first == "fail smtp.mailfrom=a@out.example")
        let question = SenderPolicyQuestion(
            client: Session.sample().client, hello: "mx.out.example", sender: ("a", "out.example"),
            receiver: Transaction.sample(services: library).hostname, maxLookups: 7)
        #expect(library.asked.withLock { $0 }.first == question)
        #expect(library.asked.withLock { $0 }.map(\.domain) == ["out.example", "mx.out.example"])
    }

    @Test func `what is no domain name is nothing for libspf2 either`() async throws {
        let library = Library(.senderPolicy(SenderPolicyReport(.pass)))
        for hello in ["localhost", "", "a..b", String(repeating: "x", count: 64) + ".example"] {
            let finding = try await Self.find(nil, hello: hello, library)
            #expect(finding.entries(of: "spf").first?.hasPrefix("none ") == true, "\(hello)")
        }
        #expect(library.asked.withLock { $0 } == [])
    }

    @Test func `a worker that dies leaves the stage without an answer`() async throws {
        let library = Library(.failure(StageFailure("the worker has ended: signal 6")))
        await #expect(throws: StageFailure.self) { try await Self.find("a@out.example", library) }
    }

    @Test func `who chooses libspf2 is told what it is`() {
        var policy = SPF.Configuration()
        #expect(SPF(policy).remarks == [])
        policy.engine = .libspf2
        #expect(SPF(policy).remarks.count == 1)
    }
}
