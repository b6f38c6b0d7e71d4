import Foundation
import MailTypes
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
        let home = queue.segment(of: id)
        // Stragglers in many segments make copying worth it.
        var kept: Set<QueueID> = []
        for number in 0..<400 {
            let new = try await queue.commit([Sample.submission(number)])[0]
            if number % 10 == 0 { kept.insert(new) }
            try await finish(queue, except: kept)
        }
        #expect(queue.segment(of: id) != home)
        let (again, _) = try Sample.open(disk.afterPowerLoss(), Self.options)
        let listing = try again.show(id)
        #expect(listing.recipients.map(\.progress.status) == [.waiting, .delivered])
        #expect(listing.recipients[0].progress.lastReply == reply)
        #expect(listing.recipients[0].progress.attempts == 1)
        #expect(listing.recipients[0].progress.warned)
        queue.close()
        again.close()
    }
}

extension MailQueue {
    func segment(of id: QueueID) -> UInt32? { state.withLock { $0.messages[id]?.segment } }
}
