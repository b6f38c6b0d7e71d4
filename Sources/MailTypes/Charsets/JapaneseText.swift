/// EUC-JP, Shift_JIS and ISO-2022-JP. WHATWG Encoding Standard §12.
enum JapaneseText {
    static func decodeEUC(_ octets: Span<UInt8>, into output: inout [UInt8]) -> Int {
        var malformed = 0
        var position = 0
        while position < octets.count {
            let lead = octets[position]
            position += 1
            if lead < 0x80 {
                output.append(lead)
                continue
            }
            var table = CharsetTables.jis0208
            var row = lead
            if lead == 0x8F, position + 1 < octets.count, 0xA1...0xFE ~= octets[position] {
                table = CharsetTables.jis0212
                row = octets[position]
                position += 1
            }
            let cell = position < octets.count ? octets[position] : 0
            var codePoint: UInt32?
            if lead == 0x8E, 0xA1...0xDF ~= cell {
                codePoint = 0xFF61 - 0xA1 + UInt32(cell)
            } else if 0xA1...0xFE ~= row, 0xA1...0xFE ~= cell {
                codePoint = table.codePoint((Int(row) - 0xA1) * 94 + Int(cell) - 0xA1)
            }
            ChineseText.finish(codePoint, cell, &position, &malformed, &output)
        }
        return malformed
    }

    static func decodeShiftJIS(_ octets: Span<UInt8>, into output: inout [UInt8]) -> Int {
        var malformed = 0
        var position = 0
        while position < octets.count {
            let lead = octets[position]
            position += 1
            if lead <= 0x80 {
                output.append(codePoint: UInt32(lead))
                continue
            }
            if 0xA1...0xDF ~= lead {
                output.append(codePoint: 0xFF61 - 0xA1 + UInt32(lead))
                continue
            }
            let trail = position < octets.count ? octets[position] : 0
            var codePoint: UInt32?
            if 0x81...0xFC ~= lead, lead != 0xA0, 0x40...0x7E ~= trail || 0x80...0xFC ~= trail {
                let pointer =
                    (Int(lead) - (lead < 0xA0 ? 0x81 : 0xC1)) * 188 + Int(trail) - (trail < 0x7F ? 0x40 : 0x41)
                // For private use.
                codePoint =
                    8836...10715 ~= pointer
                    ? 0xE000 - 8836 + UInt32(pointer) : CharsetTables.jis0208.codePoint(pointer)
            }
            ChineseText.finish(codePoint, trail, &position, &malformed, &output)
        }
        return malformed
    }

    private enum Mode { case ascii, roman, katakana, double }

    static func decodeISO2022(_ octets: Span<UInt8>, into output: inout [UInt8]) -> Int {
        var malformed = 0
        var position = 0
        var mode = Mode.ascii
        while position < octets.count {
            let octet = octets[position]
            if octet == 0x1B {
                if let (next, count) = escape(octets, at: position) {
                    mode = next
                    position += count
                } else {
                    malformed += 1
                    output.appendReplacement()
                    position += 1
                }
                continue
            }
            position += 1
            switch mode {
            case _ where octet >= 0x80 || octet == 0x0E || octet == 0x0F:
                malformed += 1
                output.appendReplacement()
            case .ascii:
                output.append(octet)
            case .roman:
                output.append(codePoint: octet == 0x5C ? 0xA5 : octet == 0x7E ? 0x203E : UInt32(octet))
            case .katakana where 0x21...0x5F ~= octet:
                output.append(codePoint: 0xFF61 - 0x21 + UInt32(octet))
            case .double where 0x21...0x7E ~= octet && position < octets.count && 0x21...0x7E ~= octets[position]:
                let pointer = (Int(octet) - 0x21) * 94 + Int(octets[position]) - 0x21
                position += 1
                if let codePoint = CharsetTables.jis0208.codePoint(pointer) {
                    output.append(codePoint: codePoint)
                } else {
                    malformed += 1
                    output.appendReplacement()
                }
            case .katakana, .double:
                // A line's end brings ASCII back, as mail programs have it. RFC 1468.
                if octet == .lf { mode = .ascii }
                output.append(octet)
            }
        }
        return malformed
    }

    // ESC ( B | ESC ( J | ESC ( I | ESC $ @ | ESC $ B | ESC $ ( D is not read.
    private static func escape(_ octets: Span<UInt8>, at position: Int) -> (Mode, Int)? {
        guard position + 2 < octets.count else { return nil }
        switch (octets[position + 1], octets[position + 2]) {
        case (UInt8(ascii: "("), UInt8(ascii: "B")): return (.ascii, 3)
        case (UInt8(ascii: "("), UInt8(ascii: "J")): return (.roman, 3)
        case (UInt8(ascii: "("), UInt8(ascii: "I")): return (.katakana, 3)
        case (UInt8(ascii: "$"), UInt8(ascii: "@")), (UInt8(ascii: "$"), UInt8(ascii: "B")): return (.double, 3)
        default: return nil
        }
    }
}
