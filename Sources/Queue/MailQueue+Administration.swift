public import struct Foundation.Date
import MailTypes
import Synchronization

// What people ask for, with `sluice queue`.
extension MailQueue {
    /// Keeps a message from being tried until it is released.
    public func hold(_ id: QueueID, reason: String) async throws(QueueFailure) {
        try await change(id) { state, message in
            state.hold(message, reason: reason)
        } record: { run in
            run.appendHeld(id, reason: reason)
        }
    }

    /// Lets a held message go; what waited is due now, and it is suspected of nothing. Nobody's copy is one in
    /// quarantine any more, whatever it is held for later.
    public func release(_ id: QueueID, now: Date) async throws(QueueFailure) {
        try await change(id) { state, message in
            state.release(message, now: now.milliseconds)
        } record: { run in
            run.append(.released) { $0.put(id) }
        }
    }

    /// Makes every waiting recipient due now. Not journalled: after a restart the schedule holds again.
    public func retry(_ id: QueueID, now: Date) throws(QueueFailure) {
        let handler = try state.withLock { (state) throws(QueueFailure) -> (@Sendable () -> Void)? in
            guard !state.isClosed, !options.isReadOnly else { throw .closed }
            guard let message = state.messages[id], message.segment != 0 else { throw .unknown(id) }
            state.makeDue(message, now: now.milliseconds)
            return state.handler
        }
        handler?()
    }

    /// Forgets a message; nobody is told. An attempt under way may still succeed: answers the places of the recipients
    /// that are being tried, and ``results(of:)`` tells what comes of that.
    @discardableResult
    public func remove(_ id: QueueID) async throws(QueueFailure) -> [Int] {
        try await remove(id, onlyIfHeld: false) ?? []
    }

    /// Forgets a message that is still held; answers `false` where it is not, and it stays.
    public func removeHeld(_ id: QueueID) async throws(QueueFailure) -> Bool {
        try await remove(id, onlyIfHeld: true) != nil
    }

    private func remove(_ id: QueueID, onlyIfHeld: Bool) async throws(QueueFailure) -> [Int]? {
        var tried: [Int]?
        try await change(id) { state, message in
            guard message.isHeld || !onlyIfHeld else { return false }
            tried = state.watch(message)
            _ = state.leave(message)
            return true
        } record: { run in
            run.append(.removed) { $0.put(id) }
        }
        if tried != nil { keeper.sweep() }
        return tried
    }

    /// Messages in the order of their ids, those after `after`.
    public func list(after: QueueID? = nil, limit: Int = 1000) -> [QueueListing] {
        // The lock is held for a copy of the ids only: nobody waits while somebody looks at a million messages.
        let ids = state.withLock { Array($0.messages.keys) }
        var (listed, last) = ([QueueListing](), after)
        while listed.count < limit {
            // Some more than are missing, since a look at all ids is not worth one.
            let next = ids.smallest(max(limit - listed.count, Self.leastLook), after: last)
            guard let end = next.last else { break }
            last = end
            // Those that are not durable yet are not shown.
            listed += next.compactMap { try? show($0) }
        }
        return Array(listed.prefix(max(limit, 0)))
    }

    private static let leastLook = 256

    /// One message with its recipients.
    public func show(_ id: QueueID) throws(QueueFailure) -> QueueListing {
        let found = state.withLock { state -> (IndexedMessage, UInt32, SegmentTable.Segment)? in
            guard let message = state.messages[id], let segment = state.segments[message.segment] else { return nil }
            return (message, message.segment, segment)
        }
        guard let (message, number, segment) = found else { throw .unknown(id) }
        let record: (AcceptedRecord, Bytes)?
        do throws(SystemError) {
            record = self.record(of: message, in: try file(of: number, segment))
        } catch {
            throw .unavailable(error)
        }
        guard let (accepted, _) = record else { throw .damaged(id) }
        return state.withLock { state in
            QueueListing(
                id: id, sender: accepted.sender, received: Date(milliseconds: accepted.received),
                size: accepted.contentCount, arrival: accepted.arrival,
                holdReason: message.isHeld ? state.holdReasons[id] ?? "" : nil,
                recipients: zip(state.recipients(of: message, accepted), 0..<message.recipientCount).map {
                    recipient, number in
                    .init(recipient: recipient, progress: state.progress(message[number]))
                })
        }
    }

    public func counts() -> QueueCounts {
        var counts = state.withLock { state in
            var counts = state.counts
            counts.segments = state.segments.count
            counts.journalBytes = state.segments.size
            return counts
        }
        counts.syncs = lanes.reduce(0) { $0 + $1.syncs.load(ordering: .relaxed) }
        return counts
    }

    /// Commits and changes that are pending or being written.
    var waitingCommits: Int { lanes.reduce(0) { $0 + $1.load.load(ordering: .relaxed) } }

    /// Changes a message in memory, then in the journal, and waits for that. `apply` answers whether
    /// there was anything to change.
    private func change(
        _ id: QueueID, apply: (inout QueueState, IndexedMessage) -> Bool, record: (inout RecordRun) -> Void
    ) async throws(QueueFailure) {
        let (message, isNews, handler) = try state.withLock {
            (state) throws(QueueFailure) -> (IndexedMessage, Bool, (@Sendable () -> Void)?) in
            guard !state.isClosed, !options.isReadOnly else { throw .closed }
            guard let message = state.messages[id], message.segment != 0 else { throw .unknown(id) }
            let isNews = apply(&state, message)
            if isNews { state.willWrite(message) }
            return (message, isNews, state.handler)
        }
        guard isNews else { return }
        let result: Result<Void, QueueFailure> = await withCheckedContinuation { continuation in
            journal(message, isLazy: false, record) { continuation.resume(returning: $0) }
        }
        handler?()
        try result.get()
    }
}

extension QueueState {
    mutating func hold(_ message: IndexedMessage, reason: String) -> Bool {
        guard !message.isGone else { return false }
        if !message.isHeld { counts.held += 1 }
        message.isHeld = true
        holdReasons[message.id] = reason
        return true
    }

    mutating func release(_ message: IndexedMessage, now: Int64) -> Bool {
        guard message.isHeld, !message.isGone else { return false }
        counts.held -= 1
        message.isHeld = false
        message.wasReleased = true
        message.crashes = 0
        holdReasons[message.id] = nil
        bringForward(message, now: now)
        // All of them: who came up while the message was held has lost his place in line.
        enqueue(message)
        return true
    }

    mutating func makeDue(_ message: IndexedMessage, now: Int64) {
        let moved = bringForward(message, now: now)
        if !message.isHeld { enqueue(message, moved) }
    }

    /// Answers whose time has changed.
    @discardableResult
    private mutating func bringForward(_ message: IndexedMessage, now: Int64) -> [Int] {
        let now = time.at(now)
        let later = (0..<message.recipientCount).filter {
            message[$0].status == .waiting && message[$0].due > now
        }
        for number in later { message[number].due = now }
        return later
    }

    func progress(_ state: RecipientState) -> RecipientProgress {
        RecipientProgress(
            status: state.status, attempts: Int(state.attempts),
            due: state.status == .waiting ? Date(milliseconds: time.wall(state.due)) : nil,
            lastReply: state.reply?.reply, warned: state.warned)
    }
}
