import MailTypes
import Testing
import struct Foundation.Date

@testable import Queue

/// Other routes for recipients who wait.
@Suite struct ReroutingTests {
    private static let smarthost = RelayHost(name: "smart.example")
    private static let three = [
        Sample.remote("a@x.example"), Sample.local("b@here.example"), Sample.remote("c@x.example"),
    ]

    private static func over(_ recipient: QueueRecipient, _ host: RelayHost = smarthost) -> QueueRecipient {
        QueueRecipient(recipient.address, said: recipient.said, route: .host(host))
    }

    private static func routes(_ queue: MailQueue, _ id: QueueID) throws -> [Route] {
        try queue.show(id).recipients.map(\.recipient.route)
    }

    /// Puts everything off that is due.
    private static func putOff(_ queue: MailQueue, _ seconds: Double = 300) async throws {
        for work in queue.claimDue(now: Sample.start, limit: 100) {
            let until = Sample.start.addingTimeInterval(seconds)
            let result = RecipientOutcome.Result.deferred(until: until, reply: Reply(451, "later"), warned: true)
            try await queue.settle(work.id, work.recipients.map { RecipientOutcome($0.number, result) })
        }
    }

    @Test(arguments: [300, 9000])
    func `who waits gets another route, is due now, and keeps both over restarts`(_ size: Int) async throws {
        let disk = MemoryDisk()
        let (queue, _) = try Sample.open(disk)
        let id = try await queue.commit([Sample.submission(1, to: Self.three, size: size)])[0]
        try await Self.putOff(queue)
        #expect(queue.claimDue(now: Sample.start, limit: 9).isEmpty)
        let mailbox = QueueRecipient("c@here.example", said: EnvelopeRecipient("c@x.example"), route: .mailbox("c@y"))
        let added = QueueRecipient("d@z.example", route: .exchanger(domain: "z.example"))
        let changes = [0: [Self.over(Self.three[0])], 2: [mailbox, added]]
        #expect(try await queue.reroute(id, changes, now: Sample.start) == [0, 2, 3])
        let expected = [Self.over(Self.three[0]), Self.three[1], mailbox, added]
        func check(_ queue: MailQueue) throws {
            let listing = try queue.show(id)
            #expect(listing.recipients.map(\.recipient) == expected)
            #expect(listing.recipients.map(\.progress.attempts) == [1, 1, 1, 1])
            #expect(listing.recipients.map { $0.progress.due == Sample.start } == [true, false, true, true])
            #expect(listing.recipients.allSatisfy { $0.progress.warned }, "a new one inherits what was done for it")
            let message = try queue.read(id)
            #expect(message.recipients == expected)
            #expect(message.content.array == Sample.octets(1, size))
            #expect(queue.counts().recipients == 4 && queue.counts().deferred == 4)
        }
        try check(queue)
        let image = disk.afterPowerLoss()
        for _ in 0..<2 {
            let (again, report) = try Sample.open(image)
            #expect(report.damages.isEmpty)
            try check(again)
            again.close()
        }
        let works = queue.claimDue(now: Sample.start, limit: 9)
        #expect(
            Set(works.map(\.destination)) == [
                .host(Self.smarthost), .mailboxes, .exchanger(domain: "z.example"),
            ])
        #expect(works.flatMap(\.recipients).map(\.number).sorted() == [0, 2, 3])
        for work in works {
            try await queue.settle(id, work.recipients.map { RecipientOutcome($0.number, .delivered) })
        }
        #expect(try queue.show(id).recipients.map(\.progress.status) == [.delivered, .waiting, .delivered, .delivered])
        let (after, _) = try Sample.open(disk.afterPowerLoss())
        #expect(try after.show(id).recipients.map(\.progress.status) == [.delivered, .waiting, .delivered, .delivered])
        after.close()
        for work in queue.claimDue(now: Sample.start.addingTimeInterval(301), limit: 9) {
            #expect(work.destination == .mailboxes && work.recipients.map(\.number) == [1])
            try await queue.settle(id, work.recipients.map { RecipientOutcome($0.number, .delivered) })
        }
        #expect(queue.counts() == QueueCounts(keeping: queue.counts()), "nothing is left in any count")
        #expect(queue.ids.isEmpty)
        queue.close()
        #expect(try Sample.open(disk.afterPowerLoss()).1.messages == 0)
    }

    @Test func `who is done or being tried keeps his route`() async throws {
        let (queue, _) = try Sample.open(MemoryDisk())
        let id = try await queue.commit([Sample.submission(1, to: Self.three)])[0]
        let works = queue.claimDue(now: Sample.start, limit: 9)
        let local = try #require(works.first { $0.destination == .mailboxes })
        try await queue.settle(local.id, [RecipientOutcome(1, .delivered)])
        let all = Dictionary(uniqueKeysWithValues: Self.three.enumerated().map { ($0.offset, [Self.over($0.element)]) })
        #expect(try await queue.reroute(id, all, now: Sample.start) == [])
        #expect(try Self.routes(queue, id) == Self.three.map(\.route))
        let returned = RecipientOutcome.Result.returned(until: Sample.start)
        try await queue.settle(id, [RecipientOutcome(0, returned)])
        #expect(try await queue.reroute(id, all, now: Sample.start) == [0])
        #expect(try await queue.reroute(id, [7: [Self.three[0]], -1: [Self.three[0]], 0: []], now: Sample.start) == [])
        await #expect(throws: QueueFailure.unknown(Sample.id(9))) {
            try await queue.reroute(Sample.id(9), all, now: Sample.start)
        }
        queue.close()
    }

    @Test func `held mail gets its route and waits on; quarantine ends with the release all the same`() async throws {
        let disk = MemoryDisk()
        let (queue, _) = try Sample.open(disk)
        var submission = Sample.submission(1, to: [Sample.remote("a@x.example")])
        submission.recipients[0].disposition = .quarantine
        submission.holdReason = "quarantine"
        let id = try await queue.commit([submission])[0]
        var other = Self.over(submission.recipients[0])
        other.disposition = .quarantine
        #expect(try await queue.reroute(id, [0: [other]], now: Sample.start) == [0])
        #expect(queue.claimDue(now: Sample.start, limit: 9).isEmpty)
        try await queue.release(id, now: Sample.start)
        #expect(try queue.show(id).recipients.map(\.recipient.disposition) == [.deliver])
        // And again, of what was released.
        let back = Sample.remote("a@x.example")
        #expect(try await queue.reroute(id, [0: [back]], now: Sample.start) == [0])
        let (again, _) = try Sample.open(disk.afterPowerLoss())
        #expect(try again.show(id).recipients.map(\.recipient) == [back])
        again.close()
        let works = queue.claimDue(now: Sample.start, limit: 9)
        #expect(works.map(\.destination) == [.exchanger(domain: "x.example")])
        queue.close()
    }

    @Test func `what compaction copies has the new routes, and its record alone is enough`() async throws {
        let disk = MemoryDisk()
        let (queue, _) = try Sample.open(disk, HousekeepingTests.options)
        let id = try await queue.commit([Sample.submission(1000, to: Self.three)])[0]
        let added = QueueRecipient("d@z.example", route: .exchanger(domain: "z.example"))
        _ = try await queue.reroute(id, [0: [Self.over(Self.three[0]), added]], now: Sample.start)
        try await Self.putOff(queue, 400_000)
        let home = queue.segment(of: id)
        var kept: Set<QueueID> = [id]
        for number in 0..<400 {
            let new = try await queue.commit([Sample.submission(number)])[0]
            if number % 10 == 0 { kept.insert(new) }
            for work in queue.claimDue(now: Sample.start, limit: 9) where !kept.contains(work.id) {
                try await queue.settle(work.id, work.recipients.map { RecipientOutcome($0.number, .delivered) })
            }
        }
        #expect(queue.segment(of: id) != home)
        let expected = [Self.over(Self.three[0]), Self.three[1], Self.three[2], added]
        #expect(try queue.read(id).recipients == expected)
        // Once more after the copy.
        _ = try await queue.reroute(
            id, [3: [Self.over(added, RelayHost(name: "other.example"))]], now: Sample.start)
        let (again, report) = try Sample.open(disk.afterPowerLoss(), HousekeepingTests.options)
        #expect(report.damages.isEmpty)
        #expect(
            try Self.routes(again, id) == expected.dropLast().map(\.route) + [.host(RelayHost(name: "other.example"))])
        again.close()
        queue.close()
    }

    /// A message that is rerouted, put off, rerouted again and delivered to some. Answers what was told.
    private static func live(_ disk: MemoryDisk) async -> (queue: MailQueue?, told: Int) {
        guard let (queue, _) = try? Sample.open(disk, FaultTests.options) else { return (nil, 0) }
        guard let id = try? await queue.commit([Sample.submission(1, to: three)]).first else { return (queue, 0) }
        let added = QueueRecipient("d@z.example", route: .exchanger(domain: "z.example"))
        guard (try? await queue.reroute(id, [0: [over(three[0]), added]], now: Sample.start)) == [0, 3] else {
            return (queue, 1)
        }
        for work in queue.claimDue(now: Sample.start, limit: 9) where work.destination == .host(smarthost) {
            guard (try? await queue.settle(id, [RecipientOutcome(0, .delivered)])) != nil else { return (queue, 2) }
        }
        return (queue, 3)
    }

    @Test(arguments: MemoryDisk.Fault.Kind.allCases, [false, true])
    func `whatever call fails, it has the old routes or the new ones, and those it was told`(
        _ kind: MemoryDisk.Fault.Kind, _ lasts: Bool
    ) async throws {
        let dry = MemoryDisk()
        let (whole, told) = await Self.live(dry)
        whole?.close()
        #expect(told == 3)
        let old = Self.three.map(\.route)
        let new = [.host(Self.smarthost), old[1], old[2], .exchanger(domain: "z.example")]
        for call in 1...dry.calls + 2 {
            let disk = MemoryDisk()
            let fault = MemoryDisk.Fault(call: call, kind: kind, lasts: lasts)
            disk.fail(fault)
            let (queue, told) = await Self.live(disk)
            for image in [disk.afterPowerLoss(), disk.afterKill()] {
                let (again, _) = try Sample.open(image, FaultTests.options)
                if told > 0 { #expect(again.ids == [Sample.id(1)], "\(fault)") }
                for id in again.ids {
                    let routes = try Self.routes(again, id)
                    #expect(told > 1 ? routes == new : routes == new || routes == old, "\(fault)")
                    #expect(try again.read(id).content.array == Sample.octets(1))
                    let first = try again.show(id).recipients[0].progress.status
                    #expect(told < 3 || first == .delivered, "\(fault)")
                    // Nobody is forgotten, and nobody gets it twice.
                    let works = again.claimDue(now: Sample.start.addingTimeInterval(1), limit: 9)
                    let numbers = works.flatMap(\.recipients).map(\.number).sorted()
                    #expect(numbers == routes.indices.filter { first != .delivered || $0 != 0 }, "\(fault)")
                }
                again.close()
            }
            queue?.close()
        }
    }

    @Test func `a record that names fewer than there are is no record`() async throws {
        let disk = MemoryDisk()
        let (queue, _) = try Sample.open(disk, RecoveryTests.options)
        let id = try await queue.commit([Sample.submission(1, to: Self.three)])[0]
        let end = queue.journalEnd
        let image = disk.afterKill()
        queue.close()
        var run = RecordRun()
        run.append(.rerouted) { writer in
            writer.put(id)
            writer.put(count: 1)
            writer.put(Self.over(Self.three[0]))
            writer.put(StoredProgress())
        }
        var octets = try #require(image.contents(RecoveryTests.segment))
        let mark = octets[12..<16].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        var record = run.octets
        record.withUnsafeMutableBytes { RecordRun.stamp($0, mark: mark) }
        octets.replaceSubrange(end..<end + record.count, with: record)
        image.setContents(RecoveryTests.segment, octets)
        let (again, report) = try Sample.open(image, RecoveryTests.options)
        #expect(try Self.routes(again, id) == Self.three.map(\.route))
        #expect(report.damages.count == 1)
        again.close()
    }
}

extension QueueCounts {
    /// An empty queue's, with what others have left of committing and writing.
    fileprivate init(keeping counts: QueueCounts) {
        self.init()
        segments = counts.segments
        journalBytes = counts.journalBytes
        committed = counts.committed
        syncs = counts.syncs
    }
}
