import MailTypes

/// Everything the queue has in memory, under one lock.
struct QueueState {
    var messages: [QueueID: IndexedMessage] = [:]
    var schedule = Schedule()
    var segments = SegmentTable()
    var inFlight: InFlightTable
    var time = SteadyTime()
    var holdReasons: [QueueID: String] = [:]
    /// The recipients of messages of which some were given other routes since their record was written.
    var reroutes: [QueueID: [QueueRecipient]] = [:]
    var recent: RecentMessages
    var watches = AttemptWatches()
    /// Derived ids of messages that have left, and whose last record is not written yet: a message that takes the id
    /// must stand behind it.
    var ending: Set<QueueID> = []
    var counts = QueueCounts()
    var lastSegment: UInt32 = 0
    /// Whether somebody wants to hear of work that comes.
    var wantsWork = true
    var isClosed = false
    var handler: (@Sendable () -> Void)?
    private var floor = SuspectFloor()
    private var hasFreedFloor = false
    private var replies: [SharedReply] = []

    /// Where a message stands: one entry for all its recipients there.
    private struct Place: Hashable {
        var line: Int32
        var due: Int64
    }

    private static let sharedReplies = 16

    init(inFlight: InFlightTable, recentLimit: Int) {
        self.inFlight = inFlight
        recent = RecentMessages(limit: recentLimit)
    }

    // MARK: Messages come and go

    /// A message is durable: counts it, and finds its recipients' lines.
    mutating func admit(_ message: IndexedMessage, destinations: [QueueDestination]) {
        messages[message.id] = message
        counts.messages += 1
        counts.contentBytes += message.contentCount
        if message.isHeld { counts.held += 1 }
        segments.enter(message.segment, octets: Int(message.count))
        for number in 0..<message.recipientCount where !message[number].isDone {
            counts.recipients += 1
            if message[number].attempts > 0 { counts.deferred += 1 }
            message[number].line = schedule.join(destinations[number])
        }
    }

    /// Puts the waiting recipients of a message into their lines, once for each line and time.
    @discardableResult
    mutating func enqueue(_ message: IndexedMessage) -> Bool { enqueue(message, 0..<message.recipientCount) }

    /// Puts those of these recipients that wait into their lines, once for each line and time. They must be all
    /// whose time has changed and no others: those who stand in line already would stand there twice.
    @discardableResult
    mutating func enqueue(_ message: IndexedMessage, _ numbers: some Collection<Int>) -> Bool {
        var isEarlier = false
        var known: Set<Place> = []
        let isOne = numbers.count == 1
        for number in numbers where message[number].status == .waiting {
            let state = message[number]
            guard isOne || known.insert(Place(line: state.line, due: state.due)).inserted else { continue }
            if schedule.add(message, line: state.line, due: state.due) { isEarlier = true }
        }
        return isEarlier
    }

    /// A message has nothing more to do. Answers whether a segment may have become free.
    mutating func leave(_ message: IndexedMessage) -> Bool {
        guard !message.isGone else { return false }
        for number in 0..<message.recipientCount where !message[number].isDone {
            close(number, of: message, as: .failed)
        }
        message.isGone = true
        messages[message.id] = nil
        holdReasons[message.id] = nil
        reroutes[message.id] = nil
        recent.remove(message)
        endClaims(of: message)
        counts.messages -= 1
        counts.contentBytes -= message.contentCount
        if message.isHeld { counts.held -= 1 }
        return segments.leave(message.segment, octets: Int(message.count))
    }

    /// A change of a message is on its way into the journal.
    mutating func willWrite(_ message: IndexedMessage) {
        message.unwritten += 1
        if message.isGone, message.id.isDerived { ending.insert(message.id) }
    }

    /// A recipient is done.
    mutating func close(_ number: Int, of message: IndexedMessage, as status: RecipientProgress.Status) {
        counts.recipients -= 1
        if message[number].status == .claimed { counts.claimed -= 1 }
        if message[number].attempts > 0 { counts.deferred -= 1 }
        message[number].status = status
        schedule.leave(message[number].line)
    }

    // MARK: Claims

    enum Claim {
        case work(Work)
        /// Other suspects have the floor.
        case postponed
        /// Nothing of it is due: done, held, or deferred since it stood in line.
        case stale
    }

