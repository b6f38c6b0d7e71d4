import Foundation
import Testing

/// What strangers put into messages, at the built server with all of its chain.
@Suite struct ContentThreatTests {
    static let setup: LiveServer.Setup = {
        var setup = LiveServer.Setup()
        setup.isScored = true
        setup.filters["14-rate.toml"] = ""
        // What is found is told, and nothing is done about it.
        setup.filters["60-thresholds.toml"] =
            "stage = \"thresholds\"\n[thresholds]\ndefer = 999\njunk = 999\nreject = 999\n"
        return setup
    }()

    static func head(_ more: String...) -> String {
        ([
            "From: a@out.test", "To: anna@acme.test", "Subject: x", "Date: Sat, 14 Nov 2026 09:28:40 +0000",
            "Message-ID: <1@out.test>", "MIME-Version: 1.0",
        ] + more).joined(separator: "\r\n") + "\r\n\r\n"
    }

    static func delivered(_ server: LiveServer, _ messages: [String]) async throws -> [String] {
        let wire = try await server.smtp()
        try await wire.greet()
        for message in messages {
            let reply = try await wire.deliver(message)
            #expect(reply.hasPrefix("250"), "\(reply)")
        }
        return try await server.mail(of: "anna@acme.test", count: messages.count)
    }

    static let hidden: [(symbol: String, message: String)] = [
        (
            "MESSAGE_PIECE",
            head("Content-Type: message/partial; id=\"1@out.test\"; number=1; total=2")
                + "Subject: y\r\n\r\nthe first half\r\n"
        ),
        (
            "BODY_ELSEWHERE",
            head("Content-Type: message/external-body; access-type=URL; URL=\"http://out.test/x\"")
                + "Content-Type: application/octet-stream\r\n\r\n"
        ),
        (
            "FILE_TNEF",
            head(
                "Content-Type: application/ms-tnef; name=\"winmail.dat\"", "Content-Transfer-Encoding: base64",
                "Content-Disposition: attachment; filename=\"winmail.dat\"")
                + "eJ8+IgEGkAgABAAAAAAAAQABAAEHkAYACAAAAA==\r\n"
        ),
        (
            "SEALED",
            head(
                "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=\"smime.p7m\"",
                "Content-Transfer-Encoding: base64")
                + "MIIBHgYJKoZIhvcNAQcDoIIBDzCCAQsCAQAxgcAwgb0CAQAwJjASMRAwDg==\r\n"
        ),
    ]

    @Test func `R51: what cannot be looked into is told to whoever reads the score`() async throws {
        try await LiveServer.run(Self.setup) { server in
            let mail = try await Self.delivered(
                server, Self.hidden.map(\.message) + [Self.head() + "Good morning.\r\n"])
            func statuses(with symbol: String) -> Int {
                mail.count { $0.replacing("\r\n ", with: " ").contains("\(symbol)=") }
            }
            for (symbol, _) in Self.hidden { #expect(statuses(with: symbol) == 1, "\(symbol): \(mail)") }
        }
    }

    @Test func `R54: a message at its limit is taken, whatever is added to it`() async throws {
        var setup = Self.setup
        setup.smtp = "message_size = \"64KB\""
        setup.filters["16-size.toml"] = "stage = \"size\"\n[size]\nmax = \"64KB\"\n"
        try await LiveServer.run(setup) { server in
            let head = Self.head()
            let line = String(repeating: "x", count: 70) + "\r\n"
            let limit = 64 << 10
            var body = String(repeating: line, count: (limit - head.utf8.count) / line.utf8.count)
            body += String(repeating: "y", count: limit - head.utf8.count - body.utf8.count - 2) + "\r\n"
            let message = head + body
            #expect(message.utf8.count == limit)
            let mail = try await Self.delivered(server, [message])
            #expect(mail[0].utf8.count > limit && mail[0].hasSuffix(message))
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(message + "z\r\n").hasPrefix("552"))
        }
    }

    @Test func `R55: no name in a message is a name on our disk`() async throws {
        let names = [
            "../../../../../escaped", "/tmp/sluice-escaped", "C:\\escaped.exe", "escaped\u{0}.txt",
            String(repeating: "escaped", count: 600),
        ]
        try await LiveServer.run(Self.setup) { server in
            let messages = names.map { name in
                let octets = name.utf8.map { String(format: "%%%02X", $0) }.joined()
                return Self.head(
                    "Content-Type: application/octet-stream", "Content-Transfer-Encoding: base64",
                    "Content-Disposition: attachment;\r\n filename*=utf-8''\(octets)") + "AAAA\r\n"
            }
            _ = try await Self.delivered(server, messages)
            let files = FileManager.default.enumerator(atPath: server.folder.path)?.compactMap { $0 as? String } ?? []
            #expect(files.count > 10)
            #expect(files.filter { $0.contains("escaped") } == [])
            #expect(!FileManager.default.fileExists(atPath: "/tmp/sluice-escaped"))
            let trace = try await server.sluice("trace", "--since", "1h")
            #expect(trace.code == 0 && !trace.output.utf8.contains(0))
        }
    }

    @Test func `R57: a pattern that others would take for ever on costs no more than its text`() async throws {
        var setup = Self.setup
        setup.rules["50-test.toml"] = """
            [rule.TEST_NESTED]
            describe = "A pattern that makes others go back and back"
            points   = 1
            body     = '(a+)+(b|aa)*(a|aa)+!$'

            """
        try await LiveServer.run(setup) { server in
            let line = String(repeating: "a", count: 900) + "\r\n"
            let mail = try await Self.delivered(
                server, [Self.head() + String(repeating: line, count: 1_000), Self.head() + "aaaa!\r\n"])
            #expect(mail.allSatisfy { !$0.contains("X-Sluice-Unchecked") }, "it was judged in time")
            #expect(mail.count { $0.contains("TEST_NESTED") } == 1)
        }
    }

    /// Octets that a careless program puts right: folding, blanks at ends, cases, tabs, octets beyond ASCII, dots.
    static let odd =
        "fRoM:a@out.test\r\nTO:\tanna@acme.test,\r\n\t bert@acme.test \r\nSubject:=?utf-8?q?x?=\r\n  y  \r\n"
        + "Date: Sat, 14 Nov 2026 09:28:40 +0000 (a  comment)\r\nMessage-Id:<1@out.test>\r\n"
        + "X-Long: " + String(repeating: "l", count: 960) + "\r\nMIME-version:1.0\r\n"
        + "Content-Type:multipart/mixed;boundary= \"b\"\r\n\r\npreamble \t\r\n--b \r\nContent-Type:text/plain\r\n\r\n"
        + "..dots\r\n.\t\r\nFrom here on \r\n\r\n\r\n--b--\r\nepilogue\u{E9}\t \r\n\r\n"

    @Test func `R58: a message goes through the whole chain as it came`() async throws {
        try await LiveServer.run(Self.setup) { server in
            let mail = try await Self.delivered(server, [Self.odd])
            #expect(mail[0].hasSuffix(Self.odd), "\(mail[0].debugDescription)")
            #expect(mail[0].hasPrefix("Return-Path:") || mail[0].contains("X-Spam-Status:"))
        }
    }
}
