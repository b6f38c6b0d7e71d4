import Foundation
import Testing

/// Allowed and blocked senders at the built server, and greylisting behind them.
@Suite struct ListedSenderTests {
    static let setup: LiveServer.Setup = {
        var setup = LiveServer.Setup()
        setup.smtp = "xclient_from = [\"127.0.0.1\"]"
        setup.filters["14-rate.toml"] = ""
        return setup
    }()

    /// A connection of somebody out there.
    static func stranger(_ server: LiveServer, _ client: String = "192.0.2.7") async throws -> Wire {
        let wire = try await server.smtp()
        try await wire.greet()
        try await wire.expect("XCLIENT ADDR=\(client)", "220")
        try await wire.expect("EHLO mx.out.test", "250")
        return wire
    }

    static func message(_ from: String) -> String {
        [
            "From: \(from)", "Subject: x", "Date: Sat, 14 Nov 2026 09:28:40 +0000", "Message-ID: <1@out.test>", "",
            "body", "",
        ].joined(separator: "\r\n")
    }

    /// One attempt: the reply to RCPT, and where it was positive that to the message.
    static func attempt(
        _ wire: Wire, from: String = "a@out.test", author: String? = nil, to: String = "anna@acme.test"
    ) async throws -> [Substring] {
        try await wire.expect("RSET", "250")
        try await wire.expect("MAIL FROM:<\(from)>", "250")
        let answer = try await wire.say("RCPT TO:<\(to)>").prefix(9)
        guard answer.hasPrefix("250") else { return [answer] }
        try await wire.expect("DATA", "354")
        try await wire.send(message(author ?? from) + ".\r\n")
        return [answer, try await wire.reply().prefix(9)]
    }

    static func list(_ server: LiveServer, _ words: String...) async throws {
        let ran = try await server.sluice(["lists"] + words)
        #expect(ran.code == 0, "\(ran)")
    }

    @Test func `who is allowed does not wait, and who is blocked is not asked to come back`() async throws {
        var setup = Self.setup
        let port = try Ports.free(1)[0]
        setup.more = "[metrics]\nbind = [\"127.0.0.1:\(port)\"]\n"
        try await LiveServer.run(setup) { server in
            let wire = try await Self.stranger(server)
            #expect(try await Self.attempt(wire) == ["451 4.7.1"], "a stranger waits")
            // By what is known at RCPT: client and reverse-path.
            try await Self.list(server, "allow", "192.0.2.0/24", "--for", "anna@acme.test")
            #expect(try await Self.attempt(wire) == ["250 2.1.5", "250 2.0.0"])
            #expect(try await Self.attempt(wire, to: "bert@acme.test") == ["451 4.7.1"], "it is anna's word")
            try await Self.list(server, "block", "bad.test", "--match", "envelope-from", "--for", "bert@acme.test")
            #expect(try await Self.attempt(wire, from: "m@bad.test", to: "bert@acme.test") == ["550 5.7.1"])
            #expect(try await Self.attempt(wire, from: "m@bad.test") == ["250 2.1.5", "250 2.0.0"])
            try await Self.list(server, "block", "192.0.2.7", "--global")
            #expect(try await Self.attempt(wire) == ["550 5.7.1"], "everybody's comes first")
            await wire.close()
            // And what an operator sees of it.
            let counts = [
                "greylist_recipients_total{result=\"waits\"} 2", "greylist_recipients_total{result=\"listed\"} 2",
                "greylist_recipients_total{result=\"returned\"} 0", "lists_recipients_total{action=\"allow\"} 2",
                "lists_recipients_total{action=\"block\"} 2", "thresholds_recipients_total{band=\"deliver\"} 2",
            ]
            var page = ""
            let counted = try await eventually {
                let asking = try await Wire.connect(port: port)
                asking.push(Array("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
                page = try await asking.end()
                return counts.allSatisfy { page.contains("\nsluice_\($0)\n") }
            }
            #expect(counted, "\(page.split(separator: "\n").filter { $0.contains("_recipients_total") })")
        }
    }

    @Test func `where only the author tells, a stranger hears after the message that he must wait`() async throws {
        try await LiveServer.run(Self.setup) { server in
            try await Self.list(server, "allow", "friend.test", "--for", "acme.test")
            try await Self.list(server, "block", "foe.test", "--for", "acme.test")
            let wire = try await Self.stranger(server)
            #expect(
                try await Self.attempt(wire, from: "b@list.test", author: "x@friend.test") == [
                    "250 2.1.5", "250 2.0.0",
                ])
            #expect(
                try await Self.attempt(wire, from: "b@list.test", author: "x@foe.test") == ["250 2.1.5", "550 5.7.1"])
            #expect(
                try await Self.attempt(wire, from: "b@list.test", author: "x@else.test") == ["250 2.1.5", "451 4.7.1"])
            let all = try await server.mail(of: "anna@acme.test", count: 1)
            #expect(all.count == 1 && all[0].contains("x@friend.test"))
            // A closed community: whoever is not allowed is refused, and nobody is put off.
            try await Self.list(server, "block", "0.0.0.0/0", "--for", "acme.test")
            #expect(
                try await Self.attempt(wire, from: "new@list.test", author: "y@friend.test") == [
                    "250 2.1.5", "250 2.0.0",
                ])
            #expect(
                try await Self.attempt(wire, from: "new@list.test", author: "y@else.test") == [
                    "250 2.1.5", "550 5.7.1",
                ])
        }
    }
}
