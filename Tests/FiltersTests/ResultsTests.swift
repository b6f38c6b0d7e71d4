import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct ResultsTests {
    typealias Entry = AuthenticationResults.Entry

    static let spf = Entry(method: "spf", result: .pass, properties: [.init("smtp.mailfrom", "a@out.example")])
    static let dmarc = Entry(method: "dmarc", result: .pass, properties: [.init("header.from", "out.example")])

    static func find(
        _ entries: [Entry], message: Message = .sample(), user: EmailAddress? = nil,
        recipients: [Recipient] = [.local("bob@here.example")], policy: Results.Configuration = .init(),
        isUTF8: Bool = false
    ) async throws -> Finding {
        var transaction = Transaction.sample(session: .sample(user: user), recipients: recipients)
        transaction.envelope?.parameters.smtpUTF8 = isUTF8
        transaction.authentication.entries = entries
        return try await Results(policy).message(message, in: transaction)
    }

    static func written(_ finding: Finding) -> String? {
        for case .prependField("Authentication-Results", let value) in finding.edits { return value }
        return nil
    }

    @Test func `everything stands in one field, in the order in which it was found`() async throws {
        let iprev = Entry(method: "iprev", result: .fail, reason: "x", properties: [.init("policy.iprev", "192.0.2.7")])
        let finding = try await Self.find([iprev, Self.spf, Self.dmarc])
        #expect(
            finding.edits == [
                .prependField(
                    name: "Authentication-Results",
                    value: "mx.here.example; iprev=fail reason=\"x\" policy.iprev=192.0.2.7; "
                        + "spf=pass smtp.mailfrom=a@out.example; dmarc=pass header.from=out.example")
            ])
    }

    @Test func `where nothing was found nothing is written`() async throws {
        #expect(try await Self.find([]) == .none)
        #expect(try await Self.find([Entry(method: "helo", result: .pass)]) == .none)
    }

    @Test func `the field is folded, and read back as it was`() async throws {
        let entries = (0..<8).map { number in
            Entry(method: "dkim", result: .pass, properties: [.init("header.d", "\(number).some-domain.example")])
        }
        let value = try #require(Self.written(try await Self.find(entries)))
        let field = HeaderField(name: "Authentication-Results", value: value)
        let lines = String(decoding: field.raw, as: UTF8.self).split(separator: "\r\n")
        #expect(lines.count > 3 && lines.allSatisfy { $0.utf8.count <= 78 })
        let parsed = ParsedAuthenticationResults(field)
        #expect(parsed.authservID == "mx.here.example" && parsed.results.entries == entries && !parsed.isDamaged)
    }

    @Test func `it may have a name of its own, and both names are ours`() async throws {
        var policy = Results.Configuration()
        policy.authservID = .own("example.org")
        let message = Message.sample([
            "Authentication-Results": "mx.here.example; spf=pass", "AUTHENTICATION-results": "Example.ORG; spf=pass",
            "authentication-results": "far.example; spf=pass",
        ])
        let finding = try await Self.find([Self.spf], message: message, policy: policy)
        #expect(Self.written(finding)?.hasPrefix("example.org; spf=pass") == true)
        #expect(finding.removed == [5, 6])
        #expect(finding.note == "took out 2 in our name or in nobody's")
    }

    @Test(arguments: ["mx; spf=pass", "x.", "a b", "mx.here.example:25", "\u{A0}mx", "[mx]"])
    func `its name is one that all readers read alike`(_ name: String) throws {
        #expect(throws: DecodingError.self) { try decode(Results.Name.self, "\"\(name)\"") }
        #expect(try decode(Results.Name.self, "\"mx.here-2.example\"") == .own("mx.here-2.example"))
        #expect(try decode(Results.Name.self, "\"\"") == .hostname)
    }

    // MARK: Logins

    @Test func `a login is told to those who are here`() async throws {
        let user: EmailAddress = "bob@here.example"
        let far = Recipient(
            EnvelopeRecipient("eve@far.example"),
            destinations: [Destination(address: "eve@far.example", route: .exchanger(domain: "far.example"))])
        let here = Recipient.local("anna@here.example")
        let told = "mx.here.example; auth=pass smtp.auth=bob@here.example"
        #expect(Self.written(try await Self.find([], user: user, recipients: [here])) == told)
        #expect(Self.written(try await Self.find([], user: user, recipients: [here, far])) == nil)
        #expect(Self.written(try await Self.find([], user: user, recipients: [far])) == nil)
        #expect(Self.written(try await Self.find([], user: user, recipients: [])) == nil)
        var policy = Results.Configuration()
        policy.auth = false
        #expect(Self.written(try await Self.find([], user: user, recipients: [here], policy: policy)) == nil)
    }

    // MARK: Strangers' words

    @Test func `strangers' words can neither add results nor leave the field`() async throws {
        let evil = "x\"; dkim=pass header.d=bank.example\r\nBcc: eve@far.example\r\n\r\n"
        let entry = Entry(method: "spf", result: .fail, reason: evil, properties: [.init("smtp.mailfrom", evil)])
        let value = try #require(Self.written(try await Self.find([entry])))
        let field = HeaderField(name: "Authentication-Results", value: value)
        #expect(ParsedAuthenticationResults(field).results.entries.map(\.method) == ["spf"])
        #expect(!field.value.contains("\n") && !field.value.contains("\r"))
        let parsed = try Message(parsing: Bytes(Array(field.raw) + Array("Subject: x\r\n\r\nbody\r\n".utf8)))
        #expect(parsed.header.fields.map(\.name) == ["Authentication-Results", "Subject"])
    }

    @Test func `words beyond ASCII only where the message may have them`() async throws {
        let entry = Entry(method: "spf", result: .none, properties: [.init("smtp.mailfrom", "jürgen@out.example")])
        let plain = try #require(Self.written(try await Self.find([entry])))
        #expect(plain.utf8.allSatisfy { $0 < 0x80 } && plain.contains("j?rgen@out.example"))
        #expect(Self.written(try await Self.find([entry], isUTF8: true))?.contains("jürgen@out.example") == true)
    }

    @Test func `novels are cut, and there is an end to results`() async throws {
        let long = String(repeating: "a\u{301}", count: 100_000)
        let entry = Entry(method: "spf", result: .fail, reason: long, properties: [.init("smtp.helo", long)])
        let value = try #require(Self.written(try await Self.find(Array(repeating: entry, count: 500))))
        #expect(value.utf8.count < 50 * 800)
    }

    @Test(
        arguments: [
            (nil, []), (.pass, []), (.temperror, []), (AuthenticationResults.Result.none, []), (.fail, [5, 6]),
        ] as [(AuthenticationResults.Result?, [Int])])
    func `nobody's part of a broken chain goes, and no part of a sound one`(
        _ arc: AuthenticationResults.Result?, _ places: [Int]
    ) async throws {
        let message = Message.sample([
            "ARC-Authentication-Results": "i=1; spf=pass",
            "arc-authentication-results": "i=2; [mx.here.example]; spf=pass",
            "Arc-authentication-results": "i=3; far.example 1; spf=pass",
        ])
        let entries = arc.map { [Entry(method: "arc", result: $0, properties: [.init("arc.chain", "a:b:c")])] } ?? []
        #expect(try await Self.find(entries, message: message).removed == places)
    }

    // MARK: ARC

    @Test(
        arguments: [
            (nil, "", true, [6]), (.pass, "far.example:here.example", true, []),
            (.pass, "far.example:MX.here.example", true, []), (.pass, "here.example:far.example", true, [6]),
            (.pass, "far.example:re.example", true, [6]), (.pass, "far.example", true, [6]), (.pass, "", true, [6]),
            (.fail, "far.example:here.example", true, [6]), (.temperror, "far.example:here.example", true, [6]),
            (AuthenticationResults.Result.none, "", true, [6]), (.fail, "", false, []),
        ] as [(AuthenticationResults.Result?, String, Bool, [Int])])
    func `results in our name stay where our own seal holds, and only there`(
        _ arc: AuthenticationResults.Result?, _ chain: String, _ strips: Bool, _ places: [Int]
    ) async throws {
        var policy = Results.Configuration()
        policy.stripARC = strips
        let message = Message.sample([
            "ARC-Authentication-Results": "i=1; far.example; spf=pass",
            "arc-authentication-results": "i=2; (x) \"MX.here.example\"; spf=pass",
        ])
        let entries = arc.map { [Entry(method: "arc", result: $0, properties: [.init("arc.chain", chain)])] } ?? []
        #expect(try await Self.find(entries, message: message, policy: policy).removed == places)
    }
}
