import Foundation
import MailTypes
import Testing

@testable import Queue

@Suite struct RecoveryTests {
    static let segment = "/queue/0000000000000001.journal"
    static let count = 5

    static var options: QueueOptions {
        var options = Sample.options
        options.lanes = 1
        return options
    }

    /// A queue of five messages in one segment, as `kill -9` leaves it; and where each record ends.
    static func fixture() async throws -> (disk: MemoryDisk, octets: [UInt8], ends: [Int]) {
        let disk = MemoryDisk()
        let (queue, _) = try Sample.open(disk, options)
        var ends: [Int] = []
        for number in 0..<count {
            _ = try await queue.commit([Sample.submission(number, size: 60)])
            ends.append(queue.journalEnd)
        }
        let image = disk.afterKill()
        queue.close()
        let octets = try #require(image.contents(segment))
        return (image, octets, ends)
    }

    /// What is there after these octets were put in the segment's place.
    static func reopen(_ disk: MemoryDisk, _ octets: [UInt8]) throws -> (Set<Int>, RecoveryReport) {
        let copy = disk.afterKill()
        copy.setContents(segment, octets)
        let (queue, report) = try Sample.open(copy, options)
        defer { queue.close() }
        var present: Set<Int> = []
        for id in queue.ids {
            let number = FaultTests.number(id)
            #expect(try queue.read(id).content.array == Sample.octets(number, 60))
            present.insert(number)
        }
        return (present, report)
    }

    @Test func `a file that is cut anywhere keeps what is whole, and nothing short`() async throws {
        let (disk, octets, ends) = try await Self.fixture()
        for cut in 0...(ends.last ?? 0) {
            let whole = Set(ends.indices.filter { Self.unpadded(ends[$0], octets) <= cut })
            let zeros = [UInt8](repeating: 0, count: octets.count - cut)
            for tail in [[], zeros] {
                let (present, report) = try Self.reopen(disk, Array(octets[..<cut]) + tail)
                guard cut >= SegmentHeader.count else {
                    #expect(present.isEmpty)
                    continue
                }
                #expect(present == whole, "cut at \(cut)")
                if octets[..<cut].last != 0, !ends.contains(cut), cut > SegmentHeader.count {
                    #expect(report.tornOctets > 0 || whole.count == ends.firstIndex { $0 >= cut }! + 1, "cut at \(cut)")
                }
            }
        }
    }

    /// A record's end without its padding, which may be missing.
    private static func unpadded(_ end: Int, _ octets: [UInt8]) -> Int {
        var place = end
        while place > end - 7, octets[place - 1] == 0 { place -= 1 }
        return place
    }

    @Test func `a flipped bit costs at most its own record`() async throws {
        let (disk, octets, ends) = try await Self.fixture()
        for place in 0..<(ends.last ?? 0) {
            var flipped = octets
            flipped[place] ^= 1 << (place % 8)
            let (present, report) = try Self.reopen(disk, flipped)
            let hit = place < SegmentHeader.count ? nil : ends.firstIndex { place < $0 }
            let others = Set(ends.indices).subtracting(hit.map { [$0] } ?? [])
            #expect(others.isSubset(of: present), "flipped at \(place)")
            if present.count < Self.count { #expect(!report.damages.isEmpty, "flipped at \(place)") }
        }
    }

    @Test func `what is damaged is set aside, once`() async throws {
        let (disk, octets, ends) = try await Self.fixture()
        var damaged = octets
        damaged[ends[1] + 40] ^= 0xff
        let copy = disk.afterKill()
        copy.setContents(Self.segment, damaged)
        let (queue, report) = try Sample.open(copy, Self.options)
        queue.close()
        let damage = try #require(report.damages.first)
        #expect(damage.offset == ends[1])
        #expect(copy.contents(try #require(damage.setAside)) == Array(damaged[ends[1]..<ends[2]]))
        let (again, second) = try Sample.open(copy, Self.options)
        #expect(second.damages.count == 1)
        #expect(copy.paths.count { $0.contains("/corrupt/") } == 1)
        again.close()
    }

    @Test func `a tail of noise is no message`() async throws {
        let (disk, octets, ends) = try await Self.fixture()
        var noise = octets
        for place in ends[2]..<noise.count { noise[place] = UInt8(truncatingIfNeeded: place &* 97) }
        let (present, report) = try Self.reopen(disk, noise)
        #expect(present == [0, 1, 2])
        #expect(report.tornOctets > 0)
    }

    @Test func `a second record of one id is reported and does not count`() async throws {
        let (disk, octets, ends) = try await Self.fixture()
        var doubled = octets
        doubled.replaceSubrange(ends[4]..<ends[4] + ends[1] - ends[0], with: octets[ends[0]..<ends[1]])
        let (present, report) = try Self.reopen(disk, doubled)
        #expect(present.count == Self.count)
        #expect(report.damages.count == 1)
    }

    @Test func `a copy of a segment under another name does not count`() async throws {
        let (disk, octets, _) = try await Self.fixture()
        let copy = disk.afterKill()
        copy.setContents("/queue/0000000000000007.journal", octets)
        let (queue, report) = try Sample.open(copy, Self.options)
        #expect(queue.ids.count == Self.count)
        #expect(report.damages.map(\.file) == ["0000000000000007.journal"])
        queue.close()
    }

    @Test func `a body that changed on disk is held, not delivered`() async throws {
        let disk = MemoryDisk()
        let (queue, _) = try Sample.open(disk, Self.options)
        let id = try await queue.commit([Sample.submission(1, size: 9000)])[0]
        queue.close()
        let path = "/queue/bodies/\(id)"
        var body = try #require(disk.contents(path))
        body[4000] ^= 1
        disk.setContents(path, body)
        let (again, _) = try Sample.open(disk, Self.options)
        #expect(throws: QueueFailure.damaged(id)) { try again.read(id) }
        #expect(try again.show(id).holdReason != nil)
        again.close()
        disk.setContents(path, nil)
        let (third, report) = try Sample.open(disk, Self.options)
        #expect(report.damages.count == 1)
        #expect(third.counts().held == 1)
        third.close()
    }

    @Test func `a newer format is refused by name`() async throws {
        let (disk, octets, _) = try await Self.fixture()
        var header = SegmentHeader(mark: 1, number: 1, made: 0)
        header.version = 2
        let copy = disk.afterKill()
        copy.setContents(Self.segment, header.octets + octets.dropFirst(SegmentHeader.count))
        #expect(throws: QueueFailure.newerFormat(path: Self.segment, version: 2)) {
            try Sample.open(copy, Self.options)
        }
    }

