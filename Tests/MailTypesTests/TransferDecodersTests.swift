import MailTypes
import Testing

@Suite struct TransferDecodersTests {
    static let base64: [(String, String, Bool)] = [
        ("aGVsbG8=", "hello", false), ("aGVs\r\nbG8=\r\n", "hello", false), ("aGVsbG8", "hello", true),
        ("aGVsbG8hIQ==", "hello!!", false), ("", "", false), ("====", "", false), ("a", "", true),
        ("aG*Vs!bG8=", "hello", true), ("aGk=aGk=", "hihi", false),
    ]

    @Test(arguments: base64)
    func `base64 is decoded in pieces of any size`(text: String, wanted: String, isDamaged: Bool) {
        for size in 1...5 {
            var decoder = Base64Decoder()
            var output: [UInt8] = []
            Self.pieces(text, size) { decoder.decode($0, into: &output) }
            decoder.finish(into: &output)
            #expect(output == Array(wanted.utf8))
            #expect(decoder.isDamaged == isDamaged)
            #expect(output.count * 4 <= text.utf8.count * 3)
        }
    }

    static let quotedPrintable: [(String, String, Bool)] = [
        ("caf=C3=A9", "café", false), ("caf=c3=a9", "café", false), ("a=\r\nb", "ab", false),
        ("a= \t\r\nb", "ab", false),
        ("a \t\r\nb ", "a\r\nb", false), ("a=\nb\n", "ab\n", false), ("a=zb", "a=zb", true), ("a=4zb", "a=4zb", true),
        ("a=", "a", true), ("a=4", "a=4", true), ("=3D=3D", "==", false), ("a==41", "a=A", true),
        (String(repeating: "=\r\n", count: 1000), "", false),
    ]

    @Test(arguments: quotedPrintable)
    func `quoted-printable is decoded in pieces of any size`(text: String, wanted: String, isDamaged: Bool) {
        for size in 1...5 {
            var decoder = QuotedPrintableDecoder()
            var output: [UInt8] = []
            Self.pieces(text, size) { decoder.decode($0, into: &output) }
            decoder.finish(into: &output)
            #expect(String(decoding: output, as: UTF8.self) == wanted)
            #expect(decoder.isDamaged == isDamaged)
        }
    }

    static func pieces(_ text: String, _ size: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
        let octets = Array(text.utf8)
        for start in stride(from: 0, to: octets.count, by: size) {
            octets[start..<min(start + size, octets.count)].withUnsafeBytes(body)
        }
    }

    @Test func `base64 is written, on one line or on many, and read strictly`() {
        for count in 0..<200 {
            let octets = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37) }
            let line = Base64.encode(octets)
            #expect(Base64.decodeStrictly(line) == octets)
            let lines = Base64.encode(octets, lineLength: 76)
            #expect(lines.split(separator: UInt8.lf).allSatisfy { $0.count <= 77 })
            #expect(lines.filter { $0 != .cr && $0 != .lf } == line)
        }
        for text in ["a", "aGk", "aGl=", "aGk=\n", "aG k=", "====", "aGk=aGk=", "é==="] {
            #expect(Base64.decodeStrictly(Array(text.utf8)) == nil, "\(text)")
        }
    }

    static let words: [(String, String)] = [
        ("plain", "plain"), ("=?utf-8?Q?caf=C3=A9?=", "café"), ("=?ISO-8859-1*en?q?a_b=E9?= c", "a bé c"),
        ("=?utf-8?B?Y2Fmw6k=?=", "café"), ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"), ("=?utf-8?q?a?= b", "a b"),
        ("x =?utf-8?q?=C3?= =?utf-8?q?=A9?= y", "x é y"), ("=?windows-1252?Q?=80?=", "€"), ("=?x?q?", "=?x?q?"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="), ("=?utf-8?Q?a", "=?utf-8?Q?a"), ("a=b", "a=b"),
        ("=?utf-8?q?a?==?utf-8?q?b?=", "ab"),
    ]

    @Test(arguments: words)
    func `encoded words are decoded`(text: String, wanted: String) {
        #expect(EncodedWord.decode(text) == wanted)
    }

    @Test(arguments: ["hello", "café", String(repeating: "é漢😀", count: 60), "=?utf-8?q?a?=", ""])
    func `encoded words are written and read back`(text: String) {
        let encoded = EncodedWord.encode(text)
        #expect(encoded.utf8.allSatisfy { $0 < 0x80 })
        #expect(encoded.split(separator: " ").allSatisfy { $0.utf8.count <= 75 })
        #expect(EncodedWord.decode(encoded) == text)
    }
}
