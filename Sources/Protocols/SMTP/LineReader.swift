import MailTypes
import NIOCore

/// Takes command lines out of what arrived. RFC 5321 §2.3.8, §4.5.3.1.4.
///
/// It holds nothing of a line: what is not complete stays in the buffer, up to the limit; beyond it the line is
/// thrown away as it arrives, and beyond ``discardBudget`` the client is given up.
struct SMTPLineReader: Sendable {
    enum Step: Hashable {
        case wait
        /// Without its line end.
        case line([UInt8])
        /// LF without CR before it.
        case bareLF
        /// The line has ended at last.
        case tooLong
        case endless
    }

    /// Octets of an overlong line that are thrown away before the connection is closed.
    static let discardBudget = 64 * 1024

    private var scanned = 0
    private var discarded = 0

    /// Whether the next octet begins a line.
    var isAtStart: Bool { scanned == 0 && discarded == 0 }

    mutating func next(_ input: inout ByteBuffer, limit: Int, takesBareLF: Bool) -> Step {
        let end = input.withUnsafeReadableBytes { bytes in
            bytes.count > scanned ? bytes[scanned...].firstIndex(of: .lf) : nil
        }
        guard let end else { return incomplete(&input, limit: limit) }
        scanned = 0
        if discarded > 0 || end >= limit {
            discarded = 0
            input.moveReaderIndex(forwardBy: end + 1)
            return .tooLong
        }
        guard var line = input.readBytes(length: end) else { return .wait }
        input.moveReaderIndex(forwardBy: 1)
        if line.last == .cr {
            line.removeLast()
        } else if !takesBareLF {
            return .bareLF
        }
        return .line(line)
    }

    private mutating func incomplete(_ input: inout ByteBuffer, limit: Int) -> Step {
        scanned = input.readableBytes
        guard discarded > 0 || scanned >= limit else { return .wait }
        discarded += scanned
        scanned = 0
        input.moveReaderIndex(to: input.writerIndex)
        return discarded > Self.discardBudget ? .endless : .wait
    }
}
