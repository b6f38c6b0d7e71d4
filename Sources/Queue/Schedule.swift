/// A binary heap: the smallest `key` comes first.
struct Heap<Element> {
    private var items: [(key: Int64, element: Element)] = []

    var count: Int { items.count }
    var first: (key: Int64, element: Element)? { items.first }
    var all: [(key: Int64, element: Element)] { items }

    mutating func push(_ element: Element, key: Int64) {
        items.append((key, element))
        var place = items.count - 1
        while place > 0 {
            let parent = (place - 1) / 2
            guard items[place].key < items[parent].key else { break }
            items.swapAt(place, parent)
            place = parent
        }
    }

    mutating func pop() -> (key: Int64, element: Element)? {
        guard let top = items.first, let last = items.popLast() else { return nil }
        guard !items.isEmpty else { return top }
        items[0] = last
        var place = 0
        while true {
            let left = 2 * place + 1
            guard left < items.count else { break }
            let child = left + 1 < items.count && items[left + 1].key < items[left].key ? left + 1 : left
            guard items[child].key < items[place].key else { break }
            items.swapAt(child, place)
            place = child
        }
        return top
    }
}

/// Everybody who waits for one destination.
final class DestinationLine {
    let destination: QueueDestination
    let number: Int32
    /// Messages by the time when they are due. What is stale (done, held, deferred since) is dropped
    /// when its turn comes.
    fileprivate var heap = Heap<IndexedMessage>()
    /// Whether it stands in the round of those that are due.
    fileprivate var isReady = false
    /// Recipients that are not done.
    fileprivate(set) var recipients = 0

    fileprivate init(_ destination: QueueDestination, number: Int32) {
        self.destination = destination
        self.number = number
    }
}

/// Who is due when. A heap per destination, a heap of the destinations, and a round of those that are
/// due, each of which gives one message in turn: a million messages for one destination are one
/// entry among the others'.
struct Schedule {
    private var numbers: [QueueDestination: Int32] = [:]
    private var lines: [DestinationLine?] = []
    private var free: [Int32] = []
    private var timed = Heap<DestinationLine>()
    private var round: [DestinationLine] = []
    private var turn = 0

    /// The number of a destination's line, for one recipient more.
    mutating func join(_ destination: QueueDestination) -> Int32 {
        if let number = numbers[destination], let line = lines[Int(number)] {
            line.recipients += 1
            return number
        }
        let number = free.popLast() ?? Int32(clamping: lines.count)
        let line = DestinationLine(destination, number: number)
        line.recipients = 1
        if Int(number) == lines.count { lines.append(line) } else { lines[Int(number)] = line }
        numbers[destination] = number
        return number
    }

    /// A recipient of this line is done.
    mutating func leave(_ number: Int32) {
        guard let line = line(number) else { return }
        line.recipients -= 1
        guard line.recipients <= 0 else { return }
        line.heap = Heap()
        lines[Int(number)] = nil
        numbers[line.destination] = nil
        free.append(number)
    }

    func line(_ number: Int32) -> DestinationLine? {
        number >= 0 && number < lines.count ? lines[Int(number)] : nil
    }

    /// How many entries stand in all lines, stale ones included.
    var entries: Int { lines.reduce(0) { $0 + ($1?.heap.count ?? 0) } }

    /// Puts a message into a line. Answers whether nothing of the line was due as early.
    @discardableResult
    mutating func add(_ message: IndexedMessage, line number: Int32, due: Int64) -> Bool {
        guard let line = line(number) else { return false }
        let isEarliest = line.heap.first.map { due < $0.key } ?? true
        line.heap.push(message, key: due)
        if isEarliest, !line.isReady { timed.push(line, key: due) }
        return isEarliest && !line.isReady
    }

    /// Takes up to `limit` messages that are due, one of each destination in turn. `take` answers whether
    /// there was something to be taken, and what is stale costs nobody's turn.
    mutating func takeDue(
        now: Int64, limit: Int, excluding: Set<QueueDestination>,
        take: (IndexedMessage, DestinationLine) -> Bool
    ) {
        while let (due, line) = timed.first, due <= now {
            _ = timed.pop()
            guard !line.isReady, let first = line.heap.first else { continue }
            if first.key <= now {
                line.isReady = true
                round.append(line)
            } else {
                timed.push(line, key: first.key)
            }
        }
        var taken = 0
        var skipped = 0
        while taken < limit, skipped < round.count {
            if turn >= round.count { turn = 0 }
            let line = round[turn]
            if excluding.contains(line.destination) {
                skipped += 1
                turn += 1
                continue
            }
            while let (due, message) = line.heap.first, due <= now {
                _ = line.heap.pop()
                if take(message, line) {
                    taken += 1
                    skipped = 0
                    break
                }
            }
            if let (due, _) = line.heap.first, due <= now {
                turn += 1
            } else {
                rest(line)
            }
        }
    }

    /// The line at `turn` has nothing due any more.
    private mutating func rest(_ line: DestinationLine) {
        line.isReady = false
        // The last of the round takes the place: the order among destinations need not be kept exactly.
        round.swapAt(turn, round.count - 1)
        round.removeLast()
        if let (due, _) = line.heap.first { timed.push(line, key: due) }
    }

    /// When something is due next; what is due already counts as due at `now`.
    func nextDue(now: Int64, excluding: Set<QueueDestination>) -> Int64? {
        if round.contains(where: { !excluding.contains($0.destination) && $0.heap.count > 0 }) { return now }
        guard let first = timed.first else { return nil }
        if excluding.isEmpty || !excluding.contains(first.element.destination) { return first.key }
        return timed.all.lazy.filter { !excluding.contains($0.element.destination) }.map(\.key).min()
    }
}
