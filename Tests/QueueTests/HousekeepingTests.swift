import Foundation
import MailTypes
import Synchronization
import Testing

@testable import Queue

@Suite struct HousekeepingTests {
    static var options: QueueOptions {
        var options = Sample.options
        options.lanes = 1
        options.segmentSize = 4096
        return options
    }

    private func finish(_ queue: MailQueue, except kept: Set<QueueID> = []) async throws {
        for work in queue.claimDue(now: Sample.start, limit: 100) where !kept.contains(work.id) {
            try await queue.settle(work.id, work.recipients.map { RecipientOutcome($0.number, .delivered) })
        }
    }

    @Test func `segments whose mail is done are deleted`() async throws {
        let disk = MemoryDisk()
        let (queue, _) = try Sample.open(disk, Self.options)
        for number in 0..<200 {
            _ = try await queue.commit([Sample.submission(number)])
            try await finish(queue)
        }
        queue.close()
        #expect(disk.paths.count { $0.hasSuffix(".journal") } <= 2)
    }

    @Test func `a few old messages do not keep the whole journal`() async throws {
        let disk = MemoryDisk()
        let (queue, _) = try Sample.open(disk, Self.options)
        var kept: Set<QueueID> = []
        for number in 0..<400 {
            let id = try await queue.commit([Sample.submission(number)])[0]
            if number % 50 == 0 { kept.insert(id) }
            try await finish(queue, except: kept)
        }
        // Claims end with the process; the kept ones are suspects then, and nothing worse.
        queue.close()
        #expect(disk.paths.count { $0.hasSuffix(".journal") } < 20)
        for image in [disk.afterKill(), disk.afterPowerLoss()] {
            let (again, report) = try Sample.open(image, Self.options)
            #expect(Set(again.ids) == kept)
            #expect(report.damages.isEmpty)
            for id in kept { #expect(try again.read(id).content.array == Sample.octets(FaultTests.number(id))) }
            again.close()
        }
    }

    @Test func `a copied message keeps what is known of its recipients`() async throws {
        let disk = MemoryDisk()
        let (queue, _) = try Sample.open(disk, Self.options)
        let recipients = [Sample.remote("a@x.example"), Sample.local("b@here.example")]
        let id = try await queue.commit([Sample.submission(1000, to: recipients)])[0]
        let reply = Reply(451, .noAnswer, "later")
        for work in queue.claimDue(now: Sample.start, limit: 2) {
            let result: RecipientOutcome.Result =
                work.destination == .mailboxes
                ? .delivered : .deferred(until: Sample.start.addingTimeInterval(300), reply: reply, warned: true)
            try await queue.settle(id, work.recipients.map { RecipientOutcome($0.number, result) })
        }
        var quarantined = Sample.submission(1001, to: [Sample.local("c@here.example")])
        quarantined.recipients[0].disposition = .quarantine
        quarantined.holdReason = "quarantine"
        let released = try await queue.commit([quarantined])[0]
        try await queue.release(released, now: Sample.start)
        try await queue.hold(released, reason: "by hand")
        let home = queue.segment(of: id)
        // Stragglers in many segments make copying worth it.
        var kept: Set<QueueID> = []
        for number in 0..<400 {
            let new = try await queue.commit([Sample.submission(number)])[0]
            if number % 10 == 0 { kept.insert(new) }
            try await finish(queue, except: kept)
        }
        // The keeper copies in its own time.
        let clock = ContinuousClock()
        let end = clock.now + .seconds(60)
        while queue.segment(of: id) == home || queue.segment(of: released) == home, clock.now < end {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(queue.segment(of: id) != home && queue.segment(of: released) != home)
        let (again, _) = try Sample.open(disk.afterPowerLoss(), Self.options)
        #expect(try again.show(released).recipients.map(\.recipient.disposition) == [.deliver])
        let listing = try again.show(id)
        #expect(listing.recipients.map(\.progress.status) == [.waiting, .delivered])
        #expect(listing.recipients[0].progress.lastReply == reply)
        #expect(listing.recipients[0].progress.attempts == 1)
        #expect(listing.recipients[0].progress.warned)
        queue.close()
        again.close()
    }

    @Test func `a failed batch beside mail that cannot be read does not keep the whole journal`() async throws {
        let disk = MemoryDisk()
        // Calls are counted, so nobody else makes any.
        var options = Self.options
        options.preparesSegments = false
        let (queue, _) = try Sample.open(disk, options)
        let kept = try await queue.commit([Sample.submission(1000)])
        let path = try #require(disk.paths.first { $0.hasSuffix(".journal") })
        var octets = try #require(disk.contents(path))
        for place in SegmentHeader.count..<SegmentHeader.count + 200 { octets[place] ^= 0xff }
        disk.setContents(path, octets)
        // The sync fails, not the write before it: the batch is in doubt.
        disk.fail(.init(call: disk.calls + 2, kind: .inputOutput))
        await #expect(throws: QueueFailure.self) { _ = try await queue.commit([Sample.submission(1001)]) }
        for number in 0..<200 {
            _ = try await queue.commit([Sample.submission(number)])
            try await finish(queue, except: Set(kept))
        }
        queue.close()
        #expect(disk.paths.contains(path), "it holds mail that a person has to look at")
        #expect(disk.paths.count { $0.hasSuffix(".journal") } <= 4)
        let (again, _) = try Sample.open(disk.afterPowerLoss(), Self.options)
        #expect(!again.ids.contains(Sample.id(1001)), "what was refused stays refused")
        again.close()
    }

    /// What is copied forward beside it frees nothing, however much of it is dead.
    @Test(arguments: [false, true])
    func `segments behind one that cannot be read are not copied in vain`(isStuck: Bool) {
        var table = SegmentTable()
        for number in UInt32(1)...8 {
            let header = SegmentHeader(mark: 1, number: UInt64(number), made: 0)
            table.add(
                SegmentTable.Segment(path: "\(number)", header: header, file: nil, size: 1000, end: 1000),
                number: number)
            table.enter(number, octets: 10)
            if number > 1 { table.refer(number, to: number - 1) }
        }
        #expect(table.worthCompacting(segmentSize: 1000) == 1)
        if isStuck { table.stick(1) } else { table.stick(8) }
        #expect(table.worthCompacting(segmentSize: 1000) == (isStuck ? nil : 1))
        // A mail that cannot be read, and is removed by a person, is in nobody's way.
        _ = table.leave(1, octets: 10)
        #expect(table.worthCompacting(segmentSize: 1000) == 2)
        #expect(table.deletable == [1])
    }

    @Test func `a body is removed with the last change, not with the first that finds the message done`() async throws {
        let disk = MemoryDisk()
        var options = Self.options
        options.preparesSegments = false
        let (queue, _) = try Sample.open(disk, options)
        let recipients = [Sample.remote("a@x.example"), Sample.remote("b@y.example")]
        let size = Self.options.inlineLimit + 1
        let id = try await queue.commit([Sample.submission(7, to: recipients, size: size)])[0]
        let works = queue.claimDue(now: Sample.start, limit: 2)
        let body = QueueLayout.body(id, in: Sample.directory)
        let image = Mutex<MemoryDisk?>(nil)
        let rounds = Mutex(0)
        // While the first outcome is synced the second comes, and the power fails while that one is.
        disk.onSync {
            let round = rounds.withLock { rounds in
                rounds += 1
                return rounds
            }
            if round == 1 { queue.settle(id, [RecipientOutcome(1, .delivered)], now: Sample.start) }
            guard round == 2 else { return }
            // If the keeper has been told to remove the body, it does it about now.
            for _ in 0..<100 where disk.paths.contains(body) { usleep(1000) }
            #expect(disk.paths.contains(body), "a power failure may find the removal durable, and the outcome not")
            image.withLock { $0 = disk.afterPowerLoss() }
        }
        #expect(works.count == 2)
        try await queue.settle(id, [RecipientOutcome(0, .delivered)])
        queue.close()
        #expect(!disk.paths.contains(body))
        let lost = try #require(image.withLock { $0 })
        let (again, report) = try Sample.open(lost, Self.options)
        #expect(report.damages.isEmpty)
        #expect(try again.read(id).content.array == Sample.octets(7, size))
        #expect(try again.show(id).recipients.map(\.progress.status) == [.delivered, .waiting])
        again.close()
    }

    @Test(.timeLimit(.minutes(10)))
    func `a body outlives the crash record of its message until its outcome is durable`() async throws {
        let before = MemoryDisk()
        var options = Self.options
        options.preparesSegments = false
        let (dead, _) = try Sample.open(before, options)
        let id = try await dead.commit([Sample.submission(7, size: options.inlineLimit + 1)])[0]
        #expect(dead.claimDue(now: Sample.start, limit: 1).count == 1)
        let disk = before.afterKill()
        dead.close()
        // The crash record is refused at first, and later written alone.
        options.batchLimit = 64
        disk.fail(.init(call: 0, kind: .noSpace, lasts: true, only: "fallocate"))
        let (queue, report) = try Sample.open(disk, options)
        #expect(report.interrupted == [id])
        #expect(queue.claimDue(now: Sample.start, limit: 1).count == 1)
        await #expect(throws: QueueFailure.self) { try await queue.settle(id, [RecipientOutcome(0, .delivered)]) }
        let body = QueueLayout.body(id, in: Sample.directory)
        let syncs = Mutex<[Bool]>([])
        disk.onSync {
            // If the keeper has been told to remove the body, it does it about now.
            for _ in 0..<50 where disk.paths.contains(body) { usleep(1000) }
            syncs.withLock { $0.append(disk.paths.contains(body)) }
        }
        disk.fail()
        while queue.waitingCommits > 0 { await Task.yield() }
        queue.close()
        #expect(syncs.withLock { $0.count } >= 2)
        #expect(syncs.withLock { $0.allSatisfy(\.self) }, "the outcome was not durable yet")
        #expect(!disk.paths.contains(body))
    }

    @Test func `recipients who are put off stand in line once`() async throws {
        let (queue, _) = try Sample.open(MemoryDisk(), Self.options)
        let recipients = (0..<60).map { Sample.remote(EmailAddress(localPart: "a", domain: "x\($0).example")) }
        let id = try await queue.commit([Sample.submission(7, to: recipients)])[0]
        #expect(queue.state.withLock { $0.schedule.entries } == 60)
        for work in queue.claimDue(now: Sample.start, limit: 100) {
            let until = Sample.start.addingTimeInterval(300)
            let deferred = RecipientOutcome.Result.deferred(until: until, reply: Reply(451, "later"), warned: false)
            try await queue.settle(id, work.recipients.map { RecipientOutcome($0.number, deferred) })
        }
        #expect(queue.state.withLock { $0.schedule.entries } == 60)
        try queue.retry(id, now: Sample.start)
        #expect(queue.claimDue(now: Sample.start, limit: 100).count == 60)
        queue.close()
    }

    @Test func `the limit of contents in memory counts what was added`() throws {
        func message(_ number: Int) throws -> IndexedMessage {
            try #require(
                IndexedMessage(
                    id: Sample.id(number), received: 0, contentCount: 50, hasBodyFile: false,
                    states: [RecipientState(due: 0, since: 0)]))
        }
        let record = AcceptedRecord(Sample.submission(1)).message(content: Bytes([]))
        var recent = RecentMessages(limit: 100)
        let copied = try message(1)
        recent.add(copied, RecentContent(record, octets: 100))
        copied.count = 10
        recent.remove(copied)
        let two = try [message(2), message(3)]
        for one in two { recent.add(one, RecentContent(record, octets: 50)) }
        #expect(two.allSatisfy { $0.recent != nil })
        recent.add(try message(4), RecentContent(record, octets: 50))
        #expect(two.map { $0.recent != nil } == [false, true])
    }

    @Test(arguments: [(3, nil), (3, 7), (1, 299), (1, 300), (500, nil), (0, nil)] as [(Int, Int?)])
    func `a page of ids is the first so many in order`(_ count: Int, _ after: Int?) {
        let all = (0..<301).map { Sample.id($0) }
        let expected = all.filter { id in after.map { Sample.id($0) < id } ?? true }.prefix(count)
        #expect(all.shuffled().smallest(count, after: after.map { Sample.id($0) }) == Array(expected))
    }
}

extension MailQueue {
    func segment(of id: QueueID) -> UInt32? { state.withLock { $0.messages[id]?.segment } }
}
