import Foundation
import MailTypes
import Testing

@testable import Queue

/// What the outside world was told: the measure of everything after a crash.
actor Ledger {
    /// Told 250.
    var accepted: Set<Int> = []
    /// Told 451 or 452.
    var refused: Set<Int> = []
    /// Given to a settle, or a removal, that may or may not be durable.
    var ending: Set<Int> = []
    /// Known to be durable.
    var ended: Set<Int> = []
    /// Whether the last commit was taken.
    var lastWasAccepted = false

    func commit(_ numbers: [Int], _ isTaken: Bool) {
        lastWasAccepted = isTaken
        if isTaken { accepted.formUnion(numbers) } else { refused.formUnion(numbers) }
    }

    func begin(_ number: Int) { ending.insert(number) }
    func end(_ number: Int) { ended.insert(number) }
}

@Suite struct FaultTests {
    static let sizes = [300, 5000, 40, 700]
    static func size(_ number: Int) -> Int { sizes[number % sizes.count] }

    static var options: QueueOptions {
        var options = Sample.options
        options.lanes = 1
        options.segmentSize = 2048
        return options
    }

    /// A little life of a queue: commits of all kinds, deliveries, deferrals, a removal; segments begin, end, are
    /// compacted and deleted.
    static func live(_ disk: MemoryDisk, _ ledger: Ledger) async -> MailQueue? {
        guard let (queue, _) = try? Sample.open(disk, options) else { return nil }
        for number in stride(from: 0, to: 24, by: 2) {
            // Every other commit is two messages, all or none.
            let numbers = number % 4 == 0 ? [number, number + 1] : [number]
            let result = try? await queue.commit(numbers.map { Sample.submission($0, size: size($0)) })
            await ledger.commit(numbers, result != nil)
            guard number % 3 == 0 else { continue }
            for work in queue.claimDue(now: Sample.start, limit: 2) {
                await finish(work, queue, ledger)
            }
        }
        if let last = queue.ids.last {
            await ledger.begin(self.number(last))
            if (try? await queue.remove(last)) != nil { await ledger.end(self.number(last)) }
        }
        let result = try? await queue.commit([Sample.submission(100)])
        await ledger.commit([100], result != nil)
        return queue
    }

    private static func finish(_ work: Work, _ queue: MailQueue, _ ledger: Ledger) async {
        let number = self.number(work.id)
        if number % 4 == 2 {
            let until = Sample.start.addingTimeInterval(300)
            let outcome = RecipientOutcome(0, .deferred(until: until, reply: Reply(451, "later"), warned: false))
            try? await queue.settle(work.id, [outcome])
        } else {
            await ledger.begin(number)
            if (try? await queue.settle(work.id, [RecipientOutcome(0, .delivered)])) != nil { await ledger.end(number) }
        }
    }

    static func number(_ id: QueueID) -> Int { Int(id.transaction.text.isEmpty ? 0 : id.low >> 16) }

    /// Opens what a crash has left and holds it against the ledger.
    static func check(_ disk: MemoryDisk, _ ledger: Ledger, cancelled: Bool, _ what: Comment) async throws {
        let (queue, report) = try Sample.open(disk, options)
        let ids = queue.ids
        let present = Set(ids.map(number))
        #expect(present.count == ids.count, what)
        let accepted = await ledger.accepted
        let mustBe = await accepted.subtracting(ledger.ending)
        #expect(mustBe.isSubset(of: present), "lost \(mustBe.subtracting(present)); \(what) \(report)")
        let ended = await ledger.ended
        #expect(present.isDisjoint(with: ended), "came back: \(present.intersection(ended)); \(what)")
        if cancelled {
            let refused = await ledger.refused
            #expect(present.isDisjoint(with: refused), "refused, yet there: \(present.intersection(refused)); \(what)")
        }
        for id in ids {
            let octets = try queue.read(id).content.array
            #expect(octets == Sample.octets(number(id), number(id) == 100 ? 300 : size(number(id))), what)
        }
        try await drain(queue)
        #expect(queue.counts().messages == 0, what)
        queue.close()
        let (empty, _) = try Sample.open(disk.afterPowerLoss(), options)
        #expect(empty.ids.isEmpty, what)
        empty.close()
    }

    /// Delivers everything.
    static func drain(_ queue: MailQueue) async throws {
        var now = Sample.start.addingTimeInterval(400_000)
        for _ in 0..<200 {
            for work in queue.claimDue(now: now, limit: 100) {
                try await queue.settle(
                    work.id, work.recipients.map { RecipientOutcome($0.number, .delivered) }, at: now)
            }
            if queue.counts().messages == 0 { break }
            now.addTimeInterval(1)
        }
    }

