import SluiceTesting
import Testing

@testable import Directory

/// CSV as in RFC 4180, there and back.
@Suite struct CSVTests {
    private func read(
        _ text: String, _ separator: TransferSeparator = .comma
    ) -> (records: [[String]], problems: [String]) {
        var reader = CSVReader(TextCursor(Array(text.utf8)), separator: separator, file: "f")
        var records: [[String]] = []
        while let record = reader.next() { records.append(record.map(\.text)) }
        return (records, reader.problems.map(\.description))
    }

    @Test func `cells are what RFC 4180 says`() {
        #expect(read("a,b\r\nc,d\r\n").records == [["a", "b"], ["c", "d"]])
        #expect(read("a,b\nc,d").records == [["a", "b"], ["c", "d"]])
        #expect(read("\"a\r\nb\",\"c \"\"d\"\"\",\"\"\r\n").records == [["a\r\nb", "c \"d\"", ""]])
        #expect(read("a,,\r\n\r\n,b\r\n").records == [["a", "", ""], ["", "b"]])
        #expect(read(" a , b ").records == [[" a ", " b "]])
        #expect(read("a,").records == [["a", ""]])
        #expect(read("ä;\"b;c\"", .semicolon).records == [["ä", "b;c"]])
        #expect(read("").records.isEmpty)
    }

    @Test func `what is wrong has its place, and the next line is read`() {
        let (records, problems) = read("a,b\"c\r\nd\r\n\"e\"f,g\r\n\"h\nä\",\"i\" \nj\rk\n\"l\nm")
        #expect(records == [["d"]])
        #expect(problems.count == 5)
        let places = ["f:1:4:", "f:3:4:", "f:5:7:", "f:6:2:", "f:7:1:"]
        for (problem, place) in zip(problems, places) { #expect(problem.hasPrefix(place), "\(problem)") }
    }

    @Test func `what a spreadsheet would compute is made harmless, and comes back as it was`() {
        let cells = [
            "=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1", "＋1", "－1", "＠x",
            "'=x", "''@x", "'x", "'", "x", "", "a=b", " =x", "x;=1", "x,=1", "x\t=1", "\"=1\"",
        ]
        for cell in cells {
            let guarded = CSVWriter.guarded(cell)
            #expect(CSVWriter.plain(guarded) == cell, "\(cell)")
            let isFormula = "=+-@\t\r\n＝＋－＠".unicodeScalars.contains { $0 == guarded.unicodeScalars.first }
            #expect(!isFormula, "\(cell)")
        }
        // Whatever separator a reader takes, no cell begins behind it.
        for cell in cells {
            let line = CSVWriter.line(["x", cell, "y"], separator: .comma)
            let back = read(line).records.first
            #expect(back?.map(CSVWriter.plain) == ["x", cell, "y"], "\(line)")
            let isQuoted = line.hasPrefix("x,\"")
            #expect(isQuoted || !cell.utf8.contains { ";\t,\r\n\"".utf8.contains($0) }, "\(line)")
        }
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `any cells come back`(_ seed: UInt64) {
        var random = SeededRandom(seed)
        let marks = Array("ab,;\t\"\r\n'=+-@ äß\u{1F600}")
        let rows = (0..<20).map { _ in
            (0..<Int.random(in: 2...5, using: &random)).map { _ in
                let letters = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                    marks[Int.random(in: 0..<marks.count, using: &random)]
                }
                return String(letters)
            }
        }
        for separator in TransferSeparator.allCases {
            let text = rows.map { CSVWriter.line($0, separator: separator) }.joined()
            let back = read(text, separator)
            #expect(back.problems.isEmpty)
            #expect(
                back.records.map { $0.map(CSVWriter.plain) }.map { $0.map { Array($0.utf8) } }
                    == rows.map { $0.map { Array($0.utf8) } })
        }
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `any octets have a result`(_ seed: UInt64) {
        var random = SeededRandom(seed)
        let marks = Array("ab,;\t\"\r\n'={}[]:\\u12".utf8) + [0, 0xC3, 0xA4, 0xFF, 0xE2, 0xEF, 0xBB, 0xBF]
        let octets = (0..<Int.random(in: 0...400, using: &random)).map { _ in
            marks[Int.random(in: 0..<marks.count, using: &random)]
        }
        for kind in TransferKind.allCases {
            let table = TransferTable(TransferFile(name: "f", kind: kind, content: octets), separator: nil)
            let lines = octets.count { $0 == 10 } + 1
            #expect(table.problems.allSatisfy { (1...lines + 1).contains($0.line) && $0.column >= 1 })
        }
    }
}
