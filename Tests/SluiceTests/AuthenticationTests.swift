import Foundation
import Testing

/// Who sent a message, found out by the whole shipped chain, and told the owner of the domain the day after.
@Suite struct AuthenticationTests {
    /// The outside world: out.test and a list that seals, with one key for both.
    struct Outside {
        let folder: TemporaryFolder
        let zone: [String: [NameServer.Record]]

        init() async throws {
            folder = try TemporaryFolder()
            let file = folder.path + "/key.pem"
            let made = try await Programs.run("openssl", ["genrsa", "-traditional", "-out", file, "2048"])
            let key = try await Programs.run("openssl", ["rsa", "-in", file, "-pubout"])
            guard made.code == 0, key.code == 0 else { throw Timeout("openssl: \(made) \(key)") }
            let text = key.output.split(separator: "\n").filter { !$0.hasPrefix("-") }.joined()
            zone = [
                "out.test": [.text("v=spf1 ip4:192.0.2.7 -all"), .mx(10, "in.out.test"), .a("192.0.2.7")],
                "mx.out.test": [.a("192.0.2.7")], "in.out.test": [.a("127.0.0.2")],
                "7.2.0.192.in-addr.arpa": [.ptr("mx.out.test")],
                "sel._domainkey.out.test": [.text("v=DKIM1; k=rsa; p=\(text)")],
                "sel._domainkey.lists.test": [.text("v=DKIM1; k=rsa; p=\(text)")],
                "_dmarc.out.test": [.text("v=DMARC1; p=reject; rua=mailto:dmarc@out.test,mailto:x@third.test")],
                "plain.test": [.a("192.0.2.8"), .mx(10, "plain.test")],
            ]
        }

        /// As somebody else signs and seals it.
        func signed(_ message: String) async throws -> String {
            let script = """
                import dkim, sys
                key = open(sys.argv[1], 'rb').read()
                mail = sys.stdin.buffer.read()
                names = [b'from', b'to', b'subject', b'date', b'message-id']
                mail = dkim.sign(mail, b'sel', b'out.test', key, include_headers=names) + mail
                mail = b'Authentication-Results: lists.test; dmarc=pass header.from=out.test\\r\\n' + mail
                seals = dkim.arc_sign(mail, b'sel', b'lists.test', key, b'lists.test')
                sys.stdout.buffer.write(b''.join(seals) + mail)
                """
            let ran = try await Programs.run(
                "python3", ["-c", script, folder.path + "/key.pem"], input: Array(message.utf8))
            guard ran.code == 0 else { throw Timeout("dkimpy: \(ran)") }
            return ran.output
        }
    }

    static let message = """
        From: Alice <alice@out.test>
        To: anna@acme.test
        Subject: Who is it?
        Date: Sat, 21 Nov 2026 10:00:00 +0000
        Message-ID: <1@out.test>
        X-Proven: not yet

        It is me.

        """.replacingOccurrences(of: "\n", with: "\r\n")

    /// In this server's name, in all the spellings that a reader might take for it.
    static let forged = """
        Authentication-Results: mx.acme.test; dkim=pass header.d=bank.test
        AUTHENTICATION-RESULTS: "mx.acme.test" 1; spf=pass smtp.mailfrom=bank.test
        Authentication-results:
        \t(a comment)
         MX.ACME.TEST. (another) / 1; dmarc=pass header.from=bank.test
        Authentication-Results: m(x)x.acme.test; dmarc=pass
        authentication-results:mx.acme.test;iprev=pass policy.iprev=192.0.2.99

        """.replacingOccurrences(of: "\n", with: "\r\n")

    static func setup(_ names: NameServer, _ sink: Sink) -> LiveServer.Setup {
        var setup = LiveServer.Setup()
        setup.smtp = "xclient_from = [\"127.0.0.1\"]"
        setup.more =
            .outbound(names, port: sink.port) + """
                [dmarc_reports]
                send = true
                hour = 0
                organization = "Acme & co"
                from = "dmarc@acme.test"
                """
        setup.filters["36-dmarc.toml"] = """
            stage  = "dmarc"
            unless = ["authenticated", "loopback", "lmtp", "internal"]
            [dmarc]
            reject = "reject"
            """
        // Conditions go by what the stages before have found. In the place of one that has nothing to do here.
        setup.filters["37-quota.toml"] = """
            stage = "header"
            only  = ["dmarc.pass"]
            [header]
            strip = ["X-Proven"]
            """
        setup.filters["40-greylist.toml"] =
            "stage = \"greylist\"\nunless = [\"spf.pass\", \"spf.fail\", \"spf.none\", \"internal\"]\n"
        setup.isReplayed = false
        return setup
    }

