import MailTypes
import Testing

@testable import Queue

/// In a box, since an expectation cannot change a value.
private final class Floor {
    private var floor = SuspectFloor()

    var hasWaiting: Bool { floor.hasWaiting }
    func admits(_ message: IndexedMessage, at now: Int64) -> Bool { floor.admits(message, at: now) }
    func wait(_ one: SuspectFloor.Waiting) { floor.wait(one) }
    func leave(_ message: IndexedMessage) -> Bool { floor.leave(message) }
    func next(at now: Int64) -> [SuspectFloor.Waiting] { floor.next(at: now) }
}

@Suite struct SuspectFloorTests {
    private static func suspect(_ number: Int, crashes: UInt8 = 1) throws -> IndexedMessage {
        let message = try #require(
            IndexedMessage(
                id: Sample.id(number), received: 0, contentCount: 1, hasBodyFile: false,
                states: [RecipientState(due: 0, since: 0)]))
        message.crashes = crashes
        return message
    }

    private static func waiting(_ message: IndexedMessage, line: Int32 = 0) -> SuspectFloor.Waiting {
        SuspectFloor.Waiting(message: message, line: line)
    }

    @Test func `an innocent message needs no floor`() throws {
        let floor = Floor()
        let lone = try Self.suspect(1, crashes: 2)
        #expect(floor.admits(lone, at: 0))
        let innocent = try Self.suspect(2, crashes: 0)
        #expect(floor.admits(innocent, at: 0))
    }

    @Test func `suspects of one crash come in groups`() throws {
        let floor = Floor()
        let suspects = try (0...SuspectFloor.groupSize).map { try Self.suspect($0) }
        for suspect in suspects.dropLast() {
            #expect(floor.admits(suspect, at: 0))
        }
        let last = suspects[SuspectFloor.groupSize]
        #expect(!floor.admits(last, at: 0))
        floor.wait(Self.waiting(last))
        // It is told once, however often it asks meanwhile.
        #expect(!floor.admits(last, at: 1))
        floor.wait(Self.waiting(last))
        #expect(floor.next(at: 1).isEmpty)
        #expect(floor.leave(suspects[0]))
        #expect(floor.next(at: 2).map(\.message.id) == [last.id])
        #expect(!floor.hasWaiting)
        #expect(floor.admits(last, at: 2))
    }

    @Test func `a suspect of two crashes is alone, and nobody passes those who wait`() throws {
        let floor = Floor()
        let (one, lone, late) = (try Self.suspect(1), try Self.suspect(2, crashes: 2), try Self.suspect(3))
        #expect(floor.admits(one, at: 0))
        #expect(!floor.admits(lone, at: 0))
        floor.wait(Self.waiting(lone))
        #expect(!floor.admits(late, at: 0))
        floor.wait(Self.waiting(late))
        #expect(floor.leave(one))
        #expect(floor.next(at: 1).map(\.message.id) == [lone.id])
        #expect(floor.next(at: 1).isEmpty)
        #expect(floor.leave(lone))
        #expect(floor.next(at: 2).map(\.message.id) == [late.id])
    }

    @Test func `who takes long loses the floor, and who is gone does not get it`() throws {
        let floor = Floor()
        let (slow, gone, next) = (
            try Self.suspect(1, crashes: 2), try Self.suspect(2, crashes: 2), try Self.suspect(3, crashes: 2)
        )
        #expect(floor.admits(slow, at: 0))
        for one in [gone, next] { floor.wait(Self.waiting(one)) }
        gone.isGone = true
        #expect(floor.next(at: SuspectFloor.probation - 1).isEmpty)
        #expect(floor.next(at: SuspectFloor.probation).map(\.message.id) == [next.id])
        #expect(!floor.leave(slow))
    }

    @Test func `a message with two destinations has both lines called`() throws {
        let floor = Floor()
        let (first, second) = (try Self.suspect(1, crashes: 2), try Self.suspect(2, crashes: 2))
        #expect(floor.admits(first, at: 0))
        for line in [Int32(4), 5] { floor.wait(Self.waiting(second, line: line)) }
        #expect(floor.leave(first))
        #expect(floor.next(at: 1).map(\.line) == [4, 5])
    }
}

@Suite struct SpareSegmentTests {
    @Test func `it grows by portions and has its name when it is whole`() throws {
        let disk = MemoryDisk()
        let size = 2 * SpareSegment.portion + 4096
        var spare = try SpareSegment(in: Sample.directory, count: size, files: disk)
        let steps = try [spare.grow(), spare.grow(), spare.grow()]
        #expect(steps == [false, false, true])
        _ = consume spare
        #expect(disk.contents("\(Sample.directory)/\(QueueLayout.spare)") == [UInt8](repeating: 0, count: size))
        #expect(disk.contents("\(Sample.directory)/\(QueueLayout.newSpare)") == nil)
    }

    @Test func `one that is not finished is removed`() throws {
        let disk = MemoryDisk()
        var spare = try SpareSegment(in: Sample.directory, count: 2 * SpareSegment.portion, files: disk)
        let isWhole = try spare.grow()
        #expect(!isWhole)
        #expect(disk.contents("\(Sample.directory)/\(QueueLayout.newSpare)") != nil)
        _ = consume spare
        #expect(disk.contents("\(Sample.directory)/\(QueueLayout.newSpare)") == nil)
    }

    @Test(arguments: [true, false])
    func `a segment that was none is zeroed ahead of its records, now and then`(_ prepares: Bool) async throws {
        var options = Sample.options
        options.lanes = 1
        options.segmentSize = 1 << 20
        options.preparesSegments = prepares
        let disk = MemoryDisk()
        let (queue, _) = try Sample.open(disk, options)
        for number in 1...3 { _ = try await queue.commit([Sample.submission(number, size: 1000)]) }
        let path = try #require(disk.paths.first { $0.hasSuffix(".journal") })
        let ahead = disk.writes(path).filter { $0.count > 10_000 }
        #expect(ahead.count == (prepares ? 1 : 0))
        // Until it is full, no record goes where nothing was written, but the one that zeros follow at once.
        for number in 4...400 { _ = try await queue.commit([Sample.submission(number, size: 1500)]) }
        var end = SegmentHeader.count
        var gaps = 0
        for range in disk.writes(path) where range.upperBound > SegmentHeader.count {
            #expect(range.lowerBound <= end && range.upperBound <= options.segmentSize)
            if range.upperBound > end { gaps += 1 }
            end = max(end, range.upperBound)
        }
        #expect(prepares ? gaps <= 10 : gaps == 400, "\(gaps)")
        queue.close()
        let (again, report) = try Sample.open(disk.afterPowerLoss(), options)
        #expect(again.ids.count == 400 && report.damages.isEmpty && report.tornOctets == 0)
        again.close()
    }
}
