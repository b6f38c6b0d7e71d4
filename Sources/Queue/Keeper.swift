import Foundation
import MailTypes

/// The thread that tidies up behind the lanes: deletes what is not needed any more and copies the rest of
/// mostly dead segments forward.
final class Keeper: Sendable {
    private struct Chores {
        var removals: [String] = []
        var sweeps = false
        var prepares = false
        var hasSpare = false
        var isClosing = false
        var isClosed = false
    }

    private let chores = Monitor(Chores())

    func start(_ queue: MailQueue, hasSpare: Bool) {
        chores.withLock { $0.hasSpare = hasSpare }
        // Segments may be free since the last run.
        sweep()
        let thread = Thread { [self] in run(queue) }
        thread.name = "queue-keeper"
        thread.start()
    }

    /// Removes body files whose messages are done for good.
    func remove(_ paths: [String]) {
        chores.withLock { $0.removals += paths }
        chores.ring()
    }

    /// Looks for segments that can go.
    func sweep() {
        chores.withLock { $0.sweeps = true }
        chores.ring()
    }

    /// Makes a spare segment, unless there is one.
    func prepareSpare() {
        chores.withLock { $0.prepares = !$0.hasSpare }
        chores.ring()
    }

    /// Whether there is a spare segment; then it is the caller's.
    func takesSpare() -> Bool {
        chores.withLock { chores in
            defer { chores.hasSpare = false }
            return chores.hasSpare
        }
    }

    /// Waits a little; answers `false` when the queue is being closed.
    func pause() -> Bool {
        let end = MonotonicTime.now &+ Self.pauseLength
        return chores.wait { chores, deadline in
            if chores.isClosing { return false }
            deadline = end
            return MonotonicTime.now < end ? nil : true
        }
    }

    /// Between two megabytes of zeros: commits come first.
    private static let pauseLength: UInt64 = 20_000_000

    func close() {
        chores.withLock { $0.isClosing = true }
        chores.ring()
        chores.wait { chores, _ in chores.isClosed ? () : nil }
    }

    private func run(_ queue: MailQueue) {
        while true {
            let now = chores.wait { chores, _ -> Chores? in
                guard !chores.removals.isEmpty || chores.sweeps || chores.prepares || chores.isClosing else {
                    return nil
                }
                defer {
                    chores.removals = []
                    chores.sweeps = false
                    chores.prepares = false
                }
                return chores
            }
            // What cannot be removed now is removed by the next start.
            for path in now.removals { try? queue.files.remove(path) }
            if now.sweeps { queue.deleteSegments() }
            if now.isClosing { break }
            if now.prepares, queue.prepareSpare() { chores.withLock { $0.hasSpare = true } }
            if now.sweeps, queue.compact() { sweep() }
        }
        chores.withLock { $0.isClosed = true }
        chores.ring()
    }
}

extension MailQueue {
    /// Answers whether there is a spare segment now. Without one, a segment is made when it is needed.
    func prepareSpare() -> Bool {
        guard !gauge.isShort(of: 2 * options.segmentSize) else { return false }
        do throws(SystemError) {
            try SegmentFile.prepareSpare(in: directory, count: options.segmentSize, files: files) { keeper.pause() }
            return true
        } catch {
            return false
        }
    }

    /// Deletes all segments that nothing needs any more. Each round ends with a sync of the directory, since the
    /// next may depend on it.
    func deleteSegments() {
        while true {
            let doomed = state.withLock { state in
                state.segments.deletable.compactMap { number in state.segments[number].map { (number, $0.path) } }
            }
            let removed = doomed.filter { _, path in
                do throws(SystemError) {
                    try files.remove(path)
                    return true
                } catch {
                    return error.isNoSuchFile
                }
            }
            guard !removed.isEmpty, (try? files.synchronizeDirectory(directory)) != nil else { return }
            state.withLock { state in
                for (number, _) in removed { state.segments.remove(number) }
            }
        }
    }

    /// Copies the live messages of one segment forward, if it is worth it. Answers whether it was done.
    func compact() -> Bool {
        let found = state.withLock { state in
            state.segments.worthCompacting(segmentSize: options.segmentSize).flatMap { number in
                state.segments[number].map { (number, $0) }
            }
        }
        guard let (number, segment) = found, let file = try? self.file(of: number, segment) else { return false }
        let live = state.withLock { state in
            state.messages.values.filter { $0.segment == number }.sorted { $0.offset < $1.offset }
        }
        var place = 0
        while place < live.count {
            var records: [(IndexedMessage, AcceptedRecord, Bytes)] = []
            var octets = 0
            while place < live.count, records.count < 64, octets < 256 * 1024 {
                let message = live[place]
                place += 1
                guard let (record, content) = record(of: message, in: file) else {
                    state.withLock { $0.segments.stick(number) }
                    continue
                }
                records.append((message, record, content))
                octets += Int(message.count)
            }
            guard copy(records) else { return false }
        }
        return true
    }

    /// Copies messages forward and waits until they are durable.
    private func copy(_ records: [(IndexedMessage, AcceptedRecord, Bytes)]) -> Bool {
        let answers = Monitor((open: 0, isGood: true))
        // Grouped by lane: a message's records keep to one.
        for (number, group) in Dictionary(grouping: records, by: { Int($0.0.lane) % lanes.count }) {
            answers.withLock { $0.open += 1 }
            // Under the lock, so that no outcome can be journalled before a copy that does not know of it.
            let isTaken = state.withLock { state in
                var run = RecordRun()
                var messages: [IndexedMessage] = []
                for (message, record, content) in group where !message.isGone {
                    run.append(state.copied(record, of: message), content: [content])
                    messages.append(message)
                }
                let copied = CopiedMessages(messages) { isGood in
                    answers.withLock { $0 = ($0.open - 1, $0.isGood && isGood) }
                    answers.ring()
                }
                return !messages.isEmpty && lanes[number].append(LaneItem(role: .copy(copied), octets: run.octets))
            }
            if !isTaken { answers.withLock { $0.open -= 1 } }
        }
        return answers.wait { answers, _ in answers.open == 0 ? answers.isGood : nil }
    }
}

extension QueueState {
    /// A message's record with what is known of it by now.
    func copied(_ record: AcceptedRecord, of message: IndexedMessage) -> AcceptedRecord {
        var record = record
        record.flags.insert(.copied)
        record.flags.remove(.more)
        record.crashes = message.crashes
        record.holdReason = message.isHeld ? holdReasons[message.id] ?? "" : nil
        record.progress = (0..<message.recipientCount).map { message[$0].stored { self.time.wall($0) } }
        return record
    }
}
