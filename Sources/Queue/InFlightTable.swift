/// The messages that are claimed just now, in memory that outlives a crash of the process: two stores for a
/// claim, one for its end. Found again by the next run, it tells which messages may have been the cause.
struct InFlightTable {
    static let slots = 4096
    static let octets = slots * 16

    private let memory: (any SharedMemory)?
    private var free: [Int16]

    /// `nil`: there is no such memory, and no message is suspected.
    init(_ memory: (any SharedMemory)?) {
        self.memory = memory
        free = memory == nil ? [] : (0..<Int16(Self.slots)).reversed()
        if let memory {
            for slot in 0..<Self.slots { memory.store(0, at: slot * 2 + 1) }
        }
    }

    /// What the last run left there.
    static func leftovers(_ memory: any SharedMemory) -> Set<QueueID> {
        var ids: Set<QueueID> = []
        for slot in 0..<slots {
            let low = memory.load(slot * 2 + 1)
            if low >> 32 == used {
                ids.insert(QueueID(high: memory.load(slot * 2), low: UInt32(truncatingIfNeeded: low)))
            }
        }
        return ids
    }

    /// Notes a claim. When more are claimed than there are slots, the rest goes unnoted.
    mutating func enter(_ id: QueueID) -> Int16 {
        guard let memory, let slot = free.popLast() else { return -1 }
        memory.store(id.high, at: Int(slot) * 2)
        memory.store(Self.used << 32 | UInt64(id.low), at: Int(slot) * 2 + 1)
        return slot
    }

    mutating func leave(_ slot: Int16) {
        guard let memory, slot >= 0 else { return }
        memory.store(0, at: Int(slot) * 2 + 1)
        free.append(slot)
    }

    /// The process ends in order: nobody is suspected.
    mutating func clear() {
        guard let memory else { return }
        for slot in 0..<Self.slots { memory.store(0, at: slot * 2 + 1) }
        free = []
    }

    private static let used: UInt64 = 1
}
