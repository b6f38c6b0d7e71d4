import Foundation
import MailTypes
import Pipeline
import Synchronization

/// A visited key, for as long as it is remembered.
struct RememberedVisits: Forgettable {
    var visits: Visits
    var lifetime: Interval

    var end: Date { visits.last.addingTimeInterval(lifetime.seconds) }
}

extension SlidingWindow: Forgettable {}

/// One table of stage memory, cut into shelves with a lock each, so that event loops seldom meet and none holds
/// a lock for long.
final class MemoryTable<Entry: Forgettable>: Sendable {
    let name: String
    /// `Mutex` cannot lie in an array.
    private final class Slot: Sendable {
        let shelf: Mutex<Shelf<Entry>>
        init(capacity: Int) { shelf = Mutex(Shelf(capacity: capacity)) }
    }

    private let slots: [Slot]
    /// Below this a shelf is too small for drawing lots to be fair.
    private static var smallestShelf: Int { 1_024 }
    private static var mostShelves: Int { 64 }

    init(name: String, capacity: Int) {
        self.name = name
        let count = min(Self.mostShelves, max(1, capacity / Self.smallestShelf))
        slots = (0..<count).map { _ in Slot(capacity: capacity / count) }
    }

    func withShelf<Result: Sendable>(of key: UInt128, _ body: (inout sending Shelf<Entry>) -> sending Result) -> Result
    {
        let number = Int(UInt64(truncatingIfNeeded: key >> 64) % UInt64(slots.count))
        return slots[number].shelf.withLock(body)
    }

    /// `false`: its shelf is full.
    func loadIfRoom(_ entry: Entry, for key: UInt128, now: Date) -> Bool {
        withShelf(of: key) { shelf in
            guard shelf.hasRoom else { return false }
            shelf.load(entry, for: key, now: now)
            return true
        }
    }

    var count: Int { slots.reduce(0) { sum, slot in sum + slot.shelf.withLock { $0.count } } }

    func removeForgotten(at now: Date) {
        for slot in slots { slot.shelf.withLock { $0.removeForgotten(at: now) } }
    }

    /// Hands each shelf's changes to `write`, and takes them back if it throws.
    func writeChanges(_ write: (Shelf<Entry>.Changes) throws -> Void) throws {
        for slot in slots {
            let changes = slot.shelf.withLock { $0.takeChanges() }
            guard !changes.isEmpty else { continue }
            do { try write(changes) } catch {
                slot.shelf.withLock { $0.giveBack(changes) }
                throw error
            }
        }
    }
}
