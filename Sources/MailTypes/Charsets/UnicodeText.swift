/// UTF-8. RFC 3629.
public enum UTF8Text {
    /// Appends the octets, each longest piece that could have begun a character as one U+FFFD.
    ///
    /// - Returns: how many there were.
    static func decode(_ octets: Span<UInt8>, into output: inout [UInt8]) -> Int {
        var malformed = 0
        var position = 0
        output.reserveCapacity(output.count + octets.count)
        while position < octets.count {
            let start = position
            var step = 1
            while position < octets.count {
                step = sequence(octets, at: position)
                if step <= 0 { break }
                position += step
            }
            for place in start..<position { output.append(octets[place]) }
            if position < octets.count {
                output.appendReplacement()
                malformed += 1
                position += -step
            }
        }
        return malformed
    }

    /// Whether all octets are UTF-8.
    public static func isValid(_ octets: Span<UInt8>) -> Bool {
        var position = 0
        while position < octets.count {
            let step = sequence(octets, at: position)
            guard step > 0 else { return false }
            position += step
        }
        return true
    }

    /// How many octets the character at `position` has; if it is malformed, minus how many octets of it
    /// are to be replaced.
    @inline(__always)
    private static func sequence(_ octets: Span<UInt8>, at position: Int) -> Int {
        let lead = octets[position]
        if lead < 0x80 { return 1 }
        let (count, lower, upper): (Int, UInt8, UInt8)
        switch lead {
        case 0xC2...0xDF: (count, lower, upper) = (2, 0x80, 0xBF)
        case 0xE0: (count, lower, upper) = (3, 0xA0, 0xBF)
        case 0xED: (count, lower, upper) = (3, 0x80, 0x9F)
        case 0xE1...0xEF: (count, lower, upper) = (3, 0x80, 0xBF)
        case 0xF0: (count, lower, upper) = (4, 0x90, 0xBF)
        case 0xF1...0xF3: (count, lower, upper) = (4, 0x80, 0xBF)
        case 0xF4: (count, lower, upper) = (4, 0x80, 0x8F)
        default: return -1
        }
        guard position + 1 < octets.count, lower <= octets[position + 1], octets[position + 1] <= upper else {
            return -1
        }
        for place in 2..<Swift.max(2, count) {
            guard position + place < octets.count, octets[position + place] & 0xC0 == 0x80 else { return -place }
        }
        return count
    }
}

/// UTF-16, in the order that a byte-order mark gives, else in the named one. RFC 2781.
enum UTF16Text {
    static func decode(_ octets: Span<UInt8>, isBigEndian: Bool, into output: inout [UInt8]) -> Int {
        var isBigEndian = isBigEndian
        var position = 0
        if octets.count >= 2 {
            if octets[0] == 0xFE, octets[1] == 0xFF { (isBigEndian, position) = (true, 2) }
            if octets[0] == 0xFF, octets[1] == 0xFE { (isBigEndian, position) = (false, 2) }
        }
        var malformed = 0
        var high: UInt32?
        while position + 1 < octets.count {
            let (first, second) = (UInt32(octets[position]), UInt32(octets[position + 1]))
            let unit = isBigEndian ? first << 8 | second : second << 8 | first
            position += 2
            if let lead = high {
                high = nil
                if unit & 0xFC00 == 0xDC00 {
                    output.append(codePoint: 0x10000 + (lead & 0x3FF) << 10 + unit & 0x3FF)
                    continue
                }
                output.appendReplacement()
                malformed += 1
            }
            if unit & 0xFC00 == 0xD800 {
                high = unit
            } else {
                if unit & 0xFC00 == 0xDC00 { malformed += 1 }
                output.append(codePoint: unit)
            }
        }
        if high != nil || position < octets.count {
            output.appendReplacement()
            malformed += 1
        }
        return malformed
    }
}

/// UTF-7: `+` base64 of UTF-16 `-`. RFC 2152.
enum UTF7Text {
    static func decode(_ octets: Span<UInt8>, into output: inout [UInt8]) -> Int {
        var malformed = 0
        var position = 0
        while position < octets.count {
            let octet = octets[position]
            position += 1
            if octet != UInt8(ascii: "+") {
                if octet < 0x80 { output.append(octet) } else { malformed += 1; output.appendReplacement() }
            } else if position < octets.count, octets[position] == UInt8(ascii: "-") {
                output.append(octet)
                position += 1
            } else {
                malformed += run(octets, from: &position, into: &output)
            }
        }
        return malformed
    }

    /// Decodes a run of base64 and what ends it.
    private static func run(_ octets: Span<UInt8>, from position: inout Int, into output: inout [UInt8]) -> Int {
        var units: [UInt8] = []
        var bits: UInt32 = 0
        var count: UInt32 = 0
        while position < octets.count {
            let value = Base64.values[Int(octets[position])]
            guard value < 64 else { break }
            position += 1
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 16 {
                count -= 16
                units.append(UInt8(truncatingIfNeeded: bits >> (count + 8)))
                units.append(UInt8(truncatingIfNeeded: bits >> count))
            }
        }
        if position < octets.count, octets[position] == UInt8(ascii: "-") { position += 1 }
        guard !units.isEmpty else {
            output.appendReplacement()
            return 1
        }
        return UTF16Text.decode(units.span, isBigEndian: true, into: &output)
    }
}

/// Charsets of one octet for each character.
enum SingleByteText {
    /// - Parameter table: the upper half.
    static func decode(_ octets: Span<UInt8>, _ table: [UInt32], into output: inout [UInt8]) -> Int {
        var malformed = 0
        output.reserveCapacity(output.count + octets.count)
        for place in octets.indices {
            let octet = octets[place]
            if octet < 0x80 {
                output.append(octet)
            } else if let codePoint = table.codePoint(Int(octet) - 0x80) {
                output.append(codePoint: codePoint)
            } else {
                output.appendReplacement()
                malformed += 1
            }
        }
        return malformed
    }
}
