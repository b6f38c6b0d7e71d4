public import struct Foundation.Date
import MailTypes
import Synchronization

/// The durable queue. `docs/queue.md` has the invariants that this class keeps.
public final class MailQueue: Sendable {
    let directory: String
    let files: any FileSystem
    let options: QueueOptions
    let acceptances = Acceptances()
    let state: Monitor<QueueState>
    /// Those that take commits in turn, and one more for messages with body files, which take longer, and for reports.
    let lanes: [Lane]
    let keeper: Keeper
    let gauge: SpaceGauge
    private let lock: (any FileLock)?
    /// Octets that wait for the disk.
    let waiting = Atomic<Int>(0)
    private let wasClosed = Atomic<Bool>(false)

    init(_ recovered: Recovery) {
        directory = recovered.directory
        files = recovered.files
        options = recovered.options
        lock = recovered.lock
        state = Monitor(recovered.state)
        gauge = SpaceGauge(directory: directory, files: files, options: options)
        keeper = Keeper()
        let (directory, files, options) = (directory, files, options)
        let count = options.isReadOnly ? 0 : max(options.lanes, 1) + 1
        lanes = (0..<count).map { Lane(number: $0, directory: directory, files: files, options: options) }
    }

    /// Opens the queue in a directory, made if need be, and locks it.
    ///
    /// Throws ``QueueFailure`` if another process has it, or it was written by a newer Sluice. What is damaged
    /// is set aside and reported, and does not keep the rest from flowing. With
    /// ``QueueOptions/isReadOnly`` nothing is changed and several may look at once.
    public static func open(
        _ directory: String, files: any FileSystem, options: QueueOptions, now: Date
    ) throws(QueueFailure) -> (MailQueue, RecoveryReport) {
        let recovery = try Recovery(directory, files: files, options: options, now: now)
        try recovery.run()
        let queue = MailQueue(recovery)
        for lane in queue.lanes { lane.start(queue) }
        if !options.isReadOnly { queue.keeper.start(queue, hasSpare: recovery.hasSpare) }
        queue.journalAndWait(recovery.changes)
        return (queue, recovery.report)
    }

    /// Writes what recovery has found out, before anything is claimed: a message that kills the process at once would
    /// else never be counted. A disk that fails is met again by the first commit.
    private func journalAndWait(_ changes: [(IndexedMessage, RecordRun)]) {
        guard !changes.isEmpty else { return }
        let open = Monitor(changes.count)
        state.withLock { state in
            for (message, _) in changes { state.willWrite(message) }
        }
        for (message, run) in changes {
            journal(message, isLazy: false) {
                $0 = run
            } completion: { _ in
                open.withLock { $0 -= 1 }
                open.ring()
            }
        }
        open.wait { count, _ in count == 0 ? () : nil }
    }

    /// Takes messages, all or none. `completion` is called after they are on stable storage, on a
    /// thread of the queue (or, with a failure, at once on the caller's): it must not block.
    public func commit(
        _ submissions: [Submission],
        completion: @escaping @Sendable (Result<[QueueID], QueueFailure>) -> Void
    ) {
        let completion = telling(submissions, completion)
        do throws(QueueFailure) {
            let item = try prepare(submissions, completion)
            let size = item.octets.count
            guard waiting.load(ordering: .relaxed) + size <= options.pendingLimit else {
                throw .unavailable(SystemError(call: "commit", code: SystemError.tryAgain))
            }
            guard case .acceptance(let acceptance) = item.role else { return }
            try reserve(acceptance)
            waiting.add(size, ordering: .relaxed)
            guard lane(for: acceptance).append(item) else {
                waiting.subtract(size, ordering: .relaxed)
                forget(acceptance.messages)
                throw .closed
            }
        } catch {
            completion(.failure(error))
        }
    }

