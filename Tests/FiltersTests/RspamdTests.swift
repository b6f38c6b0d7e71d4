import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct RspamdTests {
    let world = MemoryServices()

    static func report(_ score: Double, _ symbols: KeyValuePairs<String, Double>) -> SpamReport {
        SpamReport(
            score: score, symbols: symbols.map { Symbol($0.key, points: $0.value, description: "About \($0.key)") },
            server: "127.0.0.1:11333")
    }

    func find(_ report: SpamReport?, _ policy: Rspamd.Configuration = Rspamd.Configuration()) async throws -> Finding {
        if let report { world.report(report, by: .rspamd) }
        return try await Rspamd(policy).message(.sample(), in: .sample(services: world))
    }

    /// What it says, and what it comes to: each symbol, and what is left to its sum.
    @Test(
        arguments: [
            (report(4, ["BAD": 4]), ["RSPAMD_BAD": 4]), (report(0, [:]), [:]),
            (report(3.5, ["BAD": 5, "GOOD": -1.5]), ["RSPAMD_BAD": 5, "RSPAMD_GOOD": -1.5]),
            (report(10, ["BAD": 12]), ["RSPAMD_BAD": 12, "RSPAMD": -2]),
            (report(6, ["R_SPF_FAIL": 1, "DMARC_POLICY_REJECT": 2, "BAD": 3]), ["RSPAMD_BAD": 3]),
            (report(500, ["BAD": 500]), ["RSPAMD_BAD": 500, "RSPAMD": -485]),
            (report(-20, ["WHITE": -20]), ["RSPAMD_WHITE": -20, "RSPAMD": 15]),
            (report(2, ["odd name!": 2]), ["RSPAMD_ODD_NAME_": 2]), (report(0, ["ZERO": 0]), [:]),
        ] as [(SpamReport, [String: Double])])
    func `its points are ours, within bounds`(_ report: SpamReport, _ points: [String: Double]) async throws {
        let finding = try await find(report)
        #expect(finding.points == points && finding.verdict == .continue)
        #expect(finding.note == "127.0.0.1:11333: \(report.score) points")
    }

    @Test func `a factor and a list of what is ignored hold for the sum too`() async throws {
        var policy = Rspamd.Configuration()
        policy.factor = 0.5
        policy.ignore = ["EX*", "ONE"]
        let report = Self.report(20, ["EXTRA": 5, "ONE": 3, "ONE_MORE": 2, "BAD": 10])
        #expect(try await find(report, policy).points == ["RSPAMD_ONE_MORE": 1, "RSPAMD_BAD": 5])
    }

    @Test func `of very many symbols the heaviest stand for themselves, and the rest together`() async throws {
        let many = (1...60).map { Symbol("S\($0)", points: 0.1, description: "") }
        let finding = try await find(SpamReport(score: 6, symbols: many, server: "x:1"))
        #expect(finding.edits.count == ForeignScore.mostSymbols + 1 && finding.points["RSPAMD"] == 2)
    }

    @Test func `it is told who sends what to whom`() async throws {
        var session = Session.sample(user: "bob@here.example")
        session.clientName = "mx.out.example"
        let transaction = Transaction.sample(
            session: session, recipients: [.local("bob@here.example")], services: world)
        world.report(Self.report(0, [:]), by: .rspamd)
        var policy = Rspamd.Configuration()
        policy.password = "secret"
        policy.servers = ["[::1]:11333", "unix:/run/rspamd.sock", "scan.here.example:5"]
        _ = try await Rspamd(policy).message(.sample(), in: transaction)
        guard case .spamScan(let question)? = world.asked.last, let order = question.order else {
            Issue.record("not asked")
            return
        }
        #expect(order.servers.map(\.description) == ["[::1]:11333", "unix:/run/rspamd.sock", "scan.here.example:5"])
        #expect(order.password == "secret" && order.sender == "alice@out.example" && order.session == session)
        #expect(order.recipients == ["bob@here.example"] && question.message.size == Message.sample().size)
        // Of all that nothing is kept.
        guard case .spamScan(let kept)? = transaction.services.facts.last?.question else { return }
        #expect(kept.order == nil && kept.message.message == nil && kept == question)
    }

    @Test func `a message that is too large is not sent, and one that nobody answers about fails`() async throws {
        var policy = Rspamd.Configuration()
        policy.maxSize = "10"
        #expect(try await find(nil, policy).decidedBy == ["max_size"])
        #expect(world.asked == [])
        await #expect(throws: StageFailure.self) { try await find(nil) }
    }

    @Test(arguments: ["127.0.0.1", "127.0.0.1:0", ":11333", "[127.0.0.1]:1", "unix:relative", "a b:1", "::1:70000"])
    func `what is no place is refused`(_ text: String) { #expect(ScannerServer(text) == nil) }
}
