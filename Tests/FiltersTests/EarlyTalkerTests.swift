import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct EarlyTalkerTests {
    static func session(early: Bool = false, pipelined: Bool = false, user: EmailAddress? = nil) -> Session {
        var session = Session.sample(user: user)
        session.spokeEarly = early
        session.pipelinedWrongly = pipelined
        return session
    }

    static let refusal = Verdict.reject(Reply(554, .protocolOther, "SMTP protocol synchronization error"))

    @Test func `who waits is not seen`() async throws {
        let stage = EarlyTalker(EarlyTalker.Configuration())
        #expect(try await stage.connect(.sample()) == .none)
        #expect(try await stage.hello(.sample()) == .none)
        #expect(try await stage.sender(.sample()) == .none)
    }

    @Test(arguments: [session(early: true), session(pipelined: true)])
    func `who does not wait is refused as soon as it is seen`(_ session: Session) async throws {
        let stage = EarlyTalker(EarlyTalker.Configuration())
        #expect(try await stage.connect(.sample(session: session)).verdict == Self.refusal)
        #expect(try await stage.hello(.sample(session: session)).verdict == Self.refusal)
        #expect(try await stage.sender(.sample(session: session)).verdict == Self.refusal)
    }

    @Test func `who has logged in is spared`() async throws {
        let session = Self.session(early: true, pipelined: true, user: "bob@here.example")
        let stage = EarlyTalker(EarlyTalker.Configuration())
        #expect(try await stage.sender(.sample(session: session)) == .none)
    }

    @Test func `points are given once, with the sender`() async throws {
        var policy = EarlyTalker.Configuration()
        policy.early = .score
        policy.pipelining = .ignore
        policy.points = 3
        let stage = EarlyTalker(policy)
        let transaction = Transaction.sample(session: Self.session(early: true, pipelined: true))
        #expect(try await stage.connect(transaction).edits == [])
        #expect(try await stage.hello(transaction).edits == [])
        let symbol = Symbol("EARLY_TALKER", points: 3, description: "spoke before the greeting")
        #expect(try await stage.sender(transaction).edits == [.score(symbol)])
    }

    @Test func `a refusal outweighs the lesser action for the other offence`() async throws {
        var policy = EarlyTalker.Configuration()
        policy.early = .tempfail
        let stage = EarlyTalker(policy)
        let both = Transaction.sample(session: Self.session(early: true, pipelined: true))
        let finding = try await stage.hello(both)
        #expect(finding.verdict == Self.refusal)
        #expect(finding.decidedBy == ["pipelining"])
        let early = Transaction.sample(session: Self.session(early: true))
        #expect(
            try await stage.hello(early).verdict
                == .tempfail(Reply(421, .protocolOther, "SMTP protocol synchronization error")))
    }
}
