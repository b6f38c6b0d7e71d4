import Content
import MailTypes
import Pipeline
import Scoring
import SluiceTesting
import Testing

@testable import Filters

@Suite struct SpamTests {
    /// Finds a pattern wherever its letters stand in the texts.
    struct LetterPatterns: PatternMatcher {
        let rules: RuleSet
        var failure: PatternFailure?

        func match(_ texts: PatternTexts) throws(PatternFailure) -> [PatternHit] {
            if let failure { throw failure }
            let all = String(decoding: texts.octets, as: UTF8.self)
            return rules.patterns.enumerated().filter { all.contains($1.expression) }.map {
                PatternHit(pattern: $0.offset, count: 1, text: 0, range: 0..<1)
            }
        }
    }

    static let rules = RuleSet(
        [
            Rule("PRIZE", points: 1.25, description: "A prize", test: .pattern(Pattern("prize", in: .body))),
            Rule("GOOD", points: -0.5, description: "Good", test: .pattern(Pattern("hello", in: .body))),
            Rule("PROVED", points: 2, description: "Not proved", test: .condition(.term(.fact("spf.fail")))),
            Rule("LISTED", points: 3, description: "Listed", test: .condition(.term(.symbol("DNSBL_X")))),
        ], domains: ["own.example": ["PRIZE": 7]])

    static func stage(_ policy: Spam.Configuration = .init(), failing: PatternFailure? = nil) throws -> Spam {
        var tools = StageTools(cryptography: NoCryptography(), keys: NoCryptography())
        tools.scoring = ScoringTools(rules, matcher: LetterPatterns(rules: rules, failure: failing))
        return try Spam(policy).equipped(with: tools)
    }

    static func message(_ text: String) throws -> Message {
        try Message(parsing: Bytes(Array("From: a@b.example\r\nSubject: x\r\n\r\n\(text)\r\n".utf8)))
    }

    static func symbols(_ finding: Finding) -> [String: Double] {
        var found: [String: Double] = [:]
        for case .score(let symbol) in finding.edits { found[symbol.name] = symbol.points }
        return found
    }

    @Test func `each rule that holds is a symbol, with its points and what it means`() async throws {
        let finding = try await Self.stage().message(try Self.message("hello, a prize"), in: .sample())
        #expect(finding.verdict == .continue)
        #expect(finding.edits.contains(.score(Symbol("PRIZE", points: 1.25, description: "A prize"))))
        #expect(Self.symbols(finding) == ["PRIZE": 1.25, "GOOD": -0.5])
        #expect(finding.note == "2 rules, 0.75 points")
        #expect(try await Self.stage().message(try Self.message("nothing"), in: .sample()) == .none)
    }

    @Test func `rules go by what stages before have found`() async throws {
        var transaction = Transaction.sample()
        transaction.authentication.entries = [.init(method: "spf", result: .fail)]
        transaction.symbols = [Symbol("DNSBL_X", points: 1, description: "")]
        let finding = try await Self.stage().message(try Self.message("nothing"), in: transaction)
        #expect(Self.symbols(finding) == ["PROVED": 2, "LISTED": 3])
    }

    @Test func `a domain's own points are named at RCPT, and hold for those who were named`() async throws {
        let stage = try Self.stage()
        let own = try await stage.recipient(.local("anna@own.example"), in: .sample())
        let other = try await stage.recipient(.local("anna@here.example"), in: .sample())
        #expect(other == .none)
        guard case .policy(let name) = own.edits.first else {
            Issue.record("no policy is named")
            return
        }
        var transaction = Transaction.sample()
        transaction.policy = name
        let message = try Self.message("a prize")
        #expect(Self.symbols(try await stage.message(message, in: transaction)) == ["PRIZE": 7])
        transaction.policy = nil
        #expect(Self.symbols(try await stage.message(message, in: transaction)) == ["PRIZE": 1.25])
    }

    @Test func `what is too large, or of a user of ours, is not judged`() async throws {
        var policy = Spam.Configuration()
        policy.maxSize = "20"
        let message = try Self.message("a prize")
        let large = try await Self.stage(policy).message(message, in: .sample())
        #expect(large == Finding(note: "larger than max_size"))
        let user = Transaction.sample(session: .sample(user: "anna@here.example"))
        #expect(try await Self.stage().message(message, in: user).edits.isEmpty)
        policy = Spam.Configuration()
        policy.outgoing = true
        #expect(Self.symbols(try await Self.stage(policy).message(message, in: user)) == ["PRIZE": 1.25])
    }

    @Test func `patterns that cannot be searched for are a failure`() async throws {
        let stage = try Self.stage(failing: PatternFailure("the worker has ended", timedOut: true))
        await #expect(throws: StageFailure("the worker has ended", timedOut: true)) {
            try await stage.message(try Self.message("a prize"), in: .sample())
        }
    }
}

/// Nothing is signed here.
private struct NoCryptography: SignatureCryptography, SigningKeyFiles {
    func sha256(
        _ feed: ((UnsafeRawBufferPointer) -> Void) -> Void
    ) throws(CryptographyFailure) -> [UInt8] { throw CryptographyFailure("none") }

    func hmacSHA1(_ message: [UInt8], key: [UInt8]) throws(CryptographyFailure) -> [UInt8] {
        throw CryptographyFailure("none")
    }

    func verify(_ signature: [UInt8], of message: [UInt8], by key: VerificationKey) -> Bool { false }

    func signingKey(pem: [UInt8]) throws(CryptographyFailure) -> any SigningKey { throw CryptographyFailure("none") }

    func contents(domain: String, selector: String) throws(CryptographyFailure) -> [UInt8] {
        throw CryptographyFailure("none")
    }

    func stamp(domain: String, selector: String) throws(CryptographyFailure) -> KeyFileStamp {
        throw CryptographyFailure("none")
    }
}
