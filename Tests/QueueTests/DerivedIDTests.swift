import MailTypes
import Synchronization
import Testing

@testable import Queue

/// The ids of reports follow from their messages, and may come again.
@Suite(.timeLimit(.minutes(10))) struct DerivedIDTests {
    let disk = MemoryDisk()

    static func report(_ number: Int, _ size: Int = 300) -> Submission {
        Sample.submission(number, copy: QueueID.firstDerivedCopy + 7, size: size)
    }

    @Test func `only ids of high copies come again`() {
        #expect(Self.report(1).id.isDerived)
        #expect(!Sample.id(1, copy: QueueID.firstDerivedCopy - 1).isDerived)
    }

    @Test(arguments: [300, HousekeepingTests.options.inlineLimit + 1])
    func `an id that comes again waits until its refusal is durable`(size: Int) async throws {
        let disk = MemoryDisk()
        var options = HousekeepingTests.options
        options.preparesSegments = false
        let (queue, _) = try Sample.open(disk, options)
        let (first, wanted) = (Self.report(1), Self.report(7, size))
        _ = try await queue.commit([first])
        // The last sync fails, the journal's: the record is perhaps on the disk. A large one's file and its folder
        // are synced before.
        let isLarge = size > options.inlineLimit
        let syncs = disk.syncs + (isLarge ? 2 : 0)
        disk.onSync {
            guard disk.syncs == syncs else { return }
            disk.fail(.init(call: disk.calls + 1, kind: .inputOutput, lasts: true))
        }
        await #expect(throws: QueueFailure.self) { _ = try await queue.commit([wanted]) }
        await #expect(throws: QueueFailure.inUse(wanted.id)) { _ = try await queue.commit([wanted]) }
        #expect(throws: QueueFailure.unknown(wanted.id)) { _ = try queue.read(wanted.id) }
        let body = QueueLayout.body(wanted.id, in: Sample.directory)
        #expect(disk.paths.contains(body) == isLarge)
        disk.onSync(nil)
        disk.fail()
        _ = try await queue.commit([Self.report(8)])
        // The file of the refused one may just be being removed.
        var isTaken = false
        for _ in 0..<1000 where !isTaken {
            isTaken = (try? await queue.commit([wanted])) != nil
            if !isTaken { try await Task.sleep(for: .milliseconds(1)) }
        }
        #expect(isTaken)
        queue.close()
        let (again, damages) = try Sample.open(disk.afterPowerLoss(), options)
        #expect(damages.damages.isEmpty)
        #expect(again.ids == [first.id, wanted.id, Self.report(8).id])
        #expect(try again.read(wanted.id).content.array == Sample.octets(7, size))
        again.close()
    }

    @Test func `an id that comes again waits until the end of its first message is durable`() async throws {
        var options = Sample.options
        options.preparesSegments = false
        let (queue, _) = try Sample.open(disk, options)
        let id = try await queue.commit([Self.report(1)])[0]
        #expect(queue.claimDue(now: Sample.start, limit: 1).count == 1)
        let early = Mutex<Result<[QueueID], QueueFailure>?>(nil)
        disk.onSync { [disk] in
            disk.onSync(nil)
            queue.commit([Self.report(1, 400)]) { result in early.withLock { $0 = result } }
        }
        try await queue.settle(id, [RecipientOutcome(0, .delivered)])
        #expect(early.withLock { $0 } == .failure(.inUse(id)))
        #expect(try await queue.commit([Self.report(1, 400)]) == [id])
        queue.close()
    }

    /// Two lanes' journals are read in no order.
    @Test func `after a restart, too, an id that comes again stands behind the end of its first message`() async throws
    {
        let (queue, _) = try Sample.open(disk)
        let id = try await queue.commit([Self.report(1)])[0]
        queue.close()
        let (again, _) = try Sample.open(disk)
        // The segment that takes reports is older than one that would begin with the end of the first.
        _ = try await again.commit([Self.report(2)])
        #expect(again.claimDue(now: Sample.start, limit: 2).contains { $0.id == id })
        try await again.settle(id, [RecipientOutcome(0, .delivered)])
        _ = try await again.commit([Self.report(1, 400)])
        let image = disk.afterPowerLoss()
        again.close()
        let (last, damages) = try Sample.open(image)
        #expect(damages.damages.isEmpty)
        #expect(last.ids == [id, Self.report(2).id])
        #expect(try last.read(id).content.array == Sample.octets(1, 400))
        last.close()
    }

    @Test func `an id whose body stays is not free, and the body is looked at again`() async throws {
        let (queue, _) = try Sample.open(disk)
        let large = Self.report(1, Sample.options.inlineLimit + 1)
        let id = try await queue.commit([large])[0]
        #expect(queue.claimDue(now: Sample.start, limit: 1).count == 1)
        disk.fail(.init(call: 0, kind: .inputOutput, lasts: true, only: "unlink"))
        try await queue.settle(id, [RecipientOutcome(0, .delivered)])
        while disk.failures == 0 { await Task.yield() }
        await #expect(throws: QueueFailure.inUse(id)) { _ = try await queue.commit([large]) }
        disk.fail()
        queue.keeper.sweep()
        while disk.paths.contains(QueueLayout.body(id, in: Sample.directory)) { await Task.yield() }
        var isTaken = false
        while !isTaken { isTaken = (try? await queue.commit([large])) != nil }
        queue.close()
    }

    @Test func `a body that is there is nobody's to remove`() async throws {
        let (queue, _) = try Sample.open(disk)
        let body = QueueLayout.body(Sample.id(7), in: Sample.directory)
        disk.setContents(body, [1, 2, 3])
        await #expect(throws: QueueFailure.self) {
            _ = try await queue.commit([Sample.submission(7, size: Sample.options.inlineLimit + 1)])
        }
        #expect(disk.contents(body) == [1, 2, 3])
        queue.close()
    }
}
