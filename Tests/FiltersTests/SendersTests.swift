import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct SendersTests {
    let world = MemoryServices()
    let senders = Senders(Senders.Configuration())

    private func transaction(
        from sender: EmailAddress?, _ language: Session.Language = .submission
    ) -> Transaction {
        .sample(session: .sample(language: language, user: "bob@here.example"), sender: sender, services: world)
    }

    private static func denied(_ text: String) -> Verdict { .reject(Reply(550, .deliveryNotAuthorized, text)) }

    @Test(
        arguments: [
            ("bob@here.example", true), ("BOB@here.example", true), ("sales@here.example", true),
            ("eve@here.example", false), ("bob@far.example", false), (nil, true),
        ] as [(EmailAddress?, Bool)])
    func `a user sends under an address of his own`(_ sender: EmailAddress?, _ passes: Bool) async throws {
        world.directory.senders["bob@here.example"] = ["sales@here.example"]
        let verdict = try await senders.sender(transaction(from: sender)).verdict
        let refusal = Self.denied("You may not send as \(sender?.description ?? "")")
        #expect(verdict == (passes ? .continue : refusal))
    }

    @Test(arguments: [
        ("bob@here.example", true), ("Bob <bob@here.example>", true),
        ("bob@here.example, Eve <eve@here.example>", false),
        ("eve@here.example", false), ("\"bob@here.example\" <eve@here.example>", false),
        ("bob@here.example <eve@here.example>", false), ("", true), ("nobody", false),
        ("<@bob@here.example:eve@here.example>", false), ("(bob@here.example) eve@here.example", false),
        // Another's address where some reader shows it as the author's.
        ("eve@here.example <bob@here.example>", false), ("Eve eve@here.example <bob@here.example>", false),
        ("<@eve@here.example:bob@here.example>", false), ("eve@here.example: bob@here.example;", false),
        ("\"eve\"@here.example <bob@here.example>", false), ("eve @ here.example <bob@here.example>", false),
        // His own, and what is no address or stands in quotation marks, as mail programs write names.
        ("bob@here.example <bob@here.example>", true), ("\"bob\"@here.example", true),
        ("bob(Bob)@here.example", true), ("\"eve@here.example\" <bob@here.example>", true),
    ])
    func `and writes under one`(_ from: String, _ passes: Bool) async throws {
        let message = Message.sample(["From": from.isEmpty ? nil : from])
        let verdict = try await senders.message(message, in: transaction(from: "bob@here.example")).verdict
        #expect((verdict == .continue) == passes)
    }

    @Test func `one address may be several users'`() async throws {
        for user: EmailAddress in ["bob@here.example", "eve@here.example"] {
            world.directory.senders[user] = ["sales@here.example"]
            let session = Session.sample(language: .submission, user: user)
            let transaction = Transaction.sample(session: session, sender: "sales@here.example", services: world)
            #expect(try await senders.sender(transaction) == .none)
            let message = Message.sample(["From": "Sales <sales@here.example>", "Sender": user.description])
            #expect(try await senders.message(message, in: transaction) == .none)
        }
    }

    @Test(arguments: ["Sender", "Resent-From", "resent-sender"])
    func `each field that names somebody is asked about, and the reply names him`(_ name: String) async throws {
        let message = Message.sample(["From": "bob@here.example", "Reply-To": "x@far.example"])
        #expect(try await senders.message(message, in: transaction(from: nil)) == .none)
        var other = message
        other.header.append(HeaderField(name: name, value: "Eve <eve@here.example>"))
        let finding = try await senders.message(other, in: transaction(from: nil))
        let field = name == "resent-sender" ? "Resent-Sender" : name
        #expect(finding.verdict == Self.denied("You may not write as eve@here.example, in the field \(field)"))
        #expect(finding.decidedBy == ["header"])
    }

    @Test func `every From field counts`() async throws {
        var message = Message.sample(["From": "bob@here.example"])
        message.header.append(HeaderField(name: "FROM", value: "eve@here.example"))
        #expect(try await senders.message(message, in: transaction(from: nil)).verdict != .continue)
    }

    @Test func `a reply shows no more of an address than ASCII`() async throws {
        let sender = EmailAddress(localPart: "jürgen\r\n", domain: "far.example")
        let finding = try await senders.sender(transaction(from: sender))
        #expect(finding.verdict == Self.denied("You may not send as that address at far.example"))
    }

    @Test func `nobody asks the directory for ever`() async throws {
        let many = (0...Senders.mostAddresses).map { "a\($0)@here.example" }
        world.directory.senders["bob@here.example"] = Set(many.map { EmailAddress(stringLiteral: $0) })
        let fits = Message.sample(["From": many.dropLast().joined(separator: ", ")])
        #expect(try await senders.message(fits, in: transaction(from: nil)).verdict == .continue)
        let message = Message.sample(["From": many.joined(separator: ", ")])
        let verdict = try await senders.message(message, in: transaction(from: nil)).verdict
        #expect(verdict == Self.denied("Too many authors"))
    }

    @Test func `strangers are not asked, users wherever the options say`() async throws {
        #expect(try await senders.sender(.sample(services: world)) == .none)
        #expect(try await senders.message(.sample(), in: .sample(services: world)) == .none)
        #expect(world.asked.isEmpty)
        let message = Message.sample(["From": "eve@here.example"])
        for (scope, language, asks) in [
            (Senders.Configuration.Scope.always, Session.Language.smtp, true), (.always, .submission, true),
            (.submission, .smtp, false), (.submission, .submission, true), (.never, .submission, false),
        ] {
            var policy = Senders.Configuration()
            policy.envelope = scope
            policy.header = scope
            let transaction = transaction(from: "eve@here.example", language)
            #expect((try await Senders(policy).sender(transaction) != .none) == asks)
            #expect((try await Senders(policy).message(message, in: transaction) != .none) == asks)
        }
    }

    @Test func `a chain that serves users without asking who they are is told`() {
        func lints(_ stages: [any Stage]) -> [String] {
            StageLintTests.lints(stages).filter { $0.contains("under which names users send") }
        }
        let relay = Relay(Relay.Configuration())
        #expect(lints([senders, relay]) == [])
        #expect(lints([relay]).count == 1)
        var half = Senders.Configuration()
        half.header = .never
        #expect(lints([Senders(half), relay]).count == 1)
    }
}
