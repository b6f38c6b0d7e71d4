/// Puts values one after the other into octets: little-endian numbers, LEB128 counts, counted strings.
struct ByteWriter {
    var octets: [UInt8] = []

    mutating func put<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.littleEndian) { octets.append(contentsOf: $0) }
    }

    /// A number that is mostly small. Negative ones become 0.
    mutating func put(count: Int) {
        var rest = UInt64(max(count, 0))
        while rest >= 0x80 {
            octets.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        octets.append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func put(_ text: String) {
        var text = text
        text.withUTF8 {
            put(count: $0.count)
            octets.append(contentsOf: $0)
        }
    }

    mutating func put(_ text: String?) {
        put(text != nil)
        if let text { put(text) }
    }

    mutating func put(_ flag: Bool) { octets.append(flag ? 1 : 0) }
}

/// Takes apart what ``ByteWriter`` has put together. Total: whatever the octets are, it answers or
/// throws, and never reads outside them.
struct ByteReader {
    struct Malformed: Error {}

    private let octets: UnsafeRawBufferPointer
    private(set) var place = 0

    /// The octets must outlive the reader.
    init(_ octets: UnsafeRawBufferPointer) { self.octets = octets }

    var rest: Int { octets.count - place }

    mutating func take(_ count: Int) throws(Malformed) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= rest else { throw Malformed() }
        defer { place += count }
        return UnsafeRawBufferPointer(rebasing: octets[place..<place + count])
    }

    mutating func number<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) throws(Malformed) -> Number {
        Number(littleEndian: try take(MemoryLayout<Number>.size).loadUnaligned(as: Number.self))
    }

    mutating func count() throws(Malformed) -> Int {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 63, by: 7) {
            let octet = try number(UInt8.self)
            value |= UInt64(octet & 0x7f) << shift
            if octet < 0x80 { return Int(value) }
        }
        throw Malformed()
    }

    mutating func string() throws(Malformed) -> String {
        String(decoding: try take(try count()), as: UTF8.self)
    }

    mutating func optionalString() throws(Malformed) -> String? {
        try flag() ? try string() : nil
    }

    mutating func flag() throws(Malformed) -> Bool {
        switch try number(UInt8.self) {
        case 0: false
        case 1: true
        default: throw Malformed()
        }
    }

    /// How many elements follow; each takes at least one octet, so a lie costs no memory.
    mutating func elements() throws(Malformed) -> Int {
        let number = try count()
        guard number <= rest else { throw Malformed() }
        return number
    }
}
