import MailTypes
import Pipeline

/// The body as signatures see it, in pieces: no copy of the whole is made. RFC 6376 §3.4.3, §3.4.4.
enum BodyCanonicalization {
    /// Hands the canonical body to `sink`, piece by piece.
    static func feed(_ body: Bytes, _ mode: Canonicalization, to sink: (UnsafeRawBufferPointer) -> Void) {
        body.withUnsafeBytes { octets in
            switch mode {
            case .simple: simple(octets, to: sink)
            case .relaxed: relaxed(octets, to: sink)
            }
        }
    }

    /// All line ends at the end become one; an empty body becomes one line end.
    private static func simple(_ octets: UnsafeRawBufferPointer, to sink: (UnsafeRawBufferPointer) -> Void) {
        var end = octets.count
        while end >= 2, octets[end - 1] == .lf, octets[end - 2] == .cr { end -= 2 }
        if end > 0 { sink(UnsafeRawBufferPointer(rebasing: octets[..<end])) }
        [UInt8.cr, .lf].withUnsafeBytes { sink($0) }
    }

    private static func relaxed(_ octets: UnsafeRawBufferPointer, to sink: (UnsafeRawBufferPointer) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: RelaxedWriter.capacity, alignment: 16) { buffer in
            var writer = RelaxedWriter(buffer: buffer)
            for octet in octets { writer.write(octet, to: sink) }
            writer.finish(to: sink)
        }
    }
}

/// Reads octet by octet and holds back what may turn out to be the end: blanks, and empty lines.
private struct RelaxedWriter {
    static let capacity = 16_384

    let buffer: UnsafeMutableRawBufferPointer
    private var used = 0
    /// Line ends that were read and not written: they count only if something comes behind them.
    private var lineEnds = 0
    private var hasBlank = false
    /// A CR that may begin a line end.
    private var hasReturn = false

    init(buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }

    @inline(__always)
    mutating func write(_ octet: UInt8, to sink: (UnsafeRawBufferPointer) -> Void) {
        if hasReturn {
            hasReturn = false
            if octet == .lf {
                // Blanks at the end of a line go.
                hasBlank = false
                lineEnds += 1
                return
            }
            text(.cr, to: sink)
        }
        if octet == .cr {
            hasReturn = true
        } else if octet.isBlank {
            hasBlank = true
        } else {
            text(octet, to: sink)
        }
    }

    @inline(__always)
    private mutating func text(_ octet: UInt8, to sink: (UnsafeRawBufferPointer) -> Void) {
        if lineEnds > 0 { putLineEnds(to: sink) }
        if hasBlank {
            hasBlank = false
            put(.space, to: sink)
        }
        put(octet, to: sink)
    }

    private mutating func putLineEnds(to sink: (UnsafeRawBufferPointer) -> Void) {
        for _ in 0..<lineEnds {
            put(.cr, to: sink)
            put(.lf, to: sink)
        }
        lineEnds = 0
    }

    @inline(__always)
    private mutating func put(_ octet: UInt8, to sink: (UnsafeRawBufferPointer) -> Void) {
        if used == buffer.count { flush(to: sink) }
        buffer[used] = octet
        used += 1
        isEmpty = false
    }

    private var isEmpty = true

    private mutating func flush(to sink: (UnsafeRawBufferPointer) -> Void) {
        sink(UnsafeRawBufferPointer(rebasing: buffer[..<used]))
        used = 0
    }

    /// What is not nothing ends with one line end.
    mutating func finish(to sink: (UnsafeRawBufferPointer) -> Void) {
        if hasReturn { text(.cr, to: sink) }
        if !isEmpty {
            lineEnds = 1
            putLineEnds(to: sink)
        }
        flush(to: sink)
    }
}
