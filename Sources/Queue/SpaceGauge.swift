import MailTypes
import Synchronization

/// Whether the disk has room beyond its reserve. Asked for each commit, so the answer is up to a tenth
/// of a second old.
final class SpaceGauge: Sendable {
    private let directory: String
    private let files: any FileSystem
    private let options: QueueOptions
    private let asked = Atomic<UInt64>(0)
    private let free = Atomic<Int>(Int.max)

    private static let age: UInt64 = 100_000_000

    init(directory: String, files: any FileSystem, options: QueueOptions) {
        self.directory = directory
        self.files = files
        self.options = options
    }

    func isShort(of octets: Int) -> Bool {
        let now = MonotonicTime.now
        let last = asked.load(ordering: .relaxed)
        if last == 0 || now &- last > Self.age { measure(now) }
        let room = free.load(ordering: .relaxed)
        return room < options.reserve || room - options.reserve < octets
    }

    private func measure(_ now: UInt64) {
        asked.store(max(now, 1), ordering: .relaxed)
        // A file system that does not tell is found out by writing to it.
        guard let space = try? files.space(directory) else {
            free.store(Int.max, ordering: .relaxed)
            return
        }
        let lacksInodes = space.inodes.map { $0 < options.inodeReserve } ?? false
        free.store(lacksInodes ? -1 : space.octets, ordering: .relaxed)
    }
}
