import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Who is signed for, and how. That others verify it too, the suites show.
@Suite struct DKIMSignTests {
    typealias World = SignatureWorld

    static func policy(
        _ active: [String] = ["s1"], _ change: (inout DKIMSign.Configuration) -> Void = { _ in }
    ) -> DKIMSign.Configuration {
        var policy = DKIMSign.Configuration()
        policy.domains = ["here.example": DKIMSign.DomainSigning(active: active)]
        change(&policy)
        return policy
    }

    static let message = Message.sample(["From": "Bob <bob@here.example>"])

    static func sign(
        _ message: Message = message, user: EmailAddress? = "bob@here.example",
        _ policy: DKIMSign.Configuration = policy()
    ) async throws -> Finding {
        let session = Session.sample(language: .submission, user: user)
        return try await sign(message, session, policy)
    }

    static func sign(_ message: Message, _ session: Session, _ policy: DKIMSign.Configuration) async throws -> Finding {
        let services = MemoryServices()
        services.directory.senders["bob@here.example"] = ["info@here.example", "bob@sub.here.example"]
        return try await DKIMSign(policy).equipped(with: World.tools)
            .message(message, in: .sample(session: session, services: services))
    }

    static func tags(_ finding: Finding) throws -> [TagList] {
        try finding.prepended("DKIM-Signature").map { try TagList(Array($0.utf8)[...]) }
    }

    // MARK: How

    @Test(
        arguments: Canonicalization.allCases.flatMap { header in
            Canonicalization.allCases.flatMap { body in
                [["s1"], ["e1"], ["s1", "e1"]].map { (header, body, $0) }
            }
        })
    func `every way to sign verifies`(
        _ header: Canonicalization, _ body: Canonicalization, _ active: [String]
    ) async throws {
        let policy = Self.policy(active) {
            $0.headerCanonicalization = header
            $0.bodyCanonicalization = body
        }
        let odd = Message.sample(
            ["From": "Bob   <bob@here.example>", "Subject": String(repeating: "long subject ", count: 20)],
            body: "Hello  you \r\n\r\n\r\n")
        let signed = World.apply(try await Self.sign(odd, policy), to: odd)
        let zone = try World.zone()
        #expect(try await World.checkDKIM(signed, in: zone) == active.map { _ in .pass })
        var added = signed
        added.header.append(HeaderField(name: "Subject", value: "another"))
        for outcome in try await World.checkDKIM(added, in: zone) {
            #expect(outcome == .fail("the signature does not hold"))
        }
        var changed = signed
        changed.body = "Hello  you!\r\n"
        for outcome in try await World.checkDKIM(changed, in: zone) {
            #expect(outcome == .fail("the body has changed"))
        }
    }

    @Test func `the tags say what was set`() async throws {
        let policy = Self.policy(["s1"]) {
            $0.headerCanonicalization = .relaxed
            $0.bodyCanonicalization = .simple
            $0.length = true
            $0.identity = true
            $0.expires = "2d"
        }
        let tags = try #require(try Self.tags(try await Self.sign(Self.message, policy)).first)
        #expect(tags.text("v") == "1" && tags.text("a") == "rsa-sha256" && tags.text("c") == "relaxed/simple")
        #expect(tags.text("d") == "here.example" && tags.text("s") == "s1" && tags.text("l") == "8")
        #expect(tags.text("i") == "bob@here.example")
        let time = try #require(try tags.number("t"))
        #expect(try tags.number("x") == time + 2 * 86_400)
        let names = try #require(tags["h"]?.colonSeparated)
        #expect(names.count { $0 == "From" } == 2 && names.count { $0 == "Cc" } == 1 && !names.contains("Sender"))
        let plain = try #require(try Self.tags(try await Self.sign()).first)
        #expect(plain["i"] == nil && plain["l"] == nil && plain["x"] != nil && plain.text("c") == "relaxed/relaxed")
    }

