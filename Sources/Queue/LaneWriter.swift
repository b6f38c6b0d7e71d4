import Foundation
import MailTypes
import Synchronization

/// The thread's side of a lane.
final class LaneWriter {
    private let lane: Lane
    private let owner: any LaneOwner
    private var segment: (file: SegmentFile, end: Int, size: Int)?
    /// How far the blocks of the segment are written, with records or with zeros.
    private var prepared = 0
    /// Messages of failed batches that may lie in closed segments, to be removed first of all.
    private var cancelled: [IndexedMessage] = []
    /// The tainted segments of those batches.
    private var doubtful: [SegmentFile] = []
    /// How many waited for the last sync, and how long it took in nanoseconds; see ``gather(_:)``.
    private var company = 0
    private var lastSync: UInt64 = 0
    private var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)

    init(lane: Lane, owner: any LaneOwner) {
        self.lane = lane
        self.owner = owner
    }

    deinit { buffer.deallocate() }

    func run() {
        while let items = next() {
            if lastSync >= Self.slowSync { lane.busyUntil.store(MonotonicTime.now &+ lastSync, ordering: .relaxed) }
            company = items.count { !$0.isLazy }
            write(items)
            lane.busyUntil.store(0, ordering: .relaxed)
            lane.load.subtract(items.count, ordering: .relaxed)
        }
        // One last try, so that nobody who was refused is surprised after the next start.
        if !cancelled.isEmpty { write([]) }
        seal()
        lane.pending.withLock { $0.isClosed = true }
        lane.pending.ring()
    }

    /// What is to be written now, waiting until there is something; `nil` when the lane is closed.
    private func next() -> [LaneItem]? {
        letOthersCome()
        var gathering: UInt64?
        return lane.pending.wait { pending, deadline -> [LaneItem]?? in
            guard self.isDue(pending, &deadline) else { return nil }
            if pending.urgent < self.company, !pending.isClosing, let end = self.gather(&gathering) {
                deadline = end
                return nil
            }
            if pending.items.isEmpty, pending.isClosing { return .some(nil) }
            pending.deadline = nil
            guard let count = self.batchEnd(pending.items) else {
                defer {
                    pending.items = []
                    pending.urgent = 0
                }
                return pending.items
            }
            let batch = Array(pending.items[..<count])
            pending.items.removeFirst(count)
            pending.urgent = pending.items.reduce(0) { $0 + ($1.isLazy ? 0 : 1) }
            if pending.urgent == 0 { pending.deadline = MonotonicTime.now }
            return batch
        }
    }

    /// Whether something is to be written; if not, `deadline` is when that may change by itself.
    private func isDue(_ pending: Lane.Pending, _ deadline: inout UInt64?) -> Bool {
        let isLate = pending.deadline.map { $0 <= MonotonicTime.now } ?? false
        if pending.urgent > 0 || isLate || pending.isClosing { return true }
        deadline = pending.deadline
        return false
    }

    /// Those who share a sync are many, and while processors are short of time the next of them are about to come: when
    /// the first has, whoever has work for a processor does that first, and the sync serves more of them. Where a
    /// processor is free that takes no time, and who is alone never gets here. sched_yield(2).
    private func letOthersCome() {
        guard company > 1 else { return }
        lane.pending.wait { pending, deadline -> Void? in isDue(pending, &deadline) ? () : nil }
        sched_yield()
    }

    /// How many of these make a batch; `nil`: all of them.
    private func batchEnd(_ items: [LaneItem]) -> Int? {
        var octets = 0
        let count = items.firstIndex {
            octets += $0.octets.count
            return octets > lane.options.batchLimit
        }
        return count.flatMap { $0 > 0 ? $0 : nil }
    }

    /// Until when to wait for those who shared the last sync and are about to come back: an eighth of what a
    /// sync costs, so that one of a slow disk is not spent on the first of them alone. Who was alone, or has a
    /// fast disk, does not wait.
    private func gather(_ end: inout UInt64?) -> UInt64? {
        guard lastSync >= Self.slowSync else { return nil }
        let now = MonotonicTime.now
        let deadline = end ?? now &+ min(lastSync / 8, Self.longestGathering)
        end = deadline
        return now < deadline ? deadline : nil
    }

    private static let slowSync: UInt64 = 400_000
    private static let longestGathering: UInt64 = 2_000_000

    private func write(_ items: [LaneItem]) {
        let ready = withBodies(items)
        guard !ready.isEmpty || !cancelled.isEmpty else { return }
        let cancellation = cancelRecord()
        let count = ready.reduce(cancellation.count) { $0 + $1.octets.count }
        do throws(SystemError) {
            let (file, start) = try room(for: count)
            do throws(SystemError) {
                let offsets = fill(cancellation, ready, mark: file.header.mark)
                try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: start)
                try prepare(file, behind: start + count)
                lane.syncs.add(1, ordering: .relaxed)
                let began = MonotonicTime.now
                try file.synchronize()
                lastSync = MonotonicTime.now &- began
                segment?.end = start + count
                if !cancelled.isEmpty || !doubtful.isEmpty { owner.cancelled(cancelled, of: doubtful, in: file) }
                cancelled = []
                doubtful = []
                owner.written(
                    zip(ready, offsets).map { ($0, start + $1) }, in: file, end: start + count)
            } catch {
                // What the disk has of this batch nobody knows: nothing is written there any more.
                segment = nil
                owner.closed(file, isTainted: true)
                doubt(ready, in: file)
                fail(ready, error, isDoubtful: true)
            }
        } catch {
            fail(ready, error)
        }
    }

    /// Writes the body files of a batch. Items whose file fails are out of it; nothing of them is in the journal.
    private func withBodies(_ items: [LaneItem]) -> [LaneItem] {
        var ready: [LaneItem] = []
        var written: [LaneItem] = []
        for var item in items {
            guard case .acceptance(let acceptance) = item.role, acceptance.hasBodyFiles else {
                ready.append(item)
                continue
            }
            do throws(SystemError) {
                item.octets = try acceptance.writeBodies(lane.files, in: lane.directory)
                written.append(item)
            } catch {
                owner.failed([item], QueueFailure(error), isDoubtful: false)
            }
        }
        guard !written.isEmpty else { return ready }
        do throws(SystemError) {
            try lane.files.synchronizeDirectory("\(lane.directory)/\(QueueLayout.bodies)")
            return ready + written
        } catch {
            fail(written, error)
            return ready
        }
    }

    /// A batch is perhaps on the disk. Its messages are cancelled, and its changes written again; a copy can be
    /// neither, since its original lives: that segment stays tainted.
    private func doubt(_ items: [LaneItem], in file: SegmentFile) {
        for case .acceptance(let acceptance) in items.map(\.role) { cancelled += acceptance.messages }
        let hasCopies = items.contains { if case .copy = $0.role { true } else { false } }
        if !hasCopies { doubtful.append(file) }
    }

    private func cancelRecord() -> [UInt8] {
        guard !cancelled.isEmpty else { return [] }
        var run = RecordRun()
        run.append(.removed) { writer in
            for message in cancelled { writer.put(message.id) }
        }
        return run.octets
    }

    /// Puts the batch into the buffer; answers where each item begins in it.
    private func fill(_ cancellation: [UInt8], _ items: [LaneItem], mark: UInt32) -> [Int] {
        var offsets: [Int] = []
        offsets.reserveCapacity(items.count)
        var place = 0
        func put(_ octets: [UInt8]) {
            guard !octets.isEmpty else { return }
            buffer[place..<place + octets.count].copyBytes(from: octets)
            place += octets.count
        }
        let count = items.reduce(cancellation.count) { $0 + $1.octets.count }
        if buffer.count < count {
            buffer.deallocate()
            buffer = .allocate(byteCount: RecordFrame.padded(count), alignment: 16)
        }
        put(cancellation)
        for item in items {
            offsets.append(place)
            put(item.octets)
        }
        RecordRun.stamp(UnsafeMutableRawBufferPointer(rebasing: buffer[..<place]), mark: mark)
        return offsets
    }

    /// A segment with room for so many octets and the seal, and where they go.
    private func room(for count: Int) throws(SystemError) -> (SegmentFile, Int) {
        if let segment, segment.size - segment.end >= count + RecordFrame.headerCount {
            return (segment.file, segment.end)
        }
        seal()
        let size = max(lane.options.segmentSize, SegmentHeader.count + count + RecordFrame.headerCount)
        let header = SegmentHeader(
            mark: .random(in: 1...UInt32.max), number: owner.nextSegment(), made: Date().milliseconds)
        let isSpare = owner.takesSpare(size)
        let file =
            isSpare
            ? try SegmentFile.adoptSpare(in: lane.directory, header: header, files: lane.files)
            : try SegmentFile.create(in: lane.directory, header: header, count: size, files: lane.files)
        segment = (file, SegmentHeader.count, size)
        prepared = isSpare ? size : SegmentHeader.count
        owner.opened(file, size: size, by: lane)
        return (file, SegmentHeader.count)
    }

    /// Octets of zeros that are written at once.
    private static let portion = 1 << 18
    private static let zeros = [UInt8](repeating: 0, count: portion)

    /// Where the records have come to the end of what is written of a segment that was no spare, zeros go before them,
    /// with the sync that is due anyhow. So one sync in a hundred has metadata to write, and not each of them: the
    /// inodes of all lanes lie in one block, and there they would wait for each other.
    private func prepare(_ file: SegmentFile, behind end: Int) throws(SystemError) {
        guard lane.options.preparesSegments, end > prepared, let segment else { return }
        let count = min(Self.portion, segment.size - end)
        if count > 0 {
            try Self.zeros.span.bytes.withUnsafeBytes { (all) throws(SystemError) in
                try file.write(UnsafeRawBufferPointer(rebasing: all[..<count]), at: end)
            }
        }
        prepared = end + count
    }

    /// Ends the segment in order and gives back its unused blocks. That it was sealed is a comfort for
    /// recovery, not a promise: failures are of no consequence.
    private func seal() {
        guard let segment else { return }
        self.segment = nil
        var run = RecordRun()
        run.append(.sealed) { _ in }
        var octets = run.octets
        octets.withUnsafeMutableBytes { RecordRun.stamp($0, mark: segment.file.header.mark) }
        if (try? segment.file.write(octets, at: segment.end)) != nil {
            try? segment.file.truncate(to: segment.end + octets.count)
        }
        owner.closed(segment.file, isTainted: false)
    }

    /// Tells those who wait, and puts what must not be lost back to the head of the list.
    private func fail(_ items: [LaneItem], _ error: SystemError, isDoubtful: Bool = false) {
        owner.failed(items, QueueFailure(error), isDoubtful: isDoubtful)
        var kept = items.filter { if case .change = $0.role { true } else { false } }
        // They go with the next commit, or when some time has passed: a dead disk is not asked in a loop.
        for place in kept.indices { kept[place].isLazy = true }
        let blocked = lane.pending.withLock { pending -> [LaneItem] in
            // When the process ends, what the disk refuses now is found undone by the next one.
            guard !pending.isClosing else { return [] }
            lane.load.add(kept.count, ordering: .relaxed)
            pending.items.insert(contentsOf: kept, at: 0)
            guard !pending.items.isEmpty || !cancelled.isEmpty else { return [] }
            pending.deadline = MonotonicTime.now &+ UInt64(max(lane.options.lazyDelay.nanoseconds, 0))
            return takeBlocked(&pending, by: kept)
        }
        if !blocked.isEmpty { owner.failed(blocked, QueueFailure(error), isDoubtful: false) }
    }

    /// When what is kept fills a batch, what stands behind it is not even tried, and fares as if it had been: answers
    /// who is to be told, and leaves of them what must not be lost.
    private func takeBlocked(_ pending: inout Lane.Pending, by kept: [LaneItem]) -> [LaneItem] {
        guard let reach = batchEnd(pending.items), reach <= kept.count else { return [] }
        let blocked = Array(pending.items[kept.count...])
        let count = pending.items.count
        pending.items = pending.items.compactMap { item in
            guard case .change = item.role else { return nil }
            return LaneItem(role: item.role, octets: item.octets, isLazy: true)
        }
        pending.urgent = 0
        lane.load.subtract(count - pending.items.count, ordering: .relaxed)
        return blocked
    }
}
