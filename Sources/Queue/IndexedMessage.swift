import MailTypes

/// A reply that recipients share when it is the same: a dead host says the same of thousands.
final class SharedReply: Sendable {
    let reply: Reply
    init(_ reply: Reply) { self.reply = reply }
}

/// A message as it was just committed, in a box: most messages in memory have none.
final class RecentContent: Sendable {
    let message: QueuedMessage
    /// What it takes of the limit. The record's length will not do: a record that is copied forward is another.
    let octets: Int

    init(_ message: QueuedMessage, octets: Int) {
        self.message = message
        self.octets = octets
    }
}

/// One recipient in memory.
struct RecipientState {
    var due: Int64
    var since: Int64
    var age: UInt32 = 0
    /// The number of its ``DestinationLine``.
    var line: Int32 = -1
    var attempts: UInt16 = 0
    var status = RecipientProgress.Status.waiting
    var warned = false
    var reply: SharedReply?

    var isDone: Bool { status == .delivered || status == .failed }

    /// Seconds of trying, when an attempt begins now.
    func age(at now: Int64) -> UInt32 {
        let age = RetrySchedule.age(
            Interval(seconds: Double(age)), elapsed: Interval(seconds: Double(now - since) / 1000),
            planned: Interval(seconds: Double(max(due - since, 0)) / 1000))
        return UInt32(saturating: age.seconds)
    }

    func stored(wall: (Int64) -> Int64) -> StoredProgress {
        StoredProgress(
            status: status == .claimed ? .waiting : status, attempts: Int(attempts), due: wall(due),
            since: wall(since), age: age, warned: warned, reply: reply?.reply)
    }
}

/// One message in memory: what scheduling needs and where the rest lies. Guarded by the queue's lock,
/// but for what is set before the index knows it.
final class IndexedMessage: @unchecked Sendable {
    let id: QueueID
    let received: Int64
    let contentCount: Int
    /// The segment, the record's place in it and its length.
    var segment: UInt32 = 0
    var offset: UInt32 = 0
    var count: UInt32 = 0
    /// The slot of ``InFlightTable``, or -1.
    var slot: Int16 = -1
    /// How many works of it are claimed.
    var claims: UInt16 = 0
    /// Changes that memory knows and the journal does not yet.
    var unwritten: UInt32 = 0
    /// The lane that takes its records.
    var lane: UInt8 = 0
    var crashes: UInt8 = 0
    var hasBodyFile: Bool
    var isHeld = false
    /// Somebody has let it go, so that it is in quarantine no more.
    var wasReleased = false
    /// Read from the journal at the start, not committed since.
    var isRecovered = false
    /// No longer in the index.
    var isGone = false
    /// Kept for the delivery that follows at once; see ``RecentMessages``.
    var recent: RecentContent?
    // Nearly all messages have one recipient, which so needs no array.
    private var first: RecipientState
    private var others: [RecipientState]

    /// `states` has at least one element.
    init?(id: QueueID, received: Int64, contentCount: Int, hasBodyFile: Bool, states: [RecipientState]) {
        guard let first = states.first else { return nil }
        self.id = id
        self.received = received
        self.contentCount = contentCount
        self.hasBodyFile = hasBodyFile
        self.first = first
        others = Array(states.dropFirst())
    }

    var recipientCount: Int { others.count + 1 }

    /// One recipient more, behind the others: a place once given is nobody else's.
    func append(_ state: RecipientState) { others.append(state) }

    subscript(number: Int) -> RecipientState {
        get { number == 0 ? first : others[number - 1] }
        set { if number == 0 { first = newValue } else { others[number - 1] = newValue } }
        _modify {
            if number == 0 { yield &first } else { yield &others[number - 1] }
        }
    }

    var isDone: Bool { first.isDone && others.allSatisfy(\.isDone) }

    /// These, as they are by now.
    func released(_ recipients: [QueueRecipient]) -> [QueueRecipient] {
        guard wasReleased else { return recipients }
        return recipients.map { recipient in
            var recipient = recipient
            if recipient.disposition == .quarantine { recipient.disposition = .deliver }
            return recipient
        }
    }
}
