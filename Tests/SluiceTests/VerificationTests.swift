import Foundation
import Testing

/// Domains take no mail before their owner is proven, where that is asked for.
@Suite struct VerificationTests {
    private struct Report: Decodable {
        var recordName: String
        var recordText: String
        var isVerified: Bool
    }

    @Test func `a domain, an alias and a relay domain take mail once their record is in DNS`() async throws {
        let sink = try await Sink.start()
        let names = try await NameServer.start(["out.test": [.a("127.0.0.1")]])
        var setup = LiveServer.Setup()
        setup.more = .outbound(names, port: 25) + "[addresses]\nverify_domains = true\n"
        try await LiveServer.run(setup) { server in
            let commands = [
                ["domain", "alias", "add", "new.test", "acme.test"],
                ["relay-domain", "add", "far.test", "--to", "127.0.0.1:\(sink.port)"],
            ]
            for command in commands {
                let ran = try await server.sluice(command)
                #expect(ran.code == 0 && ran.errors.contains("takes no mail before it is verified"), "\(ran)")
            }
            let status = try await server.sluice("status")
            #expect(status.output.contains("not verified   acme.test, beta.test, far.test, new.test"), "\(status)")
            let wire = try await server.smtp()
            try await wire.greet()
            for (name, address) in [
                ("acme.test", "anna@acme.test"), ("new.test", "anna@new.test"), ("far.test", "x@far.test"),
            ] {
                try await wire.expect("MAIL FROM:<a@out.test>", "250")
                try await wire.expect("RCPT TO:<\(address)>", "550 5.1.2 Domain takes no mail before it is verified")
                try await wire.expect("RSET", "250")
                let asked = try await server.sluice("domain", "verify", name, "--json")
                #expect(asked.code == 1, "\(asked)")
                let report = try JSONDecoder().decode(Report.self, from: Data(asked.output.utf8))
                #expect(report.recordName == "_sluice.\(name)" && !report.isVerified)
                names.set(report.recordName, [.text("sluice-verification=00"), .text("other")])
                #expect(try await server.sluice("domain", "verify", name).code == 1)
                names.set(report.recordName, [.text("other"), .text(report.recordText)])
                let verified = try await server.sluice("domain", "verify", name)
                #expect(verified.code == 0 && verified.output == "\(name) is verified.\n", "\(verified)")
                try await wire.expect("MAIL FROM:<a@out.test>", "250")
                try await wire.expect("RCPT TO:<\(address)>", "250")
                try await wire.expect("RSET", "250")
            }
            // Believed without, and no more; and one that comes again has another token.
            #expect(try await server.sluice("domain", "verify", "beta.test", "--trust").code == 0)
            #expect(!(try await server.sluice("status").output.contains("not verified")))
            let revoked = try await server.sluice("domain", "verify", "beta.test", "--revoke")
            #expect(revoked.code == 0 && revoked.output.contains("not verified any more"), "\(revoked)")
            let list = try await server.sluice("domain", "list").output
            #expect(list.contains("VERIFIED") && list.contains("no"), "\(list)")
            #expect(try await server.sluice("domain", "alias", "remove", "new.test").code == 0)
            #expect(try await server.sluice("domain", "alias", "add", "new.test", "acme.test").code == 0)
            #expect(try await server.sluice("domain", "verify", "new.test").code == 1, "another token")
            #expect(try await server.sluice("domain", "verify", "nowhere.test").code == 1)
        }
        await sink.stop()
    }
}
