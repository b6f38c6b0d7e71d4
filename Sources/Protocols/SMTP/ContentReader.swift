import MailTypes
import NIOCore

/// Reads the octets of a message as they arrive, and finds their end. RFC 5321 §4.5.2, RFC 3030.
///
/// Only CR LF `.` CR LF ends what follows DATA: a CR or LF that stands alone ends nothing, for other
/// servers may see lines there that this one does not (SMTP smuggling). Octets are handed on as
/// slices of what was read; they are copied only where a dot is taken out or a line end is mended.
/// Nothing that is kept here grows with the message.
struct SMTPContentReader: Sendable {
    enum Step: Hashable {
        case wait
        case content(ByteBuffer)
        /// The message cannot be taken. It comes once; what follows is read to its end and thrown away.
        case failed
        case end
    }

    /// Why a message cannot be taken as it is.
    enum Fault: Sendable, Hashable {
        case tooBig, bareLineEnd, nul, longLine
    }

    struct Rules: Sendable {
        /// 0 = no limit, as for ``maxLine``.
        var maxSize: Int
        var maxLine: Int
        var cleansLineEnds: Bool
        /// `BODY=BINARYMIME`: octets without lines.
        var isBinary: Bool
    }

    /// Where in a line the next octet stands.
    private enum Place {
        /// Behind a true CR LF, or at the very beginning.
        case lineStart
        case middle
        case afterCR
        /// A dot at the start of a line has been taken out.
        case dot
        case dotCR
    }

    private(set) var fault: Fault?
    /// Octets of the message so far, dots unstuffed.
    private(set) var size = 0
    /// Octets thrown away since the fault.
    private(set) var discarded = 0
    private let rules: Rules
    private var place = Place.lineStart
    private var column = 0

    init(_ rules: Rules) { self.rules = rules }

    /// What DATA announced: dots are unstuffed, and the end is looked for.
    mutating func data(_ input: inout ByteBuffer) -> Step {
        read(&input, limit: input.readableBytes, hasDots: true)
    }

    /// At most `remaining` octets of a chunk; the caller sees its end.
    mutating func chunk(_ input: inout ByteBuffer, remaining: inout Int) -> Step {
        let limit = min(remaining, input.readableBytes)
        remaining -= limit
        guard rules.isBinary else { return read(&input, limit: limit, hasDots: false) }
        guard limit > 0, let slice = input.readSlice(length: limit) else { return .wait }
        guard fault == nil else { return discard(limit) }
        size += limit
        guard isTooBig(size) else { return .content(slice) }
        fault = .tooBig
        return .failed
    }

    /// The last chunk has been read: a CR that ended it has no LF to come.
    mutating func finishChunks() -> Step {
        guard place == .afterCR, fault == nil else { return .end }
        place = .middle
        guard rules.cleansLineEnds else {
            note(.bareLineEnd, before: 0)
            return .failed
        }
        size += 1
        return .content(ByteBuffer(bytes: [.lf]))
    }

    private func isTooBig(_ size: Int) -> Bool { rules.maxSize > 0 && size > rules.maxSize }

    private mutating func discard(_ count: Int) -> Step {
        discarded += count
        return .wait
    }

    private mutating func read(_ input: inout ByteBuffer, limit: Int, hasDots: Bool) -> Step {
        let wasFine = fault == nil
        var pieces = Pieces()
        let (consumed, isEnd) = input.withUnsafeReadableBytes { all in
            scan(UnsafeRawBufferPointer(rebasing: all[..<limit]), hasDots: hasDots, &pieces)
        }
        let output = pieces.finish(input, consumed: consumed)
        input.moveReaderIndex(forwardBy: consumed)
        if fault == nil {
            size += output?.readableBytes ?? 0
            if isTooBig(size) { fault = .tooBig }
        }
        if fault != nil {
            if wasFine { return .failed }
            discarded += consumed
            return isEnd ? .end : .wait
        }
        if let output { return .content(output) }
        return isEnd ? .end : .wait
    }

    /// Goes over `bytes` once, and notes in `pieces` what belongs to the message.
    ///
    /// The last octet of the end is left unread while there is content before it, or a fault not yet told.
    private mutating func scan(
        _ bytes: UnsafeRawBufferPointer, hasDots: Bool, _ pieces: inout Pieces
    ) -> (consumed: Int, isEnd: Bool) {
        let wasFine = fault == nil
        var index = 0
        while index < bytes.count {
            switch place {
            case .lineStart:
                place = .middle
                if hasDots, bytes[index] == UInt8(ascii: ".") {
                    pieces.cut(bytes, at: index)
                    place = .dot
                    index += 1
                }
            case .dot:
                place = .middle
                if bytes[index] == .cr {
                    pieces.cut(bytes, at: index)
                    place = .dotCR
                    index += 1
                }
            case .dotCR:
                if bytes[index] == .lf {
                    pieces.cut(bytes, at: index)
                    if !pieces.isEmpty || (wasFine && fault != nil) { return (index, false) }
                    return (index + 1, true)
                }
                pieces.insert(.cr, bytes, at: index)
                column += 1
                place = .afterCR
            case .afterCR:
                index = afterCR(bytes, index, &pieces)
            case .middle:
                index = middle(bytes, index, &pieces)
            }
        }
        pieces.cut(bytes, at: index)
        return (index, false)
    }

