/// A dictionary that strangers may fill: it never grows beyond `capacity`. When it is full the older
/// half goes, by when each entry was last written.
struct BoundedTable<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Entry: Sendable {
        var value: Value
        var written: UInt64
    }

    let capacity: Int
    private var entries: [Key: Entry] = [:]
    private var clock: UInt64 = 0

    /// - Parameter capacity: At least two.
    init(capacity: Int) { self.capacity = max(2, capacity) }

    var count: Int { entries.count }

    subscript(key: Key) -> Value? {
        get { entries[key]?.value }
        set {
            guard let newValue else {
                entries[key] = nil
                return
            }
            if entries[key] == nil, entries.count >= capacity { dropOlderHalf() }
            clock += 1
            entries[key] = Entry(value: newValue, written: clock)
        }
    }

    private mutating func dropOlderHalf() {
        let written = entries.values.map(\.written).sorted()
        let middle = written[written.count / 2]
        entries = entries.filter { $0.value.written > middle }
    }
}
