import Frontends
import MailTypes
import Pipeline
import Protocols
import Queue
import Testing

@Suite struct DialogTests {
    @Test func `a message is taken, and only then called taken`() async throws {
        let server = try await LiveServer()
        let client = try await server.client()
        #expect(try await client.reply() == "220 mx.here.test ESMTP Sluice")
        #expect(try await client.say("EHLO client.test").hasPrefix("250-mx.here.test"))
        #expect(try await client.say("MAIL FROM:<a@out.test>").hasPrefix("250 2."))
        #expect(try await client.say("RCPT TO:<anna@here.test>").hasPrefix("250 2.1.5"))
        #expect(try await client.say("DATA").hasPrefix("354 "))
        server.acceptor.hold()
        try await client.send("Subject: hello\r\n\r\n..dot\r\n.\r\n")
        #expect(await server.eventually { server.acceptor.heldCount == 1 })
        #expect(client.unread == "")
        server.acceptor.letGo()
        let reply = try await client.reply()
        #expect(reply.hasPrefix("250 2.0.0 Taken as "))
        #expect(try await client.say("QUIT").hasPrefix("221 "))
        _ = try await client.end()

        let taken = try #require(server.acceptor.taken.first)
        #expect(taken.content.flatMap(\.array) == Array("Subject: hello\r\n\r\n.dot\r\n".utf8))
        #expect(taken.sender == "a@out.test")
        #expect(taken.recipients.map(\.address) == ["anna@here.test"])
        #expect(reply.hasSuffix(taken.id.transaction.text))
        #expect(await server.eventually { server.traces.count == 1 })
        #expect(server.traces.first?.outcome == .accepted)
        #expect(server.traces.first?.id == taken.id.transaction)
        #expect(server.log.lines.contains { $0.contains("id=\(taken.id.transaction)") && $0.contains("msg=message") })
        await server.stop()
    }

    @Test func `a client that leaves while its mail is stored has one transaction, and that is taken`() async throws {
        let server = try await LiveServer()
        let client = try await server.client()
        _ = try await client.reply()
        for line in ["EHLO c.test", "MAIL FROM:<a@out.test>", "RCPT TO:<anna@here.test>", "DATA"] {
            _ = try await client.say(line)
        }
        server.acceptor.hold()
        try await client.send("Subject: x\r\n\r\nx\r\n.\r\n")
        #expect(await server.eventually { server.acceptor.heldCount == 1 })
        // A stop is not patient, as a client that resets its connection is not.
        await server.stop()
        #expect(await server.eventually { server.frontend.openConnections == 0 })
        server.acceptor.letGo()
        #expect(await server.eventually { server.traces.contains { $0.outcome == .accepted } })
        #expect(server.traces.count == 1)
        let own = ("listener", "test")
        #expect(server.metrics.value("sluice_smtp_transactions_total", [own, ("result", "accepted")]) == 1)
        #expect(server.metrics.value("sluice_smtp_transactions_total", [own, ("result", "unfinished")]) ?? 0 == 0)
    }

    @Test func `pipelined commands are answered in order`() async throws {
        let server = try await LiveServer()
        let client = try await server.client()
        _ = try await client.reply()
        _ = try await client.say("EHLO client.test")
        try await client.send(
            """
            MAIL FROM:<a@out.test>\r\nRCPT TO:<slow@here.test>\r\nRCPT TO:<no@here.test>\r\n\
            RCPT TO:<anna@here.test>\r\nDATA\r\n
            """)
        for start in ["250 2.", "250 2.1.5", "550 5.1.1", "250 2.1.5", "354 "] {
            #expect(try await client.reply().hasPrefix(start))
        }
        try await client.send("Subject: x\r\n\r\nx\r\n.\r\nMAIL FROM:<b@out.test>\r\nRSET\r\nQUIT\r\n")
        for start in ["250 2.0.0 Taken as", "250 ", "250 ", "221 "] {
            #expect(try await client.reply().hasPrefix(start))
        }
        #expect(server.acceptor.taken.first?.recipients.map(\.address) == ["slow@here.test", "anna@here.test"])
        #expect(await server.eventually { server.traces.count == 2 })
        #expect(server.traces.map(\.outcome).contains(.unfinished))
        await server.stop()
    }

