import Frontends
import MailTypes
import Pipeline
import Protocols
import Testing

/// A mail server asks over a socket, and is told what the chain says. docs/milter.md.
@Suite struct MilterListenerTests {
    static let text = "Subject: one\nX-Old: 0\n\nHello.\n"

    static func server(
        _ stages: [any Stage] = [Strict(.init()), EditsMail(.init())],
        _ change: (inout LiveServer.Setup) -> Void = { _ in }
    ) async throws -> LiveServer {
        try await LiveServer { setup in
            setup.listener.isMilter = true
            setup.stages = stages
            setup.onMixed = .junk
            change(&setup)
        }
    }

    /// One question to a server of its own.
    static func answer(
        _ subject: String, to paths: [String] = ["<a@far.test>"], actions: MilterActions = .all
    ) async throws -> (MilterAnswer, LiveServer) {
        let server = try await server()
        var asker = try await MilterAsker(server, actions: actions)
        let story = try MilterStory.from().mail(to: paths)
            .message("Subject: \(subject)\nX-Old: 0\nX-Kept: 1\n\nHello.\n")
        let answer = try await asker.deliver(story)
        try await asker.client.close()
        await server.stop()
        return (answer, server)
    }

    static func trace(_ server: LiveServer) async throws -> Trace {
        #expect(await server.eventually { !server.traces.isEmpty })
        return try #require(server.traces.first)
    }

    @Test func `mail that nobody speaks against stays where it is`() async throws {
        let (answer, server) = try await Self.answer("fine")
        #expect(answer == MilterAnswer(.accept))
        let trace = try await Self.trace(server)
        // Nothing is routed and nothing queued: whoever has asked does that.
        #expect(trace.outcome == .passed && trace.queued.isEmpty && server.acceptor.taken.isEmpty)
        #expect(trace.session.language == .milter && trace.session.client == "192.0.2.7")
        #expect(trace.session.hello == "mx.out.test" && trace.session.clientName == "mx.out.test")
        #expect(trace.envelope?.sender == "a@out.test" && trace.asked.map(\.address) == ["a@far.test"])
        let passed = server.metrics.value(
            "sluice_smtp_transactions_total", [("listener", "test"), ("result", "passed")])
        #expect(passed == 1)
        #expect(server.log.lines.contains { $0.contains("message") && $0.contains("queue_id=4bX1") })
    }

