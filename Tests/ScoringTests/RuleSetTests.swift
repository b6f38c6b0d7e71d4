import Configuration
import Content
import MailTypes
import Sandbox
import Scoring
import Testing

/// Rules of a text, and what they find in a message.
struct RuleBench {
    let rules: RuleSet
    let matcher: LocalPatterns

    init(_ text: String) throws {
        let loaded = RuleFolder.read([.init(name: "rules.toml", octets: Array(text.utf8))])
        #expect(loaded.diagnostics.map(\.description) == [])
        rules = loaded.value.rules
        matcher = try LocalPatterns(try PatternImage(rules))
    }

    func evidence(_ message: String) throws -> Evidence {
        let octets = message.utf8.flatMap { $0 == .lf ? [.cr, .lf] : [$0] }
        let parsed = try Message(parsing: Bytes(octets))
        return Evidence(parsed, content: MessageContent(of: parsed))
    }

    func holding(_ evidence: Evidence) throws -> Set<String> {
        let hits = try matcher.match(rules.texts(of: evidence))
        return Set(rules.holding(evidence, hits: hits).map(\.rule.name))
    }

    func holding(_ message: String) throws -> Set<String> { try holding(try evidence(message)) }
}

@Suite struct RuleSetTests {
    static let message = """
        From: "Anna" <anna@out.example>
        To: bert@here.example
        Subject: =?utf-8?q?You_have_won?=
         a prize
        Message-ID: <1@out.example>
        Content-Type: text/html; charset=utf-8

        <p>Click <a href="http://evil.example/a?b=1">www.bank.example</a>&nbsp;now, wi\u{200B}nner.</p>
        <p style="display:none">secret words</p> V\u{456}agra
        <p>second second second</p>

        """

    static let tests: [(test: String, holds: Bool)] = [
        ("body = 'Click www.bank.example now, winner\\.'", true), ("body = '(?i)CLICK'", true),
        ("body = 'CLICK'", false),
        ("body = 'secret'", false), ("hidden = 'secret words'", true), ("hidden = 'Click'", false),
        ("body = '^second'", true), ("body = 'winner\\.$'", true), ("body = 'Viagra'", true),
        ("body = 'second'\nat_least = 3", true), ("body = 'second'\nat_least = 4", false),
        ("header.Subject = '^You have won a prize$'", true), ("header.subject = 'won'", true),
        ("header.Subject = '=\\?utf'", false), ("raw_header.Subject = '=\\?utf'", true),
        ("raw_header.Subject = '^ a prize$'", true), ("header.X-Other = '.'", false),
        ("raw = '(?i)^content-type: text/html'", true), ("raw = '<a href='", true),
        ("uri = '^http://evil\\.example/a\\?b=1$'", true), ("host = '^evil\\.example$'", true),
        ("host = 'evil.example/a'", false), ("link = '^www\\.bank'", true), ("file = '.'", false),
        ("envelope.sender = '^mallory@'", true), ("envelope.recipient = '@here'", true),
        ("envelope.hello = '^mx$'", true), ("envelope.client = '^192\\.0\\.2\\.9$'", true),
        ("when = 'uri.mismatched and html.hidden >= 10'", true), ("when = 'uri.of_author'", false),
        ("when = 'from.differs_from_envelope and spf.fail and not dkim.pass'", true),
        ("when = 'symbol(\"LISTED\") and not symbol(\"OTHER\")'", true), ("when = 'field(\"to\") == 1'", true),
        ("when = 'html.only and subject.words == 5'", true), ("when = 'message_id.of_author'", true),
        ("when = 'text.lookalike_words == 1 and text.invisible_in_words == 1'", true),
    ]

    @Test(arguments: tests)
    func `a rule looks where it says`(_ row: (test: String, holds: Bool)) throws {
        let bench = try RuleBench("[rule.A]\n\(row.test)")
        var evidence = try bench.evidence(Self.message)
        evidence.envelope = Envelope(
            sender: "mallory@evil.example", recipients: [EnvelopeRecipient("bert@here.example")])
        evidence.client.address = IPAddress("192.0.2.9")
        evidence.client.hello = "mx"
        evidence.authentication.entries = [.init(method: "spf", result: .fail)]
        evidence.symbols = ["LISTED"]
        #expect(try bench.holding(evidence).contains("A") == row.holds)
    }

    private func body(_ html: String, _ words: String) throws -> Bool {
        let bench = try RuleBench("[rule.A]\nbody = '\(words)'")
        let message = "From: a@out.example\nContent-Type: text/html; charset=utf-8\n\n\(html)\n"
        return try bench.holding(message).contains("A")
    }

