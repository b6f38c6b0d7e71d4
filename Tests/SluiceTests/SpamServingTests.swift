import Foundation
import MailTypes
import Testing

/// Spam at the built server: patterns in workers, points, and what follows from them.
@Suite struct SpamServingTests {
    /// Rules by which a test writes a score into a message: of one mark each.
    static let rules = """
        [rule.TEST_DOUBT]
        describe = "A test has its doubts (a few)"
        points   = 4.5
        body     = '\\bzzdoubt\\b'

        [rule.TEST_JUNK]
        describe = "A test calls it junk"
        points   = 9
        body     = '(?i)\\bzzjunk\\b'

        [rule.TEST_WORST]
        describe = "A test has seen enough"
        points   = 40
        header.Subject = '^zzworst$'

        """

    static let setup: LiveServer.Setup = {
        var setup = LiveServer.Setup()
        setup.isScored = true
        setup.rules["50-test.toml"] = rules
        setup.filters["14-rate.toml"] = ""
        setup.filters["60-thresholds.toml"] = "stage = \"thresholds\"\n[thresholds]\ndelay = \"1s\"\n"
        return setup
    }()

    static func message(_ subject: String, _ body: String) -> String {
        """
        From: Alice Archer <alice@out.test>\r
        To: anna@acme.test\r
        Subject: \(subject)\r
        Date: \(MailDate(Date()))\r
        Message-ID: <\(subject).1@out.test>\r
        \r
        Good morning, here are the minutes of our meeting on Tuesday. \(body)\r

        """
    }