    @Test(.timeLimit(.minutes(10)))
    func `who comes behind outcomes that fill a batch is refused, and does not wait for the disk`() async throws {
        var options = Self.options
        options.batchLimit = 100
        options.lazyDelay = "1h"
        let disk = MemoryDisk()
        let (queue, _) = try Sample.open(disk, options)
        for number in 0..<3 { _ = try await queue.commit([Sample.submission(number)]) }
        let works = queue.claimDue(now: Sample.start, limit: 9)
        disk.fail(.init(call: disk.calls, kind: .inputOutput, lasts: true))
        for work in works {
            await #expect(throws: QueueFailure.self) {
                try await queue.settle(work.id, [RecipientOutcome(0, .delivered)])
            }
        }
        await #expect(throws: QueueFailure.self) { _ = try await queue.commit([Sample.submission(3)]) }
        // Nobody asks the disk again before somebody comes, or the time.
        while queue.lanes[0].pending.withLock({ ($0.items.count, $0.urgent) }) != (3, 0) { await Task.yield() }
        while queue.waitingCommits != 3 { await Task.yield() }
        disk.fail()
        let id = try await queue.commit([Sample.submission(4)])[0]
        queue.close()
        let (again, _) = try Sample.open(disk.afterPowerLoss(), options)
        #expect(again.ids == [id], "outcomes are never dropped")
        again.close()
    }

    @Test func `nothing goes wrong when nothing goes wrong`() async throws {
        let (disk, ledger) = (MemoryDisk(), Ledger())
        let queue = try #require(await Self.live(disk, ledger))
        #expect(await ledger.refused.isEmpty)
        #expect(await ledger.accepted.count == 19)
        try await Self.check(disk.afterPowerLoss(), ledger, cancelled: true, "power loss")
        try await Self.check(disk.afterKill(), ledger, cancelled: true, "kill")
        queue.close()
        try await Self.check(disk.afterPowerLoss(), ledger, cancelled: true, "closed")
    }

    /// Fails the n-th call for every n. Nothing that was told 250 may be missing afterwards.
    @Test(arguments: MemoryDisk.Fault.Kind.allCases, [false, true])
    func `whatever call fails, what was acknowledged is there`(_ kind: MemoryDisk.Fault.Kind, _ lasts: Bool)
        async throws
    {
        let dry = MemoryDisk()
        await Self.live(dry, Ledger())?.close()
        for call in 1...dry.calls + 2 {
            let (disk, ledger) = (MemoryDisk(), Ledger())
            let fault = MemoryDisk.Fault(call: call, kind: kind, lasts: lasts)
            disk.fail(fault)
            let queue = await Self.live(disk, ledger)
            // A disk that works again has taken the cancellations with the last commit.
            let isClean = await ledger.lastWasAccepted && !lasts
            try await Self.check(disk.afterPowerLoss(), ledger, cancelled: isClean, "power loss after \(fault)")
            try await Self.check(disk.afterKill(), ledger, cancelled: isClean, "kill after \(fault)")
            queue?.close()
        }
    }

    @Test func `sectors that reached the disk unasked change nothing for what was acknowledged`() async throws {
        let (disk, ledger) = (MemoryDisk(), Ledger())
        let queue = try #require(await Self.live(disk, ledger))
        // One more is being written when the power goes.
        disk.fail(.init(call: disk.calls + 2, kind: .inputOutput))
        _ = try? await queue.commit([Sample.submission(50, size: 1900)])
        for seed in 0..<64 {
            let image = disk.afterPowerLoss { sector in (seed >> (sector % 6)) & 1 == 1 }
            let (again, _) = try Sample.open(image, Self.options)
            let present = Set(again.ids.map(Self.number))
            let wanted = await ledger.accepted.subtracting(ledger.ending)
            #expect(wanted.isSubset(of: present))
            for id in again.ids where Self.number(id) == 50 {
                #expect(try again.read(id).content.array == Sample.octets(50, 1900))
            }
            again.close()
        }
        queue.close()
    }

    @Test func `after a full disk the queue takes mail again by itself`() async throws {
        let disk = MemoryDisk()
        let (queue, _) = try Sample.open(disk, Self.options)
        disk.fail(.init(call: disk.calls, kind: .noSpace, lasts: true))
        for number in 1...5 {
            await #expect(throws: QueueFailure.outOfSpace) { try await queue.commit([Sample.submission(number)]) }
        }
        disk.fail()
        _ = try await queue.commit([Sample.submission(6)])
        #expect(queue.ids == [Sample.id(6)])
        queue.close()
    }

    @Test func `a read-only disk is a 451, and what is there can be read`() async throws {
        let disk = MemoryDisk()
        let (queue, _) = try Sample.open(disk, Self.options)
        let id = try await queue.commit([Sample.submission(1)])[0]
        disk.fail(.init(call: disk.calls, kind: .readOnly, lasts: true))
        do {
            _ = try await queue.commit([Sample.submission(2)])
            Issue.record("taken on a read-only disk")
        } catch {
            #expect(error.reply.code == 451)
        }
        #expect(try queue.read(id).content.array == Sample.octets(1))
        disk.fail()
        _ = try await queue.commit([Sample.submission(3)])
        queue.close()
    }

    @Test(arguments: [
        FileSystemSpace(octets: 999_999, inodes: nil), FileSystemSpace(octets: 1 << 40, inodes: 5),
        FileSystemSpace(octets: 1_000_100, inodes: 100),
    ])
    func `the reserve is kept`(_ space: FileSystemSpace) async throws {
        let disk = MemoryDisk()
        disk.setSpace(space)
        var options = Self.options
        options.reserve = 1_000_000
        options.inodeReserve = 10
        let (queue, _) = try Sample.open(disk, options)
        await #expect(throws: QueueFailure.outOfSpace) { try await queue.commit([Sample.submission(1)]) }
        #expect(queue.refusal(forSize: 300) == .outOfSpace)
        #expect(queue.refusal(forSize: 0)?.reply.code == (space.octets > 1_000_000 && space.inodes == 100 ? nil : 452))
        queue.close()
    }
}