    /// Marks the due recipients of a message in one line as claimed.
    mutating func claim(_ message: IndexedMessage, in line: DestinationLine, at now: Int64) -> Claim {
        guard !message.isGone, !message.isHeld else { return .stale }
        let isDue = (0..<message.recipientCount).contains {
            message[$0].line == line.number && message[$0].status == .waiting && message[$0].due <= now
        }
        guard isDue else { return .stale }
        guard floor.admits(message, at: now) else { return .postponed }
        var recipients: [Work.Recipient] = []
        for number in 0..<message.recipientCount {
            let state = message[number]
            guard state.line == line.number, state.status == .waiting, state.due <= now else { continue }
            let age = state.age(at: now)
            message[number].status = .claimed
            message[number].age = age
            message[number].since = now
            recipients.append(
                Work.Recipient(
                    number: number, attempts: Int(state.attempts), age: Interval(seconds: Double(age)),
                    warned: state.warned, isRecovered: message.isRecovered))
        }
        counts.claimed += recipients.count
        message.claims += 1
        if message.slot < 0 { message.slot = inFlight.enter(message.id) }
        return .work(Work(id: message.id, destination: line.destination, recipients: recipients))
    }

    /// One work of a message is settled.
    mutating func endClaim(of message: IndexedMessage) {
        guard message.claims > 0 else { return }
        message.claims -= 1
        if message.claims == 0 { endClaims(of: message) }
    }

    private mutating func endClaims(of message: IndexedMessage) {
        message.claims = 0
        inFlight.leave(message.slot)
        message.slot = -1
        // The floor is free: the next ones need not wait until somebody looks again.
        if floor.leave(message), callSuspects(at: time.latest) { hasFreedFloor = true }
    }

    /// Lets suspects wait for the floor. One of them looks again when those who have it must have given it up.
    mutating func postpone(_ suspects: [(IndexedMessage, Int32)], at now: Int64) {
        guard let last = suspects.last else { return }
        for (message, line) in suspects { floor.wait(SuspectFloor.Waiting(message: message, line: line)) }
        callSuspects(at: now)
        if floor.hasWaiting { schedule.add(last.0, line: last.1, due: now + SuspectFloor.probation) }
    }

    /// Puts those whose turn it is back into their lines. Answers whether there are any.
    @discardableResult
    private mutating func callSuspects(at now: Int64) -> Bool {
        let called = floor.next(at: now)
        for one in called { schedule.add(one.message, line: one.line, due: now) }
        return !called.isEmpty
    }

    /// Whom to call, if he waits for it, when something is due earlier than he knows.
    mutating func takeCaller(_ isEarlier: Bool) -> (@Sendable () -> Void)? {
        guard isEarlier, wantsWork, let handler else { return nil }
        wantsWork = false
        return handler
    }

    /// Whether work has come up since the last call because a suspect is done.
    mutating func takeFreedFloor() -> Bool {
        defer { hasFreedFloor = false }
        return hasFreedFloor
    }

    /// A reply, the same object for the same words if they were said lately.
    mutating func shared(_ reply: Reply) -> SharedReply {
        let reply = reply.clipped
        if let known = replies.first(where: { $0.reply == reply }) { return known }
        let new = SharedReply(reply)
        if replies.count == Self.sharedReplies { replies.removeFirst() }
        replies.append(new)
        return new
    }
}

/// The content of just committed messages, for the delivery that follows at once: the octets are those that were
/// written, so keeping them costs nothing but the memory, of which there is a limit.
struct RecentMessages {
    private let limit: Int
    private static let most = 65_536
    private var octets = 0
    private var line: [IndexedMessage] = []
    private var head = 0

    init(limit: Int) { self.limit = limit }

    mutating func add(_ message: IndexedMessage, _ content: RecentContent) {
        guard content.octets <= limit else { return }
        message.recent = content
        line.append(message)
        octets += content.octets
        while octets > limit || line.count - head > Self.most { dropOldest() }
        if head > 1024, head * 2 > line.count {
            line.removeFirst(head)
            head = 0
        }
    }

    mutating func remove(_ message: IndexedMessage) {
        forget(message)
        while head < line.count, line[head].recent == nil { head += 1 }
    }

    private mutating func dropOldest() {
        forget(line[head])
        head += 1
    }

    private mutating func forget(_ message: IndexedMessage) {
        guard let content = message.recent else { return }
        message.recent = nil
        octets -= content.octets
    }
}
