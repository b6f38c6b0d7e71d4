import Foundation
import NIOSSL
import Testing

/// Sessions that went well and sessions that did not, counted by a running server, and told the day after: by mail
/// and to a web server. RFC 8460.
@Suite struct TLSReportServingTests {
    /// A certificate that the server trusts, and what shows it.
    private struct Secret {
        let folder: TemporaryFolder
        let context: NIOSSLContext

        init() async throws {
            folder = try TemporaryFolder()
            try await Place.certificate("reports.there.test", at: folder.path)
            let chain = try NIOSSLCertificate.fromPEMFile("\(folder.path)/cert.pem")
            let key = try NIOSSLPrivateKey(file: "\(folder.path)/key.pem", format: .pem)
            context = try NIOSSLContext(
                configuration: .makeServerConfiguration(
                    certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key)))
        }
    }

    private static func setup(_ names: NameServer, _ sink: Sink, _ secret: Secret) -> LiveServer.Setup {
        var setup = LiveServer.Setup()
        setup.more =
            .outbound(names, port: sink.port, more: "trust_roots = \"\(secret.folder.path)/cert.pem\"") + """
                [tls_reports]
                send = true
                hour = 0
                spread = "0s"
                organization = "Acme & co"
                from = "tls@acme.test"
                """
        setup.isReplayed = false
        return setup
    }

    /// A night passes: everything that was written down is a day older.
    private static func night(_ data: String) async throws {
        let script = """
            import sqlite3, sys
            with sqlite3.connect(sys.argv[1] + '/tls-sessions.sqlite') as sessions:
                sessions.execute('UPDATE policy SET day = day - 86400')
            with sqlite3.connect(sys.argv[1] + '/tls-reports.sqlite') as reports:
                reports.execute('UPDATE covered SET end = end - 86400')
            """
        let ran = try await Programs.run("python3", ["-c", script, data])
        #expect(ran.code == 0, "\(ran)")
    }

    @Test(.enabled(if: AuthenticationTests.isDayUnderWay, "around midnight UTC there is no day to report on"))
    func `the owner of a domain is told of a good and of a bad session`() async throws {
        let secret = try await Secret()
        let web = try await PostServer.start(secret.context)
        let sink = try await Sink.start(host: "127.0.0.2", tls: secret.context)
        let rua = "mailto:tls@there.test,https://reports.there.test:\(web.port)/tls"
        let names = try await NameServer.start([
            "there.test": [.mx(10, "mx.there.test")], "mx.there.test": [.a("127.0.0.2")],
            "silent.test": [.mx(10, "mx.there.test")], "reports.there.test": [.a("127.0.0.1")],
            "_smtp._tls.there.test": [.text("v=TLSRPTv1; rua=\(rua)")],
        ])
        let place = try await SigningTests.place()
        try await Turnstile.servers.pass {
            let server = try await LiveServer.start(Self.setup(names, sink, secret), in: place)
            for (number, domain) in ["there.test", "there.test", "silent.test"].enumerated() {
                sink.answers { line in
                    number > 0 && line.hasPrefix("EHLO") ? "250-sink.test\r\n250 STARTTLS" : nil
                }
                try await PeerServerTests.send(through: server, to: ["u@\(domain)"])
                _ = try await sink.messages(count: number + 1)
            }
            #expect(try await server.queueIsEmpty())
            await server.stop()
            try await Self.counted(server)
            try await Self.night(server.data)
            try await Self.report(server, sink, web)
        }
        await sink.stop()
        await web.stop()
    }

    private static func counted(_ server: LiveServer) async throws {
        let list = try await server.sluice("tls", "report")
        #expect(list.code == 0 && list.output.contains("there.test"), "\(list)")
        #expect(!list.output.contains("silent.test"), "it does not want to be told: \(list)")
        let one = try await server.sluice("tls", "report", "There.Test")
        #expect(one.output.contains("no-policy-found there.test: 1 good, 1 failed\n"), "\(one)")
        #expect(one.output.contains("  1 starttls-not-supported mx.there.test[127.0.0.2]"), "\(one)")
        let json = try await server.sluice("tls", "report", "there.test", "--json")
        #expect(json.output.contains("\"receiving-mx-helo\" : \"sink.test\""), "\(json)")
        let none = try await server.sluice("tls", "report", "silent.test")
        #expect(none.code == 1, "\(none)")
    }

    private static func report(_ server: LiveServer, _ sink: Sink, _ web: PostServer) async throws {
        let plan = try await server.sluice("tls", "report", "--send", "--all", "--dry-run")
        #expect(plan.code == 0 && plan.output.contains("  to      mailto:tls@there.test\n"), "\(plan)")
        #expect(sink.messages.count == 3 && web.questions.isEmpty)

        let again = try Child(
            Programs.sluice, ["serve", "--config", server.configuration], place: server.folder.path)
        defer { again.kill() }
        let mail = try await sink.messages(count: 4)[3]
        #expect(mail.sender.isEmpty && mail.recipients == ["tls@there.test"])
        let text = mail.text.replacing("\r\n..", with: "\r\n.")
        #expect(AuthenticationTests.fields("DKIM-Signature", in: text).count == 2, "\(text)")
        #expect(await eventually { web.questions.count == 1 }, "\(server.log)")
        let question = web.questions.first ?? []
        let head = String(decoding: question.prefix(200), as: UTF8.self)
        #expect(head.hasPrefix("POST /tls HTTP/1.1\r\n") && head.contains("Content-Type: application/tlsrpt+gzip\r\n"))
        for octets in [Array(text.utf8), PostServer.body(of: question)] {
            let report = try await TLSReportsTests.report(in: octets)
            for part in [
                "\"organization-name\": \"Acme & co\"", "\"policy-type\": \"no-policy-found\"",
                "\"total-successful-session-count\": 1", "\"total-failure-session-count\": 1",
                "\"result-type\": \"starttls-not-supported\"", "\"receiving-ip\": \"127.0.0.2\"",
            ] {
                #expect(report.contains(part), "\(part): \(report)")
            }
        }
        #expect(await eventually { server.log.contains("TLS reports sent") })
        let sent = try await server.sluice("tls", "report", "there.test", "--send", "--json")
        #expect(sent.output.contains("it was sent already"), "\(sent)")
        #expect(await again.stop() == 0)
        #expect(sink.messages.count == 4 && web.questions.count == 1)
        // The report's own session is no news.
        let today = try await server.sluice("tls", "report")
        #expect(today.output == "No session was counted.\n", "\(today)")
    }

    @Test func `a command tells what holds for a domain, and who says so`() async throws {
        let names = try await NameServer.start([
            "there.test": [.mx(10, "mx.there.test")], "mx.there.test": [.a("127.0.0.2")],
            "_mta-sts.there.test": [.text("v=STSv1; id=1;")],
        ])
        let place = try await Place()
        var setup = LiveServer.Setup()
        setup.more = .outbound(names, port: 2525)
        let settings = LiveServer.settings(setup, (2525, 2587, 2465, 2424))
        try place.folder.write(
            settings + "\n[[delivery.tls_policy]]\ndomain = \"asked.test\"\ntls = \"mta-sts\"\n", to: "sluice.toml")
        let config = ["--config", place.folder.path + "/sluice.toml"]
        let there = try await Programs.run(Programs.sluice, ["tls", "policy", "there.test"] + config)
        #expect(there.code == 0, "\(there)")
        #expect(there.output.contains("  asked for  default: tls = \"opportunistic\"\n"), "\(there)")
        #expect(there.output.contains("MTA-STS    cannot be had (sts-policy-fetch-error): mta-sts.there.test"))
        #expect(there.output.contains("  exchanger  mx.there.test (127.0.0.2)\n"), "\(there)")
        names.set("asked.test", [.mx(10, "mx.there.test")])
        let asked = try await Programs.run(Programs.sluice, ["tls", "policy", "asked.test", "--json"] + config)
        #expect(asked.code == 1 && asked.output.contains("MTA-STS is required for asked.test"), "\(asked)")
        let gone = try await Programs.run(Programs.sluice, ["tls", "policy", "gone.test"] + config)
        #expect(gone.code == 1 && gone.errors.hasPrefix("sluice: gone.test: "), "\(gone)")
    }
}
