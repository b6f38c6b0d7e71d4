import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct PolicyTests {
    let world = MemoryServices()

    func find(_ action: String) async throws -> Finding {
        world.policyAction = action
        return try await Policy(Policy.Configuration()).recipient(
            .said("bob@here.example"), in: .sample(services: world))
    }

    @Test(arguments: [
        ("DUNNO", Verdict.continue), ("dunno", .continue), ("OK", .continue), ("WARN look", .continue),
        ("REJECT", .reject(Reply(554, .deliveryNotAuthorized, "Access denied"))),
        ("REJECT Go away", .reject(Reply(554, .deliveryNotAuthorized, "Go away"))),
        ("REJECT 5.1.1 Nobody", .reject(Reply(554, .badDestinationMailbox, "Nobody"))),
        ("550 5.1.1 Nobody", .reject(Reply(550, .badDestinationMailbox, "Nobody"))),
        ("450", .tempfail(Reply(450, .deliveryNotAuthorized, "Access denied"))),
        ("DEFER_IF_PERMIT Greylisted", .tempfail(Reply(450, .deliveryNotAuthorized, "Greylisted"))),
        ("DEFER 4.3.2 Later", .tempfail(Reply(450, .notAccepting, "Later"))), ("DISCARD quietly", .discard),
        ("HOLD look", .quarantine(reason: "look")), ("HOLD", .quarantine(reason: "held by a policy server")),
        ("PREPEND X-A: b: c", .continue),
    ])
    func `actions are verdicts`(_ action: String, _ verdict: Verdict) async throws {
        #expect(try await find(action).verdict == verdict)
    }

    @Test func `a field is put on top`() async throws {
        #expect(try await find("PREPEND X-A: b: c").edits == [.prependField(name: "X-A", value: "b: c")])
    }

    /// Not done is never taken for done.
    @Test(arguments: [
        "", "FILTER smtp:x", "REDIRECT a@b.example", "BCC a@b.example", "DEFER_IF_REJECT no", "permit_mynetworks",
        "250 fine", "600 no", "PREPEND nothing", "PREPEND : x", "5501 x",
    ])
    func `what is not done here is a failure`(_ action: String) async throws {
        await #expect(throws: StageFailure.self) { try await find(action) }
    }

    @Test func `it is asked at the steps that are named`() async throws {
        var policy = Policy.Configuration()
        policy.states = [.mail, .endOfMessage]
        policy.context = "inbound"
        let stage = Policy(policy)
        let transaction = Transaction.sample(recipients: [.local("bob@here.example")], services: world)
        _ = try await stage.connect(transaction)
        _ = try await stage.hello(transaction)
        _ = try await stage.recipient(.said("bob@here.example"), in: transaction)
        #expect(world.asked.isEmpty)
        _ = try await stage.sender(transaction)
        _ = try await stage.message(.sample(), in: transaction)
        let asked = world.asked.compactMap { if case .policy(let question) = $0 { question } else { nil } }
        #expect(asked.map(\.state) == [.mail, .endOfMessage] && asked.map(\.recipient) == [nil, "bob@here.example"])
        #expect(asked[1].order?.size == Message.sample().size && asked[1].order?.recipientCount == 1)
        #expect(asked[0].order?.context == "inbound")
        // Of that only the step is kept.
        guard case .policy(let kept)? = transaction.services.facts.last?.question else { return }
        #expect(kept.order == nil && kept == asked[1])
    }

    @Test(arguments: ["{\"servers\": []}", "{\"states\": []}"])
    func `nobody to ask, or nothing, is a mistake`(_ text: String) {
        #expect(throws: DecodingError.self) { try decode(Policy.Configuration.self, text) }
    }
}
