public import MailTypes
public import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Makes a message fit to follow `DATA`: dots doubled, every line end CR LF, the final dot. RFC 5321 §4.5.2.
///
/// No CR or LF ever leaves that is not half of a pair: a stray one becomes a pair, so no server can
/// take it for a line end that we did not mean. Runs of lines that need nothing are copied whole.
public struct SMTPContentEncoder: Sendable {
    private var isLineStart = true
    /// The last octet was a CR whose pair has not been seen yet; nothing has been written for it.
    private var pendingCR = false

    public init() {}

    /// Appends what `piece` becomes.
    public mutating func encode(_ piece: Bytes, into output: inout ByteBuffer) {
        piece.withUnsafeBytes { encode($0, into: &output) }
    }

    public mutating func encode(_ octets: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
        guard let base = octets.baseAddress, !octets.isEmpty else { return }
        var place = 0
        if pendingCR {
            pendingCR = false
            Self.endLine(&output)
            isLineStart = true
            if octets[0] == .lf { place = 1 }
        }
        // `run` is the beginning of what was looked at, found good and not copied yet.
        var run = place
        while place < octets.count {
            if isLineStart, octets[place] == UInt8(ascii: ".") {
                output.writeBytes(UnsafeRawBufferPointer(rebasing: octets[run..<place]))
                output.writeInteger(UInt8(ascii: "."))
                run = place
            }
            isLineStart = false
            let rest = octets.count - place
            let lf = memchr(base + place, 10, rest).map { UnsafeRawPointer($0) - base }
            let line = lf ?? octets.count
            guard let cr = memchr(base + place, 13, line - place).map({ UnsafeRawPointer($0) - base }) else {
                // No CR in this line: it ends in a stray LF, or goes on in the next piece.
                if let lf {
                    output.writeBytes(UnsafeRawBufferPointer(rebasing: octets[run..<lf]))
                    Self.endLine(&output)
                    isLineStart = true
                    run = lf + 1
                }
                place = line + (lf == nil ? 0 : 1)
                continue
            }
            place = cr + 1
            isLineStart = true
            if place == lf {
                place += 1
            } else {
                output.writeBytes(UnsafeRawBufferPointer(rebasing: octets[run..<cr]))
                run = place
                if place == octets.count { pendingCR = true } else { Self.endLine(&output) }
            }
        }
        output.writeBytes(UnsafeRawBufferPointer(rebasing: octets[run..<octets.count]))
    }

    /// Appends the end of the message: the last line's end if it has none, and the dot.
    public mutating func finish(into output: inout ByteBuffer) {
        if pendingCR || !isLineStart { Self.endLine(&output) }
        output.writeStaticString(".\r\n")
        self = Self()
    }

    private static func endLine(_ output: inout ByteBuffer) { output.writeStaticString("\r\n") }
}