    /// A connection that the server takes for one from there.
    static func stranger(_ address: String, _ server: LiveServer) async throws -> Wire {
        let wire = try await server.smtp()
        try await wire.greet()
        try await wire.expect("XCLIENT ADDR=\(address)", "220")
        try await wire.expect("EHLO mx.out.test", "250")
        return wire
    }

    /// The fields of that name, each on one line.
    static func fields(_ name: String, in mail: String) -> [String] {
        let header = mail.components(separatedBy: "\r\n\r\n").first ?? ""
        let unfolded = header.replacing("\r\n\t", with: " ").replacing("\r\n ", with: " ")
        return unfolded.components(separatedBy: "\r\n").filter { $0.lowercased().hasPrefix("\(name.lowercased()):") }
    }

    /// In the first quarter of an hour of a day in UTC nobody is told of the last one yet, by the real clock; nor
    /// may the day end meanwhile.
    static var isDayUnderWay: Bool {
        (1000...86_000).contains(Int(Date().timeIntervalSince1970) % 86_400)
    }

    @Test(.enabled(if: AuthenticationTests.isDayUnderWay, "around midnight UTC there is no day to report on"))
    func `a message is judged by the whole chain, and its domain's owner is told the day after`() async throws {
        let outside = try await Outside()
        let names = try await NameServer.start(outside.zone)
        let sink = try await Sink.start(host: "127.0.0.2")
        let place = try await SigningTests.place()
        try await Turnstile.servers.pass {
            let server = try await LiveServer.start(Self.setup(names, sink), in: place)
            try await Self.judge(outside, server)
            try await server.replay()
            // Nothing came yesterday; and in the first minutes of a day nobody is told anything of the last one.
            let sent = try await server.sluice("dmarc", "report", "--send", "--all")
            #expect(sent.code == 1 || sent.errors.hasPrefix("Not yet: "), "\(sent)")
            await server.stop()
            try await Self.report(server, sink)
        }
        await sink.stop()
        await names.stop()
    }

    private static func judge(_ outside: Outside, _ server: LiveServer) async throws {
        let wire = try await stranger("192.0.2.7", server)
        let signed = try await outside.signed(message)
        let reply = try await wire.deliver(forged + signed, from: "alice@out.test")
        #expect(reply.hasPrefix("250"), "\(reply)")
        let mail = try await server.mail(of: "anna@acme.test", count: 1)[0]
        let results = fields("Authentication-Results", in: mail)
        #expect(results.count == 2 && results.contains { $0.contains("lists.test; dmarc=pass") }, "\(results)")
        let own = try #require(results.first)
        #expect(own.hasPrefix("Authentication-Results: mx.acme.test"), "\(own)")
        for part in [
            "iprev=pass policy.iprev=192.0.2.7", "spf=pass smtp.mailfrom=alice@out.test", "dkim=pass header.d=out.test",
            "arc=pass", "dmarc=pass header.from=out.test",
        ] {
            #expect(own.contains(part), "\(part): \(own)")
        }
        for method in ["iprev", "dkim", "arc", "dmarc"] {
            #expect(own.components(separatedBy: " \(method)=").count == 2, "\(method): \(own)")
        }
        #expect(!mail.contains("bank.test") && !mail.contains("m(x)x"))
        #expect(fields("X-Proven", in: mail).isEmpty, "taken out where dmarc.pass holds")
        let trace = try await explained(reply, server)
        for word in ["iprev", "spf", "dkim-verify", "arc", "dmarc", "from out.test pass"] {
            #expect(trace.contains(word), "\(word): \(trace)")
        }

        // Somebody else in that name.
        let thief = try await stranger("198.51.100.9", server)
        let refused = try await thief.deliver(message, from: "alice@out.test")
        #expect(refused.hasPrefix("550 5.7.26 Nothing proves that this is mail of out.test"), "\(refused)")
        #expect(refused.contains("spf=fail"), "\(refused)")
        #expect(try await explained(refused, server).contains("reject = \"reject\""))

        // Without a record nothing is proven, and nothing refused: the condition does not hold.
        let plain = message.replacing("alice@out.test", with: "bob@plain.test")
        #expect(try await thief.deliver(plain, from: "bob@plain.test").hasPrefix("250"))
        let second = try await server.mail(of: "anna@acme.test", count: 2).first { $0.contains("bob@plain.test") }
        #expect(fields("X-Proven", in: second ?? "").count == 1)
        #expect(fields("Authentication-Results", in: second ?? "").first?.contains("dmarc=none") == true)
    }

