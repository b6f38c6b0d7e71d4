/// Writes fields of our own: whatever a stage or a stranger put into the value, one field comes out.
///
/// No line end, NUL or other control character passes. Lines are folded at blanks at 78 octets where
/// the words allow it and broken, inside a word if need be, before 998. RFC 5322 §2.1.1 and §2.2.3.
enum HeaderFolding {
    /// Where lines are folded if there is a blank.
    static let preferredLine = 78
    /// Where they are broken in any case.
    static let longestLine = 998
    /// Longer names than any that is registered; what is longer is cut.
    static let longestName = 76

    static func field(name: String, value: String) -> [UInt8] {
        var writer = FoldingWriter(name: legalName(name))
        writer.write(clean(value))
        return writer.finish()
    }

    /// The octets of a value that is folded as it must be; `nil` if it is not.
    static func lines(ofFolded value: String, name: String) -> [UInt8]? {
        var octets: [UInt8] = []
        var isFirst = true
        for line in value.utf8.split(separator: .lf, omittingEmptySubsequences: false) {
            let text = line.last == .cr ? line.dropLast() : line
            let width = text.count + (isFirst ? legalName(name).count + 1 : 0)
            let isSound = width <= longestLine && text.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == .tab }
            guard isSound else { return nil }
            if !isFirst {
                guard text.first?.isBlank == true, text.contains(where: { !$0.isBlank }) else { return nil }
                octets += [.cr, .lf]
            }
            octets += text
            isFirst = false
        }
        return octets
    }

    /// The name with each octet that may not stand in one (RFC 5322 §3.6.8, ftext) turned to `-`.
    static func legalName(_ name: String) -> [UInt8] {
        let octets = name.utf8.prefix(longestName).map { octet in
            octet.isVisible && octet != UInt8(ascii: ":") ? octet : UInt8(ascii: "-")
        }
        return octets.isEmpty ? Array("X-Unnamed".utf8) : octets
    }

    /// The value without control characters; a line break and the blanks after it become one space.
    private static func clean(_ value: String) -> [UInt8] {
        if value.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return Array(value.utf8) }
        var octets: [UInt8] = []
        octets.reserveCapacity(value.utf8.count)
        var isAfterBreak = false
        for scalar in value.unicodeScalars {
            switch scalar.value {
            case 0x0A, 0x0D, 0x85, 0x2028, 0x2029:
                isAfterBreak = true
            case 0x09, 0x20:
                if !isAfterBreak { octets.append(UInt8(scalar.value)) }
            case 0..<0x20, 0x7F...0x9F:
                continue
            default:
                if isAfterBreak { octets.append(.space) }
                isAfterBreak = false
                octets += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
            }
        }
        return octets
    }
}

/// Puts words on lines.
private struct FoldingWriter {
    private var octets: [UInt8]
    private var lineStart = 0
    /// The first line holds the name; it may only be broken once a word stands on it.
    private var hasWordOnLine = false

    init(name: [UInt8]) {
        octets = name
        octets.append(UInt8(ascii: ":"))
    }

    mutating func write(_ value: [UInt8]) {
        octets.reserveCapacity(octets.count + value.count + value.count / 32 + 16)
        var place = 0
        while true {
            let start = place
            while place < value.count, value[place].isBlank { place += 1 }
            let blanks = start..<place
            while place < value.count, !value[place].isBlank { place += 1 }
            guard place > blanks.upperBound else { return }
            // A long run of blanks says nothing, and could not be folded anywhere.
            let isFirst = octets.last == UInt8(ascii: ":") && !hasWordOnLine
            let isOne = isFirst || blanks.count > HeaderFolding.preferredLine
            write(value[blanks.upperBound..<place], after: isOne ? [.space] : value[blanks])
        }
    }

    private mutating func write(_ word: ArraySlice<UInt8>, after blanks: ArraySlice<UInt8>) {
        let width = octets.count - lineStart + blanks.count + word.count
        if width > (hasWordOnLine ? HeaderFolding.preferredLine : HeaderFolding.longestLine) { breakLine() }
        octets += blanks
        var rest = word
        while true {
            let room = HeaderFolding.longestLine - (octets.count - lineStart)
            guard rest.count > room else { break }
            let piece = characterPrefix(of: rest, atMost: room)
            octets += piece
            rest = rest.dropFirst(piece.count)
            breakLine()
            octets.append(.space)
        }
        octets += rest
        hasWordOnLine = true
    }

    /// As much as fits without cutting a character of UTF-8.
    private func characterPrefix(of octets: ArraySlice<UInt8>, atMost count: Int) -> ArraySlice<UInt8> {
        var end = octets.startIndex + count
        while end > octets.startIndex + 1, octets[end] & 0xC0 == 0x80 { end -= 1 }
        return octets[octets.startIndex..<end]
    }

    private mutating func breakLine() {
        octets += [.cr, .lf]
        lineStart = octets.count
        hasWordOnLine = false
    }

    mutating func finish() -> [UInt8] {
        octets += octets.last == UInt8(ascii: ":") ? [.space, .cr, .lf] : [.cr, .lf]
        return octets
    }
}
