import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Names in DNS, and checks with their results.
struct SPFScenario: Decodable {
    struct Test: Decodable {
        var name: String
        var helo: String
        var host: String
        var mailfrom: String
        var results: [String]
        var explanation: String?

        /// Who is to be checked.
        var identity: SPFIdentity? {
            guard let client = IPAddress(host) else { return nil }
            let said = mailfrom.isEmpty ? "postmaster@\(helo)" : mailfrom
            let at = said.lastIndex(of: "@")
            let local = at.map { String(said[..<$0]) } ?? ""
            let domain = at.map { String(said[$0...].dropFirst()) } ?? said
            return SPFIdentity(
                client: client, hello: helo, localPart: local.isEmpty ? "postmaster" : local, domain: domain,
                receiver: "mx.example.test")
        }
    }

    var name: String
    var zone: [SuiteRecord]
    var tests: [Test]
}

@Suite struct SPFSuiteTests {
    /// What the suite means by `DEFAULT`: the checker's own words, of which we have none here.
    private static let standardExplanation = "DEFAULT"

    @Test(arguments: ["spf-rfc7208", "spf-rfc4408"].filter(SuiteFiles.exists))
    func `the suite's results come out`(_ name: String) async throws {
        let scenarios = try #require(try SuiteFiles.load(name, as: SPFScenario.self))
        var tally = Tally(name)
        for scenario in scenarios {
            let zone = MemoryZone(scenario.zone)
            for test in scenario.tests {
                let outcome = await check(test, in: zone)
                let result = outcome.result.rawValue
                let explanation = outcome.explanation ?? Self.standardExplanation
                let isRight =
                    test.results.contains(result)
                    && (test.explanation == nil || result != "fail" || test.explanation == explanation)
                tally.note(
                    isRight,
                    """
                    \(scenario.name) / \(test.name): \(result) (\(outcome.reason ?? "-"), \(explanation)) \
                    instead of \(test.results) \(test.explanation ?? "")
                    """)
            }
        }
        tally.report()
        #expect(tally.deviations == [])
    }

    private func check(_ test: SPFScenario.Test, in zone: MemoryZone) async -> SPFOutcome {
        guard let identity = test.identity else { return SPFOutcome(result: .none, reason: "no address") }
        var evaluation = SPFEvaluation(identity, services: Services(zone))
        return await evaluation.outcome()
    }
}
