import Foundation
import Testing

/// Lists in DNS and the built server.
@Suite struct BlocklistWatchTests {
    private static let zone: [String: [NameServer.Record]] = [
        "2.0.0.127.sound.test": [.a("127.0.0.2")], "7.2.0.192.sound.test": [.a("127.0.0.4")],
        "2.0.0.127.mad.test": [.a("127.0.0.2")], "1.0.0.127.mad.test": [.a("127.0.0.2")],
        "7.2.0.192.mad.test": [.a("127.0.0.2")], "2.0.0.127.silent.test": [.silence],
    ]

    private static func setup(_ names: NameServer, metrics: Int? = nil) -> LiveServer.Setup {
        var setup = LiveServer.Setup()
        setup.smtp = "xclient_from = [\"127.0.0.1\"]"
        setup.more = """
            [dns]
            servers = ["127.0.0.1:\(names.port)"]

            """
        if let metrics { setup.more += "[metrics]\nbind = [\"127.0.0.1:\(metrics)\"]\n" }
        setup.filters["34-dnsbl.toml"] = """
            stage  = "dnsbl"
            unless = ["authenticated", "loopback"]
            [dnsbl]
            use    = ["mad", "sound", "silent"]
            spared = ["bert"]
            [dnsbl.lists.mad]
            zone   = "mad.test"
            points = 9.0
            refuse = true
            [dnsbl.lists.sound]
            zone   = "sound.test"
            points = 2.5
            [dnsbl.lists.silent]
            zone   = "silent.test"
            points = 9.0
            """
        // It is about the lists alone.
        for file in ["40-greylist.toml", "60-thresholds.toml"] { setup.filters[file] = "" }
        return setup
    }

    @Test func `R160: a list that lists everything is put aside, and status says so`() async throws {
        let names = try await NameServer.start(Self.zone)
        let port = try Ports.free(1)[0]
        try await LiveServer.run(Self.setup(names, metrics: port)) { server in
            let told = "The list mad.test is put aside: it lists 1.0.0.127, which no sound list does"
            let silent = "The list silent.test is put aside: its test points do not answer"
            #expect(
                await eventually {
                    let status = (try? await server.sluice("status"))?.output ?? ""
                    return status.contains(told) && status.contains(silent)
                })
            #expect(server.log.contains("list=mad.test"))
            for (page, line) in [("health", "degraded\n\(told)"), ("metrics", "\nsluice_dnsbl_lists_put_aside 2\n")] {
                let asking = try await Wire.connect(port: port)
                asking.push(Array("GET /\(page) HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
                let answer = try await asking.end()
                #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.contains(line), "\(answer)")
            }
            let wire = try await AuthenticationTests.stranger("192.0.2.7", server)
            let reply = try await wire.deliver(AuthenticationTests.message, from: "alice@out.test")
            #expect(reply.hasPrefix("250"), "\(reply)")
            let id = String(reply.suffix(16))
            #expect(await eventually { (try? await server.sluice("trace", id).code) == 0 })
            let trace = try await server.sluice("trace", id, "--full").output
            #expect(trace.contains("DNSBL_SOUND") && !trace.contains("DNSBL_MAD"), "\(trace)")
            #expect(trace.contains("mad.test: passed over") && trace.contains("silent.test: passed over"))
            // Whom nobody lists.
            let other = try await AuthenticationTests.stranger("192.0.2.8", server)
            #expect(try await other.deliver(AuthenticationTests.message, from: "alice@out.test").hasPrefix("250"))
        }
        await names.stop()
    }

    @Test func `a sound list refuses at RCPT where it may, but not whom it must not`() async throws {
        var zone = Self.zone
        zone["1.0.0.127.mad.test"] = nil
        zone["7.2.0.192.mad.test"] = [.a("127.0.0.2"), .text("Ask at https://mad.test/7")]
        let names = try await NameServer.start(zone)
        try await LiveServer.run(Self.setup(names)) { server in
            let wire = try await AuthenticationTests.stranger("192.0.2.7", server)
            try await wire.expect("MAIL FROM:<alice@out.test>", "250")
            let refused = try await wire.say("RCPT TO:<anna@acme.test>")
            #expect(refused.contains("550-5.7.1 192.0.2.7 is listed at mad.test"), "\(refused)")
            #expect(refused.contains("mad.test says: Ask at https://mad.test/7"), "\(refused)")
            try await wire.expect("RCPT TO:<bert@acme.test>", "250")
            let other = try await AuthenticationTests.stranger("192.0.2.8", server)
            #expect(try await other.deliver(AuthenticationTests.message, from: "alice@out.test").hasPrefix("250"))
        }
        await names.stop()
    }
}