    @Test func `octets may come one at a time`() async throws {
        let server = try await LiveServer()
        let client = try await server.client()
        _ = try await client.reply()
        for line in ["EHLO c.test\r\n", "MAIL FROM:<>\r\n", "RCPT TO:<anna@here.test>\r\n"] {
            for octet in line.utf8 { try await client.send([octet]) }
            #expect(try await client.reply().hasPrefix("250"))
        }
        await server.stop()
    }

    @Test(arguments: [
        ("EHLO bad.test", "550 5.7.1 Bad name"), ("EHLO good.test|MAIL FROM:<x@bad.test>", "550 5.7.1 Bad sender"),
    ])
    func `the chain refuses in each phase`(_ lines: String, _ reply: String) async throws {
        let server = try await LiveServer()
        let client = try await server.client()
        _ = try await client.reply()
        var last = ""
        for line in lines.split(separator: "|") { last = try await client.say(String(line)) }
        #expect(last.hasPrefix(reply))
        #expect(last.hasSuffix("]"), "the reply names the transaction")
        await server.stop()
    }

    @Test func `a refused message is not queued, and its trace says so`() async throws {
        let server = try await LiveServer()
        let client = try await server.client()
        let reply = try await client.deliver(subject: "spam")
        #expect(reply.hasPrefix("550 5.7.1 Spam ["))
        #expect(server.acceptor.taken.isEmpty)
        #expect(await server.eventually { server.traces.first?.outcome == .rejected })
        await server.stop()
    }

    @Test func `quarantined mail is queued held`() async throws {
        let server = try await LiveServer()
        let client = try await server.client()
        #expect(try await client.deliver(subject: "odd").hasPrefix("250 "))
        #expect(server.acceptor.taken.first?.holdReason == "odd")
        await server.stop()
    }

    @Test(arguments: [(QueueFailure.outOfSpace, "452 4.3.1"), (.closed, "451 4.3.0")])
    func `a queue that cannot write is told as it is`(_ failure: QueueFailure, _ start: String) async throws {
        let server = try await LiveServer()
        server.acceptor.fail(failure)
        let client = try await server.client()
        #expect(try await client.deliver().hasPrefix(start))
        #expect(await server.eventually { server.traces.first?.outcome == .deferred })
        server.acceptor.fail(nil)
        #expect(try await client.deliver(greeted: true).hasPrefix("250 "))
        server.acceptor.refuse(failure)
        #expect(try await client.say("MAIL FROM:<a@out.test> SIZE=1000").hasPrefix(start))
        await server.stop()
    }

