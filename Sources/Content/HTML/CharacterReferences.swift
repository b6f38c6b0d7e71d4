import MailTypes

/// `&amp;`, `&#38;`, `&#x26;` and the two thousand others. WHATWG HTML §13.2.5.72.
enum CharacterReferences {
    struct Found {
        var first: UInt32
        /// Some names stand for two code points; 0 if this one does not.
        var second: UInt32 = 0
        /// Where the text goes on.
        var end: Int

        func append(to output: inout [UInt8]) {
            output.append(codePoint: first)
            if second != 0 { output.append(codePoint: second) }
        }
    }

    typealias Points = (UInt32, UInt32)

    static let namedTable = table(named)
    static let bareTable = table(bare)
    private static let longestBare = 6
    private static let longestNamed = 32

    private static func table(_ text: StaticString) -> PackedTable<Points> {
        var entries: [(name: PackedName, value: Points)] = []
        let words = text.withUTF8Buffer { $0.split { $0 <= 0x20 }.map(Array.init) }
        for word in words {
            guard let equals = word.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let points = word[(equals + 1)...].split(separator: UInt8(ascii: "+")).compactMap {
                UInt32(String(decoding: $0, as: UTF8.self), radix: 16)
            }
            guard let first = points.first else { continue }
            entries.append((PackedName(exactly: word, 0..<equals), (first, points.count > 1 ? points[1] : 0)))
        }
        return PackedTable(entries)
    }

    /// Reads the reference whose `&` is at `position`; `nil` if it is none.
    static func find(_ octets: [UInt8], at position: Int, end: Int, isInAttribute: Bool) -> Found? {
        let start = position + 1
        guard start < end else { return nil }
        if octets[start] == UInt8(ascii: "#") { return numeric(octets, from: start + 1, end: end) }
        var stop = start
        while stop < end, stop - start < longestNamed, octets[stop].isLetter || octets[stop].isDigit { stop += 1 }
        guard stop > start else { return nil }
        if stop < end, octets[stop] == UInt8(ascii: ";"),
            let points = namedTable[PackedName(exactly: octets, start..<stop)]
        {
            return Found(first: points.0, second: points.1, end: stop + 1)
        }
        for length in stride(from: Swift.min(longestBare, stop - start), through: 2, by: -1) {
            guard let points = bareTable[PackedName(exactly: octets, start..<start + length)] else { continue }
            let next = start + length < end ? octets[start + length] : 0
            if isInAttribute, next == UInt8(ascii: "=") || next.isLetter || next.isDigit { return nil }
            return Found(first: points.0, second: points.1, end: start + length)
        }
        return nil
    }

    private static func numeric(_ octets: [UInt8], from start: Int, end: Int) -> Found? {
        var position = start
        let isHex = position < end && octets[position] | 0x20 == UInt8(ascii: "x")
        if isHex { position += 1 }
        let digits = position
        var value: UInt32 = 0
        while position < end, let digit = digit(octets[position], isHex: isHex) {
            // Beyond Unicode it only has to stay there.
            if value < 0x110000 { value = value * (isHex ? 16 : 10) + digit }
            position += 1
        }
        guard position > digits else { return nil }
        if position < end, octets[position] == UInt8(ascii: ";") { position += 1 }
        if 0x80...0x9F ~= value {
            var text: [UInt8] = []
            Charset.windows1252.decode([UInt8(truncatingIfNeeded: value)].span, into: &text)
            value = String(decoding: text, as: UTF8.self).unicodeScalars.first?.value ?? 0xFFFD
        }
        if value == 0 { value = 0xFFFD }
        return Found(first: value, end: position)
    }

    private static func digit(_ octet: UInt8, isHex: Bool) -> UInt32? {
        if octet.isDigit { return UInt32(octet) - 0x30 }
        let letter = octet | 0x20
        return isHex && 0x61...0x66 ~= letter ? UInt32(letter) - 0x61 + 10 : nil
    }

    /// The value of an attribute, as a browser sees it.
    static func attributeValue(_ octets: [UInt8], _ range: Range<Int>) -> [UInt8] {
        var value: [UInt8] = []
        value.reserveCapacity(range.count)
        var position = range.lowerBound
        while position < range.upperBound {
            let octet = octets[position]
            if octet == UInt8(ascii: "&"),
                let found = find(octets, at: position, end: range.upperBound, isInAttribute: true)
            {
                found.append(to: &value)
                position = found.end
                continue
            }
            if octet == 0 { value.appendReplacement() } else { value.append(octet) }
            position += 1
        }
        return value
    }
}
