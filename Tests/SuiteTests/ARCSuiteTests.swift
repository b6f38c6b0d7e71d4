import Adapters
import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Messages with names in DNS and what is to be found.
struct SignatureScenario: Decodable {
    struct Test: Decodable {
        var name: String
        var message: String
        var results: [String]

        func parsed() throws -> Message { try Message(parsing: Bytes(message.latin1)) }
    }

    var name: String
    var zone: [SuiteRecord]
    var tests: [Test]
}

@Suite struct ARCSuiteTests {
    static let tools = StageTools(cryptography: LibcryptoSignatures(), keys: MemoryKeys())

    @Test(arguments: ["arc-valimail", "arc-dkimpy"].filter(SuiteFiles.exists))
    func `the chains' verdicts come out`(_ name: String) async throws {
        let scenarios = try #require(try SuiteFiles.load(name, as: SignatureScenario.self))
        var tally = Tally(name)
        for scenario in scenarios {
            var zone = MemoryZone(scenario.zone)
            // What a peer has just sealed is of this moment.
            zone.time = Date()
            for test in scenario.tests {
                let finding = try await find(test, in: zone)
                let entry = finding.edits.compactMap { edit -> AuthenticationResults.Entry? in
                    if case .authentication(let entry) = edit { entry } else { nil }
                }.first
                let result = entry?.result.rawValue ?? "nothing"
                tally.note(
                    test.results == [result],
                    "\(scenario.name) / \(test.name): \(finding.note ?? result) instead of \(test.results)")
            }
        }
        tally.report()
        #expect(tally.deviations == [])
    }

    private func find(_ test: SignatureScenario.Test, in zone: MemoryZone) async throws -> Finding {
        let stage = try ARC(ARC.Configuration()).equipped(with: Self.tools)
        return try await stage.message(try test.parsed(), in: .sample(services: zone))
    }
}