    /// A stranger sends a journal as his message, and then the disk damages the record in front of it.
    @Test func `records inside a message are not found`() async throws {
        let (_, forged, _) = try await Self.fixture()
        let disk = MemoryDisk()
        let (queue, _) = try Sample.open(disk, Self.options)
        var carrier = Sample.submission(50)
        carrier.content = [Bytes(Array(forged.prefix(3000)))]
        _ = try await queue.commit([carrier])
        _ = try await queue.commit([Sample.submission(51)])
        let image = disk.afterKill()
        queue.close()
        var octets = try #require(image.contents(Self.segment))
        octets[SegmentHeader.count + 9] ^= 0x10
        image.setContents(Self.segment, octets)
        let (again, _) = try Sample.open(image, Self.options)
        #expect(again.ids == [Sample.id(51)])
        again.close()
    }

    @Test func `a commit that was cut off between its messages never happened`() async throws {
        let disk = MemoryDisk()
        let (queue, _) = try Sample.open(disk, Self.options)
        _ = try await queue.commit([Sample.submission(1)])
        let end = queue.journalEnd
        _ = try await queue.commit([Sample.submission(2), Sample.submission(3)])
        let image = disk.afterKill()
        queue.close()
        let octets = try #require(image.contents(Self.segment))
        image.setContents(Self.segment, Array(octets[..<(end + (queue.journalEnd - end) * 3 / 4)]))
        let (again, report) = try Sample.open(image, Self.options)
        #expect(again.ids == [Sample.id(1)])
        #expect(report.tornOctets > 0)
        again.close()
    }

    @Test func `a message that kills the process again and again is held, its neighbours are not`() async throws {
        var disk = MemoryDisk()
        var (queue, _) = try Sample.open(disk)
        _ = try await queue.commit((1...3).map { Sample.submission($0) })
        // All three are being delivered when it dies, and once more: suspects of one crash come together.
        for _ in 1...2 {
            #expect(queue.claimDue(now: Sample.start, limit: 9).count == 3)
            disk = disk.afterKill()
            let report: RecoveryReport
            (queue, report) = try Sample.open(disk)
            #expect(report.interrupted.count == 3)
            #expect(report.setAside.isEmpty)
        }
        // Now one at a time, the next as soon as one is done. The first is innocent, the second kills again.
        let first = queue.claimDue(now: Sample.start, limit: 9)
        #expect(first.count == 1)
        try await queue.settle(first[0].id, [RecipientOutcome(0, .delivered)])
        let second = queue.claimDue(now: Sample.start, limit: 9)
        #expect(second.count == 1)
        disk = disk.afterKill()
        let report: RecoveryReport
        (queue, report) = try Sample.open(disk, now: Sample.start.addingTimeInterval(2))
        #expect(report.setAside == second.map(\.id))
        let third = queue.claimDue(now: Sample.start.addingTimeInterval(3), limit: 9)
        #expect(third.count == 1)
        #expect(third.map(\.id) != second.map(\.id))
        queue.close()
    }

    @Test func `after an orderly end nobody is suspected`() async throws {
        let disk = MemoryDisk()
        let (queue, _) = try Sample.open(disk)
        _ = try await queue.commit([Sample.submission(1)])
        #expect(queue.claimDue(now: Sample.start, limit: 9).count == 1)
        queue.close()
        let (again, report) = try Sample.open(disk)
        #expect(report.interrupted.isEmpty)
        #expect(again.claimDue(now: Sample.start, limit: 9).count == 1)
        again.close()
    }
}

extension MailQueue {
    /// Where the newest segment's records end.
    var journalEnd: Int {
        state.withLock { state in state.segments.numbers.last.flatMap { state.segments[$0]?.end } ?? 0 }
    }
}
