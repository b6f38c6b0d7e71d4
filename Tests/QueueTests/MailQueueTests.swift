import Foundation
import MailTypes
import Synchronization
import Testing

@testable import Queue

@Suite struct MailQueueTests {
    let disk = MemoryDisk()

    @Test func `what was committed is found again, octet for octet`() async throws {
        let (queue, _) = try Sample.open(disk)
        var first = Sample.submission(1, to: [Sample.local("bob@here.example"), Sample.remote("cleo@there.example")])
        first.parameters.envelopeID = "x-1"
        first.parameters.smtpUTF8 = true
        first.parameters.body = .eightBitMIME
        first.parameters.ret = .headers
        first.recipients[1].said.parameters.notify = [.success, .failure]
        first.recipients[1].said.parameters.originalRecipient = "rfc822;info@here.example"
        first.recipients[1].said.address = "info@here.example"
        first.recipients[1].disposition = .junk
        first.recipients.append(
            QueueRecipient(
                "d@relay.example",
                route: .host(
                    RelayHost(name: "r.example", port: 24, language: .lmtp, security: .verified, credential: "c"))))
        var several = RelayHost(name: "s.example", port: 587, security: .implicit, credential: "d")
        several.fallbacks = [RelayHost(name: "192.0.2.1"), RelayHost(name: "t.example", port: 26, security: .none)]
        first.recipients.append(QueueRecipient("e@split.example", route: .host(several)))
        let ids = try await queue.commit([first, Sample.submission(1, copy: 1, size: 20_000)])
        #expect(ids == [Sample.id(1), Sample.id(1, copy: 1)])
        queue.close()

        let (again, report) = try Sample.open(disk.afterKill())
        #expect(report.messages == 2)
        #expect(report.damages.isEmpty)
        let read = try again.read(ids[0])
        #expect(read.content.array == Sample.octets(1))
        #expect(read.recipients == first.recipients)
        #expect(read.parameters == first.parameters)
        #expect(read.sender == first.sender)
        #expect(read.arrival == first.arrival)
        #expect(read.received == first.received)
        // This one lies in a file of its own.
        #expect(disk.paths.contains("/queue/bodies/\(ids[1])"))
        #expect(try again.read(ids[1]).content.array == Sample.octets(1, 20_000))
        again.close()
    }

    @Test func `recipients with one destination travel together, and done mail leaves nothing behind`() async throws {
        let (queue, _) = try Sample.open(disk)
        let recipients = [
            Sample.remote("a@x.example"), Sample.local("b@here.example"), Sample.remote("c@x.example"),
        ]
        let id = try await queue.commit([Sample.submission(1, to: recipients, size: 9000)])[0]
        let works = queue.claimDue(now: Sample.start, limit: 10)
        #expect(works.count == 2)
        let remote = try #require(works.first { $0.destination == .exchanger(domain: "x.example") })
        #expect(remote.recipients.map(\.number) == [0, 2])
        // What is claimed is nobody else's.
        #expect(queue.claimDue(now: Sample.start, limit: 10).isEmpty)
        let reply = Reply(250, .other, "taken")
        try await queue.settle(id, [RecipientOutcome(0, .relayed(reply)), RecipientOutcome(2, .failed(reply))])
        try await queue.settle(id, [RecipientOutcome(1, .delivered)])
        #expect(queue.counts().messages == 0)
        queue.close()
        #expect(!disk.paths.contains { $0.contains("/bodies/") })
        let (again, report) = try Sample.open(disk.afterPowerLoss())
        #expect(report.messages == 0)
        again.close()
    }

    @Test func `what a restart has found in the journal is marked, what came since is not`() async throws {
        let (queue, _) = try Sample.open(disk)
        let old = try await queue.commit([Sample.submission(1)])[0]
        queue.close()
        let (again, _) = try Sample.open(disk)
        let new = try await again.commit([Sample.submission(2)])[0]
        let works = again.claimDue(now: Sample.start, limit: 10)
        let marks = works.flatMap { work in work.recipients.map { (work.id, $0.isRecovered) } }
        #expect(Dictionary(uniqueKeysWithValues: marks) == [old: true, new: false])
        again.close()
    }

