import Testing

@testable import Content

@Suite struct ReadableTextTests {
    static let texts: [(written: String, plain: String, html: String)] = [
        ("a  b\u{A0}c\t d", "a b c d", "a b c d"), ("one\ntwo\n\nthree\n", "one two\nthree", "one\ntwo\nthree"),
        ("  \n\n a", "a", "a"), ("wi\u{200B}n\u{AD}ner", "winner", "winner"),
        ("\u{201C}it\u{2019}s\u{201D}", "\"it's\"", "\"it's\""),
        ("\u{FF36}\u{FF49}a", "Via", "Via"), ("\u{1D400}b", "Ab", "Ab"),
        (
            "V\u{456}agra \u{43F}\u{440}\u{438}\u{432}\u{435}\u{442}",
            "Viagra \u{43F}\u{440}\u{438}\u{432}\u{435}\u{442}", "Viagra \u{43F}\u{440}\u{438}\u{432}\u{435}\u{442}"
        ),
        ("p\u{430}yp\u{430}l\u{1F600}", "paypal\u{1F600}", "paypal\u{1F600}"), ("caf\u{E9}", "caf\u{E9}", "caf\u{E9}"),
        ("a\u{2013}b", "a-b", "a-b"), ("", "", ""),
        ("p\u{338}i\u{336}l\u{20D2}\u{20D3}l \u{338}x", "pill \u{338}x", "pill \u{338}x"),
        ("e\u{301}", "e\u{301}", "e\u{301}"),
        ("\u{430}bc-\u{430}", "abc-\u{430}", "abc-\u{430}"),
    ]

    @Test(arguments: texts)
    func `only what a reader reads is left`(_ row: (written: String, plain: String, html: String)) {
        let octets = Array(row.written.utf8)
        #expect(String(decoding: ReadableText(octets, isHTML: false).octets, as: UTF8.self) == row.plain)
        #expect(String(decoding: ReadableText(octets, isHTML: true).octets, as: UTF8.self) == row.html)
    }

    @Test func `any octets are read, as many as may be`() {
        var octets: [UInt8] = []
        for first in UInt8.min ... .max { octets += [first, 0x80, first, 0xF0, 0x9F, first] }
        #expect(!ReadableText(octets, isHTML: true).octets.isEmpty)
        #expect(ReadableText(Array(repeating: 65, count: 100), isHTML: false, limit: 10).octets.count == 10)
    }
}
