import MailTypes

/// Where in plain text a quotation begins below a text of one's own.
enum PlainQuotation {
    /// Lines above a quotation that may say whose it is: `On … Anna wrote:` is folded where it is long.
    private static let mostAttributionLines = 3
    /// A line of so many underscores is what Outlook draws above what it quotes.
    private static let leastRule = 20

    /// The beginning of the line with which the first quotation begins, its attribution among it; `nil` where there
    /// is none, or nothing but blanks stands before it.
    static func start(in text: [UInt8]) -> Int? {
        let lines = Self.lines(of: text)
        guard let quoted = lines.indices.first(where: { begins(at: $0, lines, text) }) else { return nil }
        let start = text[lines[quoted]].first == UInt8(ascii: ">") ? attribution(of: quoted, lines, text) : quoted
        let place = lines[start].lowerBound
        return text[..<place].contains { !$0.isBlank && $0 != .cr && $0 != .lf } ? place : nil
    }

    /// Each line without its line end.
    private static func lines(of text: [UInt8]) -> [Range<Int>] {
        var lines: [Range<Int>] = []
        var start = 0
        while start < text.count {
            let end = text[start...].firstIndex(of: .lf) ?? text.count
            lines.append(start..<(end > start && text[end - 1] == .cr ? end - 1 : end))
            start = end + 1
        }
        return lines
    }

    private static func begins(at index: Int, _ lines: [Range<Int>], _ text: [UInt8]) -> Bool {
        let line = text[lines[index]]
        switch line.first {
        case UInt8(ascii: ">"): return true
        case UInt8(ascii: "-"): return isHeading(line)
        case UInt8(ascii: "_"):
            let next = index + 1 < lines.count ? text[lines[index + 1]] : []
            return line.count >= leastRule && line.allSatisfy { $0 == UInt8(ascii: "_") }
                && next.contains(UInt8(ascii: ":"))
        default: return false
        }
    }

    /// `-----Original Message-----`, in any language.
    private static func isHeading(_ line: ArraySlice<UInt8>) -> Bool {
        let dash = UInt8(ascii: "-")
        let trimmed = line.reversed().drop(while: \.isBlank).reversed()
        let inner = trimmed.drop { $0 == dash }.reversed().drop { $0 == dash }
        guard inner.contains(where: { $0.isLetter || $0 >= 0x80 }),
            !trimmed.starts(with: "-----BEGIN".utf8), !trimmed.starts(with: "-----END".utf8)
        else {
            return false
        }
        let before = trimmed.prefix { $0 == dash }.count
        let after = trimmed.reversed().prefix { $0 == dash }.count
        return before >= 4 && after >= 4
    }

    /// The first of the lines above a quotation that say whose it is.
    private static func attribution(of quoted: Int, _ lines: [Range<Int>], _ text: [UInt8]) -> Int {
        var last = quoted - 1
        if last >= 0, isEmpty(text[lines[last]]) { last -= 1 }
        guard last >= 0, text[lines[last]].last(where: { !$0.isBlank }) == UInt8(ascii: ":") else { return quoted }
        var first = last
        // Without a date or an address it goes on from the line above.
        while first > 0, last - first + 1 < mostAttributionLines, !isEmpty(text[lines[first - 1]]),
            !text[lines[first].lowerBound..<lines[last].upperBound].contains(where: { $0.isDigit || $0 == 0x40 })
        { first -= 1 }
        return first
    }

    private static func isEmpty(_ line: ArraySlice<UInt8>) -> Bool { line.allSatisfy(\.isBlank) }
}
