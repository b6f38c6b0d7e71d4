import MailTypes

/// A name in a form that is compared in two instructions: its first eight octets, and a number made of
/// the others. Two longer names may be taken for each other, which only confuses who made them up.
struct PackedName: Hashable {
    private(set) var head: UInt64 = 0
    private(set) var tail: UInt64 = 0
    private var count = 0
    /// A colon or a hyphen stands in it, as in `o:p` of office programs and in names of one's own elements.
    private(set) var isQualified = false

    init() {}

    init(_ text: some StringProtocol) {
        for octet in text.utf8 { append(octet) }
    }

    /// The octets as they are.
    init(exactly octets: [UInt8], _ range: Range<Int>) {
        for place in range { append(octets[place]) }
    }

    /// The octets in lower case.
    init(lowercasing octets: [UInt8], _ range: Range<Int>) {
        for place in range { append(octets[place].asciiLowercased) }
    }

    @inline(__always)
    private mutating func append(_ octet: UInt8) {
        if count < 8 {
            head = head << 8 | UInt64(octet)
        } else {
            tail = (tail ^ UInt64(octet)) &* 0x100_0000_01B3 &+ 1
        }
        if octet == UInt8(ascii: ":") || octet == UInt8(ascii: "-") { isQualified = true }
        count &+= 1
    }

    var slot: Int {
        let mixed = (head ^ tail &* 0x9E37_79B9_7F4A_7C15) &* 0xFF51_AFD7_ED55_8CCD
        return Int(truncatingIfNeeded: mixed >> 40)
    }
}

/// A table of names that does not change.
struct PackedTable<Value: Sendable>: Sendable {
    private var keys: [PackedName]
    private var values: [Value?]
    private let mask: Int

    init(_ entries: [(name: PackedName, value: Value)]) {
        var size = 16
        while size < entries.count * 3 { size *= 2 }
        mask = size - 1
        keys = Array(repeating: PackedName(), count: size)
        values = Array(repeating: nil, count: size)
        for (name, value) in entries {
            var slot = name.slot & mask
            while values[slot] != nil, keys[slot] != name { slot = (slot + 1) & mask }
            keys[slot] = name
            values[slot] = value
        }
    }

    /// How many different names there are.
    var count: Int { values.count { $0 != nil } }

    subscript(_ name: PackedName) -> Value? {
        var slot = name.slot & mask
        while let value = values[slot] {
            if keys[slot] == name { return value }
            slot = (slot + 1) & mask
        }
        return nil
    }
}
