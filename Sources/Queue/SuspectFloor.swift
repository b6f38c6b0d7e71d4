/// Whose turn it is among the messages that were being delivered when a process died.
///
/// One of them may be the cause, so that the next crash should name as few as possible: those of one crash come in
/// groups, those of more come alone, in the order in which they were due. Who takes long loses the floor,
/// since what a message does to a process it does soon.
struct SuspectFloor {
    struct Waiting {
        var message: IndexedMessage
        var line: Int32
    }

    private struct Key: Hashable {
        var id: QueueID
        var line: Int32
    }

    /// How long a suspect has the floor, in milliseconds.
    static let probation: Int64 = 2000
    /// So many suspects of a first crash are tried together: few enough that a second one leaves a short list, and
    /// enough that a busy server's thousands are through in seconds.
    static let groupSize = 64

    private var holders: [QueueID: (since: Int64, isAlone: Bool)] = [:]
    private var waiting: ArraySlice<Waiting> = []
    private var known: Set<Key> = []

    var hasWaiting: Bool { !waiting.isEmpty }

    /// Whether a message may be tried now; then it has the floor.
    mutating func admits(_ message: IndexedMessage, at now: Int64) -> Bool {
        guard message.crashes > 0 else { return true }
        expire(at: now)
        // Nobody passes those who wait.
        guard holders[message.id] != nil || waiting.isEmpty && hasRoom(for: message) else { return false }
        holders[message.id] = (now, message.crashes > 1)
        return true
    }

    /// A suspect waits for the floor.
    mutating func wait(_ one: Waiting) {
        guard known.insert(Key(id: one.message.id, line: one.line)).inserted else { return }
        waiting.append(one)
    }

    /// A message is not being tried any more. Answers whether it had the floor.
    mutating func leave(_ message: IndexedMessage) -> Bool { holders.removeValue(forKey: message.id) != nil }

    /// Those whose turn it is. The floor is theirs from now on.
    mutating func next(at now: Int64) -> [Waiting] {
        expire(at: now)
        var called: [Waiting] = []
        while let first = waiting.first {
            let isOver = first.message.isGone || first.message.isHeld
            guard isOver || holders[first.message.id] != nil || hasRoom(for: first.message) else { break }
            waiting.removeFirst()
            known.remove(Key(id: first.message.id, line: first.line))
            guard !isOver else { continue }
            holders[first.message.id] = (now, first.message.crashes > 1)
            called.append(first)
        }
        return called
    }

    private func hasRoom(for message: IndexedMessage) -> Bool {
        if message.crashes > 1 { return holders.isEmpty }
        return holders.count < Self.groupSize && !holders.values.contains(where: \.isAlone)
    }

    private mutating func expire(at now: Int64) {
        guard holders.values.contains(where: { now - $0.since >= Self.probation }) else { return }
        holders = holders.filter { now - $0.value.since < Self.probation }
    }
}
