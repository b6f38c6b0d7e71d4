import Foundation
import MailTypes
import Pipeline
import Testing

@testable import Sandbox

/// What a worker may do once a message has taken it over, and what becomes of it: `SandboxProbe` in its place.
@Suite(.serialized) struct DeedTests {
    static func options(_ deed: String) -> SandboxOptions {
        var options = SandboxOptions.built
        options.program = [SandboxOptions.products + "/SandboxProbe", deed]
        options.workers = 1
        options.jobTimeout = deed == "spin" ? "1s" : "20s"
        return options
    }

    @Test(
        arguments: ["spawn", "thread", "open", "socket", "signal", "program", "code", "limit"].map {
            ($0, WorkerEnd.signal(Int(SIGSYS)))
        } + [
            ("message", .signal(Int(SIGXFSZ))), ("abort", .signal(Int(SIGABRT))), ("memory", .signal(Int(SIGABRT))),
            ("spin", .hung),
        ])
    func `R164: what no worker may do is its end, and costs its message`(_ deed: String, _ end: WorkerEnd)
        async throws
    {
        let witness = Witness()
        let pool = IsolationTests.pool(Self.options(deed), witness)
        guard case .failure(let failure) = await IsolationTests.faults(pool) else {
            Issue.record("it did \(deed) and went on")
            return
        }
        #expect(witness.ends == [end], "\(failure)")
        pool.stop()
    }

    @Test func `what a worker writes goes nowhere`() async throws {
        let witness = Witness()
        let pool = IsolationTests.pool(Self.options("output"), witness)
        for _ in 0..<3 { #expect(await IsolationTests.faults(pool) == .success([])) }
        #expect(witness.ends == [])
        pool.stop()
    }

    @Test func `R165: who answers twice is believed once`() async throws {
        let witness = Witness()
        let pool = IsolationTests.pool(Self.options("twice"), witness)
        #expect(await IsolationTests.faults(pool) == .success([]))
        // The second answer comes before the next request, which then goes to a fresh worker, or after it, and is none.
        switch await IsolationTests.faults(pool) {
        case .success(let faults): #expect(faults == [])
        case .failure(let failure): #expect(failure.reason.contains("another reply"), "\(failure)")
        }
        pool.stop()
        #expect(await eventually { !witness.ends.isEmpty })
        guard case .corrupt = witness.ends.first else {
            Issue.record("it was kept: \(witness.ends)")
            return
        }
    }

    @Test func `who never reads is ended, and nobody waits for it`() async throws {
        let witness = Witness()
        let pool = IsolationTests.pool(Self.options("deaf"), witness)
        // So many requests as its socket holds.
        for _ in 0..<5_000 where witness.ends.isEmpty { _ = await IsolationTests.faults(pool) }
        #expect(witness.ends == [.corrupt("it does not read")])
        pool.stop()
    }

    @Test func `a worker cannot fill the server with descriptors`() async throws {
        let witness = Witness()
        let pool = IsolationTests.pool(Self.options("descriptors"), witness)
        for _ in 0..<5 {
            guard case .failure = await IsolationTests.faults(pool) else {
                Issue.record("it was believed")
                return
            }
        }
        #expect(witness.ends.map(\.word) == Array(repeating: "corrupt", count: 5))
        pool.stop()
    }

    @Test func `descriptors that nobody takes are closed`() throws {
        let (left, right) = try PacketChannel.pair()
        defer { for end in [left, right] { close(end) } }
        let file = Confinement.memoryFile()
        #expect(file >= 0)
        var before = stat()
        #expect(fstat(file, &before) == 0)
        try PacketChannel(descriptor: left).send([1], descriptor: file)
        close(file)
        #expect(throws: SystemError.self) { try PacketChannel(descriptor: right).receive(takesDescriptor: false) }
        try PacketChannel(descriptor: left).send([2])
        #expect(try PacketChannel(descriptor: right).receive(takesDescriptor: false)?.octets == [2])
        // Nobody has the file any more: no descriptor of this process leads to it.
        let own = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { CInt($0) }
        let still = own.filter { number in
            var status = stat()
            return fstat(number, &status) == 0 && status.st_dev == before.st_dev && status.st_ino == before.st_ino
        }
        #expect(still == [])
    }

    @Test func `who may not have a filter is no worker, and says why`() async throws {
        let witness = Witness()
        let pool = IsolationTests.pool(Self.options("withoutSeccomp"), witness)
        pool.prepare()
        #expect(await eventually { witness.startFailures.count == 1 })
        let reason = try #require(witness.startFailures.first)
        #expect(reason.contains("allows no seccomp filter"), "\(reason)")
        guard case .failure(let failure) = await IsolationTests.faults(pool) else {
            Issue.record("it works without a sandbox")
            return
        }
        #expect(failure.reason.contains("there is no worker"))
        pool.stop()
    }

    @Test func `who may not have files in memory has no worker, and hears which call it is`() throws {
        let (server, output) = (Process(), Pipe())
        server.executableURL = URL(fileURLWithPath: SandboxOptions.products + "/SandboxProbe")
        server.arguments = ["serverWithoutMemoryFiles"]
        server.standardOutput = output
        try server.run()
        let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        server.waitUntilExit()
        #expect(said == "memfd_create: \(String(cString: strerror(EPERM)))\n")
    }

    @Test func `ps tells what a worker is`() async throws {
        let pool = IsolationTests.pool(.built)
        pool.prepare()
        #expect(await eventually { !pool.processes.isEmpty })
        let worker = try #require(pool.processes.first)
        let name = { try? String(contentsOfFile: "/proc/\(worker)/comm", encoding: .utf8) }
        #expect(await eventually { name() == "sluice worker\n" })
        pool.stop()
    }

    @Test func `a worker can be there before it is needed`() async throws {
        var options = SandboxOptions.built
        options.workers = 2
        let pool = IsolationTests.pool(options)
        pool.prepare()
        #expect(await eventually { pool.processes.count == 1 })
        pool.stop()
    }
}
