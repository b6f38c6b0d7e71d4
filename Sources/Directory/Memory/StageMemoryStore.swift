public import Foundation
public import MailTypes
public import Pipeline
import Synchronization

/// What stages remember from one transaction to the next: in bounded tables in memory, so that answers come at
/// once, and written behind to `memory.sqlite`, so that a restart forgets nothing.
///
/// Keys are kept as digests only. Every table has room for ``Options/capacity`` keys, however many strangers
/// come; beyond, those go that would be forgotten first.
public final class StageMemoryStore: Sendable {
    public struct Options: Sendable {
        /// Keys per table. A key takes about 100 octets of memory.
        public var capacity = 1_000_000
        /// How often what has changed is written: the most that `kill -9` costs.
        public var writeInterval: Interval = "2s"
        /// How often what is forgotten is cleared away.
        public var sweepInterval: Interval = "10m"
        /// The file is read once and never written, as by ``openReadOnly(_:options:)``.
        public var isReadOnly = false
        /// The clock for clearing away; questions bring their own time.
        public var now: @Sendable () -> Date = { Date() }

        public init() {}
    }

    /// Tables are named by stages and configuration, not by strangers; further ones share the last.
    static let mostTables = 256
    private static let sharedTable = "…"

    private let options: Options
    private let file: MemoryFile?
    private let digest: KeyDigest
    private let visits = Mutex<[String: MemoryTable<RememberedVisits>]>([:])
    private let counters = Mutex<[String: MemoryTable<SlidingWindow>]>([:])
    private let heartbeat = Mutex<Heartbeat?>(nil)
    private let lastSweep: Mutex<Date>
    /// One batch at a time.
    private let writing = BatchLock(())
    private let failure = Mutex<String?>(nil)

    /// Opens or makes the file, and reads what it remembers.
    public static func open(_ path: String, options: Options = Options()) throws(DirectoryError) -> StageMemoryStore {
        if options.isReadOnly { return try openReadOnly(path, options: options) }
        let file = try MemoryFile(path: path, isReadOnly: false)
        let store = StageMemoryStore(file: file, digest: file.digest, options: options)
        do {
            try file.remove(try store.load(from: file))
            try file.removeForgotten(at: options.now())
        } catch {
            throw DirectoryError(error)
        }
        let beat = Heartbeat(name: "stage-memory", every: options.writeInterval) { [weak store] in store?.beat() }
        store.heartbeat.withLock { $0 = beat }
        return store
    }

    /// What the file holds now, for a look at it beside the server: it is never written. No file is an empty memory.
    public static func openReadOnly(
        _ path: String, options: Options = Options()
    ) throws(DirectoryError) -> StageMemoryStore {
        guard FileManager.default.fileExists(atPath: path) else {
            return StageMemoryStore(file: nil, digest: .random(), options: options)
        }
        let file = try MemoryFile(path: path, isReadOnly: true)
        defer { file.close() }
        let store = StageMemoryStore(file: nil, digest: file.digest, options: options)
        do { _ = try store.load(from: file) } catch { throw DirectoryError(error) }
        return store
    }

    private init(file: MemoryFile?, digest: KeyDigest, options: Options) {
        self.file = file
        self.digest = digest
        self.options = options
        lastSweep = Mutex(options.now())
    }

    deinit { close() }

    /// Writes the rest and stops.
    public func close() {
        if let beat = heartbeat.withLock({ $0.take() }) {
            beat.stop()
            try? flush()
        }
        file?.close()
    }

    // MARK: Questions

    /// Answers at once, from memory.
    public func answer(_ question: MemoryQuestion) -> MemoryAnswer {
        switch question {
        case .visit(let table, let key, let now, let lifetime):
            .visit(visit(digest(key), in: table, at: now, lifetime: lifetime))
        case .peek(let table, let key, let now):
            .visit(peek(digest(key), in: table, at: now))
        case .count(let table, let key, let amount, let window, let now):
            .count(count(digest(key), in: table, amount: amount, window: window, at: now))
        }
    }

