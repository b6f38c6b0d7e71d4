public import struct Foundation.Date
import MailTypes

// Other routes for recipients who wait.
extension MailQueue {
    /// Gives recipients of a message other routes, and makes them due now.
    ///
    /// Those who are done, or are being tried just now, keep theirs. The record with all recipients stands in the
    /// journal before anybody can be delivered by a new route, and is durable when this returns.
    /// - Parameter changes: By a recipient's place, whoever takes it; those behind the first one get new places behind
    ///   all others, and inherit how long it has been tried.
    /// - Returns: the places that were changed, new ones included.
    public func reroute(
        _ id: QueueID, _ changes: [Int: [QueueRecipient]], now: Date
    ) async throws(QueueFailure) -> [Int] {
        let known = try show(id).recipients.map(\.recipient)
        var changed: [Int] = []
        var handler: (@Sendable () -> Void)?
        let result: Result<Void, QueueFailure> = await withCheckedContinuation { continuation in
            let refusal = state.withLock { state -> Result<Void, QueueFailure>? in
                guard !state.isClosed, !options.isReadOnly, !lanes.isEmpty else { return .failure(.closed) }
                guard let message = state.messages[id], message.segment != 0 else { return .failure(.unknown(id)) }
                changed = state.reroute(message, known, changes, now: now.milliseconds)
                guard !changed.isEmpty else { return .success(()) }
                handler = state.handler
                state.willWrite(message)
                var run = RecordRun()
                run.appendRerouted(message, state)
                let change = Change(message) { continuation.resume(returning: $0) }
                // Under the lock: two of these must stand in the journal in the order in which memory has them, and
                // before what is known of recipients that they add.
                let item = LaneItem(role: .change(change), octets: run.octets, isLazy: false)
                if !lanes[Int(message.lane) % lanes.count].append(item) { change.complete(.failure(.closed)) }
                return nil
            }
            if let refusal { continuation.resume(returning: refusal) }
        }
        handler?()
        try result.get()
        return changed
    }
}

extension QueueState {
    /// The recipients of a message as they are by now; `record` is its own.
    func recipients(of message: IndexedMessage, _ record: AcceptedRecord) -> [QueueRecipient] {
        message.released(reroutes[message.id] ?? record.recipients)
    }

    mutating func reroute(
        _ message: IndexedMessage, _ known: [QueueRecipient], _ changes: [Int: [QueueRecipient]], now: Int64
    ) -> [Int] {
        let now = time.at(now)
        // Where somebody else has rerouted it since, the changes are about other recipients.
        guard !message.isGone, message.released(reroutes[message.id] ?? known) == known,
            known.count == message.recipientCount
        else { return [] }
        var recipients = known
        var changed: [Int] = []
        for (number, others) in changes.sorted(by: { $0.key < $1.key }) {
            guard known.indices.contains(number), message[number].status == .waiting,
                let first = others.first
            else { continue }
            recipients[number] = first
            // Joined first: the line may be the same.
            let line = schedule.join(QueueDestination(first.route))
            schedule.leave(message[number].line)
            message[number].line = line
            message[number].due = now
            changed.append(number)
            for other in others.dropFirst() {
                changed.append(message.recipientCount)
                recipients.append(other)
                add(message[number], to: message, QueueDestination(other.route))
            }
        }
        guard !changed.isEmpty else { return [] }
        reroutes[message.id] = recipients
        recent.remove(message)
        if !message.isHeld { enqueue(message, changed) }
        return changed
    }

    /// One recipient more; it waits.
    fileprivate mutating func add(
        _ state: RecipientState, to message: IndexedMessage, _ destination: QueueDestination
    ) {
        var state = state
        counts.recipients += 1
        if state.attempts > 0 { counts.deferred += 1 }
        state.line = schedule.join(destination)
        message.append(state)
    }
}

extension RecordRun {
    /// All recipients of a message with what is known of each: it says the same wherever it stands behind older ones.
    fileprivate mutating func appendRerouted(_ message: IndexedMessage, _ state: QueueState) {
        guard let recipients = state.reroutes[message.id] else { return }
        append(.rerouted) { writer in
            writer.put(message.id)
            writer.put(count: recipients.count)
            for (number, recipient) in recipients.enumerated() {
                writer.put(recipient)
                writer.put(message[number].stored { state.time.wall($0) })
            }
        }
    }
}

extension Recovery {
    /// Applies a record of other routes. It is read to its end before anything is changed.
    func reroute(_ message: IndexedMessage, _ reader: inout ByteReader) throws(ByteReader.Malformed) {
        var recipients: [QueueRecipient] = []
        var progress: [StoredProgress] = []
        for _ in 0..<(try reader.elements()) {
            recipients.append(try reader.recipient())
            progress.append(try reader.progress())
        }
        guard recipients.count >= message.recipientCount else { throw ByteReader.Malformed() }
        for (number, recipient) in recipients.enumerated() {
            let destination = QueueDestination(recipient.route)
            if number == message.recipientCount {
                state.add(RecipientState(due: now, since: now), to: message, destination)
            } else if !message[number].isDone {
                let line = state.schedule.join(destination)
                state.schedule.leave(message[number].line)
                message[number].line = line
            }
            apply(progress[number], to: number, of: message)
        }
        state.reroutes[message.id] = recipients
        if message.isDone { _ = state.leave(message) }
    }

    /// What a record says of one recipient. Nobody who is done comes back.
    func apply(_ progress: StoredProgress, to number: Int, of message: IndexedMessage) {
        guard number < message.recipientCount, !message[number].isDone else { return }
        if progress.status != .waiting {
            state.close(number, of: message, as: progress.status)
        } else if progress.attempts > 0, message[number].attempts == 0 {
            state.counts.deferred += 1
        }
        var recipient = message[number]
        restore(progress, to: &recipient)
        message[number] = recipient
    }
}
