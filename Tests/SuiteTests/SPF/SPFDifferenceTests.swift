import Foundation
import MailTypes
import Pipeline
import Sandbox
import SluiceTesting
import Synchronization
import Testing

@testable import Filters

/// Our evaluator beside libspf2. Where they differ, the reason is known.
@Suite struct SPFDifferenceTests {
    /// A zone that changes from case to case.
    private final class World: ServiceSource {
        private let held = Mutex(MemoryZone())
        var zone: MemoryZone {
            get { held.withLock { $0 } }
            set { held.withLock { $0 = newValue } }
        }

        func answer(_ question: Question) async throws(StageFailure) -> Answer { try await zone.answer(question) }
    }

    /// libspf2 in a worker of its own, which may die of a record.
    private static func pool(_ world: World) -> SandboxPool {
        var options = SandboxOptions()
        let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        options.program = [URL(fileURLWithPath: tests).deletingLastPathComponent().path + "/sluice"]
        options.workers = 1
        return SandboxPool(options) { (question) async throws(StageFailure) in
            guard case .dns(let answer) = try await world.answer(.dns(question)) else {
                throw StageFailure("no answer")
            }
            return answer
        }
    }

    /// Both about one identity.
    private static func compare(_ identity: SPFIdentity, _ world: World, _ pool: SandboxPool) async -> SPFCase {
        let services = Services(world)
        var evaluation = SPFEvaluation(identity, services: services)
        let own = await evaluation.outcome()
        let question = SenderPolicyQuestion(identity, SPFLimits())
        var theirs = SenderPolicyReport(.none)
        var death: String?
        if identity.isCheckable {
            do throws(StageFailure) { theirs = try await pool.senderPolicy(question) } catch { death = error.reason }
        }
        return SPFCase(identity: identity, own: own, theirs: theirs, death: death, facts: services.facts)
    }

    @Test func `four thousand generated policies: every difference is explained`() async throws {
        var samples = SPFSamples(seed: 0x5BF1)
        var table = SPFDifferences("generated")
        let world = World()
        let pool = Self.pool(world)
        defer { pool.stop() }
        for _ in 0..<4000 {
            let sample = samples.next()
            world.zone = SPFSamples.world
            world.zone.add(SPFSamples.domain, .txt, .text(sample.record))
            table.note(await Self.compare(sample.identity, world, pool), String(decoding: sample.record, as: UTF8.self))
        }
        table.report()
        #expect(table.unexplained == [])
    }

    @Test(arguments: ["spf-rfc7208", "spf-rfc4408"].filter(SuiteFiles.exists))
    func `a suite: every difference is explained`(_ name: String) async throws {
        let scenarios = try #require(try SuiteFiles.load(name, as: SPFScenario.self))
        var table = SPFDifferences(name)
        var tally = Tally("\(name), libspf2")
        let world = World()
        let pool = Self.pool(world)
        defer { pool.stop() }
        for scenario in scenarios {
            world.zone = MemoryZone(scenario.zone)
            for test in scenario.tests {
                guard let identity = test.identity else { continue }
                let found = await Self.compare(identity, world, pool)
                table.note(found, "\(scenario.name) / \(test.name)")
                tally.note(
                    found.death == nil && test.results.contains(found.theirs.result.rawValue),
                    "\(scenario.name) / \(test.name): \(found.death ?? found.theirs.result.rawValue)"
                )
            }
        }
        // The library's own affair: what is held is that each of them is a difference of ours with a reason.
        tally.report()
        table.report()
        #expect(table.unexplained == [])
    }
}
