import MailTypes
import Pipeline
import Synchronization
import Testing

@testable import Sandbox

/// Mail whose keys are slow to come, or never do.
@Suite(.serialized) struct SlowKeyTests {
    /// A message with a signature of each of so many domains.
    static func message(signers: Int) throws -> Message {
        let good = try #require(SignedSample.signatures["plain"])
        let fields = (0..<signers).map { number in
            "DKIM-Signature: \(good.replacing("d=signer.example", with: "d=d\(number).slow.example"))\r\n"
        }
        let text = fields.joined() + SignedSample.header + "\r\n" + SignedSample.body
        return try Message(parsing: Bytes(Array(text.utf8)))
    }

    @Test func `R67: of a hundred signatures of slow domains ten are asked for, all at once`() async throws {
        let asked = Mutex<[String]>([])
        let gate = Gate()
        var options = SandboxOptions.built
        options.workers = 1
        let pool = IsolationTests.pool(options) { (question) async throws(StageFailure) in
            asked.withLock { $0.append(question.name) }
            await gate.pass()
            throw StageFailure("no answer in time", timedOut: true)
        }
        let message = try Self.message(signers: 100)
        async let reports = pool.signatures(on: message, most: 10)
        #expect(await eventually { gate.count == 10 })
        #expect(Set(asked.withLock { $0 }).count == 10)
        // Nobody else waits for them.
        let other = try SignedSample.message(["plain"])
        let neighbour = Task { try await pool.signatures(on: other, most: 10) }
        #expect(await eventually { gate.count == 11 })
        gate.open()
        let faults = try await reports.map(\.fault)
        #expect(faults == Array(repeating: .unreachableKey, count: 10) + [.surplus])
        #expect(try await neighbour.value.map(\.fault) == [.unreachableKey])
        #expect(asked.withLock { $0.count } == 11)
        pool.stop()
    }

    @Test(arguments: SandboxOptions.Isolation.allCases)
    func `R67: hundreds of messages that wait for keys keep nobody waiting`(_ isolation: SandboxOptions.Isolation)
        async throws
    {
        let gate = Gate()
        var options = SandboxOptions.built
        options.isolation = isolation
        options.workers = 1
        let witness = Witness()
        let pool = IsolationTests.pool(options, witness) { (question) async throws(StageFailure) in
            if question.name.contains("slow") { await gate.pass() }
            return try await SignedSample.resolve(question)
        }
        let slow = try Self.message(signers: 1)
        await withTaskGroup(of: [SignatureReport.Fault?].self) { group in
            for _ in 0..<300 {
                group.addTask { (try? await pool.signatures(on: slow, most: 10).map(\.fault)) ?? [.syntax] }
            }
            #expect(await eventually { gate.count == 300 })
            #expect(await IsolationTests.faults(pool) == .success([nil]))
            gate.open()
            for await faults in group { #expect(faults == [.noKey]) }
        }
        #expect(witness.ends == [])
        pool.stop()
    }

    @Test func `large messages that wait for keys leave room for others`() async throws {
        let gate = Gate()
        var options = SandboxOptions.built
        options.workers = 1
        options.memory = "64MB"
        let pool = IsolationTests.pool(options) { (question) async throws(StageFailure) in
            if question.name.hasPrefix("short.") { await gate.pass() }
            return try await SignedSample.resolve(question)
        }
        let body = String(repeating: "0123456789\r\n", count: 1_000_000)
        let slow = try SignedSample.message(["short"], body: body)
        await withTaskGroup(of: [SignatureReport.Fault?].self) { group in
            for _ in 0..<12 {
                group.addTask { (try? await pool.signatures(on: slow, most: 10).map(\.fault)) ?? [.syntax] }
            }
            #expect(await eventually { gate.count == 12 })
            #expect(await IsolationTests.faults(pool) == .success([nil]))
            gate.open()
            for await faults in group { #expect(faults == [.body]) }
        }
        pool.stop()
    }
}
