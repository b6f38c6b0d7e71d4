import Foundation
import Testing

/// What strangers do to the line between commands and content. The ids are those of docs/threat-model.md.
@Suite struct FramingThreatTests {
    /// False ends of a message.
    static let falseEnds = [
        "\n.\n", "\n.\r", "\r.\n", "\r.\r", "\n.\r\n", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\r\n.\r\r\n", "\r\r\n.\r\r\n",
        "\r\n\0.\r\n", "\r\n.\0\r\n",
    ]

    static let smuggled =
        "MAIL FROM:<evil@out.test>\r\nRCPT TO:<bert@acme.test>\r\nDATA\r\n"
        + "From: evil@out.test\r\nSubject: smuggled\r\n\r\nx"

    @Test func `R1: a false end of data never makes two messages`() async throws {
        try await LiveServer.run { server in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await Self.smuggle { try await Self.greeted(try await server.smtp(), "EHLO") } }
                group.addTask { try await Self.smuggle { try await server.submission() } }
                group.addTask { try await Self.smuggle { try await Self.greeted(try await server.lmtp(), "LHLO") } }
                try await group.waitForAll()
            }
            #expect(try await server.queueIsEmpty())
            #expect(server.mail(of: "bert@acme.test").isEmpty)
            #expect(server.everything().allSatisfy { !$0.hasPrefix("Subject: smuggled") })
        }
    }

    private static func greeted(_ wire: Wire, _ verb: String) async throws -> Wire {
        try await wire.greet(verb)
        return wire
    }

    /// Each form, cut in two at each of its octets and a few around them.
    private static func smuggle(_ connect: () async throws -> Wire) async throws {
        for form in falseEnds {
            let wire = try await connect()
            let content = Array("From: anna@acme.test\r\nSubject: first\r\n\r\nbody\(form)\(smuggled)\r\n.\r\n".utf8)
            let place = "From: anna@acme.test\r\nSubject: first\r\n\r\nbody".utf8.count
            for cut in (place - 1)...(place + form.utf8.count + 1) {
                try await wire.expect("MAIL FROM:<anna@acme.test>", "250")
                try await wire.expect("RCPT TO:<anna@acme.test>", "250")
                try await wire.expect("DATA", "354")
                try await wire.send(Array(content[..<cut]))
                try await Task.sleep(for: .milliseconds(2))
                try await wire.send(Array(content[cut...]))
                let reply = try await wire.reply()
                #expect(reply.hasPrefix("5"), "\(form.debugDescription) cut at \(cut): \(reply)")
                let next = try await wire.say("NOOP")
                #expect(next.hasPrefix("250 "), "\(form.debugDescription) cut at \(cut): \(next)")
            }
            await wire.close()
        }
    }

    @Test func `R2: no CR or LF alone leaves for the next server`() async throws {
        let sink = try await Sink.start()
        var setup = LiveServer.Setup()
        setup.smtp = "line_ends = \"clean\""
        setup.filters["20-transport.toml"] = .transport(["far.test": "smtp:[127.0.0.1]:\(sink.port)"])
        try await LiveServer.run(setup) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            var taken = 0
            for form in Self.falseEnds {
                let content = "From: a@out.test\r\nSubject: first\r\n\r\nbody\(form)\(Self.smuggled)\r\n.\r\n"
                try await wire.expect("MAIL FROM:<a@out.test>", "250")
                try await wire.expect("RCPT TO:<u@far.test>", "250")
                try await wire.expect("DATA", "354")
                try await wire.send(content)
                if try await wire.reply().hasPrefix("250") { taken += 1 }
                #expect(try await wire.say("NOOP").hasPrefix("250"))
            }
            #expect(taken >= 8, "\(taken) were cleaned and taken")
            let messages = try await sink.messages(count: taken)
            #expect(try await server.queueIsEmpty())
            #expect(messages.count == taken)
            #expect(messages.allSatisfy { $0.recipients == ["u@far.test"] })
            let octets = sink.octets
            for (place, octet) in octets.enumerated() {
                if octet == 13 { #expect(place + 1 < octets.count && octets[place + 1] == 10) }
                if octet == 10 { #expect(place > 0 && octets[place - 1] == 13) }
            }
        }
        await sink.stop()
    }

    @Test func `R5, R167: nothing of a refused message is left for the next`() async throws {
        var setup = LiveServer.Setup()
        setup.smtp = "message_size = \"64KB\""
        try await LiveServer.run(setup) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            try await wire.expect("MAIL FROM:<a@out.test>", "250")
            try await wire.expect("RCPT TO:<anna@acme.test>", "250")
            try await wire.send("BDAT 100000\r\n" + String(repeating: "x", count: 100_000))
            #expect(try await wire.reply().hasPrefix("552"))
            try await wire.expect("DATA", "503")
            // A good one, then one without a sender, then one without a From field, then a good one.
            let good = "From: a@out.test\r\nSubject: good\r\n\r\nx\r\n"
            #expect(try await wire.deliver(good).hasPrefix("250"))
            try await wire.expect("RCPT TO:<anna@acme.test>", "503")
            try await wire.expect("DATA", "503")
            #expect(try await wire.deliver("Subject: bad\r\n\r\nx\r\n").hasPrefix("550 5.6.0"))
            try await wire.expect("RCPT TO:<anna@acme.test>", "503")
            try await wire.expect("DATA", "503")
            try await wire.expect("MAIL FROM:<a@out.test>", "250")
            try await wire.expect("RCPT TO:<anna@acme.test>", "250")
            try await wire.expect("RSET", "250")
            try await wire.expect("DATA", "503")
            #expect(try await wire.deliver(good, to: ["bert@acme.test"]).hasPrefix("250"))
            #expect(try await wire.deliver("Subject: bad\r\n\r\nx\r\n").hasPrefix("550 5.6.0"))
            _ = try await server.mail(of: "bert@acme.test", count: 1)
            #expect(try await server.mail(of: "anna@acme.test", count: 1).count == 1)
        }
    }

    @Test(arguments: ["smtp", "submission", "lmtp"])
    func `R7: what is said before the handshake is not heard after it`(_ language: String) async throws {
        var setup = LiveServer.Setup()
        setup.lmtp = "tls = \"starttls\""
        try await LiveServer.run(setup) { server in
            let port =
                ["smtp": server.ports.smtp, "submission": server.ports.submission][language] ?? server.ports.lmtp
            let wire = try await Wire.connect(port: port)
            try await wire.greet(language == "lmtp" ? "LHLO" : "EHLO")
            try await wire.send("STARTTLS\r\nNOOP injected\r\nMAIL FROM:<evil@out.test>\r\n")
            let reply = try await wire.reply()
            if reply.hasPrefix("220") {
                try await wire.startTLS()
                let hello = try await wire.say(language == "lmtp" ? "LHLO inside.test" : "EHLO inside.test")
                // Judged for its impatience or greeted anew; what was injected is gone in either case.
                #expect(hello.hasPrefix("250-mx.acme.test") || hello.hasPrefix("554 5.5.0"), "\(hello)")
                try await wire.expect("RCPT TO:<anna@acme.test>", "503")
            } else {
                #expect(reply.hasPrefix("554 5.5"), "\(reply)")
                #expect(try await wire.end().isEmpty)
            }
            #expect(!server.log.contains("evil@out.test"))
        }
    }

    @Test func `R9: who speaks before the greeting is sent away`() async throws {
        var setup = LiveServer.Setup()
        setup.smtp = "greet_delay = \"500ms\""
        try await LiveServer.run(setup) { server in
            let wire = try await server.smtp()
            try await wire.send("EHLO early.test\r\n")
            #expect(try await wire.reply().hasPrefix("554"))
            try await wire.end()
            let patient = try await server.smtp()
            #expect(try await patient.reply().hasPrefix("220"))
        }
    }

    @Test(arguments: [
        ("EHLO x.test\r\nMAIL FROM:<a@out.test>\r\n", false, false),
        ("HELO x.test\r\nMAIL FROM:<a@out.test>\r\n", false, false),
        ("HELO x.test|MAIL FROM:<a@out.test>\r\nRCPT TO:<anna@acme.test>\r\n", false, false),
        (
            "EHLO x.test|MAIL FROM:<a@out.test>\r\nRCPT TO:<anna@acme.test>\r\nDATA\r\nFrom: x@out.test\r\n", false,
            false
        ),
        ("EHLO x.test|NOOP\r\nMAIL FROM:<a@out.test>\r\n", false, false),
        ("EHLO x.test|MAIL FROM:<a@out.test>\r\nRCPT TO:<anna@acme.test>\r\nDATA\r\n", true, false),
        ("EHLO x.test|RSET\r\nMAIL FROM:<a@out.test>\r\nRCPT TO:<anna@acme.test>\r\n", true, false),
        ("EHLO x.test|MAIL FROM:<anna@acme.test>\r\nRCPT TO:<anna@acme.test>\r\nDATA\r\n", true, true),
    ])
    func `R10: pipelining is for those who may, and where they may`(
        _ text: String, _ isLegal: Bool, _ isLoggedIn: Bool
    ) async throws {
        try await LiveServer.run { server in
            let wire: Wire
            if isLoggedIn {
                wire = try await server.submission()
            } else {
                wire = try await server.smtp()
                _ = try await wire.reply()
            }
            for part in text.split(separator: "|") {
                let isWhole = part.hasSuffix("\r\n")
                try await wire.send(isWhole ? String(part) : "\(part)\r\n")
                if !isWhole { #expect(try await wire.reply().hasPrefix("250")) }
            }
            if isLegal {
                for _ in 0..<3 { #expect(try await wire.reply().first.map { "23".contains($0) } == true) }
            } else {
                let said = try await wire.end()
                #expect(said.contains("554 5.5"), "\(said)")
            }
        }
    }

    static let foreign = [
        "GET /canary HTTP/1.1\r\nHost: canary\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\nEHLO canary\r\nMAIL FROM:<a@out.test>\r\n",
        "CONNECT canary:25 HTTP/1.1\r\n\r\n", "SSH-2.0-canary\r\n", "\u{16}\u{3}\u{1}\u{2}\0\u{1}canary\r\n\r\n",
    ]

    @Test func `R13: another protocol is sent away, and nothing of it comes back`() async throws {
        try await LiveServer.run { server in
            for port in [server.ports.smtp, server.ports.submission, server.ports.lmtp, server.ports.submissions] {
                for text in Self.foreign {
                    let wire = try await Wire.connect(port: port)
                    if port != server.ports.submissions { _ = try await wire.reply() }
                    // A hello of TLS is what that port is there for.
                    if port == server.ports.submissions, text.hasPrefix("\u{16}") { continue }
                    wire.push(Array(text.utf8))
                    wire.push(Array("MAIL FROM:<a@out.test>\r\nRCPT TO:<anna@acme.test>\r\nDATA\r\nx\r\n.\r\n".utf8))
                    let said = try await wire.end()
                    #expect(!said.contains("canary") && !said.contains("250"), "\(port) \(text): \(said)")
                }
            }
            #expect(try await server.queueIsEmpty())
            #expect(server.everything().isEmpty)
        }
    }

    @Test func `R22: who is not listed may not say who the client is`() async throws {
        var setup = LiveServer.Setup()
        setup.lmtp = "proxy_from = [\"127.0.0.1\"]\nproxy_timeout = \"1s\""
        try await LiveServer.run(setup) { server in
            let wire = try await server.smtp()
            let hello = try await wire.greet()
            #expect(!hello.contains("XCLIENT") && !hello.contains("XFORWARD"))
            try await wire.expect("XCLIENT ADDR=192.0.2.1 NAME=trusted.test", "5")
            try await wire.expect("XFORWARD ADDR=192.0.2.1", "5")
            for header in ["PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n", "\r\n\r\n\0\r\nQUIT\n\u{21}\u{11}\0\u{0C}"] {
                let liar = try await server.smtp()
                _ = try await liar.reply()
                try await liar.send(header + "EHLO x.test\r\n")
                let said = try await liar.end()
                #expect(!said.contains("192.0.2"))
            }
            #expect(!server.log.contains("192.0.2"))
            // A listed proxy that cuts its header short is not waited for.
            for header in ["PROXY TCP4 192.0.2.1", "\r\n\r\n\0\r\nQUIT\n\u{21}"] {
                let short = try await server.lmtp()
                try await short.send(header)
                #expect(try await short.end().isEmpty)
            }
            let whole = try await server.lmtp()
            try await whole.send("PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n")
            try await whole.greet("LHLO")
        }
    }

    @Test func `R24: a login at an odd time is refused, and harms nobody`() async throws {
        try await LiveServer.run { server in
            let plain = try await Wire.connect(port: server.ports.submission)
            try await plain.greet()
            try await plain.expect("AUTH PLAIN AGFubmEAeA==", "538")
            try await plain.expect("MAIL FROM:<anna@acme.test>", "530")
            let wire = try await server.submission()
            try await wire.expect("AUTH PLAIN AGFubmEAeA==", "503")
            try await wire.expect("MAIL FROM:<anna@acme.test>", "250")
            try await wire.expect("AUTH LOGIN", "503")
            try await wire.expect("RCPT TO:<anna@acme.test>", "250")
            for leaving in ["AUTH PLAIN", "AUTH LOGIN"] {
                let gone = try await Wire.connect(port: server.ports.submission)
                try await gone.greet()
                try await gone.expect("STARTTLS", "220")
                try await gone.startTLS()
                try await gone.expect("EHLO x.test", "250")
                try await gone.expect(leaving, "334")
                await gone.close()
            }
            let star = try await Wire.connect(port: server.ports.submission)
            try await star.greet()
            try await star.expect("STARTTLS", "220")
            try await star.startTLS()
            try await star.expect("EHLO x.test", "250")
            try await star.expect("AUTH LOGIN", "334")
            try await star.expect("*", "501")
            try await star.expect("AUTH PLAIN", "334")
            try await star.expect("=====", "501")
            try await star.expect("NOOP", "250")
            try await wire.expect("DATA", "354")
        }
    }

    @Test func `R25: LMTP says one reply for each recipient, in their order`() async throws {
        var setup = LiveServer.Setup()
        // beta.test takes only small messages; what is refused there is refused for its recipients alone.
        setup.filters["16-size.toml"] = """
            stage = "size"
            [size]
            ceiling = "50MB"
            [domain."beta.test".size]
            max = "1KB"
            """
        try await LiveServer.run(setup) { server in
            #expect(
                try await server.sluice("mailbox", "add", "dora@beta.test", "--password-stdin", input: "x\n").code == 0)
            let wire = try await server.lmtp()
            try await wire.greet("LHLO")
            try await wire.expect("MAIL FROM:<a@out.test>", "250")
            try await wire.expect("RCPT TO:<anna@acme.test>", "250")
            try await wire.expect("RCPT TO:<nobody@acme.test>", "550")
            try await wire.expect("RCPT TO:<dora@beta.test>", "250")
            try await wire.expect("RCPT TO:<bert@acme.test>", "250")
            try await wire.expect("DATA", "354")
            let message = "From: a@out.test\r\n\r\n" + String(repeating: "0123456789\r\n", count: 200)
            try await wire.send(message + ".\r\n")
            #expect(try await wire.reply().hasPrefix("250"))
            #expect(try await wire.reply().hasPrefix("552"))
            #expect(try await wire.reply().hasPrefix("250"))
            try await wire.expect("NOOP", "250")
            // One that leaves after the first of its replies.
            let gone = try await server.lmtp()
            try await gone.greet("LHLO")
            try await gone.deliver(
                "From: a@out.test\r\n\r\nx\r\n", to: ["anna@acme.test", "bert@acme.test"], replies: 1)
            await gone.close()
            _ = try await server.mail(of: "anna@acme.test", count: 2)
            #expect(try await server.mail(of: "bert@acme.test", count: 2).count == 2)
            #expect(server.mail(of: "dora@beta.test").isEmpty)
        }
    }
}

extension String {
    /// A file of the transport stage.
    static func transport(_ routes: [String: String]) -> String {
        "stage = \"transport\"\n[transport]\n"
            + routes.sorted { $0.key < $1.key }.map { "\"\($0.key)\" = \"\($0.value)\"\n" }.joined()
    }
}