    @Test func `a deferral survives a restart with its reply`() async throws {
        let (queue, _) = try Sample.open(disk)
        let id = try await queue.commit([Sample.submission(1, to: [Sample.remote("a@x.example")])])[0]
        #expect(queue.claimDue(now: Sample.start, limit: 1).count == 1)
        let until = Sample.start.addingTimeInterval(300)
        let reply = Reply(451, .noAnswer, "not now")
        try await queue.settle(id, [RecipientOutcome(0, .deferred(until: until, reply: reply, warned: true))])
        #expect(queue.nextDue() == until)

        let (again, _) = try Sample.open(disk.afterPowerLoss())
        let progress = try again.show(id).recipients[0].progress
        #expect(progress.attempts == 1)
        #expect(progress.due == until)
        #expect(progress.lastReply == reply)
        #expect(progress.warned)
        #expect(again.claimDue(now: until.addingTimeInterval(-1), limit: 1).isEmpty)
        #expect(again.claimDue(now: until, limit: 1).first?.recipients.first?.attempts == 1)
        queue.close()
        again.close()
    }

    @Test func `held mail waits for a person, over restarts`() async throws {
        let (queue, _) = try Sample.open(disk)
        var quarantined = Sample.submission(1)
        quarantined.holdReason = "quarantine"
        _ = try await queue.commit([quarantined, Sample.submission(2)])
        try await queue.hold(Sample.id(2), reason: "by hand")
        #expect(queue.claimDue(now: Sample.start, limit: 9).isEmpty)
        queue.close()
        let (again, _) = try Sample.open(disk.afterKill())
        #expect(again.list().map(\.holdReason) == ["quarantine", "by hand"])
        #expect(again.counts().held == 2)
        try await again.release(Sample.id(2), now: Sample.start)
        try await again.remove(Sample.id(1))
        #expect(again.claimDue(now: Sample.start, limit: 9).map(\.id) == [Sample.id(2)])
        #expect(again.ids == [Sample.id(2)])
        again.close()
    }

    @Test func `what is removed only while it is held stays when it was released before`() async throws {
        let (queue, _) = try Sample.open(disk)
        for number in 1...2 {
            var quarantined = Sample.submission(number)
            quarantined.holdReason = "quarantine"
            _ = try await queue.commit([quarantined])
        }
        try await queue.release(Sample.id(1), now: Sample.start)
        #expect(try await !queue.removeHeld(Sample.id(1)))
        #expect(try await queue.removeHeld(Sample.id(2)))
        #expect(queue.claimDue(now: Sample.start, limit: 9).map(\.id) == [Sample.id(1)])
        queue.close()
        let (again, _) = try Sample.open(disk.afterKill())
        #expect(again.ids == [Sample.id(1)])
        again.close()
    }

    @Test func `what was released is in quarantine no more, over restarts, though it is held again`() async throws {
        let (queue, _) = try Sample.open(disk)
        var recipient = Sample.local("b@here.example")
        recipient.disposition = .quarantine
        var quarantined = Sample.submission(1, to: [recipient])
        quarantined.holdReason = "quarantine"
        _ = try await queue.commit([quarantined])
        func dispositions(_ queue: MailQueue) throws -> [Disposition] {
            try queue.show(Sample.id(1)).recipients.map(\.recipient.disposition)
        }
        #expect(try dispositions(queue) == [.quarantine])
        try await queue.release(Sample.id(1), now: Sample.start)
        try await queue.hold(Sample.id(1), reason: "by hand")
        #expect(try dispositions(queue) == [.deliver])
        queue.close()
        let (again, _) = try Sample.open(disk.afterKill())
        #expect(try dispositions(again) == [.deliver])
        #expect(try again.show(Sample.id(1)).holdReason == "by hand")
        again.close()
    }

    @Test func `retry makes waiting recipients due`() async throws {
        let (queue, _) = try Sample.open(disk)
        let id = try await queue.commit([Sample.submission(1)])[0]
        _ = queue.claimDue(now: Sample.start, limit: 1)
        let later = RecipientOutcome.Result.deferred(
            until: Sample.start.addingTimeInterval(600), reply: Reply(451, "no"), warned: false)
        try await queue.settle(id, [RecipientOutcome(0, later)])
        #expect(queue.claimDue(now: Sample.start, limit: 1).isEmpty)
        try queue.retry(id, now: Sample.start)
        #expect(queue.claimDue(now: Sample.start, limit: 1).count == 1)
        queue.close()
    }

