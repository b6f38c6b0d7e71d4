import MailTypes
import NIOCore
import Protocols
import SluiceTesting
import Testing

@Suite struct SMTPContentEncoderTests {
    static let cases: [(content: String, wire: String)] = [
        ("", ".\r\n"),
        ("a\r\n", "a\r\n.\r\n"),
        ("a", "a\r\n.\r\n"),
        (".", "..\r\n.\r\n"),
        (".\r\n", "..\r\n.\r\n"),
        ("a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"),
        ("a\r\n..\r\n", "a\r\n...\r\n.\r\n"),
        ("a.b\r\n.c\r\n", "a.b\r\n..c\r\n.\r\n"),
        ("a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"),
        ("a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"),
        ("a\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"),
        ("a\r\n.\nMAIL FROM:<x>\n", "a\r\n..\r\nMAIL FROM:<x>\r\n.\r\n"),
        ("a\r\r\n.\r\n", "a\r\n\r\n..\r\n.\r\n"),
        ("\n\n", "\r\n\r\n.\r\n"),
        ("\r", "\r\n.\r\n"),
        ("\r\n\r", "\r\n\r\n.\r\n"),
    ]

    /// Cut anywhere, the wire is the same. RFC 5321 §4.5.2; THREATS R2.
    @Test(arguments: cases)
    func `dots are doubled and every line ends in CR LF`(content: String, wire: String) {
        let octets = Array(content.utf8)
        for first in 0...octets.count {
            for second in first...octets.count {
                var encoder = SMTPContentEncoder()
                var output = ByteBuffer()
                for piece in [octets[..<first], octets[first..<second], octets[second...]] {
                    encoder.encode(Bytes(Array(piece)), into: &output)
                }
                encoder.finish(into: &output)
                #expect(String(buffer: output) == wire, "cut at \(first) and \(second)")
            }
        }
    }

    @Test func `no stray CR or LF ever leaves`() {
        var random = SeededRandom(5321)
        let alphabet = Array("\r\n.a\0".utf8)
        for _ in 0..<2000 {
            let octets = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            var encoder = SMTPContentEncoder()
            var output = ByteBuffer()
            encoder.encode(Bytes(octets), into: &output)
            encoder.finish(into: &output)
            let wire = Array(output.readableBytesView)
            for (place, octet) in wire.enumerated() {
                if octet == 10 { #expect(place > 0 && wire[place - 1] == 13) }
                if octet == 13 { #expect(place + 1 < wire.count && wire[place + 1] == 10) }
            }
            // One end only: the last line is the only one that is a single dot.
            let lines = String(decoding: wire, as: UTF8.self).components(separatedBy: "\r\n")
            #expect(lines.filter { $0 == "." }.count == 1)
            #expect(lines.suffix(2) == [".", ""])
        }
    }
}

extension String {
    /// Splits at octets, for in Swift CR LF is one character.
    fileprivate func components(separatedBy separator: String) -> [String] {
        var parts: [[UInt8]] = [[]]
        var rest = Array(utf8)[...]
        while let octet = rest.popFirst() {
            if octet == 13, rest.first == 10 {
                rest.removeFirst()
                parts.append([])
            } else {
                parts[parts.count - 1].append(octet)
            }
        }
        return parts.map { String(decoding: $0, as: UTF8.self) }
    }
}
