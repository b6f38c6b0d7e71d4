public import struct Foundation.Date
import MailTypes

// What delivery agents ask and tell.
extension MailQueue {
    /// A message as it lies in the queue; its checksum has been verified. One that turns out damaged
    /// is held, so that it is not tried for ever.
    public func read(_ id: QueueID) throws(QueueFailure) -> QueuedMessage {
        let found = state.withLock { state -> (IndexedMessage, RecentContent?, UInt32, SegmentTable.Segment?)? in
            guard let message = state.messages[id], message.segment != 0 else { return nil }
            return (message, message.recent, message.segment, state.segments[message.segment])
        }
        let rerouted = state.withLock { $0.reroutes[id] }
        guard let (message, recent, number, segment) = found else { throw .unknown(id) }
        if let recent { return recent.message }
        guard let segment else { throw .damaged(id) }
        do throws(SystemError) {
            let file = try file(of: number, segment)
            if let (record, content) = record(of: message, in: file) {
                if !message.hasBodyFile { return record.message(content: content, rerouted) }
                let body = try files.map(QueueLayout.body(id, in: directory))
                if body.count == record.contentCount,
                    body.withUnsafeBytes({ CRC32C.checksum($0) }) == record.contentChecksum
                {
                    return record.message(content: body, rerouted)
                }
            }
        } catch {
            if !error.isNoSuchFile { throw .unavailable(error) }
        }
        // It may have been copied forward, or removed, since we looked.
        let isSame = state.withLock { state in
            state.messages[id] === message && message.segment == number
        }
        if !isSame { return try read(id) }
        holdQuietly(message, reason: "its record or body is damaged")
        throw .damaged(id)
    }

    /// The recipients whose time has come, at most `limit` works, fairly over the destinations;
    /// `excluding` names destinations that can take no more just now.
    public func claimDue(now: Date, limit: Int, excluding: Set<QueueDestination> = []) -> [Work] {
        state.withLock { state in
            guard !state.isClosed, !options.isReadOnly else { return [] }
            let now = state.time.at(now.milliseconds)
            var works: [Work] = []
            var schedule = Schedule()
            swap(&schedule, &state.schedule)
            var postponed: [(IndexedMessage, Int32)] = []
            schedule.takeDue(now: now, limit: limit, excluding: excluding) { message, line in
                switch state.claim(message, in: line, at: now) {
                case .work(let work):
                    works.append(work)
                    return true
                case .postponed:
                    postponed.append((message, line.number))
                    return false
                case .stale:
                    return false
                }
            }
            swap(&schedule, &state.schedule)
            state.postpone(postponed, at: now)
            if works.count < limit { state.wantsWork = true }
            return works
        }
    }

    /// When the next recipient is due, of those not in `excluding`.
    public func nextDue(excluding: Set<QueueDestination> = []) -> Date? {
        state.withLock { state in
            state.wantsWork = true
            return state.schedule.nextDue(now: state.time.latest, excluding: excluding)
                .map { Date(milliseconds: state.time.wall($0)) }
        }
    }

    /// Sets what is called when work has come that is due earlier than anything before. It is called once, on a
    /// thread of the queue, and again after a claim that found less than it asked for; it must not block.
    public func onWork(_ handler: @escaping @Sendable () -> Void) {
        state.withLock {
            $0.handler = handler
            $0.wantsWork = true
        }
    }

    /// Tells what became of the recipients of one ``Work``. Memory knows at once; the journal with the next
    /// sync, or, `lazily`, with a later one that others pay for: for deliveries that may be repeated without harm.
    ///
    /// `completion` is called when the record is durable, or with the failure of the first attempt. Nothing is to be
    /// done about that: the record is kept and written again.
    public func settle(
        _ id: QueueID, _ outcomes: [RecipientOutcome], now: Date, lazily: Bool = false,
        completion: (@Sendable (Result<Void, QueueFailure>) -> Void)? = nil
    ) {
        let (found, wake) = state.withLock {
            state -> ((IndexedMessage, [(Int, StoredProgress)], Bool)?, (@Sendable () -> Void)?) in
            state.watches.note(id, outcomes)
            guard let message = state.messages[id], message.segment != 0 else { return (nil, nil) }
            let now = (wall: now.milliseconds, steady: state.time.at(now.milliseconds))
            var changes: [(Int, StoredProgress)] = []
            for outcome in outcomes {
                if let progress = state.apply(outcome, to: message, now: now, options.schedule) {
                    changes.append((outcome.number, progress))
                }
            }
            state.endClaim(of: message)
            // It came to an end, so it was not to blame for the crash.
            if !changes.isEmpty { message.crashes = 0 }
            state.recent.remove(message)
            var (frees, isEarlier) = (false, false)
            if message.isDone {
                frees = state.leave(message)
            } else if !message.isHeld {
                // Whoever waits for work has asked when the next is due while this one was nobody's.
                isEarlier = state.enqueue(message, outcomes.map(\.number).filter { 0..<message.recipientCount ~= $0 })
            }
            if !changes.isEmpty { state.willWrite(message) }
            return ((message, changes, frees), state.takeFreedFloor() ? state.handler : state.takeCaller(isEarlier))
        }
        wake?()
        guard let (message, changes, frees) = found else {
            completion?(.failure(.unknown(id)))
            return
        }
        guard !changes.isEmpty else {
            completion?(.success(()))
            return
        }
        journal(
            message, isLazy: lazily,
            { run in
                run.append(.progress) { writer in
                    writer.put(id)
                    writer.put(count: changes.count)
                    for (number, progress) in changes {
                        writer.put(count: number)
                        writer.put(progress)
                    }
                }
            }, completion: completion)
        if frees { keeper.sweep() }
    }

