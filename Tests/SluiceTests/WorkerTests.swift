import Foundation
import Testing

@testable import Sandbox

/// Workers of a live server, and the signatures that they verify.
@Suite struct WorkerTests {
    /// The example of RFC 8463 Appendix A.3, and its keys.
    static let message = String(decoding: SelfTest.octets, as: UTF8.self)

    static let zone = SelfTest.keys.compactMapValues { answer -> [NameServer.Record]? in
        guard case .records(let records) = answer else { return nil }
        return records.map { .text(String(decoding: $0, as: UTF8.self)) }
    }

    static func setup(_ names: NameServer, isolation: String = "process") -> LiveServer.Setup {
        var setup = LiveServer.Setup()
        setup.more = """
            [dns]
            servers = ["127.0.0.1:\(names.port)"]

            [sandbox]
            isolation = "\(isolation)"
            workers = 1
            job_timeout = "1s"
            """
        setup.filters["28-dkim-verify.toml"] = "stage = \"dkim-verify\"\n"
        return setup
    }

    /// The processes that this server has started.
    static func workers(of server: LiveServer) throws -> [pid_t] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }.filter { process in
            let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
            return status.contains("\nPPid:\t\(server.child.pid)\n") && !status.contains("State:\tZ")
        }
    }

    @Test func `a signed message comes with its results, and is judged again from the record`() async throws {
        let names = try await NameServer.start(Self.zone)
        try await LiveServer.run(Self.setup(names)) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            let reply = try await wire.deliver(Self.message)
            #expect(reply.hasPrefix("250"))
            let id = String(reply.suffix(16))
            #expect(await eventually { (try? await server.sluice("trace", id).code) == 0 })
            let trace = try await server.sluice("trace", id, "--facts")
            for selector in ["brisbane", "test"] {
                #expect(trace.output.contains("\(selector) of football.example.com: pass"), "\(trace)")
            }
            #expect(trace.output.contains("dkim=pass"))
            #expect(try Self.workers(of: server).count == 1)
        }
        await names.stop()
    }

    @Test(arguments: [("process", 1), ("none", 0)])
    func `a worker is there before the first message, and that there is none is said`(
        _ isolation: String, _ count: Int
    ) async throws {
        let names = try await NameServer.start(Self.zone)
        try await LiveServer.run(Self.setup(names, isolation: isolation)) { server in
            #expect(await eventually { (try? Self.workers(of: server).count) == count })
            #expect(await eventually { server.log.contains("workers are not isolated") == (isolation == "none") })
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(Self.message).hasPrefix("250"))
            #expect(try Self.workers(of: server).count == count)
        }
        await names.stop()
    }

    /// A policy that forbids its client, in a worker's opinion.
    @Test func `libspf2 refuses as the owner wishes, and the message is judged again without it`() async throws {
        let names = try await NameServer.start([
            "spf.example.com": [.text("v=spf1 a:out.example.com -all exp=why.example.com")],
            "out.example.com": [.a("192.0.2.1")], "why.example.com": [.text("%{i},%{h}")],
        ])
        var setup = Self.setup(names)
        setup.smtp = "proxy_from = [\"127.0.0.1\"]"
        setup.filters["26-spf.toml"] = "stage = \"spf\"\n[spf]\nengine = \"libspf2\"\nfail = \"reject\"\n"
        try await LiveServer.run(setup) { server in
            for (client, code) in [("203.0.113.9", "550-5.7.23"), ("192.0.2.1", "250")] {
                let wire = try await Wire.connect(port: server.ports.smtp)
                try await wire.send("PROXY TCP4 \(client) 192.0.2.2 1 25\r\n")
                try await wire.greet()
                let reply = try await wire.expect("MAIL FROM:<joe@spf.example.com>", code)
                #expect(
                    reply.contains("explains: \(client),client.test") == (code != "250"), "\(reply)")
            }
            #expect(try Self.workers(of: server).count == 1)
        }
        await names.stop()
    }

    @Test func `R164: a worker that dies or hangs costs one message at most, and the server nothing`() async throws {
        let names = try await NameServer.start(Self.zone)
        try await LiveServer.run(Self.setup(names)) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(Self.message).hasPrefix("250"))
            let first = try #require(try Self.workers(of: server).first)
            kill(first, SIGSTOP)
            #expect(try await wire.deliver(Self.message).hasPrefix("451"))
            #expect(await eventually { server.log.contains("worker ended") })
            let told = /msg="stage could not decide" .*id=\w{16} .*stage=dkim-verify then=tempfail/
            #expect(await eventually { server.log.firstMatch(of: told) != nil })
            #expect(try await wire.deliver(Self.message).hasPrefix("250"))
            let second = try #require(try Self.workers(of: server).first)
            #expect(second != first)
            kill(second, SIGKILL)
            #expect(await eventually { (try? Self.workers(of: server).isEmpty) == true })
            #expect(try await wire.deliver(Self.message).hasPrefix("250"))
            let third = try #require(try Self.workers(of: server).first)
            // Without its server it has nothing to do.
            server.child.kill()
            _ = await server.child.end()
            #expect(await eventually { !FileManager.default.fileExists(atPath: "/proc/\(third)/status") })
        }
        await names.stop()
    }
}
