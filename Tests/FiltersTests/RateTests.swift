import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct RateTests {
    let world = MemoryServices()

    private func verdicts(_ count: Int, _ ask: () async throws -> Finding) async throws -> [Bool] {
        var passes: [Bool] = []
        for _ in 0..<count { passes.append(try await ask().verdict == .continue) }
        return passes
    }

    /// Every limit but the one that a test is about is off.
    private static func only(_ change: (inout Rate.Configuration) -> Void) -> Rate {
        var policy = Rate.Configuration()
        policy.clientConnections = .none
        policy.clientMessages = .none
        policy.clientRecipients = .none
        policy.userMessages = .none
        policy.userRecipients = .none
        change(&policy)
        return Rate(policy)
    }

    @Test func `the connection above the limit ends with 421`() async throws {
        let rate = Self.only { $0.clientConnections = "2/1m" }
        let transaction = Transaction.sample(services: world)
        #expect(try await verdicts(3) { try await rate.connect(transaction) } == [true, true, false])
        let reply = Reply(421, .deliveryNotAuthorized, "Too much mail in too short a time, try again later")
        #expect(try await rate.connect(transaction).verdict == .tempfail(reply))
    }

    @Test func `who rests comes in again`() async throws {
        let rate = Self.only { $0.clientMessages = "1/1m" }
        let transaction = Transaction.sample(services: world)
        #expect(try await verdicts(2) { try await rate.sender(transaction) } == [true, false])
        world.time.advance(by: "1m")
        #expect(try await rate.sender(transaction).verdict == .continue)
    }

    @Test func `neighbours are one client`() async throws {
        let rate = Self.only { $0.clientMessages = "1/1m" }
        let first = Transaction.sample(session: .sample(client: "192.0.2.1"), services: world)
        let neighbour = Transaction.sample(session: .sample(client: "192.0.2.254"), services: world)
        let stranger = Transaction.sample(session: .sample(client: "192.0.3.1"), services: world)
        #expect(try await rate.sender(first).verdict == .continue)
        #expect(try await rate.sender(neighbour).verdict != .continue)
        #expect(try await rate.sender(stranger).verdict == .continue)
    }

    @Test func `a user is counted as himself and not by his address`() async throws {
        let rate = Self.only {
            $0.clientMessages = "0/1m"
            $0.userMessages = "1/1h"
        }
        let bob = Transaction.sample(session: .sample(user: "bob@here.example"), services: world)
        let eve = Transaction.sample(session: .sample(user: "eve@here.example"), services: world)
        #expect(try await verdicts(2) { try await rate.sender(bob) } == [true, false])
        #expect(try await rate.sender(bob).decidedBy == ["user_messages"])
        #expect(try await rate.sender(eve).verdict == .continue)
    }

    @Test func `exempt clients are not counted`() async throws {
        let rate = Self.only { $0.clientConnections = "0/1m" }
        let local = Transaction.sample(session: .sample(client: "127.0.0.1"), services: world)
        #expect(try await rate.connect(local) == .none)
        #expect(world.asked.isEmpty)
    }

    @Test func `a recipient is counted in every spelling`() async throws {
        let rate = Self.only { $0.recipientMessages = "1/1h" }
        let transaction = Transaction.sample(services: world)
        #expect(try await rate.recipient(.said("Bob@here.example"), in: transaction).verdict == .continue)
        let second = try await rate.recipient(.said("bob@here.example"), in: transaction)
        let reply = Reply(451, .deliveryNotAuthorized, "Too much mail in too short a time, try again later")
        #expect(second.verdict == .tempfail(reply))
        #expect(second.decidedBy == ["recipient_messages"])
    }

    @Test func `a sender domain is counted, reports are not`() async throws {
        let rate = Self.only {
            $0.senderMessages = "1/1h"
            $0.senderRecipients = "1/1h"
        }
        let transaction = Transaction.sample(services: world)
        #expect(try await verdicts(2) { try await rate.sender(transaction) } == [true, false])
        #expect(
            try await verdicts(2) { try await rate.recipient(.said("bob@here.example"), in: transaction) } == [
                true, false,
            ])
        let report = Transaction.sample(sender: nil, services: world)
        #expect(try await verdicts(3) { try await rate.sender(report) } == [true, true, true])
    }

    @Test func `a lost memory is a failure and not a pass`() async throws {
        let rate = Self.only { $0.clientConnections = "9/1m" }
        world.fail(with: StageFailure("gone"))
        await #expect(throws: StageFailure("gone")) { try await rate.connect(.sample(services: world)) }
    }

    @Test(arguments: ["300/1h", "0/1s", "none", "1/36d"])
    func `a rate reads as it is written`(_ text: String) throws {
        #expect(try RateLimit(parsing: text).description == text)
    }

    @Test(arguments: ["", "300", "/1h", "-1/1h", "+1/1h", "1/0s", "1/10ms", "1/h", "1/1h/2", "9999999999/1h", "NONE"])
    func `what is no rate is refused`(_ text: String) {
        #expect(throws: MalformedRateLimit.self) { try RateLimit(parsing: text) }
    }
}
