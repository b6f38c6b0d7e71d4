import Foundation
import MailTypes
import Synchronization

/// The thread that tidies up behind the lanes: deletes what is not needed any more and copies the rest of
/// mostly dead segments forward.
final class Keeper: Sendable {
    private struct Chores {
        var bodies: [IndexedMessage] = []
        var sweeps = false
        /// A segment is in use, so there should be a next one.
        var wantsSpare = false
        var hasSpare = false
        /// The segment in use is so full that the next one should grow.
        var grows = false
        var isClosing = false
        var isClosed = false

        var isAny: Bool { !bodies.isEmpty || sweeps || grows || isClosing }
    }

    private let chores = Monitor(Chores())
    /// Body files that could not be removed, and are looked at again.
    private static let mostLeft = 1000
    /// How full a segment in use must be for the spare to grow by its next portion.
    private let mark = Atomic<Int>(.max)

    func start(_ queue: MailQueue, hasSpare: Bool) {
        chores.withLock { $0.hasSpare = hasSpare }
        // Segments may be free since the last run.
        sweep()
        let thread = Thread { [self] in run(queue) }
        thread.name = "queue-keeper"
        thread.start()
    }

    /// Removes the body files of messages that are done for good, or were refused after all, and lets go of their ids.
    func removeBodies(of messages: [IndexedMessage]) {
        guard !messages.isEmpty else { return }
        chores.withLock { $0.bodies += messages }
        chores.ring()
    }

    /// Looks for segments that can go.
    func sweep() {
        chores.withLock { $0.sweeps = true }
        chores.ring()
    }

    /// A segment has come into use: has a spare one made in step with it, unless there is one.
    func wantSpare() {
        chores.withLock { chores in
            guard !chores.hasSpare else { return }
            chores.wantsSpare = true
            mark.store(0, ordering: .relaxed)
        }
    }

    /// A segment in use is filled so far. The spare grows as fast and not faster: its zeros go to the same disk as
    /// the mail for which somebody waits.
    func filled(_ end: Int) {
        guard end >= mark.load(ordering: .relaxed) else { return }
        chores.withLock { $0.grows = true }
        chores.ring()
    }

    /// Whether there is a spare segment; then it is the caller's.
    func takesSpare() -> Bool {
        chores.withLock { chores in
            defer { chores.hasSpare = false }
            return chores.hasSpare
        }
    }

    func close() {
        chores.withLock { $0.isClosing = true }
        chores.ring()
        chores.wait { chores, _ in chores.isClosed ? () : nil }
    }

    private func run(_ queue: MailQueue) {
        var spare: SpareSegment?
        var left: [IndexedMessage] = []
        while true {
            let now = chores.wait { chores, _ -> Chores? in
                guard chores.isAny else { return nil }
                defer {
                    chores.bodies = []
                    chores.sweeps = false
                    chores.grows = false
                }
                return chores
            }
            // What cannot be removed now is removed next time, or by the next start.
            left = Array(queue.removeBodies(of: left + now.bodies).suffix(Self.mostLeft))
            if now.sweeps { queue.deleteSegments() }
            if now.isClosing { break }
            if now.grows, now.wantsSpare { grow(&spare, of: queue) }
            if now.sweeps, queue.compact() { sweep() }
        }
        // One that is not finished is removed.
        spare = nil
        chores.withLock { $0.isClosed = true }
        chores.ring()
    }

    /// Writes one portion of the spare segment. Where that fails there is none this time: the next segment is made
    /// when it is needed.
    private func grow(_ spare: inout SpareSegment?, of queue: MailQueue) {
        // While this one is written, none is due.
        mark.store(.max, ordering: .relaxed)
        var next = Int.max
        var isWhole = false
        if spare != nil || !queue.gauge.isShort(of: 2 * queue.options.segmentSize) {
            do throws(SystemError) {
                var growing =
                    if let begun = spare.take() { begun } else {
                        try SpareSegment(in: queue.directory, count: queue.options.segmentSize, files: queue.files)
                    }
                isWhole = try growing.grow()
                if !isWhole {
                    next = growing.written / 5 * 4
                    spare = consume growing
                }
            } catch {
                // The error is met again, and told, when a segment is made.
            }
        }
        // At once, since a spare that is there may be taken, and the next one wanted, at any moment.
        chores.withLock { chores in
            chores.hasSpare = isWhole
            chores.wantsSpare = next != .max
            mark.store(next, ordering: .relaxed)
        }
    }
}

extension MailQueue {
    /// Answers whose file stays. Such an id is not free: a message of that name would find it.
    func removeBodies(of messages: [IndexedMessage]) -> [IndexedMessage] {
        guard !messages.isEmpty else { return [] }
        var (gone, left): ([IndexedMessage], [IndexedMessage]) = ([], [])
        for message in messages {
            do throws(SystemError) {
                try files.remove(QueueLayout.body(message.id, in: directory))
                gone.append(message)
            } catch {
                if error.isNoSuchFile { gone.append(message) } else { left.append(message) }
            }
        }
        forget(gone)
        return left
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
        record.recipients = recipients(of: message, record)
        record.holdReason = message.isHeld ? holdReasons[message.id] ?? "" : nil
        record.progress = (0..<message.recipientCount).map { message[$0].stored { self.time.wall($0) } }
        return record
    }
}
