import MailTypes
import Testing

@Suite struct HeaderFoldingTests {
    static let fields: [(name: String, value: String, raw: String)] = [
        ("Subject", "hello", "Subject: hello\r\n"),
        ("Subject", "", "Subject: \r\n"),
        ("Subject", "  a  b  ", "Subject: a  b\r\n"),
        ("Subject", "a\r\nBcc: x@y", "Subject: a Bcc: x@y\r\n"),
        ("Subject", "a\r\n\r\nbody", "Subject: a body\r\n"),
        ("Subject", "a\nb\rc\u{0}d\u{1B}e\u{7F}f", "Subject: a b cdef\r\n"),
        ("Subject", "a\u{85}b\u{2028}c\u{9F}", "Subject: a b c\r\n"),
        ("Subject", "by x;\r\n\tTue", "Subject: by x; Tue\r\n"),
        ("Subject", "grüße", "Subject: grüße\r\n"),
        ("X\r\nY: z", "v", "X--Y--z: v\r\n"),
        ("", "v", "X-Unnamed: v\r\n"),
        ("Ünter", "v", "--nter: v\r\n"),
    ]

    @Test(arguments: fields)
    func `one field comes out`(name: String, value: String, raw: String) {
        let field = HeaderField(name: name, value: value)
        #expect(String(decoding: field.raw, as: UTF8.self) == raw)
        #expect(field.raw.prefix(field.name.utf8.count + 1).last == UInt8(ascii: ":"))
    }

    static let values = [
        String(repeating: "word ", count: 100), String(repeating: "x", count: 5000),
        String(repeating: "é", count: 5000),
        String(repeating: " ", count: 3000) + "x" + String(repeating: " ", count: 3000) + "y",
        String(repeating: "a", count: 75) + " " + String(repeating: "b", count: 1200) + " c",
        String(repeating: "\r\n", count: 1000) + "x", String(repeating: "\t \r\n\u{0}", count: 500),
        String(repeating: "x", count: 1 << 20),
    ]

    @Test(arguments: values)
    func `lines are folded, never empty and never too long`(value: String) {
        let field = HeaderField(name: "X-Test", value: value)
        let lines = field.raw.split(separator: UInt8.lf, omittingEmptySubsequences: false)
        #expect(lines.last?.isEmpty == true)
        for (number, line) in lines.dropLast().enumerated() {
            #expect(line.last == .cr)
            #expect(line.count - 1 <= 998)
            #expect(!line.dropLast().contains(.cr))
            #expect(number == 0 || line.first == .space || line.first == .tab)
            #expect(number == 0 || line.dropLast().contains { !$0.isBlank })
            #expect(String(validating: line, as: UTF8.self) != nil)
        }
    }

    @Test func `words are kept whole and lines short where they can be`() {
        let field = HeaderField(
            name: "References", value: (1...40).map { "<\($0)@example.org>" }.joined(separator: " "))
        let lines = field.raw.split(separator: UInt8.lf)
        #expect(lines.count > 5)
        #expect(lines.allSatisfy { $0.count - 1 <= 78 })
        #expect(field.value == (1...40).map { "<\($0)@example.org>" }.joined(separator: " "))
    }

    @Test(arguments: [
        (" one\r\n\ttwo", "X: one\r\n\ttwo\r\n"), (" one\n two", "X: one\r\n two\r\n"), ("v", "X:v\r\n"),
        ("", "X:\r\n"), ("  v ", "X:  v \r\n"),
        // What is not folded as it must be is cleaned, and folded anew.
        (" one\r\nBcc: eve@x.example", "X: one Bcc: eve@x.example\r\n"), (" one\n\n two", "X: one two\r\n"),
        (" one\rtwo", "X: one two\r\n"), (" one\n \n two", "X: one two\r\n"), (" a\u{0}b", "X: ab\r\n"),
        ("x\n", "X: x\r\n"),
    ])
    func `a value that is folded already stays as it is`(_ value: String, _ expected: String) {
        #expect(HeaderField(name: "X", foldedValue: value).raw.elementsEqual(expected.utf8))
    }

    @Test func `a folded value has no line that is too long`() {
        let word = String(repeating: "x", count: 1200)
        let field = HeaderField(name: "X", foldedValue: " a\n \(word)")
        #expect(field.raw.split(separator: .lf).allSatisfy { $0.count <= 999 })
        #expect(HeaderField(name: "a:b\r\n", foldedValue: " v").raw.elementsEqual("a-b--: v\r\n".utf8))
    }
}
