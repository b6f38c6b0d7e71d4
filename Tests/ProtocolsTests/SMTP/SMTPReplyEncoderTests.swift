import MailTypes
import NIOCore
import Protocols
import Testing

@Suite struct SMTPReplyEncoderTests {
    struct Row: Sendable {
        let reply: Reply
        let wire: String
    }

    // RFC 5321 §4.2.1, RFC 2034 §4.
    static let rows = [
        Row(reply: Reply(220, "mx.example.org ESMTP"), wire: "220 mx.example.org ESMTP\r\n"),
        Row(reply: Reply(250, .other, "OK"), wire: "250 2.0.0 OK\r\n"),
        Row(reply: Reply(354, ""), wire: "354 \r\n"),
        Row(
            reply: Reply(250, nil, lines: ["mx", "PIPELINING", "SIZE 10"]),
            wire: "250-mx\r\n250-PIPELINING\r\n250 SIZE 10\r\n"),
        Row(
            reply: Reply(550, .deliveryNotAuthorized, lines: ["Not here", "Ask the postmaster"]),
            wire: "550-5.7.1 Not here\r\n550 5.7.1 Ask the postmaster\r\n"),
        Row(reply: Reply(550, .other, "a\r\n250 OK\0"), wire: "550 5.0.0 a??250 OK?\r\n"),
        Row(reply: Reply(550, .other, "jürgen"), wire: "550 5.0.0 jürgen\r\n"),
    ]

    @Test(arguments: rows)
    func `a reply is written as it goes over the wire`(_ row: Row) {
        var buffer = ByteBuffer()
        SMTPReplyEncoder.write(row.reply, to: &buffer)
        #expect(Array(buffer.readableBytesView) == Array(row.wire.utf8))
    }

    @Test func `no line is longer than 512 octets`() {
        var buffer = ByteBuffer()
        SMTPReplyEncoder.write(Reply(550, .other, String(repeating: "ü", count: 600)), to: &buffer)
        #expect(buffer.readableBytes <= 512)
        #expect(String(validating: buffer.readableBytesView, as: UTF8.self) != nil)
    }

    @Test func `a challenge stands behind 334`() {
        var buffer = ByteBuffer()
        SMTPReplyEncoder.write(challenge: "VXNlcm5hbWU6", to: &buffer)
        #expect(String(buffer: buffer) == "334 VXNlcm5hbWU6\r\n")
    }
}
