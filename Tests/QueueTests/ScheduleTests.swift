import Foundation
import MailTypes
import Testing

@testable import Queue

@Suite struct ScheduleTests {
    let disk = MemoryDisk()
    let dead = QueueDestination.exchanger(domain: "dead.example")

    private func open() throws -> MailQueue {
        var options = Sample.options
        options.segmentSize = 1 << 20
        return try Sample.open(disk, options).0
    }

    @Test func `a thousand messages for one destination do not delay the one for another`() async throws {
        let queue = try open()
        let flood = (0..<1000).map { Sample.submission($0, to: [Sample.remote("x@dead.example")]) }
        _ = try await queue.commit(flood)
        _ = try await queue.commit([Sample.submission(2000, to: [Sample.remote("y@live.example")])])
        let works = queue.claimDue(now: Sample.start, limit: 2)
        #expect(Set(works.map(\.destination)) == [dead, .exchanger(domain: "live.example")])
        // At its limit, the dead one is not asked for and hides nobody.
        #expect(queue.claimDue(now: Sample.start, limit: 10, excluding: [dead]).isEmpty)
        #expect(queue.nextDue(excluding: [dead]) == nil)
        #expect(queue.claimDue(now: Sample.start, limit: 2000).count == 999)
        queue.close()
    }

    @Test func `destinations take turns`() async throws {
        let queue = try open()
        let mail = (0..<30).map { number in
            let address = EmailAddress(localPart: "u", domain: "d\(number / 10).example")
            return Sample.submission(number, to: [Sample.remote(address)])
        }
        _ = try await queue.commit(mail)
        for _ in 0..<10 {
            let works = queue.claimDue(now: Sample.start, limit: 3)
            #expect(Set(works.map(\.destination)).count == 3)
        }
        #expect(queue.claimDue(now: Sample.start, limit: 3).isEmpty)
        queue.close()
    }

    @Test func `what is given back is due again, and no attempt is counted`() async throws {
        let queue = try open()
        let id = try await queue.commit([Sample.submission(1)])[0]
        _ = queue.claimDue(now: Sample.start, limit: 1)
        let later = Sample.start.addingTimeInterval(5)
        queue.settle(id, [RecipientOutcome(0, .returned(until: later))], now: Sample.start)
        #expect(queue.nextDue() == later)
        #expect(queue.claimDue(now: later, limit: 1).first?.recipients.first?.attempts == 0)
        queue.close()
    }

    @Test func `a clock that goes back a day stops nothing`() async throws {
        let queue = try open()
        let id = try await queue.commit([Sample.submission(1)])[0]
        _ = queue.claimDue(now: Sample.start, limit: 1)
        let until = Sample.start.addingTimeInterval(300)
        try await queue.settle(
            id, [RecipientOutcome(0, .deferred(until: until, reply: Reply(451, "no"), warned: false))])
        let yesterday = Sample.start.addingTimeInterval(-86_400)
        #expect(queue.claimDue(now: yesterday, limit: 1).isEmpty)
        // Five minutes later by any clock.
        #expect(queue.nextDue() == yesterday.addingTimeInterval(300))
        #expect(queue.claimDue(now: yesterday.addingTimeInterval(300), limit: 1).count == 1)
        // Mail that comes now is due now.
        _ = try await queue.commit([Sample.submission(2, at: yesterday.addingTimeInterval(300))])
        #expect(queue.claimDue(now: yesterday.addingTimeInterval(300), limit: 1).count == 1)
        queue.close()
    }

    @Test func `a clock that jumps a year ahead makes everything due and nothing old`() async throws {
        let queue = try open()
        _ = try await queue.commit((0..<50).map { Sample.submission($0) })
        for work in queue.claimDue(now: Sample.start, limit: 50) {
            let until = Sample.start.addingTimeInterval(300)
            try await queue.settle(
                work.id, [RecipientOutcome(0, .deferred(until: until, reply: Reply(451, "no"), warned: false))])
        }
        let works = queue.claimDue(now: Sample.start.addingTimeInterval(86_400 * 365), limit: 50)
        #expect(works.count == 50)
        for work in works {
            let decision = RetrySchedule().decision(after: work.recipients[0], of: work.id)
            #expect(decision != .giveUp)
        }
        queue.close()
    }

    @Test func `after a restart with an earlier clock nothing waits longer than the longest wait`() async throws {
        let queue = try open()
        let id = try await queue.commit([Sample.submission(1)])[0]
        _ = queue.claimDue(now: Sample.start, limit: 1)
        let until = Sample.start.addingTimeInterval(300)
        try await queue.settle(
            id, [RecipientOutcome(0, .deferred(until: until, reply: Reply(451, "no"), warned: false))])
        queue.close()
        let earlier = Sample.start.addingTimeInterval(-86_400 * 30)
        let (again, _) = try Sample.open(disk, now: earlier)
        let due = try #require(again.nextDue())
        #expect(due <= earlier.addingTimeInterval(RetrySchedule().longestWait.seconds))
        again.close()
    }

    @Test func `a heap gives what is smallest`() {
        var heap = Heap<Int>()
        let keys = (0..<500).map { Int64(($0 &* 7919) % 503) }
        for key in keys { heap.push(Int(key), key: key) }
        var taken: [Int64] = []
        while let (key, element) = heap.pop() {
            #expect(Int(key) == element)
            taken.append(key)
        }
        #expect(taken == keys.sorted())
    }
}
