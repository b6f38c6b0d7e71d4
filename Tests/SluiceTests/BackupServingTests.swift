import Foundation
import Testing

/// A backup exchanger of somebody else's domains.
@Suite struct BackupServingTests {
    private static let primary = "127.0.0.2"
    private static let mail = "From: a@out.test\r\nSubject: onward\r\n\r\nbody\r\n"

    private static func zone() -> [String: [NameServer.Record]] {
        [
            "back.test": [.mx(10, "primary.test"), .mx(20, "mx.acme.test"), .mx(30, "worse.test")],
            // Another backup is better than this one, and takes everything.
            "two.test": [.mx(10, "primary.test"), .mx(15, "second.test"), .mx(20, "mx.acme.test")],
            "best.test": [.mx(5, "mx.acme.test"), .mx(10, "primary.test")],
            "other.test": [.mx(10, "primary.test")],
            "primary.test": [.a(primary)], "second.test": [.a("127.0.0.4")], "worse.test": [.a("127.0.0.5")],
            "mx.acme.test": [.a("127.0.0.6")],
        ]
    }

    private static func add(_ words: String..., to server: LiveServer) async throws {
        let ran = try await server.sluice(["relay-domain", "add"] + words)
        #expect(ran.code == 0 && ran.errors.isEmpty, "\(ran)")
    }

    /// What is said to RCPT, in a transaction of its own.
    private static func reply(to recipient: String, _ wire: Wire) async throws -> String {
        try await wire.expect("MAIL FROM:<a@out.test>", "250")
        let reply = try await wire.say("RCPT TO:<\(recipient)>")
        try await wire.expect("RSET", "250")
        return reply
    }

    private static let noUser: @Sendable (String) -> String? = { line in
        line.hasPrefix("RCPT TO:<ghost@") ? "550 5.1.1 no such user" : nil
    }

    @Test func `who is known is taken while the primary is down, and gets it when it is back`() async throws {
        let sink = try await Sink.start(host: Self.primary, answer: Self.noUser)
        let port = sink.port
        let second = try await Sink.start(port: port, host: "127.0.0.4")
        let names = try await NameServer.start(Self.zone())
        var setup = LiveServer.Setup()
        setup.more = .outbound(names, port: port)
        // A server that was down is asked again at once.
        setup.filters["19-relay-domain.toml"] = "stage = \"relay-domain\"\n[relay-domain]\nretry_after = \"0s\"\n"
        try await LiveServer.run(setup) { server in
            try await Self.add("back.test", "--backup", "--give-up-after", "10d", to: server)
            try await Self.add("two.test", "--backup", to: server)
            let wire = try await server.smtp()
            try await wire.greet()
            // The primary says who exists; nobody hears of it later.
            #expect(try await Self.reply(to: "ghost@back.test", wire).hasPrefix("550 5.1.1"))
            #expect(try await Self.reply(to: "carl@back.test", wire).hasPrefix("250"))
            #expect(try await Self.reply(to: "carl@two.test", wire).hasPrefix("250"))
            await sink.stop()
            #expect(try await Self.reply(to: "dora@back.test", wire).hasPrefix("451 4.4.1"))
            let byOther = try await Self.reply(to: "dora@two.test", wire)
            #expect(byOther.hasPrefix("451 4.4.1"), "another backup does not know who exists: \(byOther)")
            #expect(try await wire.deliver(Self.mail, to: ["carl@back.test"]).hasPrefix("250"))
            #expect(await eventually { (try? await server.queue().first?.recipients.first?.attempts) == 1 })
            #expect(try await server.queue().first?.recipients.first?.route == "mx back.test")
            // Mail of the other domain goes on to the better backup.
            #expect(try await wire.deliver(Self.mail, to: ["carl@two.test"]).hasPrefix("250"))
            #expect(try await second.messages(count: 1)[0].recipients == ["carl@two.test"])

            let back = try await Sink.start(port: port, host: Self.primary, answer: Self.noUser)
            let none = try await server.sluice("queue", "retry", "--domain", "two.test")
            #expect(none.code == 0 && none.output == "Will now try 0 messages.\n", "\(none)")
            #expect(back.messages.isEmpty)
            let retried = try await server.sluice("queue", "retry", "--domain", "back.test")
            #expect(retried.output == "Will now try 1 message.\n", "\(retried)")
            #expect(try await back.messages(count: 1)[0].recipients == ["carl@back.test"])
            #expect(try await server.queueIsEmpty())
            #expect(try await Self.reply(to: "dora@back.test", wire).hasPrefix("250"))
            #expect(try await Self.reply(to: "ghost@back.test", wire).hasPrefix("550 5.1.1"))
            #expect(sink.messages.isEmpty && second.messages.count == 1, "no report was sent to anybody")
            let way = try await server.sluice("route", "x@back.test")
            #expect(way.code == 0 && way.output.contains("mx back.test"), "\(way)")
            #expect(way.output.contains("whose backup this server is") && way.output.contains("audit "), "\(way)")
            let list = try await server.sluice("relay-domain", "list")
            #expect(list.output.contains("its exchangers (backup)") && list.output.contains("10d"), "\(list)")
            await back.stop()
        }
        await second.stop()
        await names.stop()
    }

    @Test func `a server that is the best exchanger itself keeps the mail, and says what is wrong`() async throws {
        let sink = try await Sink.start(host: Self.primary)
        let names = try await NameServer.start(Self.zone())
        var setup = LiveServer.Setup()
        setup.more = .outbound(names, port: sink.port)
        try await LiveServer.run(setup) { server in
            for name in ["best.test", "other.test", "back.test", "gone.test"] {
                try await Self.add(name, "--backup", "--no-callout", to: server)
            }
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(Self.mail, to: ["u@best.test"]).hasPrefix("250"))
            #expect(await eventually { (try? await server.queue().first?.recipients.first?.attempts) == 1 })
            let reply = try await server.queue().first?.recipients.first?.lastReply
            #expect(reply == "451 4.4.6 This server is the best exchanger of best.test, and is to be its backup")
            // Who asks before is refused for now.
            let asked = try await server.sluice("relay-domain", "change", "best.test", "--callout")
            #expect(asked.code == 0, "\(asked)")
            #expect(try await Self.reply(to: "u@best.test", wire).hasPrefix("451 4.4.1"))
            #expect(try await server.sluice("route", "verify").code == 0)
            let verified = try await server.sluice("route", "verify", "--dns")
            #expect(verified.code == 1)
            let lines = verified.output.split(separator: "\n").map(String.init)
            #expect(lines.contains { $0.hasPrefix("dead end: relay domain best.test") }, "\(lines)")
            #expect(lines.contains { $0.hasPrefix("dead end: relay domain gone.test") }, "\(lines)")
            #expect(lines.contains { $0.hasPrefix("idle: relay domain other.test") && $0.contains("primary.test") })
            #expect(!lines.contains { $0.contains("back.test") }, "\(lines)")
            for wrong in [
                ["x.test"], ["x.test", "--backup", "--to", "far.test"], ["x.test", "--backup", "--tls", "verified"],
                ["x.test", "--backup", "--give-up-after", "1000d"],
            ] { #expect(try await server.sluice(["relay-domain", "add"] + wrong).code == 2, "\(wrong)") }
        }
        await sink.stop()
        await names.stop()
    }
}
