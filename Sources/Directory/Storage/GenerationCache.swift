import Synchronization

/// A bounded cache whose content is good for one generation of the directory.
///
/// Each shard keeps a young and an old half: when the young one is full it becomes the old one, and
/// what is asked for again moves back. So what is used stays, approximately, and making room costs
/// nothing per key.
final class GenerationCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Shard {
        var generation: UInt64 = 0
        var young: [Key: Value] = [:]
        var old: [Key: Value] = [:]

        mutating func insert(_ value: Value, for key: Key, halfLimit: Int) {
            if young.count >= halfLimit, young[key] == nil {
                old = young
                young.removeAll(keepingCapacity: true)
            }
            young[key] = value
        }
    }

    /// One lock each, so that event loops seldom meet. `Mutex` cannot lie in an array.
    private final class Slot: Sendable {
        let shard = Mutex(Shard())
    }

    private let slots: [Slot]
    private let halfLimit: Int
    private static var shardCount: Int { 16 }

    init(limit: Int) {
        slots = (0..<Self.shardCount).map { _ in Slot() }
        halfLimit = max(1, limit / Self.shardCount / 2)
    }

    private func slot(of key: Key) -> Slot {
        slots[Int(truncatingIfNeeded: UInt(bitPattern: key.hashValue) >> 7) & (Self.shardCount - 1)]
    }

    func value(for key: Key, generation: UInt64) -> Value? {
        let halfLimit = halfLimit
        return slot(of: key).shard.withLock { shard -> Value? in
            guard shard.generation == generation else { return nil }
            if let value = shard.young[key] { return value }
            guard let value = shard.old[key] else { return nil }
            shard.insert(value, for: key, halfLimit: halfLimit)
            return value
        }
    }

    /// Keeps `value`, which was learned while the directory was in `generation`.
    func insert(_ value: Value, for key: Key, generation: UInt64) {
        let halfLimit = halfLimit
        slot(of: key).shard.withLock { shard in
            if shard.generation != generation { shard = Shard(generation: generation) }
            shard.insert(value, for: key, halfLimit: halfLimit)
        }
    }

    func remove(_ key: Key) {
        slot(of: key).shard.withLock { shard in
            shard.young[key] = nil
            shard.old[key] = nil
        }
    }

    var count: Int {
        slots.reduce(0) { sum, slot in sum + slot.shard.withLock { $0.young.count + $0.old.count } }
    }
}
