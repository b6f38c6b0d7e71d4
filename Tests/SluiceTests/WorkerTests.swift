import Foundation
import Testing

/// Workers of a live server, and the signatures that they verify.
@Suite struct WorkerTests {
    /// The example of RFC 8463 Appendix A.3, and its keys.
    static let message = """
        DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
         d=football.example.com; i=@football.example.com;
         q=dns/txt; s=brisbane; t=1528637909; h=from : to :
         subject : date : message-id : from : subject : date;
         bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
         b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
         Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
        DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
         d=football.example.com; i=@football.example.com;
         q=dns/txt; s=test; t=1528637909; h=from : to : subject :
         date : message-id : from : subject : date;
         bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
         b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
         DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
         dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
        From: Joe SixPack <joe@football.example.com>
        To: Suzie Q <suzie@shopping.example.net>
        Subject: Is dinner ready?
        Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
        Message-ID: <20030712040037.46341.5F8J@football.example.com>

        Hi.

        We lost the game.  Are you hungry yet?

        Joe.

        """.replacingOccurrences(of: "\n", with: "\r\n")

    static let zone: [String: [NameServer.Record]] = [
        "brisbane._domainkey.football.example.com": [
            .text("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
        ],
        "test._domainkey.football.example.com": [
            .text(
                """
                v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qh\
                dR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hst\
                T5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
                """)
        ],
    ]

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
