public import MailTypes
public import NIOCore

/// Writes replies as they go over the wire. RFC 5321 §4.2.1.
///
///     250-mx.example.org
///     250 PIPELINING
///
/// The enhanced status code is repeated on each line, RFC 2034 §4.
public enum SMTPReplyEncoder {
    public static func write(_ reply: Reply, to buffer: inout ByteBuffer) {
        let status = reply.status
        let last = reply.lines.count - 1
        for (place, line) in reply.lines.enumerated() {
            write(code: reply.code, separator: place == last ? .space : UInt8(ascii: "-"), to: &buffer)
            var room = Reply.longestLine
            if let status {
                room -= buffer.writeString(status.description)
                room -= buffer.writeInteger(UInt8.space)
            }
            writeText(line, room: room, to: &buffer)
            buffer.writeStaticString("\r\n")
        }
    }

    /// `334 ` and a challenge of SASL. RFC 4954 §4.
    public static func write(challenge: String, to buffer: inout ByteBuffer) {
        buffer.writeStaticString("334 ")
        buffer.writeString(challenge)
        buffer.writeStaticString("\r\n")
    }

    private static func write(code: Int, separator: UInt8, to buffer: inout ByteBuffer) {
        func digit(_ divisor: Int) -> UInt32 { UInt32(truncatingIfNeeded: 0x30 + code / divisor % 10) }
        buffer.writeInteger(digit(100) << 24 | digit(10) << 16 | digit(1) << 8 | UInt32(separator))
    }

    /// Control characters in a text would let whoever it quotes write replies of their own.
    private static func writeText(_ line: String, room: Int, to buffer: inout ByteBuffer) {
        var text = line
        // Nearly all are ours, and go as they are.
        let isFit = text.withUTF8 { octets in
            octets.count <= room && octets.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
        }
        if isFit {
            buffer.writeString(text)
            return
        }
        var left = room
        for scalar in line.unicodeScalars {
            let width = UTF8.width(scalar)
            guard width <= left else { return }
            left -= width
            if scalar.value < 0x20 || scalar.value == 0x7F {
                buffer.writeInteger(UInt8(ascii: "?"))
            } else {
                UTF8.encode(scalar)?.forEach { buffer.writeInteger($0) }
            }
        }
    }
}