    @Test func `signatures end after whole seconds`() throws {
        for expires in ["0s", "1s", "7d"] as [Interval] {
            _ = try DKIMSign(Self.policy { $0.expires = expires }).equipped(with: World.tools)
        }
        let fault = #expect(throws: SignatureFault.self) {
            try DKIMSign(Self.policy { $0.expires = "999ms" }).equipped(with: World.tools)
        }
        #expect(fault?.description.contains("`expires` is 999ms") == true)
    }

    @Test func `with l= what is appended verifies, and is warned of`() async throws {
        let policy = Self.policy(["s1"]) { $0.length = true }
        var signed = World.apply(try await Self.sign(Self.message, policy), to: Self.message)
        signed.body = Bytes(signed.body.array + Array("More.\r\n".utf8))
        #expect(try await World.checkDKIM(signed, in: World.zone()) == [.pass])
        #expect(DKIMSign(policy).remarks.count == 1)
        #expect(DKIMSign(Self.policy()).remarks == [])
        #expect(DKIMSign(Self.policy { $0.minKeyBits = 1024 }).remarks.count == 1)
        let link = Link(number: 90, file: "90-dkim-sign.toml", base: StageVariant(DKIMSign(policy)))
        #expect(Chain([link]).lints.contains { $0.message.contains("`length`") })
    }

    @Test(
        arguments: [
            ("bob@here.example", "bob@here.example"), ("a;b=c@here.example", "a=3Bb=3Dc@here.example"),
            ("é", "=C3=A9"), ("a b", "a=20b"), ("\u{1}", "=01"),
        ])
    func `an identity cannot end its tag`(_ text: String, _ expected: String) {
        #expect(DKIMDraft.quotedPrintable(text) == expected)
    }

    @Test func `an identity's domain is written as d= is`() async throws {
        var policy = Self.policy(["s1"]) { $0.identity = true }
        policy.domains = ["xn--bcher-kva.example": DKIMSign.DomainSigning(active: ["s1"])]
        policy.users = .any
        let message = Message.sample(["From": "ulf@b\u{FC}cher.example"])
        let tags = try #require(try Self.tags(try await Self.sign(message, policy)).first)
        #expect(tags.text("d") == "xn--bcher-kva.example" && tags.text("i") == "ulf@xn--bcher-kva.example")
    }

    @Test func `a domain has its own way`() async throws {
        var policy = Self.policy()
        policy.domains["here.example"]?.headerCanonicalization = .simple
        policy.domains["here.example"]?.identity = true
        let tags = try #require(try Self.tags(try await Self.sign(Self.message, policy)).first)
        #expect(tags.text("c") == "simple/relaxed" && tags["i"] != nil)
    }

    // MARK: Who

    @Test(
        arguments: [
            ("bob@here.example", "bob@here.example", DKIMSign.Configuration.Users.entitled, true),
            ("bob@here.example", "info@here.example", .entitled, true),
            ("bob@here.example", "eve@here.example", .entitled, false),
            ("bob@here.example", "eve@here.example", .any, true),
            ("bob@here.example", "bob@here.example", .none, false),
            (nil, "bob@here.example", .any, false), ("bob@here.example", "bob@far.example", .any, false),
            ("bob@here.example", "bob@sub.here.example", .any, false),
        ] as [(EmailAddress?, EmailAddress, DKIMSign.Configuration.Users, Bool)])
    func `only who may write as the author is signed for`(
        _ user: EmailAddress?, _ author: EmailAddress, _ users: DKIMSign.Configuration.Users, _ isSigned: Bool
    ) async throws {
        let message = Message.sample(["From": author.description])
        let finding = try await Self.sign(message, user: user, Self.policy { $0.users = users })
        #expect(finding.edits.isEmpty == !isSigned, "\(finding.note ?? "")")
        #expect(finding.note?.hasPrefix(isSigned ? "signed" : "not signed") == true)
    }

    @Test func `clients of listed networks need no login, and what is our own none either`() async throws {
        let policy = Self.policy { $0.networks = ["192.0.2.0/28"] }
        let session = Session.sample(client: "192.0.2.7")
        #expect(try await !Self.sign(Self.message, session, policy).edits.isEmpty)
        #expect(try await Self.sign(Self.message, .sample(client: "192.0.2.77"), policy).edits.isEmpty)
        #expect(try await !Self.sign(Self.message, .sample(language: .internal), Self.policy()).edits.isEmpty)
    }

    @Test(arguments: ["a@here.example, b@here.example", "nonsense"])
    func `without one author nobody signs`(_ from: String) async throws {
        #expect(try await Self.sign(Message.sample(["From": from]), Self.policy()).edits == [])
    }

    @Test func `a domain signs for those below it if it says so, and its own keys come first`() async throws {
        let message = Message.sample(["From": "bob@sub.here.example"])
        var policy = Self.policy()
        policy.domains["here.example"]?.subdomains = true
        #expect(try Self.tags(try await Self.sign(message, policy)).first?.text("d") == "here.example")
        policy.domains["sub.here.example"] = DKIMSign.DomainSigning(active: ["e1"])
        #expect(try Self.tags(try await Self.sign(message, policy)).first?.text("d") == "sub.here.example")
        policy.domains["sub.here.example"]?.sign = false
        #expect(try await Self.sign(message, policy).edits == [])
    }

    // MARK: Keys

    @Test(
        arguments: [
            (["s1", "s2"], "two active selectors of one kind"), ([], "needs one active selector"),
            (["s1", "e1", "s2"], "needs one active selector"), (["weak"], "1024 bits"), (["nokey"], "cannot be used"),
            (["../../etc"], "no selector"), (["junk"], "no private key"),
        ])
    func `exactly one selector is active, or one of each kind`(_ active: [String], _ reason: String) {
        do {
            _ = try DKIMSign(Self.policy(active)).equipped(with: World.tools)
            Issue.record("taken")
        } catch { #expect("\(error)".contains(reason), "\(error)") }
    }

    @Test func `a key of another algorithm than asked for is refused, a weak one is taken when asked for`() throws {
        #expect(throws: SignatureFault.self) {
            try DKIMSign(Self.policy(["e1"]) { $0.algorithm = .rsaSHA256 }).equipped(with: World.tools)
        }
        _ = try DKIMSign(Self.policy(["e1"]) { $0.algorithm = .ed25519SHA256 }).equipped(with: World.tools)
        _ = try DKIMSign(Self.policy(["weak"]) { $0.minKeyBits = 1024 }).equipped(with: World.tools)
    }

    @Test(arguments: [
        (["To"], [] as [String], "lacks From"), (["From", "Return-Path"], [], "Return-Path"),
        (["From"], ["Received"], "Received"),
    ])
    func `what changes on the way cannot be signed, and From must be`(
        _ headers: [String], _ oversign: [String], _ reason: String
    ) {
        let policy = Self.policy {
            $0.headers = headers
            $0.oversign = oversign
        }
        do {
            _ = try DKIMSign(policy).equipped(with: World.tools)
            Issue.record("taken")
        } catch { #expect("\(error)".contains(reason), "\(error)") }
    }

    @Test func `the file's words are understood`() throws {
        let json = """
            {"domains": {"Here.Example": {"active": ["s1"], "length": true}}, "users": "any",
             "header_canonicalization": "simple", "min_key_bits": 1024}
            """
        let policy = try decode(DKIMSign.Configuration.self, json)
        #expect(policy.domains["here.example"]?.active == ["s1"])
        #expect(policy.domains["here.example"]?.settings(in: policy).length == true)
        #expect(policy.users == .any && policy.headerCanonicalization == .simple && policy.minKeyBits.value == 1024)
    }

    @Test func `a library that fails is a failure of the stage`() async throws {
        let stage = DKIMSign(Self.policy())
        await #expect(throws: StageFailure.self) {
            try await stage.message(
                Self.message, in: .sample(session: .sample(user: "bob@here.example"), services: MemoryServices()))
        }
    }
}
