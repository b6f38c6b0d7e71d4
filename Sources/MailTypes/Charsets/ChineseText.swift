/// GBK with GB18030, Big5, and EUC-KR, which works alike. WHATWG Encoding Standard §10, §11, §13.
enum ChineseText {
    static func decodeGB18030(_ octets: Span<UInt8>, into output: inout [UInt8]) -> Int {
        var malformed = 0
        var position = 0
        while position < octets.count {
            let lead = octets[position]
            position += 1
            if lead < 0x80 {
                output.append(lead)
                continue
            }
            if lead == 0x80 {
                output.append(codePoint: 0x20AC)
                continue
            }
            if let codePoint = gb18030Four(octets, at: position - 1) {
                output.append(codePoint: codePoint)
                position += 3
                continue
            }
            let trail = position < octets.count ? octets[position] : 0
            var codePoint: UInt32?
            if lead < 0xFF, 0x40...0x7E ~= trail || 0x80...0xFE ~= trail {
                let offset = trail < 0x7F ? 0x40 : 0x41
                codePoint = CharsetTables.gb18030.codePoint((Int(lead) - 0x81) * 190 + Int(trail) - offset)
            }
            finish(codePoint, trail, &position, &malformed, &output)
        }
        return malformed
    }

    /// Four octets: a run of the characters that have no two.
    private static func gb18030Four(_ octets: Span<UInt8>, at position: Int) -> UInt32? {
        guard position + 3 < octets.count, octets[position] < 0xFF, octets[position + 1].isDigit,
            0x81...0xFE ~= octets[position + 2], octets[position + 3].isDigit
        else { return nil }
        let first = (Int(octets[position]) - 0x81) * 10 + Int(octets[position + 1]) - 0x30
        let pointer = (first * 126 + Int(octets[position + 2]) - 0x81) * 10 + Int(octets[position + 3]) - 0x30
        if pointer >= 189_000 { return pointer <= 1_237_575 ? UInt32(pointer - 189_000 + 0x10000) : 0xFFFD }
        guard pointer <= 39_419 else { return 0xFFFD }
        if pointer == 7457 { return 0xE7C7 }
        let ranges = CharsetTables.gb18030Ranges
        var (low, high) = (0, ranges.count / 2)
        while high - low > 1 {
            let middle = (low + high) / 2
            if ranges[middle * 2] <= pointer { low = middle } else { high = middle }
        }
        return UInt32(ranges[low * 2 + 1] + pointer - ranges[low * 2])
    }

    static func decodeBig5(_ octets: Span<UInt8>, into output: inout [UInt8]) -> Int {
        var malformed = 0
        var position = 0
        while position < octets.count {
            let lead = octets[position]
            position += 1
            if lead < 0x80 {
                output.append(lead)
                continue
            }
            let trail = position < octets.count ? octets[position] : 0
            var codePoint: UInt32?
            if 0x81...0xFE ~= lead, 0x40...0x7E ~= trail || 0xA1...0xFE ~= trail {
                let pointer = (Int(lead) - 0x81) * 157 + Int(trail) - (trail < 0x7F ? 0x40 : 0x62)
                if let pair = big5Pairs[pointer] {
                    output.append(codePoint: pair.0)
                    codePoint = pair.1
                } else {
                    codePoint = CharsetTables.big5.codePoint(pointer)
                }
            }
            finish(codePoint, trail, &position, &malformed, &output)
        }
        return malformed
    }

    /// Those that are a letter and a mark.
    private static let big5Pairs: [Int: (UInt32, UInt32)] = [
        1133: (0xCA, 0x304), 1135: (0xCA, 0x30C), 1164: (0xEA, 0x304), 1166: (0xEA, 0x30C),
    ]

    static func decodeEUCKR(_ octets: Span<UInt8>, into output: inout [UInt8]) -> Int {
        var malformed = 0
        var position = 0
        while position < octets.count {
            let lead = octets[position]
            position += 1
            if lead < 0x80 {
                output.append(lead)
                continue
            }
            let trail = position < octets.count ? octets[position] : 0
            var codePoint: UInt32?
            if 0x81...0xFE ~= lead, 0x41...0xFE ~= trail {
                codePoint = CharsetTables.eucKR.codePoint((Int(lead) - 0x81) * 190 + Int(trail) - 0x41)
            }
            finish(codePoint, trail, &position, &malformed, &output)
        }
        return malformed
    }

    /// Writes the character of two octets. A malformed pair takes its second octet along only if that is
    /// no ASCII, so that no tag or quote of the text is lost.
    @inline(__always)
    static func finish(
        _ codePoint: UInt32?, _ trail: UInt8, _ position: inout Int, _ malformed: inout Int, _ output: inout [UInt8]
    ) {
        if let codePoint {
            output.append(codePoint: codePoint)
            position += 1
        } else {
            output.appendReplacement()
            malformed += 1
            if trail >= 0x80 { position += 1 }
        }
    }
}
