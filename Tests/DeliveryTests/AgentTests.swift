import Foundation
import MailTypes
import Pipeline
import Synchronization
import Testing

@testable import Delivery
@testable import Queue

@Suite(.timeLimit(.minutes(10))) struct AgentTests {
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
        let replies = GivenUp.last(attempts).map { attempt -> Int? in
            switch attempt.result {
            case .failed(let reply), .deferred(let reply), .relayed(let reply, _): reply.code
            case .delivered, .discarded, .returned: nil
            }
        }
        #expect(replies == [nil, nil, 250, 554, 550, 554])
        given.insert(id)
        #expect(given.contains(id) && !given.contains(other))
        given.remove(id)
        #expect(!given.contains(id))
    }

    /// Its recipients wait for nobody then, and are not called by what calls those who wait.
    @Test func `who gives a message up while its attempt is told has given it up`() async throws {
        let (asked, answer) = (AsyncStream<Void>.makeStream(), AsyncStream<Void>.makeStream())
        let id = fixture.submit(to: [("bob@far.test", .exchanger(domain: "far.test"))])
        fixture.queue.set(id, Work.Recipient(number: 0, attempts: 5, age: "5h", warned: false))
        try await fixture.run(hooks: {
            $0.resolve = { _ throws(StageFailure) in throw StageFailure("no answer") }
            // The sender is to be warned, and it takes long to find out how.
            $0.routes = { address in
                asked.continuation.yield()
                for await _ in answer.stream {}
                return [Destination(address: address, route: .mailbox(address))]
            }
        }) {
            for await _ in asked.stream { break }
            try await #require(fixture.agent.withLock { $0 }).giveUp(id)
            answer.continuation.finish()
            await fixture.queue.until { $0[id]?.outcomes[0]?.word == "failed" }
            #expect(fixture.queue.entries[id]?.outcomes[0]?.reply?.lines == ["Given up by the postmaster"])
        }
    }

    @Test func `of a long line for a dead host, one attempt ends all whose time is over`() async throws {
        let looks = Atomic(0)
        let ids = (0..<50).map { _ in fixture.submit(to: [("bob@far.test", .exchanger(domain: "far.test"))]) }
        for id in ids.dropLast() {
            fixture.queue.set(id, Work.Recipient(number: 0, attempts: 9, age: "31h", warned: true))
        }
        await fixture.run(
            { $0.maxConnectionsPerDestination = 1 },
            hooks: { hooks in
                hooks.resolve = { [queue = fixture.queue] _ throws(StageFailure) in
                    looks.add(1, ordering: .relaxed)
                    await queue.untilGivenOut()
                    throw StageFailure("no answer")
                }
            }
        ) {
            for id in ids.dropLast() {
                let outcome = await fixture.settled(id)[0]
                #expect(outcome?.word == "failed")
                #expect(outcome?.reply?.description.contains("no answer") == true)
            }
            let last = await fixture.settled(ids[49])[0]
            #expect(last?.word == "returned", "it has time")
        }
        #expect(looks.load(ordering: .relaxed) == 1)
        #expect(fixture.queue.log.filter { $0.hasPrefix("commit") }.count == 49, "each sender is told")
    }

    @Test func `a stop waits for a report as long as for deliveries, and no longer`() async throws {
        let (asked, answer) = (AsyncStream<Void>.makeStream(), AsyncStream<Void>.makeStream())
        let id = fixture.submit(to: [("bob@far.test", .exchanger(domain: "far.test"))])
        await fixture.run(
            { $0.stopTimeout = "50ms" },
            hooks: {
                $0.routes = { address in
                    asked.continuation.yield()
                    for await _ in answer.stream {}
                    return [Destination(address: address, route: .mailbox(address))]
                }
            }
        ) {
            for await _ in asked.stream { break }
        }
        #expect(fixture.queue.entries[id]?.outcomes.isEmpty == true)
        answer.continuation.finish()
        #expect(await fixture.settled(id)[0]?.word == "failed")
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
