import MailTypes

/// Which segments there are, and how much of each is still needed. Invariants 6 and 7 live here.
struct SegmentTable {
    struct Segment {
        var path: String
        var header: SegmentHeader
        /// Open when it is written, or has been read.
        var file: SegmentFile?
        /// Octets on disk, and of those the ones that hold records.
        var size: Int
        var end: Int
        var live = 0
        var liveOctets = 0
        /// Older segments that hold messages of which this one has a record.
        var references: Set<UInt32> = []
        var isOpen = false
        /// A failed batch may lie in it: nothing younger is deleted before it.
        var isTainted = false
        /// Something in it cannot be read, so it cannot be copied forward and stays.
        var isStuck = false
    }

    private(set) var segments: [UInt32: Segment] = [:]
    private(set) var size = 0
    private(set) var liveOctets = 0

    subscript(number: UInt32) -> Segment? { segments[number] }
    var count: Int { segments.count }
    var numbers: [UInt32] { segments.keys.sorted() }

    mutating func add(_ segment: Segment, number: UInt32) {
        segments[number] = segment
        size += segment.size
    }

    mutating func remove(_ number: UInt32) {
        guard let segment = segments.removeValue(forKey: number) else { return }
        size -= segment.size
        liveOctets -= segment.liveOctets
    }

    /// A message lives in it.
    mutating func enter(_ number: UInt32, octets: Int) {
        guard segments[number] != nil else { return }
        segments[number]?.live += 1
        segments[number]?.liveOctets += octets
        liveOctets += octets
    }

    /// A message has left it. Answers whether that was the last one.
    mutating func leave(_ number: UInt32, octets: Int) -> Bool {
        guard segments[number] != nil else { return false }
        segments[number]?.live -= 1
        segments[number]?.liveOctets -= octets
        liveOctets -= octets
        return segments[number]?.live == 0
    }

    /// `number` holds a record about a message in `home`.
    mutating func refer(_ number: UInt32, to home: UInt32) {
        guard number != home, home != 0 else { return }
        segments[number]?.references.insert(home)
    }

    /// The file has been cut.
    mutating func shrink(_ number: UInt32, to count: Int) {
        guard let segment = segments[number] else { return }
        size -= segment.size - count
        segments[number]?.size = count
        segments[number]?.end = min(segment.end, count)
    }

    mutating func advance(_ number: UInt32, end: Int) { segments[number]?.end = end }

    mutating func stick(_ number: UInt32) { segments[number]?.isStuck = true }

    /// What lies in a tainted segment in doubt is cancelled by a record in `number`, which therefore goes after it.
    mutating func lift(_ tainted: UInt32, by number: UInt32) {
        segments[tainted]?.isTainted = false
        refer(number, to: tainted)
    }

    mutating func opened(_ number: UInt32, _ file: SegmentFile) { segments[number]?.file = file }

    mutating func close(_ number: UInt32, isTainted: Bool) {
        guard let segment = segments[number] else { return }
        segments[number]?.isOpen = false
        segments[number]?.isTainted = isTainted
        guard !isTainted else { return }
        let count = min(segment.size, segment.end + RecordFrame.headerCount)
        size -= segment.size - count
        segments[number]?.size = count
    }

    /// The segments that may be deleted now, in any order among themselves.
    var deletable: [UInt32] {
        let tainted = segments.filter(\.value.isTainted).keys.min() ?? .max
        return segments.filter { number, segment in
            !segment.isOpen && segment.live == 0 && number <= tainted
                && segment.references.allSatisfy { segments[$0] == nil }
        }.map(\.key)
    }

    /// The segments that stay whatever is copied forward: those with something that cannot be read, and all that
    /// wait for one of them.
    private var blocked: Set<UInt32> {
        var blocked: Set<UInt32> = []
        var isTaintStuck = false
        for number in numbers {
            guard let segment = segments[number] else { continue }
            // What a segment refers to is older.
            let isStuck = segment.isStuck && segment.live > 0
            guard isStuck || isTaintStuck || !segment.references.isDisjoint(with: blocked) else { continue }
            blocked.insert(number)
            if segment.isTainted { isTaintStuck = true }
        }
        return blocked
    }

    /// The segment whose live records are worth copying forward, if what is dead takes more room than
    /// what lives (and than a few segments), or there are too many small ones.
    func worthCompacting(segmentSize: Int) -> UInt32? {
        let blocked = self.blocked
        let closed = segments.filter { !$0.value.isOpen && !blocked.contains($0.key) }
        let movable = closed.filter { $0.value.live > 0 }
        if let tainted = movable.filter(\.value.isTainted).keys.min() { return tainted }
        let dead = closed.reduce(0) { $0 + $1.value.size - $1.value.liveOctets }
        let most = 64 + 2 * liveOctets / max(segmentSize, 1)
        guard dead > liveOctets + 4 * segmentSize || closed.count > most else { return nil }
        // The emptiest gives most for the least copying; of those the oldest, on which others wait.
        return movable.min {
            let (left, right) = (
                $0.value.liveOctets * 8 / max($0.value.size, 1), $1.value.liveOctets * 8 / max($1.value.size, 1)
            )
            return (left, $0.key) < (right, $1.key)
        }?.key
    }
}
