import Foundation
import Testing

/// Loops, reports and other mail that a server sends by itself.
@Suite struct LoopThreatTests {
    static let message = "From: a@out.test\r\nSubject: x\r\n\r\nbody\r\n"

    @Test func `R77: a message that has passed a hundred servers is refused`() async throws {
        try await LiveServer.run { server in
            let wire = try await server.smtp()
            try await wire.greet()
            let hop = "Received: from a.test by b.test; Sat, 21 Nov 2026 00:00:00 +0000\r\n"
            let far = String(repeating: hop, count: 101) + Self.message
            #expect(try await wire.deliver(far).hasPrefix("554 5.4.6"))
            let near = String(repeating: hop, count: 99) + Self.message
            #expect(try await wire.deliver(near).hasPrefix("250"))
        }
    }

    @Test func `R78: mail between two servers that forward to each other stops at its first return`() async throws {
        let ports = try Ports.free(2)
        let (first, second) = (try await Place(), try await Place())
        for (place, mine, other) in [(first, "one", "two"), (second, "two", "one")] {
            let commands = [
                ["domain", "add", "\(mine).test", "--postoffice", "acme"],
                ["alias", "add", "loop@\(mine).test", "loop@\(other).test"],
            ]
            for command in commands {
                let ran = try await Programs.run(
                    Programs.sluice, command + ["--config", place.folder.path + "/sluice.toml"])
                #expect(ran.code == 0, "\(ran)")
            }
        }
        func setup(_ name: String, own: Int, _ other: String, port: Int) -> LiveServer.Setup {
            var setup = LiveServer.Setup()
            setup.hostname = "mx.\(name).test"
            setup.more = "[[listener]]\nname = \"exchange\"\nprotocol = \"smtp\"\nbind = [\"127.0.0.1:\(own)\"]\n"
            setup.filters["20-transport.toml"] = .transport(["\(other).test": "smtp:[127.0.0.1]:\(port)"])
            return setup
        }
        try await Turnstile.servers.pass {
            let one = try await LiveServer.start(setup("one", own: ports[0], "two", port: ports[1]), in: first)
            let two = try await LiveServer.start(setup("two", own: ports[1], "one", port: ports[0]), in: second)
            let wire = try await one.smtp()
            try await wire.greet()
            let reply = try await wire.deliver(Self.message, from: "anna@acme.test", to: ["loop@one.test"])
            #expect(reply.hasPrefix("250"))
            // In the end the sender is told, or the message is held; nothing goes round.
            #expect(
                await eventually {
                    let queues = (try? await one.queue() + two.queue()) ?? []
                    return queues.allSatisfy { $0.held != nil } && one.log.contains("msg=delivery")
                        && (!queues.isEmpty || !one.mail(of: "anna@acme.test").isEmpty
                            || !two.mail(of: "anna@acme.test").isEmpty)
                })
            let messages = [one, two].reduce(0) { $0 + $1.log.components(separatedBy: "msg=message ").count - 1 }
            #expect(messages < 10, "\(messages)")
            await one.stop()
            await two.stop()
            try await one.replay()
            try await two.replay()
        }
    }

    @Test func `R79: a report about a report is never sent`() async throws {
        let sink = try await Sink.start { $0.hasPrefix("RCPT") ? "550 5.1.1 nobody" : nil }
        var setup = LiveServer.Setup()
        setup.filters["20-transport.toml"] = .transport(["far.test": "smtp:[127.0.0.1]:\(sink.port)"])
        try await LiveServer.run(setup) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(Self.message, from: "", to: ["u@far.test"]).hasPrefix("250"))
            #expect(await eventually { sink.connections == 1 })
            #expect(await eventually { server.log.contains("550 5.1.1 nobody") })
            let left = try await server.queue()
            #expect(left.allSatisfy { $0.held != nil }, "it may lie there for an admin to look at")
            #expect(server.everything().isEmpty)
            #expect(!String(decoding: sink.octets, as: UTF8.self).contains("MAIL FROM:<postmaster"))
            #expect(sink.messages.isEmpty)
        }
        await sink.stop()
    }

    @Test func `R80: nobody far away ever gets a report about what a stranger sent in his name`() async throws {
        let sink = try await Sink.start(host: "127.0.0.2")
        let names = try await NameServer.start([
            "victim.test": [.mx(10, "mail.victim.test")], "mail.victim.test": [.a("127.0.0.2")],
        ])
        var setup = LiveServer.Setup()
        setup.more = .outbound(names, port: sink.port)
        try await LiveServer.run(setup) { server in
            #expect(
                try await server.sluice("mailbox", "add", "off@acme.test", "--password-stdin", input: "x\n").code == 0)
            #expect(try await server.sluice("mailbox", "change", "off@acme.test", "--disable-mail").code == 0)
            let wire = try await server.smtp()
            try await wire.greet()
            try await wire.expect("MAIL FROM:<forged@victim.test>", "250")
            for nobody in ["nobody@acme.test", "off@acme.test", "u@far.test"] {
                try await wire.expect("RCPT TO:<\(nobody)>", "5")
            }
            try await wire.expect("RSET", "250")
            // A verdict on the content comes before the 250 as well.
            #expect(
                try await wire.deliver("Subject: no sender\r\n\r\nx\r\n", from: "forged@victim.test").hasPrefix("550"))
            #expect(try await server.queue().isEmpty)
            #expect(sink.connections == 0)
        }
        await sink.stop()
        await names.stop()
    }

    @Test func `R86: a stranger's wish for reports is worth nothing, a user's one message`() async throws {
        let sink = try await Sink.start(host: "127.0.0.2")
        let names = try await NameServer.start([
            "victim.test": [.mx(10, "mail.victim.test")], "mail.victim.test": [.a("127.0.0.2")],
        ])
        var setup = LiveServer.Setup()
        setup.more = .outbound(names, port: sink.port)
        try await LiveServer.run(setup) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            try await wire.expect("MAIL FROM:<forged@victim.test> RET=FULL ENVID=bomb", "250")
            for _ in 0..<40 {
                for name in ["anna", "bert", "carl", "both"] {
                    try await wire.expect("RCPT TO:<\(name)@acme.test> NOTIFY=SUCCESS,DELAY,FAILURE", "250")
                }
            }
            try await wire.expect("DATA", "354")
            let body = String(repeating: "0123456789012345678901234567890123456789\r\n", count: 100)
            try await wire.send(Self.message + body + ".\r\n")
            #expect(try await wire.reply().hasPrefix("250"))
            _ = try await server.mail(of: "carl@acme.test", count: 1)
            #expect(try await server.queueIsEmpty())
            #expect(sink.messages.isEmpty, "\(sink.messages.count) reports to a forged sender")

            let user = try await server.submission()
            try await user.expect("MAIL FROM:<anna@acme.test> RET=FULL", "250")
            for name in ["bert", "carl", "both"] {
                try await user.expect("RCPT TO:<\(name)@acme.test> NOTIFY=SUCCESS", "250")
            }
            try await user.expect("DATA", "354")
            try await user.send("From: anna@acme.test\r\nSubject: x\r\n\r\n" + body + ".\r\n")
            #expect(try await user.reply().hasPrefix("250"))
            #expect(try await server.queueIsEmpty())
            let reports = server.mail(of: "anna@acme.test").map { String(decoding: $0, as: UTF8.self) }
                .filter { $0.contains("multipart/report") }
            #expect(reports.count == 1, "\(reports.count) reports for one message")
            #expect(reports.allSatisfy { $0.utf8.count <= 8 * 1024 }, "for about 4,500 octets")
        }
        await sink.stop()
        await names.stop()
    }
}
