import MailTypes
import Synchronization

// What happens when a lane has written a batch, or has not.
extension MailQueue: LaneOwner {
    func nextSegment() -> UInt64 {
        state.withLock { state in
            state.lastSegment &+= 1
            return UInt64(state.lastSegment)
        }
    }

    func takesSpare(_ size: Int) -> Bool { size == options.segmentSize && keeper.takesSpare() }

    func opened(_ file: SegmentFile, size: Int, by lane: Lane) {
        state.withLock { state in
            var segment = SegmentTable.Segment(
                path: file.path, header: file.header, file: file, size: size, end: SegmentHeader.count)
            segment.isOpen = true
            state.segments.add(segment, number: file.number)
        }
        if options.preparesSegments { keeper.wantSpare() }
    }

    func closed(_ segment: SegmentFile, isTainted: Bool) {
        state.withLock {
            $0.segments.close(segment.number, isTainted: isTainted)
        }
        keeper.sweep()
    }

    func written(_ items: [(item: LaneItem, offset: Int)], in segment: SegmentFile, end: Int) {
        let number = segment.number
        let arrivals = items.map { self.arrivals(of: $0.item) }
        var ended: [IndexedMessage] = []
        let handler: (@Sendable () -> Void)? = state.withLock { state in
            var isEarlier = false
            state.segments.advance(number, end: end)
            for ((item, offset), arrivals) in zip(items, arrivals) {
                switch item.role {
                case .acceptance(let acceptance):
                    state.counts.committed += acceptance.messages.count
                    for (message, arrival) in zip(acceptance.messages, arrivals) {
                        message.place(arrival.frame, at: offset, in: number)
                        if state.enter(arrival, message) { isEarlier = true }
                    }
                case .change(let change):
                    let message = change.message
                    state.segments.refer(number, to: message.segment)
                    message.unwritten -= min(message.unwritten, 1)
                    // Not before the last: after a crash the message would be there again, without its body.
                    guard message.isGone, message.unwritten == 0 else { continue }
                    if message.hasBodyFile || message.id.isDerived { ended.append(message) }
                case .copy(let copied):
                    for (message, frame) in zip(copied.messages, RecordRun.frames(item.octets)) {
                        state.move(message, frame, at: offset, to: number)
                    }
                }
            }
            return state.takeCaller(isEarlier)
        }
        // Before anybody is told: he may come with such an id.
        release(ended)
        for (item, _) in items { tell(item, .success(())) }
        keeper.filled(end)
        handler?()
    }

    func cancelled(_ messages: [IndexedMessage], of doubtful: [SegmentFile], in segment: SegmentFile) {
        state.withLock { state in
            for file in doubtful { state.segments.lift(file.number, by: segment.number) }
        }
        if !doubtful.isEmpty { keeper.sweep() }
        release(messages)
    }

    /// Lets go of the ids of messages that are none any more, and of their body files: first of the files, since a
    /// message that takes the id would find them.
    private func release(_ messages: [IndexedMessage]) {
        guard !messages.isEmpty else { return }
        forget(messages.filter { !$0.hasBodyFile })
        keeper.removeBodies(of: messages.filter(\.hasBodyFile))
    }

    func failed(_ items: [LaneItem], _ failure: QueueFailure, isDoubtful: Bool) {
        for item in items {
            if case .acceptance(let acceptance) = item.role {
                // A record in doubt keeps its id and its body until it is cancelled: after a crash it may be mail
                // again, and its cancellation must not meet another of its name.
                if !isDoubtful {
                    // Without octets it has written none; one that is there is another's.
                    if !item.octets.isEmpty { acceptance.removeBodies(files, in: directory) }
                    forget(acceptance.messages)
                }
            }
            tell(item, .failure(failure))
        }
    }

    private func tell(_ item: LaneItem, _ result: Result<Void, QueueFailure>) {
        switch item.role {
        case .acceptance(let acceptance):
            // Records of messages with body files were made later and never counted.
            if !acceptance.hasBodyFiles { waiting.subtract(item.octets.count, ordering: .relaxed) }
            acceptance.completion(result.map { acceptance.ids })
        case .change(let change):
            change.complete(result)
        case .copy(let copied):
            copied.completion((try? result.get()) != nil)
        }
    }

    private func arrivals(of item: LaneItem) -> [Arrival] {
        guard case .acceptance(let acceptance) = item.role else { return [] }
        let content = Bytes(item.octets)
        return zip(acceptance.submissions, RecordRun.frames(item.octets)).map { submission, frame in
            var arrival = Arrival(
                frame: frame, destinations: submission.recipients.map { QueueDestination($0.route) },
                holdReason: submission.holdReason)
            if submission.holdReason == nil, submission.size <= options.inlineLimit {
                let end = frame.offset + frame.count
                arrival.recent = RecentContent(
                    AcceptedRecord(submission).message(content: content[end - submission.size..<end]),
                    octets: frame.count)
            }
            return arrival
        }
    }

    /// Sends a record about a message to its lane. Whoever changed the message has counted it as
    /// ``IndexedMessage/unwritten``, under the same lock.
    func journal(
        _ message: IndexedMessage, isLazy: Bool, _ write: (inout RecordRun) -> Void,
        completion: (@Sendable (Result<Void, QueueFailure>) -> Void)? = nil
    ) {
        var run = RecordRun()
        write(&run)
        let change = Change(message, completion: completion)
        let item = LaneItem(role: .change(change), octets: run.octets, isLazy: isLazy)
        guard !lanes.isEmpty, lanes[Int(message.lane) % lanes.count].append(item) else {
            change.complete(.failure(.closed))
            return
        }
    }
}

/// A message that has become durable.
struct Arrival {
    var frame: (offset: Int, count: Int)
    var destinations: [QueueDestination]
    var holdReason: String?
    var recent: RecentContent?
}

extension IndexedMessage {
    func place(_ frame: (offset: Int, count: Int), at offset: Int, in segment: UInt32) {
        self.segment = segment
        self.offset = UInt32(clamping: offset + frame.offset)
        count = UInt32(clamping: frame.count)
    }
}

extension QueueState {
    mutating func enter(_ arrival: Arrival, _ message: IndexedMessage) -> Bool {
        holdReasons[message.id] = arrival.holdReason
        if let content = arrival.recent { recent.add(message, content) }
        // Due at once, whatever the clock said when the message began to arrive.
        let now = time.latest
        for number in 0..<message.recipientCount {
            message[number].due = min(message[number].due, now)
            message[number].since = message[number].due
        }
        admit(message, destinations: arrival.destinations)
        return !message.isHeld && enqueue(message)
    }

    /// A message was copied forward.
    mutating func move(
        _ message: IndexedMessage, _ frame: (offset: Int, count: Int), at offset: Int, to segment: UInt32
    ) {
        segments.refer(segment, to: message.segment)
        if !message.isGone { _ = segments.leave(message.segment, octets: Int(message.count)) }
        message.place(frame, at: offset, in: segment)
        if !message.isGone { segments.enter(segment, octets: Int(message.count)) }
    }

    mutating func clearInFlight() { inFlight.clear() }
}
