import Foundation
import MailTypes
import Testing

@testable import Queue

/// What comes of attempts that were under way when a message was taken out.
@Suite struct AttemptWatchTests {
    let disk = MemoryDisk()
    static let busy = RecipientOutcome.Result.deferred(
        until: Sample.start.addingTimeInterval(600), reply: Reply(451, "busy"), warned: false)

    func words(_ queue: MailQueue, _ id: QueueID) -> [Int: String] {
        queue.results(of: id).mapValues { result in
            switch result {
            case .delivered: "delivered"
            case .relayed: "relayed"
            case .deferred: "deferred"
            case .failed: "failed"
            case .returned: "returned"
            }
        }
    }

    @Test func `who removes a message hears of the attempts under way`() async throws {
        let (queue, _) = try Sample.open(disk)
        let to = [Sample.local("bob@here.example"), Sample.remote("a@there.example"), Sample.remote("b@else.example")]
        let id = try await queue.commit([Sample.submission(1, to: to)])[0]
        let works = queue.claimDue(now: Sample.start, limit: 2)
        let tried = works.flatMap { $0.recipients.map(\.number) }.sorted()
        #expect(tried.count == 2)
        #expect(try await queue.remove(id) == tried)
        #expect(words(queue, id).isEmpty)
        queue.settle(id, [RecipientOutcome(tried[0], .relayed(Reply(250, "ok")))], now: Sample.start)
        #expect(words(queue, id) == [tried[0]: "relayed"])
        // There is no message any more that could be tried again.
        queue.settle(id, [RecipientOutcome(tried[1], Self.busy)], now: Sample.start)
        #expect(words(queue, id) == [tried[0]: "relayed", tried[1]: "deferred"])
        #expect(queue.claimDue(now: .distantFuture, limit: 9).isEmpty)
        queue.close()
    }

    @Test func `without an attempt under way there is nothing to wait for`() async throws {
        let (queue, _) = try Sample.open(disk)
        let id = try await queue.commit([Sample.submission(1)])[0]
        #expect(try queue.watchAttempts(of: id) == [])
        #expect(try await queue.remove(id) == [])
        #expect(words(queue, id).isEmpty)
        #expect(throws: QueueFailure.unknown(id)) { try queue.watchAttempts(of: id) }
        queue.close()
    }

    @Test func `a deferral is the end only of what is held`() async throws {
        let (queue, _) = try Sample.open(disk)
        let id = try await queue.commit([Sample.submission(1)])[0]
        _ = queue.claimDue(now: Sample.start, limit: 1)
        #expect(try queue.watchAttempts(of: id) == [0])
        try await queue.settle(id, [RecipientOutcome(0, Self.busy)])
        #expect(words(queue, id).isEmpty, "it will be tried again")
        try await queue.hold(id, reason: "by hand")
        #expect(words(queue, id) == [0: "deferred"])
        try await queue.release(id, now: Sample.start)
        _ = queue.claimDue(now: Sample.start, limit: 1)
        try await queue.settle(id, [RecipientOutcome(0, .failed(Reply(550, "no")))])
        #expect(words(queue, id) == [0: "failed"])
        queue.close()
    }

    @Test func `what nobody asks for is forgotten`() {
        var watches = AttemptWatches()
        for number in 0...AttemptWatches.most {
            watches.begin(Sample.id(number), [0])
            watches.note(Sample.id(number), [RecipientOutcome(0, .delivered), RecipientOutcome(1, .delivered)])
        }
        #expect(watches.results(of: Sample.id(0)).isEmpty)
        #expect(watches.results(of: Sample.id(1)).count == 1)
        #expect(watches.results(of: Sample.id(AttemptWatches.most)).count == 1)
    }
}
