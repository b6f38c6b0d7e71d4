import MailTypes
import Testing

@Suite struct CharsetTests {
    static func octets(_ hex: String) -> [UInt8] {
        hex.split(separator: " ").compactMap { UInt8($0, radix: 16) }
    }

    static let samples: [(label: String, hex: String, text: String)] = [
        ("utf-8", "63 61 66 C3 A9", "café"), ("UTF8", "F0 9F 98 80", "😀"), ("utf-8", "C3", "\u{FFFD}"),
        ("utf-8", "E2 82 41", "\u{FFFD}A"), ("utf-8", "C0 AF", "\u{FFFD}\u{FFFD}"),
        ("utf-8", "ED A0 80", "\u{FFFD}\u{FFFD}\u{FFFD}"), ("utf-8", "F4 90 80 80", "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
        ("iso-8859-1", "80 E9 93", "€é“"), ("latin1", "E9", "é"), ("us-ascii", "E9", "é"),
        ("windows-1252", "81", "\u{81}"),
        ("iso-8859-2", "A1 B1", "Ąą"), ("ISO-8859-15", "A4", "€"), ("windows-1251", "CF F0 E8", "При"),
        ("koi8-r", "F0 D2 C9", "При"), ("koi8-u", "A4 AE", "єў"), ("windows-1255", "CA", "\u{5BA}"),
        ("windows-874", "A1 DB", "ก\u{FFFD}"), ("macintosh", "DB", "€"), ("ibm866", "8F E0", "Пр"),
        ("iso-8859-8-i", "E0", "א"), ("x-user-defined", "80 FF", "\u{F780}\u{F7FF}"),
        ("utf-16le", "61 00 AC 20", "a€"), ("utf-16be", "20 AC D8 3D DE 00", "€😀"), ("utf-16", "FE FF 00 61", "a"),
        ("utf-16le", "00 D8", "\u{FFFD}"), ("utf-16le", "00 DC 61", "\u{FFFD}\u{FFFD}"),
        ("gb2312", "C4 E3 BA C3", "你好"), ("gbk", "80 81 40", "€丂"),
        ("gb18030", "81 30 81 30 90 30 81 30", "\u{80}\u{10000}"),
        ("gb18030", "A6 D9 81 35 F4 37", "\u{FE10}\u{E7C7}"), ("gbk", "81 3C", "\u{FFFD}<"),
        ("gbk", "FF 41", "\u{FFFD}A"),
        ("big5", "A7 41 A6 6E", "你好"), ("big5-hkscs", "88 62 87 40", "Ê\u{304}䏰"), ("cp950", "A1 45", "‧"),
        ("big5", "81 3E", "\u{FFFD}>"), ("euc-kr", "BE C8 B3 E7", "안녕"), ("ks_c_5601-1987", "81 41", "갂"),
        ("euc-jp", "C6 FC CB DC", "日本"), ("euc-jp", "8E B1 8F B0 A1", "ｱ丂"), ("euc-jp", "C6 3C", "\u{FFFD}<"),
        ("shift_jis", "93 FA 96 7B B1", "日本ｱ"), ("cp932", "87 40 F0 40", "①\u{E000}"), ("sjis", "81 22", "\u{FFFD}\""),
        ("iso-2022-jp", "1B 24 42 46 7C 4B 5C 1B 28 42 21", "日本!"), ("iso-2022-jp", "1B 28 4A 5C 7E", "¥‾"),
        ("iso-2022-jp", "1B 28 49 31", "ｱ"), ("iso-2022-jp", "1B 24 42 46 7C 0A 41", "日\nA"),
        ("iso-2022-jp", "E9", "\u{FFFD}"),
        ("utf-7", "48 69 2B 49 4B 77 2D 21 2B 2D", "Hi€!+"), ("unicode-1-1-utf-7", "2B 41 44 77 2D", "<"),
        ("utf-7", "2B 21", "\u{FFFD}!"),
    ]

    @Test(arguments: samples)
    func `octets are characters`(label: String, hex: String, text: String) throws {
        let charset = try #require(Charset(label: label))
        #expect(charset.text(Self.octets(hex)).unicodeScalars.elementsEqual(text.unicodeScalars))
    }

    @Test(arguments: [
        (" UTF-8 ", "utf-8"), ("\"iso-8859-1\"", "windows-1252"), ("ISO_8859-1:1987", "windows-1252"),
        ("TIS-620", "windows-874"),
        ("ISO-8859-9", "windows-1254"), ("Windows-31J", "shift_jis"), ("CP936", "gbk"), ("csISO2022JP", "iso-2022-jp"),
    ])
    func `labels have names`(label: String, name: String) {
        #expect(Charset(label: label)?.name == name)
    }

    @Test(arguments: ["", "x-nobody", "utf-8;", "hz-gb-2312", String(repeating: "utf-8", count: 1000)])
    func `what nobody knows is no charset`(label: String) {
        #expect(Charset(label: label) == nil)
    }

    @Test func `every pair of octets is some text, in every charset`() throws {
        let labels = [
            "gb18030", "big5", "euc-jp", "shift_jis", "euc-kr", "iso-2022-jp", "utf-7", "utf-8", "utf-16le", "koi8-r",
        ]
        for charset in labels.compactMap({ Charset(label: $0) }) {
            var all: [UInt8] = []
            for first in UInt8.min...UInt8.max {
                for second in UInt8.min...UInt8.max { all += [first, second] }
            }
            var output: [UInt8] = []
            charset.decode(all.span, into: &output)
            #expect(output.isUTF8)
            #expect(output.count <= all.count * 6)
        }
    }

    @Test(arguments: [
        ("=?gb2312?B?xOO6ww==?=", "你好"), ("=?koi8-r?Q?=F0=D2=C9?=", "При"),
        ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        ("=?x-nobody?Q?caf=C3=A9?=", "café"), ("=?x-nobody?Q?caf=E9?=", "café"), ("=?utf-8?Q?caf=E9?=", "café"),
    ])
    func `encoded words have charsets`(word: String, text: String) {
        #expect(EncodedWord.decode(word) == text)
    }
}

extension [UInt8] {
    fileprivate var isUTF8: Bool { UTF8Text.isValid(span) }
}
