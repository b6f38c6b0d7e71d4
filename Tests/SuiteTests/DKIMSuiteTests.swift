import Foundation
import MailTypes
import Pipeline
import Sandbox
import SluiceTesting
import Testing

@testable import Filters

/// Messages that others have signed, through the stage and libopendkim.
@Suite struct DKIMSuiteTests {
    struct Scenario: Decodable {
        var name: String
        var zone: [SuiteRecord]
        var message: String
    }

    /// Keys from a zone in memory, and a worker that reads the message.
    private struct World: ServiceSource {
        let zone: MemoryZone
        let pool: SandboxPool

        init(_ zone: MemoryZone) {
            self.zone = zone
            var options = SandboxOptions()
            options.isolation = .none
            options.workers = 1
            pool = SandboxPool(options) { (question) async throws(StageFailure) in
                guard case .dns(let answer) = try await zone.answer(.dns(question)) else {
                    throw StageFailure("no answer")
                }
                return answer
            }
        }

        func answer(_ question: Question) async throws(StageFailure) -> Answer {
            guard case .signatures(let handle, let most) = question, let message = handle.message else {
                return try await zone.answer(question)
            }
            return .signatures(try await pool.signatures(on: message, most: most))
        }
    }

    @Test(arguments: ["dkim-rfc", "dkim-files", "dkim-dkimpy"].filter(SuiteFiles.exists))
    func `every signature is valid, and none once the message is changed`(_ name: String) async throws {
        let scenarios = try #require(try SuiteFiles.load(name, as: Scenario.self))
        var tally = Tally(name)
        for scenario in scenarios {
            let world = World(MemoryZone(scenario.zone))
            let octets = Array(try #require(Data(base64Encoded: scenario.message)))
            let message = try Message(parsing: Bytes(octets))
            let found = try await results(message, in: world)
            tally.note(!found.isEmpty && found.allSatisfy { $0 == .pass }, "\(scenario.name): \(found)")
            var changed = message
            changed.body = Bytes(message.body.array + Array("x\r\n".utf8))
            let broken = try await results(changed, in: world)
            tally.note(broken.count == found.count && !broken.contains(.pass), "\(scenario.name), changed: \(broken)")
            world.pool.stop()
        }
        tally.report()
        #expect(tally.deviations == [])
    }

    private func results(_ message: Message, in world: World) async throws -> [AuthenticationResults.Result] {
        let finding = try await DKIMVerify(.init()).message(message, in: .sample(services: world))
        return finding.edits.compactMap { if case .authentication(let entry) = $0 { entry.result } else { nil } }
    }
}
