import Adapters
import Foundation
import MailTypes
import Pipeline
import Sandbox
import SluiceTesting
import Testing

@testable import Filters

/// What others have signed: by libopendkim in the stage, and by the verifier that seals are checked with.
@Suite struct DKIMSuiteTests {
    /// Keys from a zone in memory, and a worker that reads the message.
    struct World: ServiceSource {
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

    @Test(arguments: ["dkim-rfc", "dkim-dkimpy"].filter(SuiteFiles.exists))
    func `signatures of others come to the same`(_ name: String) async throws {
        let scenarios = try #require(try SuiteFiles.load(name, as: SignatureScenario.self))
        var (library, ours) = (Tally("\(name), libopendkim"), Tally("\(name), seals' verifier"))
        for scenario in scenarios {
            let zone = MemoryZone(scenario.zone)
            let world = World(zone)
            defer { world.pool.stop() }
            for test in scenario.tests {
                let message = try test.parsed()
                let title = "\(scenario.name) / \(test.name)"
                let results = try await Self.results(message, in: world)
                library.note(
                    results.map { $0 == .pass ? "pass" : "fail" } == test.results,
                    "\(title): \(results) instead of \(test.results)")
                let found = try await Self.check(message, in: zone)
                ours.note(
                    found.map { $0 == .pass ? "pass" : "fail" } == test.results,
                    "\(title): \(found) instead of \(test.results)")
            }
        }
        library.report()
        ours.report()
        #expect(library.deviations + ours.deviations == [])
    }

    /// What a signature is worth that leaves a part of the body open is policy; the suites ask whether it is valid.
    static func results(
        _ message: Message, in world: World
    ) async throws -> [AuthenticationResults.Result] {
        var policy = DKIMVerify.Configuration()
        policy.partialBody = .pass
        let finding = try await DKIMVerify(policy).message(message, in: .sample(services: world))
        return finding.edits.compactMap { if case .authentication(let entry) = $0 { entry.result } else { nil } }
    }

    static func check(_ message: Message, in zone: MemoryZone) async throws -> [SignatureOutcome] {
        var verifier = SignatureVerifier(message, LibcryptoSignatures(), Services(zone), leastBits: 1024)
        var outcomes: [SignatureOutcome] = []
        for field in message.header.fields(named: "DKIM-Signature") {
            if let signature = try? MessageSignature(dkim: field) {
                outcomes.append(try await verifier.check(signature))
            } else {
                outcomes.append(.fail("it is none"))
            }
        }
        return outcomes
    }
}
