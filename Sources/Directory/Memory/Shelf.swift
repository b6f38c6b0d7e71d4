import Foundation

/// What a ``Shelf`` holds.
protocol Forgettable: Sendable {
    /// When it is forgotten, unless it is seen again.
    var end: Date { get }
    /// Whether it is forgotten, so that its place may be taken.
    func isForgotten(at now: Date) -> Bool
}

extension Forgettable {
    func isForgotten(at now: Date) -> Bool { end <= now }
}

/// A bounded table of remembered things.
///
/// When it is full, eight are drawn by lot and the one that would be forgotten first makes room: nearly as good
/// as keeping all in order, and of constant cost.
struct Shelf<Entry: Forgettable>: Sendable {
    private var places: [UInt128: Int] = [:]
    private var keys: [UInt128] = []
    private var entries: [Entry] = []
    private var lot: UInt64 = 0x9e37_79b9_7f4a_7c15
    private let capacity: Int
    /// Changed since the last ``takeChanges()``.
    private var changed: Set<UInt128> = []
    private var removed: Set<UInt128> = []

    private static var sample: Int { 8 }

    init(capacity: Int) { self.capacity = max(1, capacity) }

    var count: Int { entries.count }
    var hasRoom: Bool { entries.count < capacity }

    subscript(key: UInt128) -> Entry? { places[key].map { entries[$0] } }

    /// Puts `entry` under `key`, if need be in the place of another.
    mutating func put(_ entry: Entry, for key: UInt128, now: Date) {
        changed.insert(key)
        load(entry, for: key, now: now)
    }

    /// Puts what has been stored already.
    mutating func load(_ entry: Entry, for key: UInt128, now: Date) {
        if let place = places[key] {
            entries[place] = entry
            return
        }
        if entries.count >= capacity { makeRoom(now) }
        removed.remove(key)
        places[key] = entries.count
        keys.append(key)
        entries.append(entry)
    }

    private mutating func makeRoom(_ now: Date) {
        var victim = draw()
        for _ in 1..<Self.sample where !entries[victim].isForgotten(at: now) {
            let other = draw()
            if entries[other].end < entries[victim].end { victim = other }
        }
        remove(at: victim)
    }

    /// A place, by xorshift (Marsaglia): good enough for a lot that nobody can gain by.
    private mutating func draw() -> Int {
        lot ^= lot << 13
        lot ^= lot >> 7
        lot ^= lot << 17
        return Int(lot % UInt64(entries.count))
    }

    private mutating func remove(at place: Int) {
        let key = keys[place]
        let last = entries.count - 1
        if place != last {
            keys[place] = keys[last]
            entries[place] = entries[last]
            places[keys[place]] = place
        }
        keys.removeLast()
        entries.removeLast()
        places[key] = nil
        changed.remove(key)
        // Were the file never written again, this must not grow; the rows are found when it is next opened.
        if removed.count < capacity { removed.insert(key) }
    }

    mutating func removeForgotten(at now: Date) {
        for place in entries.indices.reversed() where entries[place].isForgotten(at: now) { remove(at: place) }
    }

    // MARK: Writing behind

    struct Changes: Sendable {
        var kept: [(key: UInt128, entry: Entry)] = []
        var removed: [UInt128] = []
        var isEmpty: Bool { kept.isEmpty && removed.isEmpty }
    }

    /// What has changed since the last call.
    mutating func takeChanges() -> Changes {
        let changes = Changes(
            kept: changed.compactMap { key in places[key].map { (key, entries[$0]) } }, removed: Array(removed))
        changed.removeAll()
        removed.removeAll()
        return changes
    }

    /// Could not be written: another time.
    mutating func giveBack(_ changes: Changes) {
        for (key, _) in changes.kept where places[key] != nil { changed.insert(key) }
        for key in changes.removed where places[key] == nil && removed.count < capacity { removed.insert(key) }
    }
}
