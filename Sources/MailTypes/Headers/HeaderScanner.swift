#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Finds the fields of a header in one pass, without copying.
///
/// A line ends at LF; that the LF should follow a CR, and a CR precede an LF only, is noted and left
/// as it is. The first line that is neither field nor continuation ends the header: whoever reads
/// the message after us must see the same fields. RFC 5322 §2.2, RFC 6376 §3.4.
struct HeaderScanner {
    struct Field {
        /// With its line ends.
        var range: Range<Int>
        var nameCount: Int
    }

    private(set) var fields: [Field] = []
    private(set) var defects: Set<HeaderDefect> = []
    /// Where the first field begins, behind mbox's `From ` lines.
    private(set) var headerStart: Int
    private(set) var headerEnd: Int
    /// Behind the empty line.
    private(set) var bodyStart: Int

    private let octets: UnsafeRawBufferPointer
    private let limits: HeaderLimits

    /// Reads the header that begins at `start`.
    init(
        _ octets: UnsafeRawBufferPointer, from start: Int = 0, limits: HeaderLimits
    ) throws(MessageTooComplex) {
        self.octets = octets
        self.limits = limits
        headerStart = start
        headerEnd = start
        bodyStart = start
        skipMailboxLines()
        try scan()
    }

    /// A mailbox file in mbox format begins each message with such a line; as the first line of a
    /// message somebody forgot to take it off. RFC 4155 appendix A.
    private mutating func skipMailboxLines() {
        while starts(with: "From ", at: headerStart) || starts(with: ">From ", at: headerStart) {
            let line = headerStart..<endOfLine(from: headerStart)
            // `From : somebody` is a field all the same.
            guard nameCount(of: line) == nil else { break }
            defects.insert(.mailboxLine)
            headerStart = line.upperBound
        }
        headerEnd = headerStart
        bodyStart = headerStart
    }

    private mutating func scan() throws(MessageTooComplex) {
        var position = headerStart
        while position < octets.count {
            let end = endOfLine(from: position)
            let content = contentEnd(of: position..<end)
            if content == position {
                if end - position == 1 { defects.insert(.strayControl) }
                bodyStart = end
                return
            }
            guard end - headerStart <= limits.maxOctets else { throw .headerSize(limit: limits.maxOctets) }
            guard try addLine(position..<end, content: content) else { return }
            note(position..<end, content: content)
            position = end
            headerEnd = end
            bodyStart = end
        }
        defects.insert(.endsInHeader)
    }

    /// Takes the line as a field or a continuation; false if it is neither.
    private mutating func addLine(_ line: Range<Int>, content: Int) throws(MessageTooComplex) -> Bool {
        if octets[line.lowerBound].isBlank {
            guard let last = fields.indices.last else {
                defects.formUnion([.leadingContinuation, .missingEmptyLine])
                return false
            }
            fields[last].range = fields[last].range.lowerBound..<line.upperBound
            if octets[line.lowerBound..<content].allSatisfy(\.isBlank) { defects.insert(.blankContinuation) }
            return true
        }
        guard let nameCount = nameCount(of: line.lowerBound..<content) else {
            defects.insert(.missingEmptyLine)
            return false
        }
        guard fields.count < limits.maxFields else { throw .fieldCount(limit: limits.maxFields) }
        fields.append(Field(range: line, nameCount: nameCount))
        return true
    }

    // field-name = 1*ftext, and in obsolete syntax blanks before the colon
    private mutating func nameCount(of line: Range<Int>) -> Int? {
        let colon = UInt8(ascii: ":")
        var end = line.lowerBound
        while end < line.upperBound, octets[end].isVisible, octets[end] != colon { end += 1 }
        var after = end
        while after < line.upperBound, octets[after].isBlank { after += 1 }
        guard end > line.lowerBound, after < line.upperBound, octets[after] == colon else { return nil }
        if after > end { defects.insert(.blankBeforeColon) }
        return end - line.lowerBound
    }

    private mutating func note(_ line: Range<Int>, content: Int) {
        if content - line.lowerBound > HeaderFolding.longestLine { defects.insert(.overlongLine) }
        let isWholeLine = octets[line.upperBound - 1] == .lf
        let endsInCRLF = isWholeLine && content == line.upperBound - 2
        if isWholeLine && !endsInCRLF || has(.cr, in: line.lowerBound..<content)
            || has(0, in: line.lowerBound..<content)
        {
            defects.insert(.strayControl)
        }
    }

    // MARK: - Lines

    /// Behind the LF that ends the line, or at the end of everything.
    private func endOfLine(from position: Int) -> Int { LineScanner.endOfLine(octets, from: position) }

    private func contentEnd(of line: Range<Int>) -> Int { LineScanner.contentEnd(octets, of: line) }

    private func has(_ octet: UInt8, in range: Range<Int>) -> Bool {
        guard let base = octets.baseAddress, !range.isEmpty else { return false }
        return memchr(base + range.lowerBound, CInt(octet), range.count) != nil
    }

    private func starts(with text: StaticString, at position: Int) -> Bool {
        text.withUTF8Buffer { wanted in octets[position...].starts(with: wanted) }
    }
}

/// Lines of a message in memory.
enum LineScanner {
    /// Behind the LF that ends the line, or at the end of everything.
    static func endOfLine(_ octets: UnsafeRawBufferPointer, from position: Int) -> Int {
        guard position < octets.count, let base = octets.baseAddress else { return octets.count }
        guard let found = memchr(base + position, CInt(UInt8.lf), octets.count - position) else {
            return octets.count
        }
        return UnsafeRawPointer(found) - base + 1
    }

    /// Before the CR LF or LF that ends the line, if one does.
    static func contentEnd(_ octets: UnsafeRawBufferPointer, of line: Range<Int>) -> Int {
        var end = line.upperBound
        guard end > line.lowerBound, octets[end - 1] == .lf else { return end }
        end -= 1
        if end > line.lowerBound, octets[end - 1] == .cr { end -= 1 }
        return end
    }
}