    @Test func `of a long text the beginning and the end are looked at, and it is said`() throws {
        let bench = try RuleBench(
            """
            [rule.FIRST]
            body = 'first words'
            [rule.LAST]
            body = 'last words'
            [rule.MIDDLE]
            body = 'middle words'
            [rule.CUT]
            when = 'text.not_read'
            """)
        func message(_ count: Int) -> String {
            let padding = String(repeating: "caf\u{E9} and more of it \n", count: count)
            let header = "From: a@out.example\nContent-Type: text/plain; charset=utf-8\n\n"
            return "\(header)first words\n\(padding)middle words\n\(padding)last words\n"
        }
        #expect(try bench.holding(message(10_000)) == ["FIRST", "LAST", "CUT"])
        #expect(try bench.holding(message(1_000)) == ["FIRST", "LAST", "MIDDLE"])
    }

    @Test func `where hardly anything is said, hidden text and that of pictures are part of it`() throws {
        let hidden = "<p style='display:none'>cheap pills \(String(repeating: "for you ", count: 12))</p>"
        let words = "<p>\(String(repeating: "minutes ", count: 30))</p>"
        #expect(try body("<p>Hello</p>\(hidden)", "cheap pills"))
        #expect(try !body("\(words)\(hidden)", "cheap pills"))
        #expect(try !body("<p>Hello</p><p style='display:none'>cheap pills</p>", "cheap pills"))
        #expect(try body("<p>Hello</p><img src='http://a.example/1' alt='cheap pills'>", "^cheap pills$"))
        #expect(try !body("\(words)<img src='http://a.example/1' alt='cheap pills'>", "cheap pills"))
    }

    @Test func `what a reader sees is found, however it is written`() throws {
        #expect(try body("<p>ch\u{338}eap pi\u{336}lls</p>", "cheap pills"))
        #expect(try body("<bdo dir=rtl>sllip paehc</bdo>", "cheap pills"))
        #expect(try body("<p style='mso-hide:all'>cheap pills</p>", "cheap pills"))
    }

    @Test func `rules build upon each other, wherever they stand`() throws {
        let bench = try RuleBench(
            """
            [rule.LAST]
            when = 'count(TWO, ONE, NONE) == 2 and not NONE'
            [rule.TWO]
            when = 'ONE'
            [rule.ONE]
            body = 'Click'
            [rule.NONE]
            body = 'nothing of it'
            """)
        #expect(try bench.holding(Self.message) == ["LAST", "TWO", "ONE"])
    }

    @Test func `points are the domain's own where it has some, and zero is none`() throws {
        let bench = try RuleBench(
            """
            [rule.A]
            describe = "a"
            points = 1
            body = 'Click'
            [rule.B]
            describe = "b"
            points = 2
            body = 'Click'
            [rule.HELPER]
            body = 'Click'
            [points]
            A = 1.5
            [domain."here.example".points]
            A = -3
            B = 0
            """)
        let evidence = try bench.evidence(Self.message)
        let hits = try bench.matcher.match(bench.rules.texts(of: evidence))
        func points(_ domain: String?) -> [String: Double] {
            let found = bench.rules.evaluate(evidence, hits: hits, domain: domain)
            return Dictionary(uniqueKeysWithValues: found.map { ($0.rule.name, $0.points) })
        }
        #expect(points(nil) == ["A": 1.5, "B": 2])
        #expect(points("other.example") == ["A": 1.5, "B": 2])
        #expect(points("here.example") == ["A": -3])
    }

    @Test func `where something matched is told to who asks`() throws {
        let bench = try RuleBench("[rule.A]\nbody = 'win+er'")
        let evidence = try bench.evidence(Self.message)
        let texts = bench.rules.texts(of: evidence)
        let hits = try LocalPatterns.located(try bench.matcher.match(texts), of: bench.rules, in: texts)
        let hit = try #require(hits.first)
        let text = try #require(texts.texts?[hit.text])
        let octets = Array(texts.octets[text.range])[hit.range]
        #expect(String(decoding: octets, as: UTF8.self) == "winner")
    }

    @Test func `a library's complaint has the place of its pattern`() throws {
        let loaded = RuleFolder.read([.init(name: "r.toml", octets: Array("[rule.A]\nheader.To = 'a*'".utf8))])
        let problem = try #require(PatternImage.problems(of: loaded.value.rules).first)
        let diagnostic = loaded.value.diagnostic(pattern: problem.pattern, problem.message)
        #expect(diagnostic.description == "r.toml:2:13: error: the pattern: it matches where nothing is")
    }

    @Test func `texts that nobody has made are refused`() throws {
        let bench = try RuleBench("[rule.A]\nbody = 'a'")
        for octets: [UInt8] in [[0], [0, 0, 0, 0, 0, 9, 65], [0, 7, 0, 0, 0, 1, 65], [0, 0, 255, 255, 255, 255]] {
            #expect(throws: PatternFailure.self) { try bench.matcher.match(PatternTexts(octets: octets)) }
        }
        #expect(try bench.matcher.match(PatternTexts()) == [])
    }
}