    @Test func `what stages do to a message the server is asked to do`() async throws {
        let (answer, _) = try await Self.answer("edit")
        let body = Array("changed\r\n".utf8) + [UInt8](repeating: 0x61, count: 100_000)
        #expect(
            answer
                == MilterAnswer(
                    .accept,
                    changes: [
                        .changeField(number: 1, name: "X-Old", value: ""), .addField(name: "X-Last", value: " 2"),
                        .insertField(at: 0, name: "X-New", value: " 1"), .replaceBody(body),
                    ]))
    }

    @Test func `and what they do to the envelope`() async throws {
        let (answer, server) = try await Self.answer("envelope", to: ["<A@far.test>", "<b@far.test>"])
        #expect(
            answer
                == MilterAnswer(
                    .accept,
                    changes: [
                        .changeSender("<list@out.test>", parameters: nil), .deleteRecipient("<A@far.test>"),
                        .addRecipient("<new@elsewhere.test>", parameters: nil),
                    ]))
        let trace = try await Self.trace(server)
        #expect(trace.recipients.map(\.address) == ["b@far.test", "new@elsewhere.test"] && trace.refused.isEmpty)
    }

    @Test(arguments: [
        ("hold", MilterAnswer(.accept, changes: [.quarantine("odd")]), Trace.Outcome.passed),
        ("drop", MilterAnswer(.discard), Trace.Outcome.discarded),
    ])
    func `a message is held or dropped by the server`(
        _ subject: String, _ wanted: MilterAnswer, _ outcome: Trace.Outcome
    ) async throws {
        let (answer, server) = try await Self.answer(subject)
        #expect(answer == wanted)
        #expect(try await Self.trace(server).outcome == outcome)
    }

    @Test func `a refusal has its words and the transaction's id`() async throws {
        let (answer, server) = try await Self.answer("percent")
        let trace = try await Self.trace(server)
        let words = Reply(550, .deliveryNotAuthorized, "100% spam [\(trace.id)]")
        #expect(answer == MilterAnswer(.reject(words)) && trace.replies == [words] && trace.outcome == .rejected)
    }

    @Test(arguments: [
        ("edit", MilterActions.all.subtracting(.changeBody)),
        ("envelope", MilterActions.all.subtracting(.changeSender)),
        ("hold", MilterActions.all.subtracting(.quarantine)),
    ])
    func `what a server does not let a milter do is no half of it`(
        _ subject: String, _ actions: MilterActions
    ) async throws {
        let (answer, server) = try await Self.answer(subject, actions: actions)
        guard case .tempfail(let words?) = answer.verdict else {
            Issue.record("\(answer)")
            return
        }
        #expect(words.code == 451 && answer.changes.isEmpty)
        #expect(try await Self.trace(server).outcome == .deferred)
        #expect(server.log.lines.contains { $0.contains("lets a milter do less") })
        #expect(server.log.lines.contains { $0.contains("cannot be told what the chain wants") })
    }

    @Test func `each phase is asked when the server tells of it`() async throws {
        let server = try await Self.server()
        func code(_ answer: MilterAnswer) -> Int? {
            if case .reject(let words?) = answer.verdict { words.code } else { nil }
        }
        for (story, wanted) in [(MilterStory.from("203.0.113.9"), 554), (MilterStory.from(hello: "bad.test"), 550)] {
            var asker = try await MilterAsker(server)
            #expect(code(try await asker.ask(story)) == wanted)
            try await asker.client.close()
        }
        var asker = try await MilterAsker(server)
        #expect(try await asker.ask(.from()) == MilterAnswer(.continue))
        #expect(code(try await asker.ask(.from().mail("<x@bad.test>", to: []))) == 550)
        var story = MilterStory.from().mail(to: [])
        #expect(try await asker.ask(story) == MilterAnswer(.continue))
        story.recipients = [.init("<nobody@far.test>")]
        #expect(code(try await asker.ask(story)) == 550)
        story.recipients = [.init("<a@far.test>")]
        #expect(try await asker.ask(story) == MilterAnswer(.continue))
        _ = try await asker.deliver(.from().mail("<c@out.test>", to: ["<a@far.test>"]))
        try await asker.client.close()
        #expect(await server.eventually { server.traces.contains { $0.outcome == .unfinished } })
        await server.stop()
    }

    @Test func `who is refused when he connects or greets, and goes on, is refused again`() async throws {
        let server = try await Self.server()
        for (client, name) in [("203.0.113.9", "x"), ("192.0.2.7", "bad.test")] {
            var talk = MilterTalk(try await server.client())
            try await talk.open(from: IPAddress(client) ?? "0.0.0.0", hello: name)
            try await talk.say(.mail("<a@out.test>", []))
            guard case .refuse(let words) = try await talk.reply() else { throw MilterFault("\(name) is taken") }
            #expect(words.isPermanent)
            try await talk.say(.recipient("<a@far.test>", []))
            guard case .refuse = try await talk.reply() else { throw MilterFault("\(name) has a recipient") }
            try await talk.client.close()
        }
        await server.stop()
    }

    @Test func `recipients whose mail goes different ways are told apart, whatever the chain says`() async throws {
        let server = try await Self.server()
        var asker = try await MilterAsker(server)
        var story = MilterStory.from().mail(to: ["<a@far.test>"])
        _ = try await asker.deliver(story)
        story.recipients.append(.init("<junk@far.test>"))
        let answer = try await asker.ask(story)
        guard case .tempfail(let words?) = answer.verdict else { throw MilterFault("\(answer)") }
        #expect(words.code == 451 && words.status?.description == "4.5.3")
        let alone = try MilterStory.from().mail("<b@out.test>", to: ["<junk@far.test>"]).message(Self.text)
        let junk = try await asker.deliver(alone)
        #expect(junk == MilterAnswer(.accept, changes: [.insertField(at: 0, name: "X-Spam", value: " Yes")]))
        await server.stop()
    }

    @Test func `a server tells who has logged in, and how it was connected`() async throws {
        let server = try await Self.server()
        var asker = try await MilterAsker(server)
        var story = MilterStory.from()
        story.hello?.macros = ["{tls_version}": "TLSv1.3", "{cipher}": "TLS_AES_256_GCM_SHA384"]
        let macros = ["{auth_authen}": "anna", "{auth_type}": "PLAIN"]
        _ = try await asker.deliver(try story.mail("<a@out.test>", macros, to: ["<postmaster>"]).message(Self.text))
        _ = try await asker.deliver(try story.mail("<b@out.test>", to: ["<b>"]).message(Self.text))
        #expect(await server.eventually { server.traces.count == 2 })
        let traces = server.traces
        #expect(traces[0].session.user == .init(mailbox: "anna@mx.far.test", mechanism: "PLAIN"))
        let tls = Session.TLS(version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384")
        #expect(traces[0].session.tls == tls && traces[1].session.tls == tls)
        #expect(traces[0].asked.map(\.address.key) == ["postmaster@mx.far.test"])
        // The next transaction is of nobody, where nobody is named.
        #expect(traces[1].session.user == nil && traces[1].asked.map(\.address) == ["b@mx.far.test"])
        await server.stop()
    }

    @Test func `limits hold for recipients, messages and headers`() async throws {
        let server = try await Self.server { setup in
            setup.listener.machine.maxRecipients = 1
            setup.listener.machine.maxMessageSize = 1000
            setup.listener.header.maxFields = 3
        }
        var asker = try await MilterAsker(server)
        func code(_ story: MilterStory) async throws -> Int? {
            switch try await asker.deliver(story).verdict {
            case .reject(let words?), .tempfail(let words?): words.code
            default: nil
            }
        }
        #expect(try await code(.from().mail("<1@out.test>", to: ["<a@far.test>", "<b@far.test>"])) == 452)
        let story = MilterStory.from().mail("<2@out.test>", to: ["<a@far.test>"])
        let large = String(repeating: "x", count: 1000)
        #expect(try await code(try story.message("Subject: x\n\n\(large)")) == 552)
        let fields = try MilterStory.from().mail("<3@out.test>", to: ["<a@far.test>"])
            .message("A: 1\nB: 1\nC: 1\nD: 1\n\nx\n")
        #expect(try await code(fields) == 552)
        var sized = MilterStory.from().mail("<4@out.test>", to: [])
        sized.mail?.parameters = ["SIZE=2000"]
        #expect(try await code(sized) == 552)
        #expect(try await code(.from().mail("<no", to: [])) == 501)
        let fine = try MilterStory.from().mail("<5@out.test>", to: ["<a@far.test>"]).message(Self.text)
        #expect(try await asker.deliver(fine) == MilterAnswer(.accept))
        await server.stop()
    }

    @Test func `a large message lies on disk while it comes, and is judged whole`() async throws {
        let server = try await Self.server { $0.limits.contentMemory = 1 << 16 }
        var asker = try await MilterAsker(server)
        let line = String(repeating: "y", count: 70) + "\n"
        let story = try MilterStory.from().mail(to: ["<a@far.test>"])
            .message("Subject: one\n\n" + String(repeating: line, count: 20_000))
        #expect(try await asker.deliver(story) == MilterAnswer(.accept))
        #expect(try await Self.trace(server).size == story.message?.size)
        #expect(server.folder.files.isEmpty)
        await server.stop()
    }

    @Test func `while a message is judged the server hears that it is`() async throws {
        let stage = EditsMail(.init())
        let server = try await Self.server([stage]) { $0.limits.milterProgress = "20ms" }
        var talk = MilterTalk(try await server.client())
        try await talk.open(from: "192.0.2.7", hello: "x")
        for command: MilterCommand in [.mail("<a@b.test>", []), .recipient("<a@far.test>", [])] {
            try await talk.say(command)
            #expect(try await talk.reply() == .continue)
        }
        try await talk.say(.header(name: "Subject", value: "slow"), .endOfHeader, .endOfMessage([]))
        for _ in 0..<3 { #expect(try await talk.reply() == .progress) }
        stage.gate.open()
        var last = try await talk.reply()
        while last == .progress { last = try await talk.reply() }
        #expect(last == .accept)
        await server.stop()
    }

    @Test func `who breaks the protocol is cut off, and another is not harmed`() async throws {
        let server = try await Self.server()
        var asker = try await MilterAsker(server)
        _ = try await asker.ask(.from())
        for octets: [UInt8] in [[0, 0, 0, 0], [0xFF, 0, 0, 0, 1], MilterCommand.hello("x").packet.octets] {
            let client = try await server.client()
            try await client.send(octets)
            _ = try await client.end()
        }
        let fine = try MilterStory.from().mail(to: ["<a@far.test>"]).message(Self.text)
        #expect(try await asker.deliver(fine) == MilterAnswer(.accept))
        let closed = server.metrics.value(
            "sluice_smtp_closed_connections_total", [("listener", "test"), ("reason", "protocol")])
        #expect(closed == 3)
        await server.stop()
    }

    @Test func `only those who may ask are let in, and so many at once`() async throws {
        let closed = try await Self.server { $0.listener.access = ["192.0.2.0/24"] }
        #expect(try await closed.client().end().isEmpty)
        await closed.stop()
        let server = try await Self.server { setup in
            setup.listener.maxConnections = 1
            setup.limits.maxConnectionsPerAddress = 1
        }
        var asker = try await MilterAsker(server)
        _ = try await asker.ask(.from())
        #expect(try await server.client().end().isEmpty)
        try await asker.client.close()
        await server.stop()
    }

    @Test func `a silent server is left, and a stop waits for a message under way`() async throws {
        let idle = try await Self.server { $0.listener.commandTimeout = "50ms" }
        #expect(try await idle.client().end().isEmpty)
        await idle.stop()
        let stage = EditsMail(.init())
        let server = try await Self.server([stage]) { $0.limits.stopTimeout = "60s" }
        var asker = try await MilterAsker(server)
        let story = try MilterStory.from().mail(to: ["<a@far.test>"]).message("Subject: slow\n\nx\n")
        let stop = Task {
            #expect(await server.eventually { stage.gate.waiting == 1 })
            let stopped = Task { await server.stop() }
            #expect(await server.eventually { server.frontend.addresses(of: "test").isEmpty })
            stage.gate.open()
            await stopped.value
        }
        #expect(try await asker.deliver(story) == MilterAnswer(.accept))
        await stop.value
        #expect(server.frontend.openConnections == 0)
    }
}