    private mutating func afterCR(_ bytes: UnsafeRawBufferPointer, _ index: Int, _ pieces: inout Pieces) -> Int {
        if bytes[index] == .lf {
            endLine(octets: column + 1, before: pieces.count(upTo: index))
            place = .lineStart
            return index + 1
        }
        place = .middle
        mend(.lf, bytes, index, &pieces)
        return index
    }

    private mutating func middle(_ bytes: UnsafeRawBufferPointer, _ index: Int, _ pieces: inout Pieces) -> Int {
        let special = Self.firstSpecial(in: bytes, from: index)
        column += special - index
        guard special < bytes.count else {
            checkLine(octets: column, before: pieces.count(upTo: special))
            return special
        }
        switch bytes[special] {
        case .cr:
            column += 1
            place = .afterCR
        case .lf:
            mend(.cr, bytes, special, &pieces)
        default:
            column += 1
            note(.nul, before: pieces.count(upTo: special))
        }
        return special + 1
    }

    /// A CR or LF stands alone: its other half is put in at `index`, or the message is lost.
    private mutating func mend(
        _ missing: UInt8, _ bytes: UnsafeRawBufferPointer, _ index: Int, _ pieces: inout Pieces
    ) {
        let count = pieces.count(upTo: index)
        endLine(octets: column + 1, before: count)
        guard rules.cleansLineEnds else { return note(.bareLineEnd, before: count) }
        pieces.insert(missing, bytes, at: index)
    }

    private mutating func endLine(octets: Int, before count: Int) {
        checkLine(octets: octets, before: count)
        column = 0
    }

    private mutating func checkLine(octets: Int, before count: Int) {
        if rules.maxLine > 0, octets > rules.maxLine { note(.longLine, before: count) }
    }

    /// The first fault is the one that is told, however the octets were cut: `count` of this read came before it.
    private mutating func note(_ new: Fault, before count: Int) {
        if fault == nil { fault = isTooBig(size + count) ? .tooBig : new }
    }

    /// The place of the first NUL, LF or CR, or the end.
    @inline(__always)
    static func firstSpecial(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        var index = start
        // Eight at a time, as long as nothing is below 14: taking 14 from it borrows into its highest bit. A TAB, or
        // what stands behind a borrow, costs one slow round.
        while index + 8 <= bytes.count {
            let block = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if (block &- 0x0e0e_0e0e_0e0e_0e0e) & ~block & 0x8080_8080_8080_8080 != 0 {
                for place in index..<index + 8 where isSpecial(bytes[place]) { return place }
            }
            index += 8
        }
        while index < bytes.count, !isSpecial(bytes[index]) { index += 1 }
        return index
    }

    @inline(__always)
    private static func isSpecial(_ octet: UInt8) -> Bool { octet == .lf || octet == .cr || octet == 0 }
}

/// What of a read belongs to the message: one slice of it, or a copy once there is a second run.
private struct Pieces {
    private var first: Range<Int>?
    private var copy: ByteBuffer?
    private var runStart = 0

    var isEmpty: Bool { first == nil && copy == nil }

    /// Octets of the message before `index`.
    func count(upTo index: Int) -> Int {
        (first?.count ?? 0) + (copy?.readableBytes ?? 0) + max(0, index - runStart)
    }

    /// Takes in what came before `index`, and leaves out the octet there.
    mutating func cut(_ bytes: UnsafeRawBufferPointer, at index: Int) {
        take(bytes, runStart..<max(runStart, index))
        runStart = index + 1
    }

    /// Puts an octet in before `index`.
    mutating func insert(_ octet: UInt8, _ bytes: UnsafeRawBufferPointer, at index: Int) {
        take(bytes, runStart..<max(runStart, index))
        runStart = max(runStart, index)
        startCopy(bytes)
        copy?.writeInteger(octet)
    }

    /// The slice or the copy; nothing if nothing belongs to the message.
    func finish(_ input: ByteBuffer, consumed: Int) -> ByteBuffer? {
        if let copy { return copy }
        guard let first else { return nil }
        return input.getSlice(at: input.readerIndex + first.lowerBound, length: first.count)
    }

    private mutating func take(_ bytes: UnsafeRawBufferPointer, _ run: Range<Int>) {
        guard !run.isEmpty else { return }
        if first == nil, copy == nil {
            first = run
            return
        }
        startCopy(bytes)
        copy?.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[run]))
    }

    private mutating func startCopy(_ bytes: UnsafeRawBufferPointer) {
        guard copy == nil else { return }
        var buffer = ByteBuffer()
        buffer.reserveCapacity(bytes.count + 2)
        if let first { buffer.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[first])) }
        copy = buffer
        first = nil
    }
}
