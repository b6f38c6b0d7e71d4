import Foundation
import MailTypes
import Synchronization

/// Records on their way to the disk.
struct LaneItem: Sendable {
    enum Role: Sendable {
        /// Messages whose sender waits. A failure is told, and what may have been written is cancelled.
        case acceptance(Acceptance)
        /// What became of messages. Never dropped: after a failure it is written to the next segment.
        case change(Change)
        /// A message copied forward. A failure is told; the old record stays.
        case copy(CopiedMessages)
    }

    var role: Role
    var octets: [UInt8]
    /// May wait for others to share a sync.
    var isLazy = false
}

/// What the queue does when a batch has ended. Called on the lane's thread.
protocol LaneOwner: AnyObject, Sendable {
    /// The number of a segment that is about to be made.
    func nextSegment() -> UInt64
    /// Whether there is a spare file of at least this size; then it is the caller's.
    func takesSpare(_ size: Int) -> Bool
    func opened(_ file: SegmentFile, size: Int, by lane: Lane)
    /// All items are durable; each stands at its offset.
    func written(_ items: [(item: LaneItem, offset: Int)], in segment: SegmentFile, end: Int)
    /// These were not written, or, with `isDoubtful`, nobody knows.
    func failed(_ items: [LaneItem], _ failure: QueueFailure, isDoubtful: Bool)
    /// It is durable, by a record in `segment`, that these messages are none, which were in doubt and may lie in
    /// the segments `doubtful`.
    func cancelled(_ messages: [IndexedMessage], of doubtful: [SegmentFile], in segment: SegmentFile)
    /// Nothing more will be written there.
    func closed(_ segment: SegmentFile, isTainted: Bool)
}

/// A thread with a segment of its own that writes whatever is pending with one write and one sync.
final class Lane: Sendable {
    struct Pending {
        var items: [LaneItem] = []
        var urgent = 0
        /// When lazy items, or cancellations, have waited long enough.
        var deadline: UInt64?
        var isClosing = false
        var isClosed = false
    }

    let number: Int
    let directory: String
    let files: any FileSystem
    let options: QueueOptions
    let pending = Monitor(Pending())
    /// Items pending or being written: for choosing a lane without its lock.
    let load = Atomic<Int>(0)
    /// While it is busy with a slow disk, so that what comes now had better go to another lane: when that will
    /// probably be over, by ``MonotonicTime``; else 0. A fast sync is worth waiting for.
    let busyUntil = Atomic<UInt64>(0)
    let syncs = Atomic<Int>(0)

    init(number: Int, directory: String, files: any FileSystem, options: QueueOptions) {
        self.number = number
        self.directory = directory
        self.files = files
        self.options = options
    }

    func start(_ owner: any LaneOwner) {
        let thread = Thread { [self] in LaneWriter(lane: self, owner: owner).run() }
        thread.name = "queue-\(number)"
        thread.start()
    }

    /// Hands over an item; `false` when the lane is closing.
    func append(_ item: LaneItem) -> Bool {
        let wakes: Bool? = pending.withLock { pending in
            guard !pending.isClosing else { return nil }
            pending.items.append(item)
            if item.isLazy {
                guard pending.deadline == nil else { return false }
                pending.deadline = MonotonicTime.now &+ UInt64(max(options.lazyDelay.nanoseconds, 0))
                return pending.urgent == 0
            }
            pending.urgent += 1
            // The thread may be gathering: it wants to know each of them.
            return true
        }
        guard let wakes else { return false }
        load.add(1, ordering: .relaxed)
        if wakes { pending.ring() }
        return true
    }

    /// Writes what is pending and ends the thread.
    func close() {
        pending.withLock { $0.isClosing = true }
        pending.ring()
        pending.wait { pending, _ in pending.isClosed ? () : nil }
    }
}
