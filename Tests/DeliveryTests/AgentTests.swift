import Foundation
import MailTypes
import Pipeline
import Synchronization
import Testing

@testable import Delivery
@testable import Queue

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

    @Test func `an attempt that fails after its message was given up was the last`() async throws {
        let (asked, answer) = (AsyncStream<Void>.makeStream(), AsyncStream<Void>.makeStream())
        let id = fixture.submit(to: [("bob@far.test", .exchanger(domain: "far.test"))])
        try await fixture.run(hooks: {
            $0.resolve = { _ throws(StageFailure) in
                asked.continuation.yield()
                for await _ in answer.stream {}
                throw StageFailure("no answer")
            }
        }) {
            for await _ in asked.stream { break }
            try await #require(fixture.agent.withLock { $0 }).giveUp(id)
            #expect(fixture.queue.entries[id]?.outcomes.isEmpty == true, "it is still being tried")
            answer.continuation.finish()
            let outcome = await fixture.settled(id)[0]
            #expect(outcome?.word == "failed")
            #expect(outcome?.reply?.lines == ["Given up by the postmaster"])
        }
        #expect(fixture.queue.log.filter { $0.hasPrefix("commit") }.count == 1, "the sender is told")
    }

    @Test func `what has been given up is tried no more, and what was reached is reached`() {
        let given = GivenUp()
        let (id, other) = (
            QueueID(TransactionID(milliseconds: 1, random: 1)), QueueID(TransactionID(milliseconds: 1, random: 2))
        )
        let busy = Reply(451, "busy")
        let results: [Attempt.Result] = [
            .delivered, .discarded, .relayed(Reply(250, "ok"), reports: false), .deferred(busy),
            .failed(Reply(550, "no")), .returned,
        ]
        let attempts = results.enumerated().map { number, result in
            Attempt(claimed: Work.Recipient(number: number, attempts: 0, age: "0s", warned: false), result: result)
        }
        func replies(_ id: QueueID) -> [Int?] {
            given.last(attempts, of: id).map { attempt in
                switch attempt.result {
                case .failed(let reply), .deferred(let reply), .relayed(let reply, _): reply.code
                case .delivered, .discarded, .returned: nil
                }
            }
        }
        given.insert(id)
        #expect(replies(id) == [nil, nil, 250, 554, 550, 554])
        #expect(replies(other) == [nil, nil, 250, 451, 550, nil])
        given.remove(id)
        #expect(replies(id) == replies(other))
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
