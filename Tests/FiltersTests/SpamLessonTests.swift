import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// What was taught, as the stage `spam` judges by it.
@Suite struct SpamLessonTests {
    let world = MemoryServices()

    private func transaction() -> Transaction {
        var transaction = Transaction.sample()
        transaction.services = Services(world)
        return transaction
    }

    private var anna: Recipient {
        let box: EmailAddress = "Anna@own.example"
        return Recipient(EnvelopeRecipient(box), destinations: [Destination(address: box, route: .mailbox(box))])
    }

    private func policy(_ recipient: Recipient) async throws -> String? {
        let finding = try await SpamTests.stage().recipient(recipient, in: transaction())
        return finding.edits.compactMap { if case .policy(let name) = $0 { name } else { nil } }.first
    }

    @Test(arguments: [(0.7, "BAYES_SPAM_99", 8.3), (0.1, "BAYES_SPAM_80", 3.0), (-2.0, "BAYES_HAM_99", -8.5)])
    func `what lessons say is one symbol`(_ margin: Double, _ name: String, _ points: Double) async throws {
        world.lessons = LessonAnswer(margin: margin, scopes: [.global], spam: 30, ham: 40)
        world.taughtScopes = [.global]
        let finding = try await SpamTests.stage().message(try SpamTests.message("hello, a prize"), in: transaction())
        #expect(SpamTests.symbols(finding) == ["PRIZE": 1.25, "GOOD": -0.5, name: points])
        let description = finding.edits.compactMap { edit -> String? in
            if case .score(let symbol) = edit, symbol.name == name { symbol.description } else { nil }
        }
        #expect(description.first?.contains("(30 and 40 lessons)") == true)
    }

    @Test func `nothing is said where not enough was taught, or lessons are off`() async throws {
        let message = try SpamTests.message("hello")
        #expect(SpamTests.symbols(try await SpamTests.stage().message(message, in: transaction())) == ["GOOD": -0.5])
        // Where nothing was, nobody looks for words to ask about.
        #expect(!world.asked.contains { if case .lessons = $0 { true } else { false } })
        world.taughtScopes = [.global]
        #expect(SpamTests.symbols(try await SpamTests.stage().message(message, in: transaction())) == ["GOOD": -0.5])
        let asked = lookedForLessons
        world.lessons = LessonAnswer(margin: 1)
        var off = Spam.Configuration()
        off.lessons = false
        #expect(SpamTests.symbols(try await SpamTests.stage(off).message(message, in: transaction())) == ["GOOD": -0.5])
        world.taughtScopes = [.domain("own.example")]
        _ = try await SpamTests.stage(off).recipient(anna, in: transaction())
        #expect(lookedForLessons == asked)
    }

    /// How often somebody wanted to know who was taught anything.
    private var lookedForLessons: Int {
        world.asked.count { if case .lessonScopes = $0 { true } else { false } }
    }

    @Test func `whom a mailbox or domain has taught is judged apart`() async throws {
        #expect(try await policy(anna) == "points of own.example")
        world.taughtScopes = [.domain("own.example"), .mailbox("other@own.example")]
        #expect(try await policy(anna) == "points of own.example; lessons of domain own.example")
        world.taughtScopes.insert(.mailbox("anna@own.example"))
        #expect(try await policy(anna) == "points of own.example; lessons of mailbox anna@own.example")
        world.taughtScopes = [.domain("own.example"), .mailbox("bert@else.example")]
        let bert: EmailAddress = "bert@else.example"
        let other = Recipient(
            EnvelopeRecipient(bert), destinations: [Destination(address: bert, route: .mailbox(bert))])
        #expect(try await policy(other) == "lessons of mailbox bert@else.example")
    }

    @Test func `a mailbox's lessons are asked for behind those around it`() async throws {
        var transaction = transaction()
        transaction.policy = "points of own.example; lessons of mailbox anna@own.example"
        world.taughtScopes = [.mailbox("anna@own.example")]
        let finding = try await SpamTests.stage().message(try SpamTests.message("a prize"), in: transaction)
        #expect(SpamTests.symbols(finding) == ["PRIZE": 7])
        let scopes = world.asked.compactMap { if case .lessons(let question) = $0 { question.scopes } else { nil } }
        #expect(scopes == [[.global, .domain("own.example"), .mailbox("anna@own.example")]])
    }

    @Test(arguments: [
        nil, "points of a.example", "lessons of domain a.example", "lessons of mailbox a; lessons of b@a.example",
        "points of a.example; lessons of mailbox a; b@a.example",
    ])
    func `what names the values is what they are read from`(_ name: String?) {
        #expect(SpamScope(named: name).name == name)
    }
}