    @Test func `LMTP answers for each recipient`() async throws {
        let server = try await LiveServer { $0.listener.machine.language = .lmtp }
        let client = try await server.client()
        #expect(try await client.reply() == "220 mx.here.test LMTP Sluice")
        _ = try await client.say("LHLO client.test")
        _ = try await client.say("MAIL FROM:<a@out.test>")
        for name in ["anna", "no", "carl"] { _ = try await client.say("RCPT TO:<\(name)@here.test>") }
        _ = try await client.say("DATA")
        try await client.send("Subject: x\r\n\r\nx\r\n.\r\n")
        for _ in 0..<2 { #expect(try await client.reply().hasPrefix("250 2.0.0")) }
        #expect(try await client.say("NOOP").hasPrefix("250"))
        server.acceptor.fail(.outOfSpace)
        _ = try await client.say("MAIL FROM:<a@out.test>")
        for name in ["anna", "carl"] { _ = try await client.say("RCPT TO:<\(name)@here.test>") }
        _ = try await client.say("DATA")
        try await client.send("Subject: x\r\n\r\nx\r\n.\r\n")
        for _ in 0..<2 { #expect(try await client.reply().hasPrefix("452 4.3.1")) }
        await server.stop()
    }

    @Test func `PRDR answers for each recipient where it was asked for`() async throws {
        let server = try await LiveServer()
        let client = try await server.client()
        _ = try await client.reply()
        _ = try await client.say("EHLO client.test")
        #expect(try await client.say("MAIL FROM:<a@out.test> PRDR").hasPrefix("250"))
        for name in ["anna", "carl"] { _ = try await client.say("RCPT TO:<\(name)@here.test>") }
        _ = try await client.say("DATA")
        try await client.send("Subject: x\r\n\r\nx\r\n.\r\n")
        #expect(try await client.reply().hasPrefix("353"))
        // The final reply names the message like the others, for the client's log.
        for _ in 0..<3 { #expect(try await client.reply().hasPrefix("250 2.0.0 Taken as ")) }
        #expect(await server.eventually { server.traces.first?.session.repliesPerRecipient == true })
        await server.stop()
    }

    @Test func `chunks make a message too`() async throws {
        let server = try await LiveServer()
        let client = try await server.client()
        _ = try await client.reply()
        _ = try await client.say("EHLO client.test")
        _ = try await client.say("MAIL FROM:<a@out.test>")
        _ = try await client.say("RCPT TO:<anna@here.test>")
        try await client.send("BDAT 10\r\nSubject: cBDAT 6 LAST\r\n\r\n\r\n.\n")
        _ = try await client.reply()
        #expect(try await client.reply().hasPrefix("5"), "a bare LF is refused")
        try await client.send(
            "MAIL FROM:<a@out.test>\r\nRCPT TO:<anna@here.test>\r\nBDAT 10\r\nSubject: cBDAT 7 LAST\r\n\r\n\r\n.\r\n")
        for start in ["250", "250", "250", "250 2.0.0 Taken"] { #expect(try await client.reply().hasPrefix(start)) }
        #expect(server.acceptor.taken.first?.content.flatMap(\.array) == Array("Subject: c\r\n\r\n.\r\n".utf8))
        await server.stop()
    }

    @Test func `a client that closes its side still gets its replies`() async throws {
        let server = try await LiveServer()
        let client = try await server.client()
        _ = try await client.reply()
        _ = try await client.say("EHLO client.test")
        try await client.send("MAIL FROM:<a@out.test>\r\nRCPT TO:<slow@here.test>\r\n")
        try await client.finish()
        for start in ["250 2", "250 2.1.5"] { #expect(try await client.reply().hasPrefix(start)) }
        #expect(try await client.end() == "")
        await server.stop()
    }

    @Test func `wrong protocols are sent away with nothing reflected`() async throws {
        let server = try await LiveServer()
        for hello in [
            "GET /canary HTTP/1.1\r\nHost: canary\r\n\r\n", "SSH-2.0-canary\r\n", "\u{16}\u{3}\u{1}canary\r\n",
        ] {
            let client = try await server.client()
            _ = try await client.reply()
            try await client.send(hello)
            try await client.send("MAIL FROM:<a@out.test>\r\nRCPT TO:<anna@here.test>\r\nDATA\r\nx\r\n.\r\n")
            let said = try await client.end()
            #expect(!said.contains("canary"))
            #expect(!said.contains("250"))
        }
        #expect(server.acceptor.taken.isEmpty)
        await server.stop()
    }
}

extension TestClient {
    /// Goes through a whole transaction; the reply to the message.
    func deliver(subject: String = "x", to: String = "anna@here.test", greeted: Bool = false) async throws -> String {
        if !greeted {
            _ = try await reply()
            _ = try await say("EHLO client.test")
        }
        _ = try await say("MAIL FROM:<a@out.test>")
        _ = try await say("RCPT TO:<\(to)>")
        _ = try await say("DATA")
        return try await say("Subject: \(subject)\r\n\r\nbody\r\n.")
    }
}
