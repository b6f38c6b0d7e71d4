import Foundation
import MailTypes
import Queue
import Synchronization
import Testing

@testable import Delivery

@Suite(.timeLimit(.minutes(1))) struct AgentTests {
    let fixture = AgentFixture()

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