    /// Takes messages, all or none; returns when they are on stable storage.
    public func commit(_ submissions: [Submission]) async throws(QueueFailure) -> [QueueID] {
        let result = await withCheckedContinuation { continuation in
            commit(submissions) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// Why a commit of this many octets would be refused just now, if it would. Cheap; for MAIL. RFC 1870 §6.1.
    public func refusal(forSize octets: Int) -> QueueFailure? {
        if wasClosed.load(ordering: .relaxed) || options.isReadOnly { return .closed }
        if gauge.isShort(of: octets) { return .outOfSpace }
        if waiting.load(ordering: .relaxed) >= options.pendingLimit {
            return .unavailable(SystemError(call: "commit", code: SystemError.tryAgain))
        }
        return nil
    }

    /// Writes what is pending and lets go of the directory; later calls fail with `.closed`. Blocks until the
    /// disk has answered.
    public func close() {
        guard !wasClosed.exchange(true, ordering: .relaxed) else { return }
        state.withLock { $0.isClosed = true }
        for lane in lanes { lane.close() }
        if !options.isReadOnly { keeper.close() }
        state.withLock { $0.clearInFlight() }
        lock?.release()
    }
}

// MARK: Committing

extension MailQueue {
    private func prepare(
        _ submissions: [Submission], _ completion: @escaping @Sendable (Result<[QueueID], QueueFailure>) -> Void
    ) throws(QueueFailure) -> LaneItem {
        let size = submissions.reduce(0) { $0 + $1.size }
        if let refusal = refusal(forSize: size) { throw refusal }
        guard !submissions.isEmpty else { throw .malformed("nothing to commit") }
        var messages: [IndexedMessage] = []
        for submission in submissions {
            let states = submission.recipients.map { _ in
                RecipientState(due: submission.received.milliseconds, since: submission.received.milliseconds)
            }
            guard
                let message = IndexedMessage(
                    id: submission.id, received: submission.received.milliseconds, contentCount: submission.size,
                    hasBodyFile: submission.size > options.inlineLimit, states: states)
            else { throw .malformed("\(submission.id) has no recipients") }
            message.isHeld = submission.holdReason != nil
            messages.append(message)
        }
        let acceptance = Acceptance(
            messages, of: submissions, inlineLimit: options.inlineLimit, completion: completion)
        guard !acceptance.hasBodyFiles else { return LaneItem(role: .acceptance(acceptance), octets: []) }

        var run = RecordRun(capacity: size + submissions.count * 512)
        for (place, submission) in submissions.enumerated() {
            var record = AcceptedRecord(submission)
            if place < submissions.count - 1 { record.flags.insert(.more) }
            run.append(record, content: submission.content)
        }
        return LaneItem(role: .acceptance(acceptance), octets: run.octets)
    }

    /// By how many nanoseconds a sync may take longer than the one before it, and still be thought to end soon.
    private static let grace: UInt64 = 10_000_000

    private func lane(for acceptance: Acceptance) -> Lane {
        let bulk = lanes.count - 1
        // An id that may come again keeps to one lane: a cancellation of it in one journal and a second acceptance in
        // another would be read in any order.
        let isBulk = acceptance.hasBodyFiles || acceptance.hasDerivedIDs
        var best = isBulk ? bulk : 0
        if !isBulk {
            // The first that is not at the disk, if there is one; of the others the one that will be back first. One
            // that should have been back long ago counts last: nobody knows what its disk is doing.
            let now = MonotonicTime.now
            var soonest = UInt64.max
            for number in 0..<bulk {
                let until = lanes[number].busyUntil.load(ordering: .relaxed)
                if until == 0 {
                    best = number
                    break
                }
                let expected = until &+ Self.grace < now ? .max - 1 : until
                if expected < soonest { (best, soonest) = (number, expected) }
            }
        }
        for message in acceptance.messages { message.lane = UInt8(clamping: best) }
        return lanes[best]
    }

    /// Makes sure that no id is used twice, nor again before the end of its first message is durable.
    private func reserve(_ acceptance: Acceptance) throws(QueueFailure) {
        try state.withLock { (state) throws(QueueFailure) in
            for (place, message) in acceptance.messages.enumerated() {
                guard state.messages[message.id] == nil, !state.ending.contains(message.id) else {
                    for earlier in acceptance.messages[..<place] { state.messages[earlier.id] = nil }
                    throw .inUse(message.id)
                }
                state.messages[message.id] = message
            }
        }
    }

    /// The ids of messages that were not taken, or are over and done with, are free again.
    func forget(_ messages: [IndexedMessage]) {
        state.withLock { state in
            for message in messages {
                if state.messages[message.id] === message { state.messages[message.id] = nil }
                state.ending.remove(message.id)
            }
        }
    }
}
