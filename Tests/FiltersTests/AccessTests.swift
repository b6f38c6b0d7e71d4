import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct AccessTests {
    /// One client before one pair of lists.
    struct Row: CustomTestStringConvertible {
        let testDescription: String
        var allow: [Network] = []
        var deny: [Network] = []
        var standard = Access.Configuration.Standard.allow
        var client: IPAddress = "192.0.2.7"
        let isRefused: Bool
    }

    static let rows = [
        Row(testDescription: "nobody is named, everybody comes", isRefused: false),
        Row(testDescription: "an address", deny: ["192.0.2.7"], isRefused: true),
        Row(testDescription: "its neighbour", deny: ["192.0.2.8"], isRefused: false),
        Row(testDescription: "a network", deny: ["192.0.2.0/24"], isRefused: true),
        Row(testDescription: "allow comes before deny", allow: ["192.0.2.7"], deny: ["192.0.2.0/24"], isRefused: false),
        Row(
            testDescription: "a stranger where only the listed come", allow: ["198.51.100.0/24"], standard: .deny,
            isRefused: true),
        Row(testDescription: "the listed", allow: ["192.0.2.0/29"], standard: .deny, isRefused: false),
        Row(testDescription: "IPv6", deny: ["2001:db8::/32"], client: "2001:db8:1::1", isRefused: true),
        Row(testDescription: "mapped IPv4 is IPv4", deny: ["192.0.2.7"], client: "::ffff:192.0.2.7", isRefused: true),
        Row(
            testDescription: "every IPv4 address is no IPv6 address", deny: ["0.0.0.0/0"], client: "2001:db8::1",
            isRefused: false),
    ]

    @Test(arguments: rows)
    func lists(_ row: Row) async throws {
        var policy = Access.Configuration()
        policy.allow = row.allow
        policy.deny = row.deny
        policy.default = row.standard
        let finding = try await Access(policy).connect(.sample(session: .sample(client: row.client)))
        let refusal = Verdict.reject(Reply(554, .deliveryNotAuthorized, "Access denied"))
        #expect(finding.verdict == (row.isRefused ? refusal : .continue))
    }

    @Test func `being allowed ends the phase only where the option says so`() async throws {
        var policy = Access.Configuration()
        policy.allow = ["192.0.2.0/24"]
        #expect(try await Access(policy).connect(.sample()).verdict == .continue)
        #expect(Access(policy).currentEffects == [.rejects])
        policy.allowed = .accept
        #expect(try await Access(policy).connect(.sample()).verdict == .accept)
        #expect(Access(policy).currentEffects == [.rejects, .accepts])
    }

    @Test func `lists may hold for some listeners only`() async throws {
        var policy = Access.Configuration()
        policy.deny = ["0.0.0.0/0"]
        policy.languages = [.submission]
        #expect(try await Access(policy).connect(.sample()).verdict == .continue)
        let submission = Session.sample(language: .submission)
        #expect(try await Access(policy).connect(.sample(session: submission)).verdict != .continue)
    }

    @Test func `the option that decided is named`() async throws {
        var policy = Access.Configuration()
        policy.default = .deny
        #expect(try await Access(policy).connect(.sample()).decidedBy == ["default"])
        policy.deny = ["192.0.2.7"]
        #expect(try await Access(policy).connect(.sample()).decidedBy == ["deny"])
    }
}
