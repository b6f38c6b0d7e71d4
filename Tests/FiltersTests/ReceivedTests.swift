import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct ReceivedTests {
    let stage = TraceFields(TraceFields.Configuration())

    private static func fields(_ finding: Finding) -> [String] {
        finding.edits.compactMap {
            if case .prependField(let name, let value) = $0 { "\(name): \(value)" } else { nil }
        }
    }

    @Test func `the field says who, where, how and when`() async throws {
        let transaction = Transaction.sample(recipients: [.local("bob@here.example")])
        let finding = try await stage.message(.sample(), in: transaction)
        #expect(
            Self.fields(finding) == [
                "Received: from mx.out.example ([192.0.2.7]) by mx.here.example (Sluice) with ESMTP "
                    + "id \(transaction.id) for <bob@here.example>; Sat, 21 Nov 2026 03:00:00 +0000"
            ])
    }

    @Test func `several recipients are not told of one another`() async throws {
        let recipients = [Recipient.local("bob@here.example"), .local("anna@here.example")]
        let finding = try await stage.message(.sample(), in: .sample(recipients: recipients))
        #expect(!Self.fields(finding)[0].contains(" for "))
    }

    /// Language, TLS, login, SMTPUTF8, and the registered word.
    @Test(
        arguments: [
            (.smtp, false, false, false, "ESMTP"), (.smtp, true, false, false, "ESMTPS"),
            (.submission, false, true, false, "ESMTPA"), (.submission, true, true, false, "ESMTPSA"),
            (.lmtp, false, false, false, "LMTP"), (.lmtp, true, true, false, "LMTPSA"),
            (.smtp, false, false, true, "UTF8SMTP"), (.submission, true, true, true, "UTF8SMTPSA"),
            (.lmtp, true, false, true, "UTF8LMTPS"), (.internal, false, false, false, nil),
        ] as [(Session.Language, Bool, Bool, Bool, String?)])
    func `how the client spoke`(
        _ language: Session.Language, _ tls: Bool, _ login: Bool, _ utf8: Bool, _ word: String?
    ) {
        var session = Session.sample(language: language, user: login ? "bob@here.example" : nil)
        if tls { session.tls = Session.TLS(version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256") }
        var envelope = Envelope(sender: nil)
        envelope.parameters.smtpUTF8 = utf8
        #expect(ReceivedField.protocolName(session, envelope) == word)
    }

    @Test(arguments: [(.helo, "SMTP"), (.ehlo, "ESMTP"), (nil, "ESMTP")] as [(Session.HelloVerb?, String)])
    func `who said HELO spoke SMTP`(_ verb: Session.HelloVerb?, _ word: String) async throws {
        var session = Session.sample()
        session.helloVerb = verb
        let finding = try await stage.message(.sample(), in: .sample(session: session))
        #expect(Self.fields(finding)[0].contains(" with \(word) id "))
        // No word is registered for HELO in TLS or with a login.
        session.tls = Session.TLS(version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256")
        session.user = Session.User(mailbox: "bob@here.example", mechanism: "PLAIN")
        #expect(ReceivedField.protocolName(session, nil) == (verb == .helo ? "SMTP" : "ESMTPSA"))
        session.language = .lmtp
        #expect(ReceivedField.protocolName(session, nil) == "LMTPSA")
    }

    @Test(arguments: [("spike.example", "(spike.example [192.0.2.7])"), ("a) by evil (b", "([192.0.2.7])")])
    func `a name that a proxy has looked up stands before the address`(_ name: String, _ shown: String) async throws {
        var session = Session.sample()
        session.clientName = name
        let finding = try await stage.message(.sample(), in: .sample(session: session))
        #expect(Self.fields(finding)[0].hasPrefix("Received: from mx.out.example \(shown) by "))
    }

    @Test(
        arguments: [
            ("mx.out.example", "mx.out.example"), ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"), (nil, "unknown"),
            ("", "unknown"),
            ("a) by evil (b", "unknown"), ("a\r\nX: y", "unknown"), ("a;b", "unknown"), ("müller.example", "unknown"),
            (String(repeating: "a", count: 256), "unknown"),
        ] as [(String?, String)])
    func `a name that could write fields of its own is not repeated`(_ hello: String?, _ shown: String) async throws {
        var session = Session.sample()
        session.hello = hello
        let finding = try await stage.message(.sample(), in: .sample(session: session))
        #expect(Self.fields(finding)[0].hasPrefix("Received: from \(shown) ([192.0.2.7]) by "))
    }

    @Test(arguments: [(100, true), (101, false), (500, false)])
    func `too many hops are a loop`(_ hops: Int, _ passes: Bool) async throws {
        var message = Message.sample()
        for _ in 0..<hops { message.header.prepend(HeaderField(name: "received", value: "from a by b; date")) }
        let finding = try await stage.message(message, in: .sample(recipients: [.local("bob@here.example")]))
        let loop = Verdict.reject(Reply(554, .routingLoop, "Message has passed too many servers"))
        #expect(finding.verdict == (passes ? .continue : loop))
    }

    static let alias = Recipient(
        EnvelopeRecipient("info@here.example"),
        destinations: [Destination(address: "carl@far.example", route: .exchanger(domain: "far.example"))])
    static let relayed = Recipient(
        EnvelopeRecipient("carl@far.example"),
        destinations: [Destination(address: "carl@far.example", route: .exchanger(domain: "far.example"))])

    @Test(arguments: [
        ("bob@here.example", Recipient.local("bob@here.example"), false),
        ("BOB@Here.Example", .local("bob@here.example"), false),
        ("anna@here.example", .local("bob@here.example"), true),
        ("info@here.example", alias, false), ("carl@far.example", alias, true), ("carl@far.example", relayed, true),
    ])
    func `what was here before comes back from a loop`(_ delivered: String, _ to: Recipient, _ passes: Bool)
        async throws
    {
        let finding = try await stage.message(.sample(["Delivered-To": delivered]), in: .sample(recipients: [to]))
        let loop = Verdict.reject(Reply(554, .routingLoop, "Message was here before"))
        #expect(finding.verdict == (passes ? .continue : loop))
    }

    @Test func `a user may send again what he got`() async throws {
        let transaction = Transaction.sample(
            session: .sample(language: .submission, user: "bob@here.example"), recipients: [.local("bob@here.example")])
        let message = Message.sample(["Delivered-To": "bob@here.example"])
        #expect(try await stage.message(message, in: transaction).verdict == .continue)
    }

    @Test func `the shared message bears the mark of no recipient`() async throws {
        for recipients in [[Self.alias], [Self.alias, .local("bob@here.example")], [Self.relayed]] {
            let finding = try await stage.message(.sample(), in: .sample(recipients: recipients))
            #expect(Self.fields(finding).map { $0.prefix(9) } == ["Received:"])
        }
    }

    @Test func `the option leaves Delivered-To alone`() async throws {
        var policy = TraceFields.Configuration()
        policy.deliveredTo = false
        let message = Message.sample(["Delivered-To": "info@here.example"])
        let finding = try await TraceFields(policy).message(message, in: .sample(recipients: [Self.alias]))
        #expect(finding.verdict == .continue)
        #expect(Self.fields(finding).count == 1)
    }
}
