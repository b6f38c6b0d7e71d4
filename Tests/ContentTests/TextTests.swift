import MailTypes
import Testing

@testable import Content

@Suite struct TextTests {
    typealias Row = (
        octets: [UInt8], declared: String?, text: String, charset: String, seen: Set<DecodedText.Observation>
    )

    static let plain: [Row] = [
        (Array("abc".utf8), nil, "abc", "utf-8", []), (Array("café".utf8), "utf-8", "café", "utf-8", []),
        (Array("café".utf8), nil, "café", "utf-8", [.undeclaredCharset]),
        ([0x63, 0xE9], nil, "cé", "windows-1252", [.undeclaredCharset]),
        ([0x63, 0xE9], "utf-8", "cé", "windows-1252", [.wrongCharset]),
        (Array("café".utf8), "us-ascii", "café", "utf-8", [.wrongCharset]),
        (Array("café".utf8), "iso-8859-1", "cafÃ©", "windows-1252", [.wrongCharset]),
        ([0x63, 0xE9], "x-nobody", "cé", "windows-1252", [.unknownCharset, .undeclaredCharset]),
        ([0xEF, 0xBB, 0xBF, 0x61], "utf-8", "a", "utf-8", []),
        ([0xEF, 0xBB, 0xBF, 0x61], "koi8-r", "a", "utf-8", [.otherByteOrderMark]),
        ([0xFF, 0xFE, 0x61, 0x00], nil, "a", "utf-16le", []), ([0xC4, 0xE3], "gb2312", "你", "gbk", []),
        ([0xFF], "gb2312", "\u{FFFD}", "gbk", [.malformed]),
        (Array("+AGE-".utf8), "utf-7", "a", "utf-7", []),
        ([0x1B, 0x24, 0x42, 0x46, 0x7C], "iso-2022-jp", "日", "iso-2022-jp", []),
        (Array("aäöüß".utf8) + [0xE9], "utf-8", "aäöüß\u{FFFD}", "utf-8", [.wrongCharset, .malformed]),
    ]

    @Test(arguments: plain)
    func `a text is read as most readers would`(row: Row) {
        let decoded = TextDecoder.decode(row.octets, declared: row.declared, isHTML: false)
        #expect(String(decoding: decoded.octets, as: UTF8.self) == row.text)
        #expect(decoded.charset.name == row.charset)
        #expect(decoded.observations == row.seen)
    }

    @Test(arguments: [
        ("<meta charset=koi8-r>", "koi8-r"), ("<META content='text/html; charset=\"gbk\"' http-equiv=x>", "gbk"),
        ("<meta charset=utf-16>", "utf-8"),
        ("<meta name=charset content=x><meta charset = 'big5'/>", "big5"), ("<metacharset=koi8-r", "koi8-r"),
        ("<meta charset=nobody>", nil), ("charset=gbk", nil),
    ])
    func `HTML names its charset`(html: String, name: String?) {
        #expect(TextDecoder.metaCharset(Array(html.utf8))?.name == name)
    }

    @Test func `the header counts before meta, and the difference is noted`() {
        let html = Array("<meta charset=koi8-r>".utf8) + [0xE9]
        let decoded = TextDecoder.decode(html, declared: "windows-1251", isHTML: true)
        #expect(decoded.charset.name == "windows-1251")
        #expect(decoded.observations == [.otherCharsetInMeta])
        #expect(TextDecoder.decode(html, declared: nil, isHTML: true).charset.name == "koi8-r")
    }

    static let characters: [(text: String, value: @Sendable (TextObservations) -> Int, count: Int)] = [
        ("plain", { $0.foreign }, 0), ("V\u{200B}iag\u{AD}ra", { $0.invisibleInWords }, 2),
        ("a \u{200B} b", { $0.invisibleInWords }, 0), ("a \u{200B} b", { $0.invisible }, 1),
        ("abc\u{202E}fdp", { $0.bidirectionalControls }, 1), ("ＡＢ 𝐂", { $0.oddLetters }, 3),
        ("pаypal", { $0.lookalikeWords }, 1),
        ("pаypal ж", { $0.mixedWords }, 1),
        ("Привет мир", { $0.mixedWords }, 0), ("日本語のtext", { $0.mixedWords }, 0), ("naïve café", { $0.mixedWords }, 0),
        ("αβγ", { $0.lookalikeWords }, 0),
        ("a\u{301}\u{302}\u{303}\u{304}", { $0.stackedMarks }, 1), ("\u{FFFD}\u{E000}", { $0.unreadable }, 2),
        ("pаy раs pаl", { $0.lookalikeWords }, 3),
    ]

    @Test(arguments: characters)
    func `characters that deceive are counted`(
        text: String, value: @Sendable (TextObservations) -> Int, count: Int
    ) {
        #expect(value(TextObservations(of: Array(text.utf8))) == count)
    }

    @Test(arguments: [
        ("the quick brown fox", "The QUICK, brown fox!", 100), ("the quick brown fox", "other words entirely", 0),
        ("", "", 100), ("one two six", "one two ten", 66),
    ])
    func `likeness is common words`(one: String, other: String, percent: Int) {
        #expect(WordSketch(Array(one.utf8)).similarity(to: WordSketch(Array(other.utf8))) == percent)
    }

    @Test func `marks through letters are counted, each letter once`() {
        let text = TextObservations(of: Array("p\u{338}i\u{336}\u{338}ll \u{338}e\u{301}".utf8))
        #expect(text.struckLetters == 2)
    }
}
