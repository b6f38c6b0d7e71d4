import SluiceTesting
import Testing

@testable import MailTypes

/// What is written in quoted-printable and in old charsets is read again as it was.
@Suite struct QuotedPrintableTests {
    static func decoded(_ octets: [UInt8]) -> [UInt8] {
        var decoder = QuotedPrintableDecoder()
        var output: [UInt8] = []
        octets.withUnsafeBytes { decoder.decode($0, into: &output) }
        decoder.finish(into: &output)
        #expect(!decoder.isDamaged)
        return output
    }

    @Test(arguments: [
        ("", ""), ("a=b\r\n", "a=3Db\r\n"), ("blank \r\ntab\t", "blank=20\r\ntab=09"), ("Grüße", "Gr=C3=BC=C3=9Fe"),
        ("From me\r\n.\r\n", "=46rom me\r\n=2E\r\n"), ("a\rb\nc", "a=0Db=0Ac"), ("\r\n\r\n", "\r\n\r\n"),
    ])
    func `each octet is written as RFC 2045 has it`(_ text: String, _ encoded: String) {
        #expect(QuotedPrintable.encode(text.utf8) == Array(encoded.utf8))
    }

    @Test func `lines end in time, and not earlier`() {
        let text = Array(repeating: UInt8(ascii: "a"), count: 76)
        #expect(QuotedPrintable.encode(text) == text)
        let longer = text + [UInt8(ascii: "b")]
        #expect(
            QuotedPrintable.encode(longer) == Array(repeating: UInt8(ascii: "a"), count: 75) + Array("=\r\nab".utf8))
    }

    @Test(arguments: 0..<50)
    func `any octets come back`(_ seed: Int) {
        var random = SeededRandom(UInt64(seed))
        let odd: [UInt8] = [0x20, 0x09, 0x0D, 0x0A, 0x3D, 0x2E, 0x46, 0x41, 0xC3, 0x00]
        let octets = (0..<2000).map { _ in
            Bool.random(using: &random)
                ? odd.randomElement(using: &random) ?? 0 : UInt8.random(in: 0...255, using: &random)
        }
        let encoded = QuotedPrintable.encode(octets)
        #expect(Self.decoded(encoded) == octets)
        #expect(encoded.allSatisfy { $0 < 0x7F })
        for line in encoded.split(separator: .lf) {
            #expect(line.count <= 77 && line.last.map { !$0.isBlank } != false)
        }
    }

    @Test func `every character of a charset that can be written is read again`() throws {
        let labels = [
            "iso-8859-2", "iso-8859-15", "windows-1250", "windows-1251", "windows-1252", "koi8-r", "macintosh",
        ]
        for label in labels {
            let charset = try #require(Charset(label: label))
            for octet in UInt8(0x80)...0xFF {
                let text = charset.text([octet])
                guard let written = charset.encode(text, label: label) else {
                    #expect(text == "\u{FFFD}" || octet < 0xA0, "\(label) \(octet)")
                    continue
                }
                #expect(written == [octet])
            }
            #expect(charset.encode("日", label: label) == nil)
        }
        let shiftJIS = try #require(Charset(label: "shift_jis"))
        #expect(shiftJIS.encode("abc", label: "shift_jis") == Array("abc".utf8))
        #expect(shiftJIS.encode("日", label: "shift_jis") == nil && shiftJIS.isStateless)
        let escaped = try #require(Charset(label: "iso-2022-jp"))
        #expect(escaped.encode("abc", label: "iso-2022-jp") == nil && !escaped.isStateless)
        #expect(Charset.windows1252.encode("ü", label: "us-ascii") == nil)
        #expect(Charset.windows1252.encode("ü", label: "iso-8859-1") == [0xFC])
        #expect(Charset.windows1252.encode("€", label: "iso-8859-1") == nil)
    }
}
