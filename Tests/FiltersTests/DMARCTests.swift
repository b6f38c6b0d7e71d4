import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct DMARCTests {
    static let zone: MemoryZone = {
        var zone = MemoryZone()
        for wish in ["none", "quarantine", "reject"] {
            zone.add("_dmarc.\(wish).example", text: "v=DMARC1; p=\(wish)")
            zone.add("\(wish).example", .a, .address("192.0.2.1"))
        }
        zone.add("_dmarc.strict.example", text: "v=DMARC1; p=reject; aspf=s; adkim=s")
        zone.add("_dmarc.sub.example", text: "v=DMARC1; p=reject; sp=none; np=quarantine")
        zone.add("there.sub.example", .mx, .exchanger(preference: 1, host: "mx.sub.example"))
        zone.add("_dmarc.own.sub.example", text: "v=DMARC1; p=quarantine")
        zone.add("_dmarc.two.example", text: "v=DMARC1; p=none")
        zone.add("_dmarc.two.example", text: "v=DMARC1; p=reject")
        zone.add("_dmarc.wrong.example", text: "v=DMARC1; p=bounce")
        zone.add("_dmarc.other.example", text: "some other record")
        zone.add("_dmarc.other.example", text: "v=DMARC1; p=reject")
        zone.add("_dmarc.sampled.example", text: "v=DMARC1; p=reject; pct=0")
        zone.add("_dmarc.hosting.example", text: "v=DMARC1; p=reject")
        zone.add("_dmarc.xn--bcher-kva.example", text: "v=DMARC1; p=reject")
        zone.add("plain.example", .aaaa, .address("2001:db8::1"))
        zone.silence("_dmarc.silent.example")
        return zone
    }()

    /// `spf=pass smtp.mailfrom=x@y.example`, …
    static func entry(_ text: String) throws -> AuthenticationResults.Entry {
        let parsed = ParsedAuthenticationResults(parsing: Array("mx; \(text)".utf8)[...])
        return try #require(parsed.results.entries.first)
    }

    static func find(
        from: String, _ found: [String] = [], policy: DMARC.Configuration = .init(),
        sender: EmailAddress? = "alice@out.example", header: KeyValuePairs<String, String?> = [:]
    ) async throws -> Finding {
        var transaction = Transaction.sample(sender: sender, recipients: [.local("bob@here.example")], services: zone)
        transaction.authentication.entries = try found.map(entry)
        var message = Message.sample(header)
        message.header.removeAll { $0.isNamed("From") }
        message.header.prepend(HeaderField(name: "From", value: from))
        return try await DMARC(policy).message(message, in: transaction)
    }
    // MARK: Alignment

    @Test(
        arguments: [
            ("reject.example", ["spf=pass smtp.mailfrom=a@reject.example"], true),
            ("reject.example", ["spf=pass smtp.mailfrom=reject.example"], true),
            ("reject.example", ["spf=pass smtp.mailfrom=a@bounce.reject.example"], true),
            ("mail.reject.example", ["spf=pass smtp.mailfrom=a@reject.example"], true),
            ("Mail.REJECT.example", ["dkim=pass header.d=News.reject.example"], true),
            ("reject.example", ["dkim=fail header.d=reject.example", "dkim=pass header.d=reject.example"], true),
            ("reject.example", ["dkim=pass header.d=other.example", "dkim=pass header.d=x.reject.example"], true),
            ("strict.example", ["dkim=pass header.d=strict.example"], true),
            ("reject.example", [], false),
            ("reject.example", ["spf=pass smtp.mailfrom=a@out.example"], false),
            ("reject.example", ["spf=softfail smtp.mailfrom=a@reject.example"], false),
            ("reject.example", ["dkim=policy header.d=reject.example"], false),
            ("reject.example", ["dkim=pass header.d=notreject.example"], false),
            ("reject.example", ["dkim=pass header.d=example"], false),
            ("reject.example", ["dkim=pass header.i=@reject.example"], false),
            ("reject.example", ["spf=pass smtp.helo=reject.example"], false),
            ("reject.example", ["arc=pass header.d=reject.example"], false),
            ("strict.example", ["dkim=pass header.d=mail.strict.example"], false),
            ("strict.example", ["spf=pass smtp.mailfrom=a@mail.strict.example"], false),
            // A public suffix between: another customer of the same hoster.
            ("hosting.example", ["dkim=pass header.d=evil.hosting.example"], false),
            ("hosting.example", ["dkim=pass header.d=hosting.example"], true),
        ] as [(String, [String], Bool)])
    func `SPF or DKIM must have passed for the author's domain`(_ from: String, _ found: [String], _ passes: Bool)
        async throws
    {
        let finding = try await Self.find(from: "A <a@\(from)>", found)
        let result = try #require(finding.entries(of: "dmarc").first)
        #expect(result.hasPrefix(passes ? "pass header.from=" : "fail header.from="), "\(result)")
        #expect(finding.verdict == .continue)
    }

    @Test func `without a sender the HELO name speaks`() async throws {
        let found = ["spf=pass smtp.helo=mx.reject.example"]
        #expect(
            try await Self.find(from: "a@reject.example", found, sender: nil).entries(of: "dmarc")
                == ["pass header.from=reject.example"])
        let mixed = ["spf=pass smtp.mailfrom=a@reject.example"]
        #expect(
            try await Self.find(from: "a@reject.example", mixed, sender: nil).entries(of: "dmarc")
                == ["fail header.from=reject.example policy.dmarc=reject"])
    }

    // MARK: Policy

    @Test(
        arguments: [
            ("none.example", "fail", "none"), ("quarantine.example", "fail", "quarantine"),
            ("reject.example", "fail", "reject"), ("a.b.reject.example", "fail", "reject"),
            ("sub.example", "fail", "reject"), ("there.sub.example", "fail", "none"),
            ("gone.sub.example", "fail", "quarantine"), ("own.sub.example", "fail", "quarantine"),
            ("other.example", "fail", "reject"), ("sampled.example", "fail", "quarantine"),
            ("bücher.example", "fail", "reject"),
            ("plain.example", "none", nil), ("a.hosting.example", "none", nil), ("unknown.example", "none", nil),
            ("two.example", "permerror", nil), ("wrong.example", "permerror", nil),
            ("x.wrong.example", "permerror", nil),
            ("silent.example", "temperror", nil),
        ] as [(String, String, String?)])
    func `the policy that holds is found`(_ domain: String, _ result: String, _ wish: String?) async throws {
        let finding = try await Self.find(from: "a@\(domain)")
        let ascii = domain.replacing("bücher", with: "xn--bcher-kva")
        #expect(
            finding.entries(of: "dmarc") == [
                "\(result) header.from=\(ascii)" + (wish.map { " policy.dmarc=\($0)" } ?? "")
            ])
    }

    @Test func `a proof that DNS has kept back may come later`() async throws {
        let found = ["dkim=temperror header.d=reject.example"]
        #expect(
            try await Self.find(from: "a@reject.example", found).entries(of: "dmarc") == [
                "temperror header.from=reject.example"
            ])
        let other = ["dkim=temperror header.d=elsewhere.example"]
        #expect(try await Self.find(from: "a@reject.example", other).entries(of: "dmarc")[0].hasPrefix("fail "))
    }

    @Test func `the sample of a message is its own, and all numbers come`() {
        let samples = (0..<2_000).map { TransactionID(milliseconds: 1_795_230_000_000, random: $0).sample }
        #expect(Set(samples) == Set(0..<100))
        #expect(TransactionID(milliseconds: 5, random: 7).sample == TransactionID(milliseconds: 5, random: 7).sample)
        let low = samples.count { $0 < 50 }
        #expect((800...1_200).contains(low))
    }

    // MARK: Consequences

    @Test(
        arguments: [
            ("a@reject.example", ["DMARC_REJECT": 6.0]), ("a@quarantine.example", ["DMARC_QUARANTINE": 4.0]),
            ("a@none.example", [:]), ("a@plain.example", [:]), ("a@two.example", ["DMARC_PERMERROR": 1.0]),
            ("a@silent.example", [:]), ("a@unknown.example", ["DMARC_UNKNOWN_DOMAIN": 4.0]),
            ("a@gone.sub.example", ["DMARC_QUARANTINE": 4.0]), ("a@gone.reject.example", ["DMARC_REJECT": 6.0]),
        ] as [(String, [String: Double])])
    func `by default an outcome costs points`(_ from: String, _ points: [String: Double]) async throws {
        let finding = try await Self.find(from: from)
        #expect(finding.verdict == .continue)
        #expect(finding.points == points)
    }

    @Test(
        arguments: [
            ("a@reject.example", "reject", "5.7.26", "policy is reject"),
            ("a@quarantine.example", "quarantine", "5.7.26", "policy is quarantine"),
            ("a@none.example", "none", "5.7.26", "none.example"), ("a@plain.example", "no_record", "5.7.1", "no DMARC"),
            ("a@two.example", "permerror", "5.7.1", "2 records"), ("a@silent.example", "temperror", "5.7.1", "silent"),
            ("a@unknown.example", "unknown_domain", "5.1.8", "does not exist"),
            ("a@x.example, nonsense", "bad_from", "5.7.1", "two ways"),
        ])
    func `each outcome can refuse, and the reply says why`(
        _ from: String, _ key: String, _ status: String, _ words: String
    ) async throws {
        var policy = DMARC.Configuration()
        policy.set(.reject)
        let finding = try await Self.find(from: from, ["spf=pass smtp.mailfrom=a@out.example"], policy: policy)
        guard case .reject(let reply) = finding.verdict else {
            Issue.record("\(finding.verdict)")
            return
        }
        #expect(reply.code == 550 && reply.status?.description == status)
        #expect(reply.text.contains(words), "\(reply.text)")
        #expect(finding.decidedBy == [key])
        #expect(finding.entries(of: "dmarc").count == 1)
        policy.set(.tempfail)
        let later = try await Self.find(from: from, policy: policy)
        guard case .tempfail(let reply) = later.verdict else {
            Issue.record("\(later.verdict)")
            return
        }
        #expect(reply.code == 451 && reply.status?.description == "4" + status.dropFirst())
        policy.set(.ignore)
        #expect(try await Self.find(from: from, policy: policy).verdict == .continue)
    }

    @Test func `a refusal names what SPF and DKIM have found`() async throws {
        var policy = DMARC.Configuration()
        policy.reject = .reject
        let found = ["spf=pass smtp.mailfrom=a@out.example", "dkim=fail header.d=reject.example"]
        guard case .reject(let reply) = try await Self.find(from: "a@reject.example", found, policy: policy).verdict
        else {
            Issue.record("not refused")
            return
        }
        #expect(
            reply.text.hasSuffix("reject.example, whose DMARC policy is reject: spf=pass for out.example, not aligned"))
    }

    @Test func `a failure can be held, or be junk`() async throws {
        var policy = DMARC.Configuration()
        policy.reject = .quarantine
        guard case .quarantine(let reason) = try await Self.find(from: "a@reject.example", policy: policy).verdict
        else {
            Issue.record("not held")
            return
        }
        #expect(reason.contains("reject.example"))
        policy.reject = .junk
        let finding = try await Self.find(from: "a@reject.example", policy: policy)
        #expect(finding.verdict == .continue && finding.edits.contains(.disposition("bob@here.example", .junk)))
    }

    // MARK: From fields that hide something

    @Test(
        arguments: [
            ("", "names nobody"), ("nobody", "two ways"), ("a@", "two ways"), ("G:;", "names nobody"),
            ("a@[192.0.2.1]", "no domain"), ("<a@reject.example", "two ways"),
            ("a@1.example, a@2.example, a@3.example, a@4.example, a@5.example, a@6.example", "more than 5"),
        ])
    func `a From field that says nothing plain is refused`(_ from: String, _ words: String) async throws {
        let finding = try await Self.find(from: from, ["spf=pass smtp.mailfrom=a@1.example"])
        guard case .reject(let reply) = finding.verdict else {
            Issue.record("\(finding.verdict)")
            return
        }
        #expect(reply.text.contains(words), "\(reply.text)")
        #expect(finding.entries(of: "dmarc") == ["permerror"])
    }

    @Test func `no From field, or several, too`() async throws {
        var message = Message.sample(["From": nil])
        let transaction = Transaction.sample(services: Self.zone)
        #expect(try await DMARC(.init()).message(message, in: transaction).decidedBy == ["bad_from"])
        for value in ["a@none.example", "b@none.example"] {
            message.header.append(HeaderField(name: value.hasPrefix("a") ? "From" : "FROM", value: value))
        }
        #expect(try await DMARC(.init()).message(message, in: transaction).decidedBy == ["bad_from"])
    }

    @Test(
        arguments: [
            ("a@none.example, b@reject.example", "fail header.from=reject.example policy.dmarc=reject"),
            ("a@reject.example, b@none.example", "fail header.from=reject.example policy.dmarc=reject"),
            ("a@plain.example, b@out.example", "none header.from=plain.example"),
            ("b@out.example, c@plain.example", "none header.from=plain.example"),
            ("b@out.example, c@mail.out.example", "pass header.from=out.example"),
            ("b@out.example, c@OUT.example", "pass header.from=out.example"),
        ])
    func `of several domains the worst counts`(_ from: String, _ entry: String) async throws {
        var zone = Self.zone
        zone.add("_dmarc.out.example", text: "v=DMARC1; p=reject")
        var transaction = Transaction.sample(services: zone)
        transaction.authentication.entries = [try Self.entry("spf=pass smtp.mailfrom=a@out.example")]
        let message = Message.sample(["From": from])
        #expect(try await DMARC(.init()).message(message, in: transaction).entries(of: "dmarc") == [entry])
    }

    @Test(arguments: [
        "a@silent.example, b@reject.example", "b@out.example, a@silent.example", "a@reject.example, b@silent.example",
    ])
    func `of several domains none is let by because another has no answer`(_ from: String) async throws {
        var transaction = Transaction.sample(services: Self.zone)
        transaction.authentication.entries = [try Self.entry("spf=pass smtp.mailfrom=a@out.example")]
        let finding = try await DMARC(.init()).message(.sample(["From": from]), in: transaction)
        guard case .tempfail(let reply) = finding.verdict else {
            Issue.record("\(finding)")
            return
        }
        #expect(reply.code == 451 && finding.decidedBy == ["temperror"])
        #expect(finding.entries(of: "dmarc")[0].hasPrefix("temperror header.from=silent.example"))
    }

    /// Ways to show a reader one author and to prove another: none of them passes.
    @Test(arguments: [
        "From: a@evil.example\r\nFrom: b@reject.example\r\n", "From: a@evil.example\r\nfrom : b@reject.example\r\n",
        "From : a@evil.example\r\nFrom: b@reject.example\r\n",
        "From\r\n : b@reject.example\r\nFrom: a@evil.example\r\n",
        " From: b@reject.example\r\nFrom: a@evil.example\r\nFrom: c@reject.example\r\n",
        "From: a@evil.example, b@reject.example\r\n", "From: a@evil.example,\r\n b@reject.example\r\n",
        "From: <@evil.example:b@reject.example>\r\n", "From: G: b@reject.example, a@evil.example;\r\n",
        "From: G: a@evil.example;, b@reject.example\r\n", "From: a@evil.example <b@reject.example>\r\n",
        "From: \"a@evil.example\" <b@reject.example>\r\n", "From: (a@evil.example) b@reject.example\r\n",
        "From: b@reject.example (a@evil.example)\r\n", "From: b@reject.example a@evil.example\r\n",
        "From: <a@evil.example> <b@reject.example>\r\n", "From: <a@evil.example> b@reject.example\r\n",
        "From: a@evil.example\u{0}, b@reject.example\r\n", "From: b@reject.example@evil.example\r\n",
        "From: =?utf-8?b?YkByZWplY3QuZXhhbXBsZQ==?=\r\n", "From: b@reject.example'a@evil.example\r\n",
        "Sender: a@evil.example\r\nFrom: b@reject.example\r\n", "Resent-From: a@evil.example\r\n", "",
    ])
    func `no second author slips by behind the first`(_ from: String) async throws {
        var zone = Self.zone
        zone.add("_dmarc.evil.example", text: "v=DMARC1; p=none")
        var transaction = Transaction.sample(sender: "a@evil.example", services: zone)
        transaction.authentication.entries = [
            try Self.entry("spf=pass smtp.mailfrom=a@evil.example"), try Self.entry("dkim=pass header.d=evil.example"),
        ]
        let message = try Message(parsing: Bytes(Array("\(from)Subject: x\r\n\r\nHello\r\n".utf8)))
        let finding = try await DMARC(.init()).message(message, in: transaction)
        #expect(finding.entries(of: "dmarc").count == 1 && !finding.entries(of: "dmarc")[0].hasPrefix("pass"))
        #expect(finding.decidedBy == ["bad_from"] || finding.decidedBy.first == "reject")
    }

    @Test(arguments: [
        "x.example'reject.example", "x.example(.reject.example", "x\u{0}.reject.example", "x y.reject.example",
        "x;.reject.example", "\".reject.example", "x,.reject.example",
    ])
    func `a signing domain that two readers might read in two ways proves nothing`(_ domain: String) async throws {
        var transaction = Transaction.sample(services: Self.zone)
        transaction.authentication.entries = [
            .init(method: "dkim", result: .pass, properties: [.init("header.d", domain)]),
            .init(method: "spf", result: .pass, properties: [.init("smtp.mailfrom", "a@\(domain)")]),
        ]
        let finding = try await DMARC(.init()).message(.sample(["From": "a@reject.example"]), in: transaction)
        #expect(finding.entries(of: "dmarc")[0].hasPrefix("fail "))
    }

    // MARK: Sealers

    static let sealed = "policy.trusted-sealer=list.example policy.sealed-dmarc=pass"

    @Test(
        arguments: [
            ("a@reject.example", "arc=pass \(sealed)", true), ("a@reject.example", "arc=fail \(sealed)", false),
            ("a@reject.example", "arc=none \(sealed)", false), ("a@reject.example", "spf=pass \(sealed)", false),
            ("a@reject.example", "arc=pass", false),
            ("a@reject.example", "arc=pass policy.sealed-dmarc=pass", false),
            ("a@reject.example", "arc=pass policy.trusted-sealer=list.example", false),
            ("a@reject.example", "arc=pass policy.trusted-sealer=list.example policy.sealed-dmarc=fail", false),
            ("a@reject.example, b@none.example", "arc=pass \(sealed)", false),
        ] as [(String, String, Bool)])
    func `a trusted sealer that saw it pass makes up for a failure`(
        _ from: String, _ arc: String, _ counts: Bool
    ) async throws {
        var policy = DMARC.Configuration()
        policy.reject = .reject
        var transaction = Transaction.sample(services: Self.zone)
        transaction.authentication.entries = [try Self.entry(arc)]
        let finding = try await DMARC(policy).message(.sample(["From": from]), in: transaction)
        #expect((finding.verdict == .continue) == counts)
        #expect(finding.note?.contains("overridden") == counts)
        #expect(finding.decidedBy == [counts ? "trusted_sealer" : "reject"])
        #expect(finding.entries(of: "dmarc")[0].hasPrefix("fail header.from=reject.example policy.dmarc="))
    }

    @Test func `where no sealer is heeded a failure stays one`() async throws {
        var policy = DMARC.Configuration()
        (policy.reject, policy.trustedSealer) = (.reject, .ignore)
        var transaction = Transaction.sample(services: Self.zone)
        transaction.authentication.entries = [try Self.entry("arc=pass \(Self.sealed)")]
        let finding = try await DMARC(policy).message(.sample(["From": "a@reject.example"]), in: transaction)
        #expect(finding.decidedBy == ["reject"])
    }

    @Test func `what the stage arc has found is understood`() async throws {
        let verdict = ARCTrust.Verdict(sealer: "list.example", result: .pass)
        let found = ARC.Configuration().finding(on: ARCOutcome(result: .pass), verdict)
        var transaction = Transaction.sample(services: Self.zone)
        for case .authentication(let entry) in found.edits { transaction.authentication.entries.append(entry) }
        let finding = try await DMARC(.init()).message(.sample(["From": "a@reject.example"]), in: transaction)
        #expect(finding.decidedBy == ["trusted_sealer"])
    }
}

extension DMARC.Configuration {
    /// One action for everything.
    fileprivate mutating func set(_ action: Action) {
        (reject, quarantine, none, noRecord) = (action, action, action, action)
        (permerror, temperror, unknownDomain, badFrom) = (action, action, action, action)
    }
}
