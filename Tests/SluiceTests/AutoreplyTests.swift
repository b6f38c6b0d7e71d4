import Foundation
import Testing

/// Mailboxes that answer by themselves, through a server and its commands.
@Suite struct AutoreplyTests {
    /// The transaction's id in a reply to a message.
    static func id(in reply: String) throws -> String {
        String(try #require(reply.firstMatch(of: /\b([0-9a-z]{16})\b/)).1)
    }

    static func mail(_ more: String = "", to: String = "anna@acme.test") -> String {
        "From: Bob <bob@far.test>\r\nTo: \(to)\r\nSubject: Lunch?\r\nMessage-ID: <1@far.test>\r\n\(more)\r\nbody\r\n"
    }

    static func setup(_ sink: Sink) -> LiveServer.Setup {
        var setup = LiveServer.Setup()
        setup.filters["20-transport.toml"] = .transport(["far.test": "smtp:[127.0.0.1]:\(sink.port)"])
        return setup
    }

    @Test func `a stranger is told once, in signed mail, and the trace says why not twice`() async throws {
        let sink = try await Sink.start()
        let place = try await SigningTests.place()
        try await Turnstile.servers.pass {
            let server = try await LiveServer.start(Self.setup(sink), in: place)
            try server.folder.write("Ich bin verreist – bis Jänner.\n", to: "away.txt")
            let set = try await server.sluice(
                "mailbox", "autoreply", "anna@acme.test", "--on", "--text-file", server.folder.path + "/away.txt",
                "--until", "2090-01-01")
            #expect(set.code == 0 && set.output.contains("anna@acme.test answers until 2090-01-02"), "\(set)")
            let wire = try await server.smtp()
            try await wire.greet()
            func deliver(_ mail: String) async throws -> String {
                let reply = try await wire.deliver(mail, from: "bob@far.test", to: ["anna@acme.test"])
                #expect(reply.hasPrefix("250"), "\(reply)")
                return try Self.id(in: reply)
            }
            func trace(_ id: String, says words: String) async throws {
                let isSaid = try await eventually {
                    try await server.sluice("trace", id).output.contains(words)
                }
                let shown = try await server.sluice("trace", id)
                #expect(isSaid, "\(shown)")
            }
            let first = try await deliver(Self.mail())
            let reply = try await sink.messages(count: 1)[0]
            #expect(reply.sender.isEmpty && reply.recipients == ["bob@far.test"])
            #expect(reply.text.contains("From: anna@acme.test\r\n") && reply.text.contains("Subject: Auto: Lunch?\r\n"))
            #expect(reply.text.contains("In-Reply-To: <1@far.test>\r\n"))
            #expect(reply.text.contains("Auto-Submitted: auto-replied\r\n"))
            #expect(reply.text.contains("DKIM-Signature: ") && reply.text.contains("d=acme.test;"))
            try await trace(first, says: "autoreply: to <bob@far.test>")
            try await trace(try await deliver(Self.mail()), says: "no reply: <bob@far.test> was told on")
            try await trace(
                try await deliver(Self.mail("List-Id: <n.list.test>\r\n")),
                says: "no reply: bulk mail (List-Id: <n.list.test>)")
            try await trace(
                try await deliver(Self.mail(to: "bert@acme.test")), says: "no reply: To and Cc name no address")
            #expect(try await server.queueIsEmpty())
            #expect(sink.messages.count == 1)
            #expect(server.mail(of: "anna@acme.test").count == 4, "all came")
            let shown = try await server.sluice("mailbox", "autoreply", "anna@acme.test")
            #expect(shown.output.contains("bis Jänner") && shown.output.contains("bob@far.test"), "\(shown)")
            let route = try await server.sluice("route", "anna@acme.test", "--from", "noreply@far.test")
            #expect(route.output.contains("no reply: <noreply@far.test> is nobody who reads"), "\(route)")
            #expect(route.output.contains("audit"), "\(route)")
            await server.stop()
            try await server.replay()
        }
        await sink.stop()
    }

    @Test func `two that answer do not answer each other`() async throws {
        try await LiveServer.run { server in
            for name in ["anna", "bert"] {
                let set = try await server.sluice(
                    "mailbox", "autoreply", "\(name)@acme.test", "--on", "--text", "I am away.")
                #expect(set.code == 0, "\(set)")
            }
            let wire = try await server.submission()
            let mail = "From: anna@acme.test\r\nTo: bert@acme.test\r\nSubject: x\r\n\r\nx\r\n"
            #expect(try await wire.deliver(mail, from: "anna@acme.test", to: ["bert@acme.test"]).hasPrefix("250"))
            let reply = try await server.mail(of: "anna@acme.test", count: 1)[0]
            #expect(reply.contains("From: bert@acme.test\r\n") && reply.contains("Return-Path: <>\r\n"))
            #expect(try await server.queueIsEmpty())
            #expect(server.mail(of: "anna@acme.test").count == 1 && server.mail(of: "bert@acme.test").count == 1)
        }
    }

    @Test func `what the command says is what holds, and mistakes change nothing`() async throws {
        try await LiveServer.run { server in
            func run(_ arguments: String..., input: String = "") async throws -> Ran {
                try await server.sluice(["mailbox", "autoreply"] + arguments, input: input)
            }
            #expect(try await run().output == "No mailbox answers by itself.\n")
            for (arguments, words) in [
                (["anna@acme.test", "--on"], "give it a text"),
                (["nora@acme.test", "--on", "--text", "x"], "nora@acme.test"),
                (["anna@acme.test", "--on", "--text", "x", "--from", "2026-12-24", "--until", "2026-12-23"], "stop"),
                (["anna@acme.test", "--on", "--text", "x", "--period", "1m"], "1h"),
                (["anna@acme.test", "--on", "--off"], "not both"), (["--on"], "which mailbox"),
                (["anna@acme.test", "--text-file", "/nowhere/x"], "/nowhere/x"),
            ] {
                let ran = try await server.sluice(["mailbox", "autoreply"] + arguments)
                #expect(ran.code != 0 && ran.errors.contains(words), "\(arguments): \(ran)")
            }
            #expect(try await run("anna@acme.test").output == "anna@acme.test has no reply.\n")
            let set = try await run(
                "anna@acme.test", "--on", "--text-file", "-", "--from", "2026-12-24", "--until", "2026-12-24",
                "--subject", "Away", "--catch-all", input: "Back\nsoon.\n")
            #expect(set.output.contains("from 2026-12-24") && set.output.contains("until 2026-12-25"), "\(set)")
            let shown = try await run("anna@acme.test")
            #expect(shown.output.contains("Subject: Away\n") && shown.output.contains("    soon.\n"), "\(shown)")
            #expect(try await run("anna@acme.test", "--off").output == "anna@acme.test does not answer.\n")
            #expect(try await run().output.contains("off"))
            let audit = try await server.sluice("audit", "--object", "anna@acme.test")
            #expect(audit.output.contains("mailbox.autoreply"), "\(audit)")
            #expect(audit.output.contains("reply: on > off"), "\(audit)")
            #expect(try await run("anna@acme.test", "--remove").code == 0)
            #expect(try await run("anna@acme.test", "--json").output == "null\n")
        }
    }
}