    /// Holds a damaged message. Not awaited.
    func holdQuietly(_ message: IndexedMessage, reason: String) {
        let isHeld = state.withLock { state in
            guard state.hold(message, reason: reason), !options.isReadOnly else { return false }
            state.willWrite(message)
            return true
        }
        guard isHeld else { return }
        journal(message, isLazy: false) { $0.appendHeld(message.id, reason: reason) }
    }

    /// The open file of a segment.
    func file(of number: UInt32, _ segment: SegmentTable.Segment) throws(SystemError) -> SegmentFile {
        if let file = segment.file { return file }
        let file = try SegmentFile.open(segment.path, header: segment.header, files: files)
        state.withLock { $0.segments.opened(number, file) }
        return file
    }

    /// A message's record and its inline content; `nil` if it is damaged.
    func record(of message: IndexedMessage, in file: SegmentFile) -> (AcceptedRecord, Bytes)? {
        let (offset, count) = state.withLock { _ in (Int(message.offset), Int(message.count)) }
        guard let (frame, octets) = file.record(at: offset, count: count), frame.kind == RecordKind.accepted.rawValue
        else { return nil }
        let record = octets.withUnsafeBytes { all in
            try? AcceptedRecord(UnsafeRawBufferPointer(rebasing: all[frame.payload]), flags: frame.flags)
        }
        guard let record, record.id == message.id else { return nil }
        let start =
            record.flags.contains(.bodyFile) ? frame.payload.upperBound : frame.payload.upperBound - record.contentCount
        return (record, Bytes(octets)[start..<frame.payload.upperBound])
    }
}

extension QueueState {
    /// Applies one outcome in memory; answers what the journal is to hold, `nil` if nothing changes there.
    mutating func apply(
        _ outcome: RecipientOutcome, to message: IndexedMessage, now: (wall: Int64, steady: Int64),
        _ retry: RetrySchedule
    ) -> StoredProgress? {
        let number = outcome.number
        guard number >= 0, number < message.recipientCount, message[number].status == .claimed else { return nil }
        func wait(until date: Date) -> Int64 {
            let longest = Int64(retry.longestWait.seconds * 1000)
            return min(max(date.milliseconds - now.wall, 0), longest)
        }
        switch outcome.result {
        case .delivered:
            close(number, of: message, as: .delivered)
        case .relayed(let reply):
            close(number, of: message, as: .delivered)
            message[number].reply = shared(reply)
        case .failed(let reply):
            close(number, of: message, as: .failed)
            message[number].reply = shared(reply)
        case .returned(let until):
            counts.claimed -= 1
            message[number].status = .waiting
            message[number].due = now.steady + wait(until: until)
            // Not worth a record: after a crash it is due at once.
            return nil
        case .deferred(let until, let reply, let warned):
            counts.claimed -= 1
            if message[number].attempts == 0 { counts.deferred += 1 }
            message[number].status = .waiting
            message[number].attempts = min(message[number].attempts, UInt16.max - 1) + 1
            message[number].since = now.steady
            message[number].due = now.steady + wait(until: until)
            message[number].warned = warned || message[number].warned
            message[number].reply = shared(reply)
        }
        return message[number].stored { time.wall($0) }
    }
}

extension RecordRun {
    mutating func appendHeld(_ id: QueueID, reason: String) {
        append(.held) { writer in
            writer.put(id)
            writer.put(reason)
        }
    }
}
