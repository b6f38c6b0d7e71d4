import Foundation
import MailTypes
import Pipeline
import Synchronization
import Testing

@testable import Sandbox

/// Workers in processes of their own: what they may do, and what becomes of mail when they do not do what they should.
@Suite(.serialized) struct IsolationTests {
    static func pool(
        _ options: SandboxOptions = .built, _ witness: Witness = Witness(),
        resolve: @escaping @Sendable (DNSQuestion) async throws(StageFailure) -> DNSAnswer = SignedSample.resolve
    ) -> SandboxPool {
        SandboxPool(options, observer: witness.observer, resolve: resolve)
    }

    /// The faults found, or why nothing was.
    static func faults(_ pool: SandboxPool, _ names: [String] = ["plain"]) async -> Result<
        [SignatureReport.Fault?], StageFailure
    > {
        do throws(StageFailure) {
            guard let message = try? SignedSample.message(names) else { return .failure(StageFailure("no sample")) }
            return .success(try await pool.signatures(on: message, most: 10).map(\.fault))
        } catch { return .failure(error) }
    }

    @Test(arguments: SandboxOptions.Isolation.allCases)
    func `a worker finds what the library finds, isolated or not`(_ isolation: SandboxOptions.Isolation) async throws {
        var options = SandboxOptions.built
        options.isolation = isolation
        let pool = Self.pool(options)
        let message = try SignedSample.message(["plain", "edwards", "expired", "partial"])
        let found = try await pool.signatures(on: message, most: 10)
        let expected = try VerificationTests.verify(message)
        #expect(found == expected)
        #expect(found.map(\.fault) == [nil, nil, .expired, nil])
        #expect(pool.processes.isEmpty == (isolation == .none))
        pool.stop()
    }

    @Test func `what is not signed starts no worker`() async throws {
        let pool = Self.pool()
        #expect(try await pool.signatures(on: SignedSample.message([]), most: 10) == [])
        #expect(pool.processes.isEmpty)
    }