    private func visit(_ key: UInt128, in table: String, at now: Date, lifetime: Interval) -> Visits? {
        visitTable(table).withShelf(of: key) { shelf in
            let known = VisitRule.known(shelf[key]?.visits, at: now, lifetime: lifetime)
            let story = VisitRule.story(after: known, at: now)
            shelf.put(RememberedVisits(visits: story, lifetime: lifetime), for: key, now: now)
            return known
        }
    }

    private func peek(_ key: UInt128, in table: String, at now: Date) -> Visits? {
        visitTable(table).withShelf(of: key) { shelf in
            guard let entry = shelf[key] else { return nil }
            return VisitRule.known(entry.visits, at: now, lifetime: entry.lifetime)
        }
    }

    private func count(_ key: UInt128, in table: String, amount: Int, window: Interval, at now: Date) -> Int {
        counterTable(table).withShelf(of: key) { shelf in
            var used = shelf[key] ?? SlidingWindow(window: window, at: now)
            let sum = used.add(amount, window: window, at: now)
            // To have asked is nothing to remember.
            if sum > 0 { shelf.put(used, for: key, now: now) }
            return sum
        }
    }

    /// Keys that are remembered in a table.
    public func count(of table: String) -> Int { visitTable(table).count + counterTable(table).count }

    private func visitTable(_ name: String) -> MemoryTable<RememberedVisits> {
        visits.withLock { Self.table(name, in: &$0, capacity: options.capacity) }
    }

    private func counterTable(_ name: String) -> MemoryTable<SlidingWindow> {
        counters.withLock { Self.table(name, in: &$0, capacity: options.capacity) }
    }

    private static func table<Entry>(
        _ name: String, in tables: inout [String: MemoryTable<Entry>], capacity: Int
    ) -> MemoryTable<Entry> {
        if let table = tables[name] { return table }
        let name = tables.count < mostTables ? name : sharedTable
        if let table = tables[name] { return table }
        let table = MemoryTable<Entry>(name: name, capacity: capacity)
        tables[name] = table
        return table
    }

    // MARK: The file

    /// Newest first; returns what does not fit any more.
    private func load(from file: MemoryFile) throws -> [(table: String, key: UInt128)] {
        let now = options.now()
        var excess: [(table: String, key: UInt128)] = []
        try file.readVisits(at: now) { name, key, entry in
            if !visitTable(name).loadIfRoom(entry, for: key, now: now) { excess.append((name, key)) }
        }
        try file.readCounters(at: now) { name, key, entry in
            if !counterTable(name).loadIfRoom(entry, for: key, now: now) { excess.append((name, key)) }
        }
        return excess
    }

    private func beat() {
        do {
            try flush()
            let now = options.now()
            if now.timeIntervalSince(lastSweep.withLock { $0 }) >= options.sweepInterval.seconds {
                lastSweep.withLock { $0 = now }
                try sweep(at: now)
            }
            failure.withLock { $0 = nil }
        } catch {
            // The next beat tries again; memory goes on without the file.
            failure.withLock { $0 = DirectoryError(error).description }
        }
    }

    /// Why the file cannot be written, if it cannot. Answers go on from memory.
    public var writeFailure: String? { failure.withLock { $0 } }

    /// Writes what is not yet written. Blocks.
    public func flush() throws(DirectoryError) {
        guard let file else { return }
        do {
            try writing.withLock { _ in
                for table in visits.withLock({ Array($0.values) }) {
                    try table.writeChanges { try file.write($0, table: table.name) }
                }
                for table in counters.withLock({ Array($0.values) }) {
                    try table.writeChanges { try file.write($0, table: table.name) }
                }
            }
        } catch { throw DirectoryError(error) }
    }

    private func sweep(at now: Date) throws {
        for table in visits.withLock({ Array($0.values) }) { table.removeForgotten(at: now) }
        for table in counters.withLock({ Array($0.values) }) { table.removeForgotten(at: now) }
        try flush()
        try file?.removeForgotten(at: now)
    }
}