    /// A message's fields, unfolded.
    static func fields(_ octets: [UInt8]) -> [String: String] {
        let head = String(decoding: octets, as: UTF8.self).components(separatedBy: "\r\n\r\n")[0]
        var fields: [String: String] = [:]
        for line in head.replacing("\r\n ", with: " ").replacing("\r\n\t", with: " ").components(separatedBy: "\r\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2, fields[String(parts[0])] == nil {
                fields[String(parts[0])] = parts[1].trimmingCharacters(in: .whitespaces)
            }
        }
        return fields
    }

    static func junk(of address: String, _ server: LiveServer, count: Int = 1) async throws -> [[String: String]] {
        let folder = ".Junk"
        #expect(await eventually { server.mail(of: address, folder: folder).count >= count })
        return server.mail(of: address, folder: folder).map(fields)
    }

    /// Each part of a status with its points and its meaning: `NAME=4.5 (words)`.
    static func symbols(_ status: String) -> [(name: Substring, points: Double, meaning: Substring)] {
        status.split(separator: "; ").dropFirst().compactMap { part in
            guard let match = part.wholeMatch(of: /([A-Z][A-Z0-9_]*)=(-?[0-9.]+) \((.+)\)/),
                let points = Double(match.2)
            else { return nil }
            return (match.1, points, match.3)
        }
    }

    @Test func `spam is junk, with every symbol, its points and what it means`() async throws {
        try await LiveServer.run(Self.setup) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            // Forged fields and a message of the usual kind beside it.
            let forged = "X-Spam: No\r\nX-Spam-Status: No, score=-100\r\n"
            let reply = try await wire.deliver(forged + Self.message("notes", "ZZjunk"))
            #expect(reply.hasPrefix("250"), "\(reply)")
            #expect(try await wire.deliver(Self.message("minutes", "See you.")).hasPrefix("250"))
            let junk = try #require(try await Self.junk(of: "anna@acme.test", server).first)
            #expect(junk["X-Spam"] == "Yes")
            let score = try #require(junk["X-Spam-Score"].flatMap(Double.init))
            let status = try #require(junk["X-Spam-Status"])
            #expect(status.hasPrefix("Yes, score=\(score) defer=4 junk=6 reject=15 result=junk; "), "\(status)")
            let symbols = Self.symbols(status)
            #expect(symbols.count == status.split(separator: "; ").count - 1, "each has points and words: \(status)")
            #expect(symbols.first?.name == "TEST_JUNK" && symbols.first?.points == 9)
            #expect(symbols.first?.meaning == "A test calls it junk")
            let sum = symbols.reduce(0) { $0 + $1.points }
            #expect(abs(sum - score) < 0.001, "what is shown is all there is: \(status)")
            let inbox = try await server.mail(of: "anna@acme.test", count: 1)
            let good = Self.fields(Array(inbox[0].utf8))
            #expect(good["X-Spam"] == nil && good["X-Spam-Status"]?.hasPrefix("No, score=") == true, "\(good)")
            #expect(good["X-Spam-Score"].flatMap(Double.init).map { $0 < 4 } == true)
        }
    }

    @Test func `what is beyond doubt is refused, and what is doubtful comes twice and keeps its score`() async throws {
        try await LiveServer.run(Self.setup) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            let refused = try await wire.deliver(Self.message("zzworst", "x"))
            #expect(refused.hasPrefix("550 5.7.1 This message looks like spam"), "\(refused)")
            let doubtful = Self.message("doubts", "zzdoubt")
            let later = try await wire.deliver(doubtful)
            #expect(later.hasPrefix("451 4.7.1 Please send this message again in 1 seconds"), "\(later)")
            var last = later
            _ = try await eventually {
                last = try await wire.deliver(doubtful)
                return last.hasPrefix("250")
            }
            #expect(last.hasPrefix("250"), "\(last)")
            let mail = Self.fields(Array(try await server.mail(of: "anna@acme.test", count: 1)[0].utf8))
            #expect(mail["X-Spam"] == nil)
            #expect(mail["X-Spam-Score"].flatMap(Double.init).map { (4..<6).contains($0) } == true, "\(mail)")
            #expect(
                mail["X-Spam-Status"]?.contains("TEST_DOUBT=4.5 (A test has its doubts [a few])") == true, "\(mail)")
            #expect(server.mail(of: "anna@acme.test", folder: ".Junk").isEmpty)
        }
    }

    @Test func `one message has for each recipient what its own thresholds say`() async throws {
        try await LiveServer.run(Self.setup) { server in
            for (box, reject) in [("bert@acme.test", "8"), ("carl@acme.test", "off")] {
                let set = try await server.sluice(
                    "thresholds", "set", box, "--defer", "2", "--junk", "3", "--reject", reject)
                #expect(set.code == 0, "\(set)")
            }
            let message = Self.message("three", "zzjunk")
            // One reply: who has other thresholds comes alone.
            let wire = try await server.smtp()
            try await wire.greet()
            try await wire.expect("MAIL FROM:<alice@out.test>", "250")
            try await wire.expect("RCPT TO:<anna@acme.test>", "250")
            try await wire.expect("RCPT TO:<bert@acme.test>", "451 4.5.3")
            try await wire.expect("RCPT TO:<carl@acme.test>", "451 4.5.3")
            try await wire.expect("DATA", "354")
            try await wire.send(message + ".\r\n")
            #expect(try await wire.reply().hasPrefix("250"))
            #expect(try await wire.deliver(message, to: ["bert@acme.test"]).hasPrefix("550 5.7.1"))
            // A reply for each, after DATA.
            try await wire.expect("MAIL FROM:<alice@out.test> PRDR", "250")
            for box in ["anna", "bert", "carl"] { try await wire.expect("RCPT TO:<\(box)@acme.test>", "250") }
            try await wire.expect("DATA", "354")
            try await wire.send(message + ".\r\n")
            var replies: [String] = []
            for _ in 0..<5 { replies.append(String(try await wire.reply().prefix(3))) }
            #expect(replies == ["353", "250", "550", "250", "250"])
            let local = try await server.lmtp()
            try await local.greet("LHLO")
            try await local.expect("MAIL FROM:<alice@out.test>", "250")
            for box in ["anna", "bert", "carl"] { try await local.expect("RCPT TO:<\(box)@acme.test>", "250") }
            try await local.expect("DATA", "354")
            try await local.send(message + ".\r\n")
            replies = []
            for _ in 0..<3 { replies.append(String(try await local.reply().prefix(3))) }
            #expect(replies == ["250", "550", "250"])
            // Three ways for anna, two for carl; bert has nothing.
            let annas = try await Self.junk(of: "anna@acme.test", server, count: 3)
            #expect(annas.count == 3 && annas.allSatisfy { $0["X-Spam-Status"]?.contains("reject=15 ") == true })
            let carls = try await Self.junk(of: "carl@acme.test", server, count: 2)
            #expect(carls.count == 2 && carls.allSatisfy { $0["X-Spam-Status"]?.contains("junk=3 reject=off") == true })
            #expect(
                server.mail(of: "bert@acme.test").isEmpty && server.mail(of: "bert@acme.test", folder: ".Junk").isEmpty)
        }
    }

    @Test func `equal thresholds of two mailboxes keep a transaction together`() async throws {
        try await LiveServer.run(Self.setup) { server in
            for box in ["anna@acme.test", "bert@acme.test"] {
                let set = try await server.sluice(
                    "thresholds", "set", box, "--defer", "2", "--junk", "3", "--reject", "8")
                #expect(set.code == 0)
            }
            let wire = try await server.smtp()
            try await wire.greet()
            let refused = try await wire.deliver(
                Self.message("same", "zzjunk"), to: ["anna@acme.test", "bert@acme.test"])
            #expect(refused.hasPrefix("550 5.7.1"))
        }
    }

    @Test func `a scored message is judged again from its trace, and other points are a difference`() async throws {
        try await LiveServer.run(Self.setup) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            let reply = try await wire.deliver(Self.message("again", "zzjunk zzdoubt"))
            #expect(reply.hasPrefix("250"), "\(reply)")
            let id = String(reply.suffix(16))
            #expect(try await eventually { try await server.sluice("trace", id).code == 0 })
            let same = try await server.sluice("replay", id)
            #expect(same.code == 0 && same.output.contains("Judged 1 again: 0 found otherwise."), "\(same)")
            // The rules are the file's of now, patterns and all.
            func replay(_ from: String, _ to: String) async throws -> Ran {
                try server.folder.write(Self.rules.replacing(from, with: to), to: "rules.d/50-test.toml")
                defer { try? server.folder.write(Self.rules, to: "rules.d/50-test.toml") }
                return try await server.sluice("replay", id)
            }
            let other = try await replay("points   = 9", "points   = 9.5")
            #expect(other.code == 1 && other.output.contains("Judged 1 again: 1 found otherwise."), "\(other)")
            #expect(other.output.contains("TEST_JUNK"), "\(other)")
            let worse = try await replay("points   = 9", "points   = 19")
            #expect(worse.code == 1 && worse.output.contains("outcome was accepted, now rejected"), "\(worse)")
            let blind = try await replay("zzjunk", "zznothing")
            #expect(blind.code == 1 && blind.output.contains("TEST_JUNK"), "\(blind)")
        }
    }
}