    @Test func `the sandbox is closed: one thread, four descriptors, a filter, no new rights, limits`() async throws {
        var options = SandboxOptions.built
        options.workers = 1
        let pool = Self.pool(options)
        #expect(await Self.faults(pool) == .success([nil]))
        let process = try #require(pool.processes.first)
        func lines(_ file: String) throws -> [String] {
            try String(contentsOfFile: "/proc/\(process)/\(file)", encoding: .utf8).split(separator: "\n").map {
                $0.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            }
        }
        let status = try lines("status")
        for line in ["Threads: 1", "Seccomp: 2", "NoNewPrivs: 1"] { #expect(status.contains(line), "\(line)") }
        let limits = try lines("limits")
        for line in ["Max core file size 0 0 bytes", "Max file size 0 0 bytes", "Max open files 16 16 files"] {
            #expect(limits.contains(line), "\(line)")
        }
        #expect(limits.contains { $0.hasPrefix("Max address space") && !$0.contains("unlimited") })
        #expect(limits.contains { $0.hasPrefix("Max cpu time") && !$0.contains("unlimited") })
        // Nobody but root may look into a process that has given up debuggers.
        let open =
            geteuid() != 0
            ? ["0", "1", "2", "3"] : try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").sorted()
        #expect(open == ["0", "1", "2", "3"])
        pool.stop()
        #expect(await eventually { !FileManager.default.fileExists(atPath: "/proc/\(process)/status") })
    }

    @Test func `a worker that is started by hand says so and ends`() throws {
        let program = Process()
        program.executableURL = URL(fileURLWithPath: SandboxOptions.built.program[0])
        program.arguments = ["worker", "1000000", "10"]
        let errors = Pipe()
        program.standardError = errors
        try program.run()
        program.waitUntilExit()
        #expect(program.terminationStatus == 2)
        #expect(String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self).contains("sluice serve"))
    }

    // MARK: Under load

    @Test func `killed and stopped workers cost one message each, under load`() async throws {
        var options = SandboxOptions.built
        options.jobTimeout = "1s"
        options.jobsPerWorker = 100
        let witness = Witness()
        let pool = Self.pool(options, witness)
        let chaos = Task {
            var round = 0
            while !Task.isCancelled {
                try await Task.sleep(for: .milliseconds(40))
                guard let process = pool.processes.randomElement() else { continue }
                // Stopped, it hangs.
                kill(pid_t(process), round % 3 == 0 ? SIGSTOP : SIGKILL)
                round += 1
            }
        }
        let results = await withTaskGroup(of: Result<[SignatureReport.Fault?], StageFailure>.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var last = await Self.faults(pool, ["plain"])
                    for _ in 0..<150 {
                        let next = await Self.faults(pool)
                        if case .failure = next { last = next }
                    }
                    return last
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        chaos.cancel()
        _ = await chaos.result
        #expect(results.count == 8, "every message has had its answer")
        #expect(await eventually { witness.count(.done) + witness.count(.failed) == 8 * 151 })
        #expect(!witness.troubles.isEmpty)
        #expect(witness.troubles.allSatisfy { $0 == .hung || $0 == .signal(Int(SIGKILL)) }, "\(witness.troubles)")
        #expect(witness.count(.failed) <= witness.troubles.count)
        #expect(witness.startFailures == [])
        // One may be stopped still; its message is the last that fails.
        for _ in 0..<4 { _ = await Self.faults(pool) }
        #expect(await Self.faults(pool) == .success([nil]))
        pool.stop()
    }

    @Test func `a job that waits for DNS keeps nobody waiting, and outlives its worker`() async throws {
        var options = SandboxOptions.built
        options.workers = 1
        let (witness, gate) = (Witness(), Gate())
        let pool = Self.pool(options, witness) { (question) async throws(StageFailure) in
            if question.name.hasPrefix("long.") { await gate.pass() }
            return try await SignedSample.resolve(question)
        }
        async let waiting = Self.faults(pool, ["plain", "edwards"])
        #expect(await eventually { gate.count == 1 })
        #expect(await Self.faults(pool, ["edwards"]) == .success([nil]))
        let first = try #require(pool.processes.first)
        kill(pid_t(first), SIGKILL)
        #expect(await eventually { kill(pid_t(first), 0) != 0 || Self.isZombie(first) })
        // It died while nobody asked it: that costs nobody anything.
        #expect(await Self.faults(pool, ["edwards"]) == .success([nil]))
        #expect(pool.processes.first != first)
        gate.open()
        #expect(await waiting == .success([nil, nil]))
        #expect(witness.troubles == [.signal(Int(SIGKILL))])
        pool.stop()
    }

    static func isZombie(_ process: Int) -> Bool {
        let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? "State:\tZ"
        return status.contains("State:\tZ")
    }

    @Test func `workers are replaced after their jobs, and nobody notices`() async throws {
        var options = SandboxOptions.built
        options.workers = 1
        options.jobsPerWorker = 3
        let witness = Witness()
        let pool = Self.pool(options, witness)
        for _ in 0..<10 { #expect(await Self.faults(pool) == .success([nil])) }
        #expect(witness.ends == [.recycled, .recycled, .recycled])
        pool.stop()
    }

    @Test func `who takes too much memory fails alone`() async throws {
        var options = SandboxOptions.built
        options.workers = 1
        options.memory = "16MB"
        let pool = Self.pool(options)
        let large = try SignedSample.message(["plain"], body: String(repeating: "0123456789\r\n", count: 4_000_000))
        await #expect(throws: StageFailure.self) { try await pool.signatures(on: large, most: 10) }
        #expect(await Self.faults(pool) == .success([nil]))
        pool.stop()
    }

    // MARK: Workers that lie

    /// Becomes ready, and reads the first octet of a request, with which the rest of it is gone.
    static let begin = #"printf '\200\003' >&3; head -c 1 <&3 >/dev/null; "#

    /// What a worker does at its first job, and what the server takes it for.
    @Test(
        arguments: [
            ("printf 'nonsense' >&3; exec sleep 60", "corrupt"),
            // A result for another job, more questions than there may be, a greeting.
            (#"printf '\202\0\0\0\011\001\0' >&3; exec sleep 60"#, "corrupt"),
            (#"printf '\201\0\0\0\001\377' >&3; exec sleep 60"#, "corrupt"),
            (#"printf '\200\003' >&3; exec sleep 60"#, "corrupt"),
            // A report of another kind, and a question that is none of this job's.
            (#"printf '\202\0\0\0\001\002\0\004pass\0\0\0\0' >&3; exec sleep 60"#, "corrupt"),
            (#"printf '\201\0\0\0\001\001\0\001\0\001a' >&3; exec sleep 60"#, "corrupt"),
            ("exec sleep 60", "hang"), ("exit 3", "crash"), ("kill -SEGV $$", "crash"),
        ])
    func `a worker that says anything else is killed, and its message fails`(_ script: String, _ word: String)
        async throws
    {
        var options = SandboxOptions.script(Self.begin + script)
        options.jobTimeout = "2s"
        let witness = Witness()
        let pool = Self.pool(options, witness)
        guard case .failure(let failure) = await Self.faults(pool) else {
            Issue.record("it was believed")
            return
        }
        #expect(witness.ends.map(\.word) == [word], "\(failure)")
        #expect(failure.timedOut == (word == "hang"))
        pool.stop()
    }

    @Test(arguments: ["exit 1", "printf 'hello' >&3; exec sleep 60", #"printf '\200\077' >&3; exec sleep 60"#])
    func `a program that does not become a worker is none`(_ script: String) async throws {
        let witness = Witness()
        let pool = Self.pool(.script(script), witness)
        guard case .failure(let failure) = await Self.faults(pool) else {
            Issue.record("it was believed")
            return
        }
        #expect(failure.reason.contains("there is no worker"))
        #expect(witness.startFailures.count == 1)
        // Not tried again at once.
        _ = await Self.faults(pool)
        #expect(witness.startFailures.count == 1)
        pool.stop()
    }

    // MARK: Limits

    @Test func `beyond what may wait, a message is refused at once`() async throws {
        var options = SandboxOptions.script(#"printf '\200\003' >&3; exec sleep 60"#)
        options.maxWaiting = 1
        options.jobTimeout = "3s"
        let witness = Witness()
        let pool = Self.pool(options, witness)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 { group.addTask { _ = await Self.faults(pool) } }
            #expect(await eventually { witness.count(.refused) >= 2 })
            pool.stop()
        }
    }

    @Test func `who no longer waits is answered, and a stop answers everybody`() async throws {
        let gate = Gate()
        let pool = Self.pool { (_) async throws(StageFailure) in
            await gate.pass()
            throw StageFailure("too late")
        }
        let impatient = Task { await Self.faults(pool) }
        let patient = Task { await Self.faults(pool) }
        #expect(await eventually { gate.count == 2 })
        impatient.cancel()
        #expect(await impatient.value == .failure(StageFailure("cancelled")))
        pool.stop()
        #expect(await patient.value == .failure(SandboxPool.stopped))
        gate.open()
        #expect(await Self.faults(pool) == .failure(StageFailure("too many messages wait for a worker")))
    }
}
