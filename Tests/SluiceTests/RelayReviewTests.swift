import Foundation
import Testing

/// Servers that mail is handed to, walked: each fault with its witness.
@Suite struct RelayReviewTests {
    private struct Report: Decodable {
        struct Fault: Decodable {
            var kind: String
            var entry: String
            var witness: [String]
            var reason: String
        }

        var faults: [Fault]
    }

    @Test func `loops to itself, dead ends, shadows and logins that go astray`() async throws {
        let names = try await NameServer.start(["self.test": [.a("127.0.0.1")], "other.test": [.a("127.0.0.9")]])
        var setup = LiveServer.Setup()
        setup.more = .outbound(names, port: 25)
        try await LiveServer.run(setup) { server in
            func verify(_ words: String...) async throws -> (code: Int32, faults: [String]) {
                let ran = try await server.sluice(["route", "verify", "--json"] + words)
                let report = try JSONDecoder().decode(Report.self, from: Data(ran.output.utf8))
                return (ran.code, report.faults.map { "\($0.kind): \($0.witness.joined(separator: " > "))" })
            }
            let commands = [
                ["smarthost", "set", "self.test:\(server.ports.smtp)", "--postoffice", "acme"],
                ["relay-domain", "add", "far.test", "--to", "gone.test"],
                ["relay-domain", "add", "acme.test", "--to", "other.test"],
                ["split-domain", "add", "beta.test", "--to", "other.test:26", "--from", "127.0.0.9"],
                ["domain", "catch-all", "set", "beta.test", "anna@acme.test"],
            ]
            for command in commands {
                let ran = try await server.sluice(command)
                #expect(ran.code == 0, "\(ran)")
            }
            let plain = try await verify()
            #expect(plain.code == 0 && plain.faults == ["shadowed: acme.test", "shadowed: beta.test > anna@acme.test"])
            let asked = try await verify("--dns")
            #expect(asked.code == 1)
            #expect(
                asked.faults.contains(
                    "loop: smarthost of acme > self.test:\(server.ports.smtp) > 127.0.0.1"), "\(asked)")
            #expect(asked.faults.contains("dead end: relay domain far.test > gone.test:25"), "\(asked)")
            let check = try await server.sluice("check")
            #expect(check.errors.contains("beta.test is split and has a catch-all"), "\(check)")

            // A login that another key has sealed.
            let login = try await server.sluice(
                "split-domain", "partner", "add", "beta.test", "other.test:26", "--login", "anna",
                "--password-stdin", input: "sesame\n")
            #expect(login.code == 0, "\(login)")
            #expect(try await verify().code == 0)
            try FileManager.default.removeItem(atPath: server.data + "/keys/seal.key")
            let astray = try await verify()
            #expect(
                astray.code == 1 && astray.faults.contains("login astray: split domain beta.test > other.test:26"),
                "\(astray)")

            // And the way of an address, with what decided it.
            let way = try await server.sluice("route", "nobody@beta.test")
            #expect(way.code == 0 && way.output.contains("split domain beta.test, audit "), "\(way)")
            let relayed = try await server.sluice("route", "x@far.test")
            #expect(relayed.output.contains("relay domain far.test, audit "), "\(relayed)")
            let leaving = try await server.sluice("route", "x@out.test", "--from", "anna@acme.test")
            #expect(leaving.output.contains("smarthost of acme, audit "), "\(leaving)")
        }
    }
}
