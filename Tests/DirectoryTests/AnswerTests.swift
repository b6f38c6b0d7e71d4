import Adapters
import Directory
import MailTypes
import Pipeline
import Testing

@Suite struct AnswerTests {
    static let meanings: [(EmailAddress, AddressMeaning)] = [
        ("anna@acme.test", .mailbox("anna@acme.test")),
        ("ANNA@Acme.TEST", .mailbox("anna@acme.test")),
        ("carl@acme.test", .mailbox("Carl@acme.test")),
        ("anna+news@acme.test", .mailbox("anna@acme.test")),
        ("anna+a+b@acme.test", .mailbox("anna@acme.test")),
        ("anna+@acme.test", .mailbox("anna@acme.test")),
        ("+anna@acme.test", .unknown),
        ("anna-news@acme.test", .unknown),
        ("info@acme.test", .expands(to: ["anna@acme.test", "carl@elsewhere.test"], kind: .alias)),
        ("info+x@acme.test", .expands(to: ["anna@acme.test", "carl@elsewhere.test"], kind: .alias)),
        ("nobody@acme.test", .unknown),
        ("anna@elsewhere.test", .foreign),
        ("anna@sub.acme.test", .foreign),
        ("anna@", .foreign),
        // SQL, were it not bound.
        ("' or 1=1--@acme.test", .unknown),
        ("anna' --@acme.test", .unknown),
        ("%@acme.test", .unknown),
        ("_nna@acme.test", .unknown),
        ("anna\";drop table address;@acme.test", .unknown),
        ("*)(uid=*@acme.test", .unknown),
    ]

    @Test(arguments: meanings)
    func meaning(_ address: EmailAddress, _ expected: AddressMeaning) async throws {
        let sample = try Sample()
        #expect(try await sample.meaning(of: address) == expected)
    }

    @Test func `what was asked once is answered at once`() async throws {
        let sample = try Sample()
        let question = DirectoryQuestion.address("anna@acme.test")
        #expect(sample.directory.immediate(question) == nil)
        let answer = try await sample.directory.answer(question)
        #expect(sample.directory.immediate(question) == answer)
        try sample.directory.change(by: "test") { try $0.setMailbox("anna@acme.test", enabled: false) }
        #expect(sample.directory.immediate(question) == nil)
        #expect(try await sample.meaning(of: "anna@acme.test") == .disabled)
    }

    @Test func `the separator can be another, or none`() async throws {
        let dash = try Sample { $0.plusSeparator = "-" }
        #expect(try await dash.meaning(of: "anna-news@acme.test") == .mailbox("anna@acme.test"))
        #expect(try await dash.meaning(of: "anna+news@acme.test") == .unknown)
        let none = try Sample { $0.plusSeparator = "" }
        #expect(try await none.meaning(of: "anna+news@acme.test") == .unknown)
    }