    @Test func `one id is one message`() async throws {
        let (queue, _) = try Sample.open(disk)
        _ = try await queue.commit([Sample.submission(1)])
        await #expect(throws: QueueFailure.self) {
            try await queue.commit([Sample.submission(2), Sample.submission(1)])
        }
        await #expect(throws: QueueFailure.self) { try await queue.commit([Sample.submission(3, to: [])]) }
        #expect(queue.ids == [Sample.id(1)])
        _ = try await queue.commit([Sample.submission(2)])
        queue.close()
    }

    @Test func `a second opener is refused, and readers see a queue that nobody has open`() async throws {
        let (queue, _) = try Sample.open(disk)
        _ = try await queue.commit([Sample.submission(1)])
        #expect(throws: QueueFailure.locked(pid: 4711)) { try Sample.open(disk) }
        queue.close()
        var options = Sample.options
        options.isReadOnly = true
        let calls = disk.calls
        let (one, _) = try Sample.open(disk, options)
        let (two, _) = try Sample.open(disk, options)
        #expect(one.ids == [Sample.id(1)])
        #expect(two.ids == [Sample.id(1)])
        await #expect(throws: QueueFailure.closed) { try await one.commit([Sample.submission(2)]) }
        #expect(disk.calls == calls)
        one.close()
        two.close()
    }

    @Test func `many committers share a sync when syncs are slow`() async throws {
        var options = Sample.options
        options.lanes = 1
        options.segmentSize = 1 << 20
        // The keeper's own sync would take the gate's one signal.
        options.preparesSegments = false
        let (queue, _) = try Sample.open(disk, options)
        _ = try await queue.commit([Sample.submission(0)])
        let gate = DispatchSemaphore(value: 0)
        disk.onSync { gate.wait() }
        let before = disk.syncs
        // The first one's sync hangs until all the others wait.
        let all = (1...200).map { number in Task { try await queue.commit([Sample.submission(number)]) } }
        while queue.waitingCommits < 200 { await Task.yield() }
        disk.onSync(nil)
        gate.signal()
        for task in all { _ = try await task.value }
        #expect(disk.syncs - before <= 3)
        #expect(queue.counts().messages == 201)
        queue.close()
    }

    @Test func `a full pending list is a refusal`() async throws {
        var options = Sample.options
        options.pendingLimit = 1000
        options.preparesSegments = false
        let (queue, _) = try Sample.open(disk, options)
        let gate = DispatchSemaphore(value: 0)
        disk.onSync { gate.wait() }
        let first = Task { try await queue.commit([Sample.submission(1, size: 700)]) }
        while queue.waitingCommits < 1 { await Task.yield() }
        await #expect(throws: QueueFailure.self) { try await queue.commit([Sample.submission(2, size: 700)]) }
        disk.onSync(nil)
        gate.signal()
        _ = try await first.value
        queue.close()
    }

    static let putOff: [RecipientOutcome.Result] = [
        .deferred(until: Sample.start.addingTimeInterval(300), reply: Reply(451, "later"), warned: false),
        .returned(until: Sample.start.addingTimeInterval(60)),
    ]

    /// Nothing was due while it was being tried, so nobody has set a clock.
    @Test(arguments: putOff)
    func `work that is put off wakes who waits for it`(result: RecipientOutcome.Result) async throws {
        let (queue, _) = try Sample.open(disk)
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        let calls = Atomic(0)
        queue.onWork {
            calls.add(1, ordering: .relaxed)
            continuation.yield()
        }
        let ids = try await queue.commit([Sample.submission(1), Sample.submission(2)])
        for await _ in stream { break }
        #expect(queue.claimDue(now: Sample.start, limit: 3).count == 2)
        #expect(queue.nextDue() == nil)
        queue.settle(ids[0], [RecipientOutcome(0, result)], now: Sample.start)
        #expect(calls.load(ordering: .relaxed) == 2)
        // He knows of it, and of nothing earlier.
        #expect(queue.nextDue() != nil)
        let later = RecipientOutcome.Result.returned(until: Sample.start.addingTimeInterval(900))
        queue.settle(ids[1], [RecipientOutcome(0, later)], now: Sample.start)
        #expect(calls.load(ordering: .relaxed) == 2)
        queue.close()
    }

    @Test func `work that comes wakes who waits for it`() async throws {
        let (queue, _) = try Sample.open(disk)
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        queue.onWork { continuation.yield() }
        _ = try await queue.commit([Sample.submission(1)])
        var iterator = stream.makeAsyncIterator()
        await iterator.next()
        #expect(queue.claimDue(now: Sample.start, limit: 2).count == 1)
        _ = try await queue.commit([Sample.submission(2)])
        await iterator.next()
        #expect(queue.claimDue(now: Sample.start, limit: 2).count == 1)
        queue.close()
    }
}
