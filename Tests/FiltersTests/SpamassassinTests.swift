import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct SpamassassinTests {
    let world = MemoryServices()

    @Test func `its five points are our six, and what we judge ourselves does not count`() async throws {
        let symbols = [("BAD", 5.1), ("SPF_FAIL", 1.0), ("DKIM_VALID", -0.1)].map {
            Symbol($0.0, points: $0.1, description: "")
        }
        world.report(SpamReport(score: 6.0, symbols: symbols, server: "127.0.0.1:783"), by: .spamassassin)
        let stage = Spamassassin(Spamassassin.Configuration())
        let finding = try await stage.message(.sample(), in: .sample(services: world))
        #expect(finding.points == ["SPAMASSASSIN_BAD": 6.12] && finding.verdict == .continue)
        #expect(finding.note == "127.0.0.1:783: 6.0 points")
    }

    @Test func `it is asked in the name of the account that the file says`() async throws {
        world.report(SpamReport(score: 0, symbols: [], server: "x:1"), by: .spamassassin)
        var policy = Spamassassin.Configuration()
        policy.user = "filter"
        _ = try await Spamassassin(policy).message(.sample(), in: .sample(services: world))
        guard case .spamScan(let question)? = world.asked.last else {
            Issue.record("not asked")
            return
        }
        #expect(question.scanner == .spamassassin && question.order?.account == "filter")
    }

    @Test func `a message that is too large is not sent, and one that nobody answers about fails`() async throws {
        var policy = Spamassassin.Configuration()
        policy.maxSize = "10"
        let transaction = Transaction.sample(services: world)
        #expect(try await Spamassassin(policy).message(.sample(), in: transaction).decidedBy == ["max_size"])
        #expect(world.asked == [])
        let stage = Spamassassin(Spamassassin.Configuration())
        await #expect(throws: StageFailure.self) { try await stage.message(.sample(), in: transaction) }
    }
}
