import Foundation
import MailTypes
import Queue
import Synchronization
import Testing

@testable import Delivery

@Suite(.timeLimit(.minutes(1))) struct AgentTests {
    let fixture = AgentFixture()

    @Test func `a message that was given up and then held is tried when it is released`() async throws {
        let id = fixture.submit(to: [("bob@here.test", .mailbox("bob@here.test"))], from: nil) {
            $0.holdReason = "for the test"
        }
        try await fixture.run {
            let agent = try #require(fixture.agent.withLock { $0 })
            try await agent.giveUp(id)
            await fixture.queue.until { $0[id]?.heldFor?.contains("Given up") == true }
            try await fixture.queue.release(id, now: Date())
            try await fixture.queue.retry(id, now: Date())
            await fixture.queue.until { $0[id]?.outcomes[0]?.word == "delivered" }
        }
        #expect(fixture.mail(of: "bob@here.test").count == 1)
    }

    /// The clock stands still until the agent has looked at it often, so that each timer before goes off too early.
    @Test func `a timer that goes off early is set again`() async throws {
        let start = Date()
        let looks = Atomic(0)
        let id = fixture.submit(to: [("bob@here.test", .mailbox("bob@here.test"))]) {
            $0.received = start.addingTimeInterval(0.03)
        }
        await fixture.run(hooks: {
            $0.now = { start.addingTimeInterval(looks.add(1, ordering: .relaxed).newValue > 20 ? 1 : 0) }
        }) {
            #expect(await fixture.settled(id)[0]?.word == "delivered")
        }
    }
}
