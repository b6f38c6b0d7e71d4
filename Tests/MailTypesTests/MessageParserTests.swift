import MailTypes
import Testing

@Suite struct MessageParserTests {
    struct Sample: CustomTestStringConvertible {
        var testDescription: String
        var text: String
        var fields: [String]
        var body: String
        var defects: Set<HeaderDefect> = []
    }

    static let samples = [
        Sample(
            testDescription: "a clean message", text: "A: 1\r\nB: 2\r\n\r\nbody\r\n", fields: ["A: 1", "B: 2"],
            body: "body\r\n"),
        Sample(testDescription: "no body", text: "A: 1\r\n\r\n", fields: ["A: 1"], body: ""),
        Sample(testDescription: "no header", text: "\r\nbody", fields: [], body: "body"),
        Sample(
            testDescription: "folding", text: "A: 1\r\n 2\r\n\t3\r\nB:4\r\n\r\n", fields: ["A: 1 2\t3", "B: 4"],
            body: ""),
        Sample(testDescription: "nothing", text: "", fields: [], body: "", defects: [.endsInHeader]),
        Sample(
            testDescription: "a header only", text: "A: 1\r\nB: 2\r\n", fields: ["A: 1", "B: 2"], body: "",
            defects: [.endsInHeader]),
        Sample(
            testDescription: "a header cut off", text: "A: 1\r\nB: 2", fields: ["A: 1", "B: 2"], body: "",
            defects: [.endsInHeader]),
        Sample(
            testDescription: "a line that is no field", text: "A: 1\r\nhello\r\nB: 2\r\n\r\n", fields: ["A: 1"],
            body: "hello\r\nB: 2\r\n\r\n", defects: [.missingEmptyLine]),
        Sample(
            testDescription: "a blank in the name", text: "A b: 1\r\n\r\n", fields: [], body: "A b: 1\r\n\r\n",
            defects: [.missingEmptyLine]),
        Sample(
            testDescription: "an empty name", text: ": 1\r\n\r\n", fields: [], body: ": 1\r\n\r\n",
            defects: [.missingEmptyLine]),
        Sample(
            testDescription: "a leading continuation", text: " A: 1\r\nB: 2\r\n\r\n", fields: [],
            body: " A: 1\r\nB: 2\r\n\r\n", defects: [.leadingContinuation, .missingEmptyLine]),
        Sample(
            testDescription: "a blank before the colon", text: "A \t: 1\r\n\r\n", fields: ["A: 1"], body: "",
            defects: [.blankBeforeColon]),
        Sample(
            testDescription: "bare line feeds", text: "A: 1\nB: 2\n\nbody\n", fields: ["A: 1", "B: 2"], body: "body\n",
            defects: [.strayControl]),
        Sample(
            testDescription: "a bare CR", text: "A: 1\rB: 2\r\n\r\n", fields: ["A: 1B: 2"], body: "",
            defects: [.strayControl]),
        Sample(
            testDescription: "a CR alone on a line is no empty line", text: "A: 1\r\n\r\r\nB: 2\r\n\r\n",
            fields: ["A: 1"], body: "\r\r\nB: 2\r\n\r\n", defects: [.missingEmptyLine]),
        Sample(
            testDescription: "a NUL", text: "A: 1\u{0}\r\n\r\n", fields: ["A: 1\u{0}"], body: "",
            defects: [.strayControl]),
        Sample(
            testDescription: "a continuation of blanks", text: "A: 1\r\n \r\nB: 2\r\n\r\n", fields: ["A: 1", "B: 2"],
            body: "", defects: [.blankContinuation]),
        Sample(
            testDescription: "an mbox line", text: "From a@b Tue Jan  1 00:00:00 2030\r\nA: 1\r\n\r\nbody",
            fields: ["A: 1"], body: "body", defects: [.mailboxLine]),
        Sample(
            testDescription: "From with a blank before its colon", text: "From : a@b\r\n\r\n", fields: ["From: a@b"],
            body: "", defects: [.blankBeforeColon]),
        Sample(
            testDescription: "an overlong line", text: "A: \(String(repeating: "x", count: 996))\r\n\r\n",
            fields: ["A: \(String(repeating: "x", count: 996))"], body: "", defects: [.overlongLine]),
        Sample(
            testDescription: "the longest line", text: "A: \(String(repeating: "x", count: 995))\r\n\r\n",
            fields: ["A: \(String(repeating: "x", count: 995))"], body: ""),
    ]

    @Test(arguments: samples)
    func `any octets are a message`(_ sample: Sample) throws {
        let octets = Array(sample.text.utf8)
        let message = try Message(parsing: Bytes(octets))
        #expect(message.header.fields.map(\.description) == sample.fields)
        #expect(String(decoding: message.body.array, as: UTF8.self) == sample.body)
        #expect(message.header.defects == sample.defects)
        let stored = message.pieces.flatMap(\.array)
        #expect(message.size == stored.count)
        if sample.defects.isEmpty { #expect(stored == octets) }
        // Whoever reads what we wrote sees the same fields and the same body.
        let again = try Message(parsing: Bytes(stored))
        #expect(again.header.fields == message.header.fields)
        #expect(again.body == message.body)
    }

    @Test func `a field put on top stays apart from a leading continuation`() throws {
        var message = try Message(parsing: " evil\r\nFrom: a@b\r\n\r\n")
        message.header.prepend(HeaderField(name: "Received", value: "from x"))
        let again = try Message(parsing: Bytes(message.pieces.flatMap(\.array)))
        #expect(again.header.fields.map(\.description) == ["Received: from x"])
    }

    @Test func `limits are limits`() throws {
        let limits = HeaderLimits(maxOctets: 20, maxFields: 3)
        #expect(throws: Never.self) { try Message(parsing: "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", limits: limits) }
        #expect(throws: MessageTooComplex.fieldCount(limit: 3)) {
            try Message(parsing: "A:1\r\nB:2\r\nC:3\r\nD:4\r\n\r\n", limits: limits)
        }
        #expect(throws: MessageTooComplex.headerSize(limit: 20)) {
            try Message(parsing: "A: 1\r\n 2345678\r\n 23\r\n\r\n", limits: limits)
        }
        // What lies in the body counts nowhere.
        let long = String(repeating: "A: 1\r\n", count: 100)
        #expect(throws: Never.self) { try Message(parsing: Bytes(Array("A: 1\r\n\r\n\(long)".utf8)), limits: limits) }
    }

    @Test func `line ends become CR LF`() {
        let rows: [(String, String)] = [
            ("a\nb\n", "a\r\nb\r\n"), ("a\r\nb", "a\r\nb"), ("a\rb\r\r\n\n", "a\r\nb\r\n\r\n\r\n"), ("", ""),
        ]
        for (text, expected) in rows {
            #expect(LineEnds.canonical(Array(text.utf8)) == Array(expected.utf8))
        }
    }
}