    @Test func `a whole address goes before one with a detail`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { try $0.addMailbox("anna+news@acme.test", passwordHash: nil) }
        #expect(try await sample.meaning(of: "anna+news@acme.test") == .mailbox("anna+news@acme.test"))
    }

    @Test func `a switched-off post office switches off all below`() async throws {
        let sample = try Sample()
        let domain = DirectoryQuestion.domain("ACME.test")
        #expect(
            try await sample.directory.answer(domain)
                == .domain(HostedDomain(name: "acme.test", postOffice: "acme", isEnabled: true)))
        try sample.directory.change(by: "test") { try $0.setPostOffice("ACME", enabled: false) }
        #expect(
            try await sample.directory.answer(domain)
                == .domain(HostedDomain(name: "acme.test", postOffice: "acme", isEnabled: false)))
        #expect(try await sample.meaning(of: "anna@acme.test") == .disabled)
        #expect(
            await sample.directory.authenticate(login: "anna@acme.test", password: Array("secret".utf8)) == .refused)
    }

    @Test func `a switched-off domain takes no mail`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { try $0.setDomain("acme.test", enabled: false) }
        #expect(try await sample.meaning(of: "anna@acme.test") == .disabled)
        #expect(try await sample.meaning(of: "nobody@acme.test") == .disabled)
    }

    static let senders: [(EmailAddress, EmailAddress, Bool)] = [
        ("anna@acme.test", "anna@acme.test", true),
        ("anna@acme.test", "Anna+shop@ACME.test", true),
        ("anna@acme.test", "carl@acme.test", false),
        ("anna@acme.test", "info@acme.test", false),
        ("anna@acme.test", "anna@elsewhere.test", false),
        ("nobody@acme.test", "nobody@acme.test", false),
    ]

    @Test(arguments: senders)
    func maySend(_ mailbox: EmailAddress, _ address: EmailAddress, _ expected: Bool) async throws {
        let sample = try Sample()
        #expect(try await sample.directory.answer(.maySend(mailbox: mailbox, as: address)) == .maySend(expected))
    }

    // MARK: Postmaster

    @Test func `somebody always gets postmaster's mail`() async throws {
        let sample = try Sample()
        let anna = AddressMeaning.expands(to: ["anna@acme.test"], kind: .alias)
        for address: EmailAddress in [
            "postmaster@acme.test", "PostMaster@other.test", "Postmaster@", "postmaster@mx.server.test",
        ] {
            #expect(try await sample.meaning(of: address) == anna)
        }
        #expect(try await sample.meaning(of: "postmaster@elsewhere.test") == .foreign)
        #expect(try await sample.meaning(of: "anna@mx.server.test") == .foreign)
    }

    @Test func `postmaster can be set for a domain and for the server`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.setPostmaster("admin@elsewhere.test")
            try changes.setPostmaster("carl@acme.test", domain: "acme.test")
        }
        #expect(try await sample.meaning(of: "postmaster@acme.test") == .expands(to: ["carl@acme.test"], kind: .alias))
        #expect(try await sample.meaning(of: "Postmaster@") == .expands(to: ["admin@elsewhere.test"], kind: .alias))
        #expect(
            try await sample.meaning(of: "postmaster@other.test")
                == .expands(to: ["admin@elsewhere.test"], kind: .alias))
        #expect(try sample.directory.postmaster() == "admin@elsewhere.test")
    }

    @Test func `a mailbox called postmaster is one`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { try $0.addMailbox("postmaster@acme.test", passwordHash: nil) }
        #expect(try await sample.meaning(of: "postmaster@acme.test") == .mailbox("postmaster@acme.test"))
    }

    // MARK: Spellings

    @Test(
        arguments: [
            "caf\u{e9}@acme.test", "cafe\u{301}@acme.test", "CAF\u{c9}@acme.test", "CAFE\u{301}@ACME.test",
        ] as [String])
    func `one name in several spellings is one mailbox`(_ spelling: String) async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { try $0.addMailbox("caf\u{e9}@acme.test", passwordHash: nil) }
        let asked = EmailAddress(stringLiteral: spelling)
        #expect(try await sample.meaning(of: asked) == .mailbox("caf\u{e9}@acme.test"))
        #expect(throws: DirectoryError.alreadyExists(.mailbox, name: "caf\u{e9}@acme.test")) {
            try sample.directory.change(by: "test") { try $0.addMailbox(spelling, passwordHash: nil) }
        }
    }

    @Test func `a domain in its own letters is the same domain`() async throws {
        let sample = try Sample { $0.domainToASCII = InternationalDomain.toASCII }
        try sample.directory.change(by: "test") { changes in
            try changes.addDomain("B\u{fc}cher.test", postOffice: "acme")
            try changes.addMailbox("anna@xn--bcher-kva.test", passwordHash: nil)
        }
        #expect(try await sample.meaning(of: "anna@bu\u{308}cher.test") == .mailbox("anna@xn--bcher-kva.test"))
        #expect(try sample.directory.domains().map(\.name).contains("xn--bcher-kva.test"))
        #expect(throws: DirectoryError.alreadyExists(.domain, name: "xn--bcher-kva.test")) {
            try sample.directory.change(by: "test") { try $0.addDomain("XN--BCHER-KVA.test", postOffice: "acme") }
        }
    }
}
