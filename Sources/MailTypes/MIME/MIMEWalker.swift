/// Takes a body apart line by line with a stack of the parts that are open.
///
///     line is a delimiter of an open multipart  -> close what is above it, open a new part
///     its closing delimiter                     -> close what is above it; epilogue follows
///     in a header: a field, a continuation      -> noted
///                  an empty line, another line  -> the content begins: leaf, multipart or message
struct MIMEWalker {
    private struct Open {
        var part: Int
        /// Of a multipart whose closing delimiter has not come yet.
        var boundary: [UInt8]?
        var hasParts = false
    }

    private(set) var parts: [MIMEPart] = []
    private let octets: UnsafeRawBufferPointer
    private let limits: MIMELimits
    private var open: [Open] = []
    /// The fields of the header that is being read, if one is.
    private var header: PartHeader?

    init(_ octets: UnsafeRawBufferPointer, header: Header, limits: MIMELimits) {
        self.octets = octets
        self.limits = limits
        parts.append(MIMEPart(parent: nil, depth: 0, header: 0..<0, content: 0..<octets.count))
        open.append(Open(part: 0))
        let root = PartHeader(of: header)
        beginContent(at: 0, root)
    }

    mutating func walk() {
        var position = 0
        while position < octets.count {
            let end = LineScanner.endOfLine(octets, from: position)
            let content = LineScanner.contentEnd(octets, of: position..<end)
            if let (level, isFinal) = delimiter(position..<content) {
                closeParts(above: level, at: position)
                if isFinal {
                    open[level].boundary = nil
                } else if !openPart(at: end) {
                    break
                }
            } else if header != nil, readHeaderLine(position..<content, end: end) {
                // The line is not of the header; it may be the first of a message's inside.
                continue
            }
            position = end
        }
        closeParts(above: -1, at: octets.count)
    }

    // MARK: - Delimiters

    // delimiter       = "--" boundary, then blanks. RFC 2046 §5.1.1.
    // close-delimiter = delimiter "--"
    private func delimiter(_ line: Range<Int>) -> (level: Int, isFinal: Bool)? {
        let dash = UInt8(ascii: "-")
        guard line.count > 2, octets[line.lowerBound] == dash, octets[line.lowerBound + 1] == dash else { return nil }
        var end = line.upperBound
        while end > line.lowerBound, octets[end - 1].isBlank { end -= 1 }
        let text = line.lowerBound + 2..<Swift.max(line.lowerBound + 2, end)
        for level in open.indices.reversed() {
            guard let boundary = open[level].boundary else { continue }
            if text.count == boundary.count, octets[text].elementsEqual(boundary) { return (level, false) }
            if text.count == boundary.count + 2, octets[text].starts(with: boundary),
                octets[end - 1] == dash, octets[end - 2] == dash
            {
                return (level, true)
            }
        }
        return nil
    }

    /// Ends the parts above that level of the stack. The line end before a delimiter is the delimiter's.
    private mutating func closeParts(above level: Int, at position: Int) {
        var end = position
        if position < octets.count || level >= 0 {
            if end > 0, octets[end - 1] == .lf { end -= 1 }
            if end > 0, end < position, octets[end - 1] == .cr { end -= 1 }
        }
        if let unfinished = header {
            let top = open[open.count - 1].part
            parts[top].defects.insert(.endsInHeader)
            header = nil
            parts[top].header = parts[top].header.lowerBound..<position
            parts[top].content = position..<position
            describe(top, unfinished)
        }
        while open.count - 1 > level, let closed = open.popLast() {
            let start = parts[closed.part].content.lowerBound
            parts[closed.part].content = start..<Swift.max(start, end)
            if closed.boundary != nil {
                parts[closed.part].defects.insert(closed.hasParts ? .missingFinalBoundary : .noParts)
            }
        }
    }

    /// Begins a part below the top of the stack; false if there are too many.
    private mutating func openPart(at position: Int) -> Bool {
        guard let top = open.indices.last else { return false }
        guard parts.count < limits.maxParts else {
            parts[open[top].part].defects.insert(.tooManyParts)
            return false
        }
        open[top].hasParts = true
        let parent = open[top].part
        parts.append(
            MIMEPart(
                parent: parent, depth: open.count, header: position..<position, content: position..<octets.count))
        open.append(Open(part: parts.count - 1))
        header = PartHeader()
        return true
    }

    // MARK: - Headers

    /// Reads a line of the header of the part on top; true if the line lies behind the header.
    private mutating func readHeaderLine(_ line: Range<Int>, end: Int) -> Bool {
        guard var fields = header, let top = open.last?.part else { return false }
        if line.isEmpty {
            header = nil
            parts[top].header = parts[top].header.lowerBound..<line.lowerBound
            beginContent(at: end, fields)
            return false
        }
        if fields.add(line, end: end, of: octets, isFirst: line.lowerBound == parts[top].header.lowerBound) {
            header = fields
            return false
        }
        header = nil
        parts[top].header = parts[top].header.lowerBound..<line.lowerBound
        parts[top].defects.insert(.missingEmptyLine)
        beginContent(at: line.lowerBound, fields)
        return true
    }

    /// Makes of the part on top what its header says.
    private mutating func beginContent(at position: Int, _ fields: PartHeader) {
        guard let level = open.indices.last else { return }
        let index = open[level].part
        parts[index].content = position..<octets.count
        describe(index, fields)
        let type = parts[index].contentType
        guard type.isMultipart || type.isMessage else { return }
        if !parts[index].encoding.isIdentity {
            parts[index].defects.insert(.encodedComposite)
            if type.isMessage { return }
        }
        guard parts[index].depth < limits.maxDepth else {
            parts[index].defects.insert(.tooDeep)
            return
        }
        if type.isMultipart {
            setBoundary(at: level)
        } else {
            _ = openPart(at: position)
        }
    }

    private mutating func setBoundary(at level: Int) {
        let index = open[level].part
        var boundary = parts[index].contentType.parameters["boundary"]?.octets ?? []
        while boundary.last?.isBlank == true { boundary.removeLast() }
        guard !boundary.isEmpty else {
            parts[index].defects.insert(.missingBoundary)
            return
        }
        if boundary.count > 70 { parts[index].defects.insert(.overlongBoundary) }
        if open.contains(where: { $0.boundary == boundary }) { parts[index].defects.insert(.reusedBoundary) }
        open[level].boundary = boundary
    }

    /// Notes what the fields say about the part.
    private mutating func describe(_ index: Int, _ fields: PartHeader) {
        let isInDigest = parts[index].parent.map { parts[$0].contentType.description == "multipart/digest" } ?? false
        parts[index].contentType = isInDigest ? .message : .plainText
        if fields.hasDuplicates { parts[index].defects.insert(.duplicateField) }
        if let value = fields.value(of: .contentType, in: octets) {
            let type = ContentType(parsing: value)
            parts[index].contentType = type ?? .plainText
            parts[index].defects.formUnion(type?.parameters.defects ?? [.malformedField])
        }
        if let value = fields.value(of: .encoding, in: octets) {
            parts[index].encoding = TransferEncoding(parsing: value)
            if parts[index].encoding == .unknown { parts[index].defects.insert(.unknownEncoding) }
        }
        if let value = fields.value(of: .disposition, in: octets) {
            let disposition = ContentDisposition(parsing: value)
            parts[index].disposition = disposition
            parts[index].defects.formUnion(disposition.parameters.defects)
        }
    }
}