    /// The trace of what was answered so.
    private static func explained(_ reply: String, _ server: LiveServer) async throws -> String {
        let id = String(reply.suffix(reply.hasSuffix("]") ? 17 : 16).prefix(16))
        #expect(await eventually { (try? await server.sluice("trace", id).code) == 0 })
        return try await server.sluice("trace", id, "--full").output
    }

    /// A night passes: everything that was written down is a day older.
    private static func night(_ data: String) async throws {
        let script = """
            import json, sqlite3, sys
            day = 86400
            with sqlite3.connect(sys.argv[1] + '/traces.sqlite') as traces:
                for number, summary in traces.execute('SELECT number, summary FROM trace').fetchall():
                    record = json.loads(summary)
                    record['started'] -= day
                    traces.execute('UPDATE trace SET started = ?, summary = ? WHERE number = ?',
                                   (record['started'], json.dumps(record), number))
            with sqlite3.connect(sys.argv[1] + '/reports.sqlite') as reports:
                reports.execute('UPDATE covered SET end = end - ?', (day,))
            """
        let ran = try await Programs.run("python3", ["-c", script, data])
        #expect(ran.code == 0, "\(ran)")
    }

    private static func report(_ server: LiveServer, _ sink: Sink) async throws {
        try await night(server.data)
        let plan = try await server.sluice("dmarc", "report", "--send", "--all", "--dry-run")
        #expect(plan.code == 0 && plan.output.contains("  to      dmarc@out.test\n"), "\(plan)")
        let reason = "third.test does not say that it wants them: out.test._report._dmarc.third.test has no record"
        #expect(plan.output.contains("  not to  mailto:x@third.test: \(reason)\n"), "\(plan)")
        #expect(sink.messages.isEmpty)

        let again = try Child(
            Programs.sluice, ["serve", "--config", server.configuration], place: server.folder.path)
        defer { again.kill() }
        guard await eventually({ !sink.messages.isEmpty }) else { throw Timeout("nothing came: \(server.log)") }
        let mail = sink.messages[0]
        #expect(mail.sender.isEmpty && mail.recipients == ["dmarc@out.test"])
        let text = mail.text.replacing("\r\n..", with: "\r\n.")
        try await AggregateReporterTests.check(Array(text.utf8), messages: 2, domain: "out.test")
        #expect(fields("DKIM-Signature", in: text).count { $0.contains("d=acme.test;") } == 2, "\(text)")
        let row = try await xml(of: text)
        for part in [
            "<source_ip>192.0.2.7</source_ip>", "<source_ip>198.51.100.9</source_ip>",
            "<org_name>Acme &amp; co</org_name>",
            "<disposition>reject</disposition>", "<p>reject</p>", "<selector>sel</selector>",
        ] {
            #expect(row.contains(part), "\(part): \(row)")
        }
        let sent = try await server.sluice("dmarc", "report", "out.test", "--send")
        #expect(sent.output.contains("  not to  dmarc@out.test: it was sent already\n"), "\(sent)")
        #expect(await eventually { server.log.contains("aggregate reports sent") })
        #expect(server.log.contains("aggregate report not sent"))
        // It is one message of this server's, with a trace.
        let traces = try await server.sluice("trace", "--to", "dmarc@out.test")
        #expect(traces.output.contains("accepted"), "\(traces)")
        #expect(await again.stop() == 0)
        #expect(sink.messages.count == 1)
        try await server.replay()
    }

    /// The report in a mail.
    private static func xml(of mail: String) async throws -> String {
        let script = """
            import email, gzip, sys
            mail = email.message_from_bytes(sys.stdin.buffer.read())
            part = [p for p in mail.walk() if p.get_content_type() == 'application/gzip'][0]
            sys.stdout.buffer.write(gzip.decompress(part.get_payload(decode=True)))
            """
        return try await Programs.run("python3", ["-c", script], input: Array(mail.utf8)).output
    }
}
