/// The tables of charsets, unpacked when first needed. `scripts/charset-tables` describes how they are packed.
enum CharsetTables {
    /// Stands in a table where no character does.
    static let none: UInt32 = 0

    static let big5 = unpack([big5Text])
    static let eucKR = unpack([eucKRText])
    static let gb18030 = unpack([gb18030Text])
    static let jis0208 = unpack([jis0208Text])
    static let jis0212 = unpack([jis0212Text])
    static let singleByte: [[UInt32]] = singleByteTexts.map { unpack([$0.text], count: 128) }

    /// Where in ``singleByte`` each charset's table is.
    static let places: [String: Int] = {
        var places: [String: Int] = [:]
        for (place, entry) in singleByteTexts.enumerated() { places[entry.name] = place }
        return places
    }()

    /// The values of the packing's digits.
    private static let values: [UInt32] = {
        var values = [UInt32](repeating: 0, count: 256)
        var next: UInt32 = 0
        for octet in 0x21...0x7E where octet != UInt8(ascii: "\"") && octet != UInt8(ascii: "\\") {
            values[octet] = next
            next += 1
        }
        return values
    }()

    private static func unpack(_ texts: [StaticString], count: Int = 0) -> [UInt32] {
        var digits: [UInt32] = []
        for text in texts {
            text.withUTF8Buffer { octets in
                for octet in octets where octet > 0x20 { digits.append(values[Int(octet)]) }
            }
        }
        var table: [UInt32] = []
        var last: UInt32 = .max
        var place = 0
        while place < digits.count {
            let digit = digits[place]
            place += 1
            if digit < 60 {
                last = last &+ 1 &+ digit &- 30
                table.append(last)
                continue
            }
            guard place + 1 < digits.count else { break }
            let pair = digits[place] * 92 + digits[place + 1]
            place += 2
            switch digit {
            case 90:
                table.append(contentsOf: repeatElement(none, count: Int(pair)))
            case 91:
                for _ in 0..<pair {
                    last = last &+ 1
                    table.append(last)
                }
            default:
                last = (digit - 60) * 92 * 92 + pair
                table.append(last)
            }
        }
        if table.count < count { table.append(contentsOf: repeatElement(none, count: count - table.count)) }
        return table
    }
}

extension [UInt32] {
    /// The code point at that pointer, if there is one.
    func codePoint(_ pointer: Int) -> UInt32? {
        guard pointer >= 0, pointer < count, self[pointer] != CharsetTables.none else { return nil }
        return self[pointer]
    }
}

extension [UInt8] {
    /// Appends a code point in UTF-8; what is none as U+FFFD.
    @inlinable
    public mutating func append(codePoint: UInt32) {
        switch codePoint {
        case 0..<0x80:
            append(UInt8(truncatingIfNeeded: codePoint))
        case 0x80..<0x800:
            append(UInt8(truncatingIfNeeded: 0xC0 | codePoint >> 6))
            append(UInt8(truncatingIfNeeded: 0x80 | codePoint & 0x3F))
        case 0xD800..<0xE000:
            appendReplacement()
        case 0x800..<0x10000:
            append(UInt8(truncatingIfNeeded: 0xE0 | codePoint >> 12))
            append(UInt8(truncatingIfNeeded: 0x80 | codePoint >> 6 & 0x3F))
            append(UInt8(truncatingIfNeeded: 0x80 | codePoint & 0x3F))
        case 0x10000..<0x110000:
            append(UInt8(truncatingIfNeeded: 0xF0 | codePoint >> 18))
            append(UInt8(truncatingIfNeeded: 0x80 | codePoint >> 12 & 0x3F))
            append(UInt8(truncatingIfNeeded: 0x80 | codePoint >> 6 & 0x3F))
            append(UInt8(truncatingIfNeeded: 0x80 | codePoint & 0x3F))
        default:
            appendReplacement()
        }
    }

    /// Appends U+FFFD.
    @inlinable
    public mutating func appendReplacement() {
        append(0xEF)
        append(0xBF)
        append(0xBD)
    }
}
