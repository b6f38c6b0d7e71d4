import Testing

@testable import Directory

/// Files as tables: headers, encodings, JSON.
@Suite struct TableTests {
    private func table(
        _ octets: [UInt8], _ kind: TransferKind = .accounts, _ separator: TransferSeparator? = nil
    ) -> TransferTable {
        TransferTable(TransferFile(name: "f", kind: kind, content: octets), separator: separator)
    }

    private func table(_ text: String, _ kind: TransferKind = .accounts) -> TransferTable {
        table(Array(text.utf8), kind)
    }

    private func values(_ table: TransferTable) -> [[TransferValue?]] { table.rows.map { $0.cells.map { $0?.value } } }
    private func problems(_ table: TransferTable) -> [String] { table.problems.map(\.description) }

    @Test func `without a header the columns have their order`() {
        let table = table("anna@acme.test,secret,2GB,Anna\r\nbert@acme.test\r\n")
        #expect(problems(table).isEmpty)
        #expect(values(table)[0].prefix(4) == [.text("anna@acme.test"), .text("secret"), .text("2GB"), .text("Anna")])
        #expect(values(table)[1].compactMap(\.self) == [.text("bert@acme.test")])
    }

    @Test(arguments: [",", ";", "\t"])
    func `a header names the columns, and tells the separator`(_ separator: String) {
        let lines = [["Friendly Name", "Email_Address"], ["Anna; \"A\", x", "anna@acme.test"]]
        let text = lines.map { cells in
            cells.map { "\"\($0.replacing("\"", with: "\"\""))\"" }.joined(separator: separator)
        }.joined(separator: "\r\n")
        let table = table("\u{FEFF}" + text)
        #expect(problems(table).isEmpty)
        #expect(table.rows.count == 1)
        #expect(table.rows.first?.cells[0]?.value == .text("anna@acme.test"))
        #expect(table.rows.first?.cells[3]?.value == .text("Anna; \"A\", x"))
        #expect(table.rows.first?.line == 2)
    }

    @Test func `an unknown column, one that stands twice and a cell too many are told`() {
        let found = problems(table("emailaddress,qota,password,password\r\na@acme.test,1,2,3,4\r\n"))
        #expect(found.count == 3)
        #expect(found[0].hasPrefix("f:1:14: error: \"qota\" is no column of accounts; did you mean quota?"))
        #expect(found[1] == "f:1:28: error: the column password stands here twice")
        #expect(found[2].hasPrefix("f:2:19: error: a cell too many"))
    }

    @Test func `what is not UTF-8 is told with its place`() {
        let wrong = table(Array("emailaddress\r\nä@acme.test\r\nb".utf8) + [0xE9, 0x41])
        #expect(wrong.rows.isEmpty)
        let message = "octet 30 of the file (E9 hexadecimal) is not UTF-8; please save it as UTF-8"
        #expect(problems(wrong) == ["f:3:2: error: \(message)"])
        #expect(problems(table([0xFF, 0xFE, 0x61, 0]))[0].contains("UTF-16"))
        #expect(problems(table([0x61, 0x0A, 0x62, 0]))[0].hasPrefix("f:2:2: error: a NUL"))
    }

    @Test func `too much is refused before it is read`() {
        let large = [UInt8](repeating: UInt8(ascii: "a"), count: TransferLimits.octets + 1)
        #expect(problems(table(large))[0].contains("more than 64 MB"))
        let rows = String(repeating: "a\n", count: TransferLimits.rows + 1)
        #expect(problems(table(rows))[0].hasPrefix("f:\(TransferLimits.rows + 1):1: error: the file has more than"))
        let cell = String(repeating: "a", count: TransferLimits.cell + 1)
        #expect(problems(table("b,\(cell)\nc\n"))[0] == "f:1:3: error: a cell has more than 4 MB")
    }

    @Test func `an apostrophe before a formula is taken away, but not from a password`() {
        let table = table("a@acme.test,'=secret,,'=name\r\n")
        #expect(table.rows[0].cells[1]?.value == .text("'=secret"))
        #expect(table.rows[0].cells[3]?.value == .text("=name"))
    }

    @Test func `JSON has the same columns`() {
        let text = """
            [
              {"group": "staff@acme.test", "members": ["a@acme.test", "b@acme.test"], "mail": false, "name": null},
              {"group": "\\u0061\\ud83d\\ude00\\n\\"x\\"@acme.test"}
            ]
            """
        let table = table(text, .groups)
        #expect(problems(table).isEmpty)
        #expect(
            values(table)[0] == [
                .text("staff@acme.test"), .list(["a@acme.test", "b@acme.test"]), nil, nil, .text("off"),
            ])
        #expect(values(table)[1][0] == .text("a\u{1F600}\n\"x\"@acme.test"))
        #expect(table.rows.map(\.line) == [2, 3])
        #expect(table.rows[0].cells[1]?.column == 43)
        #expect(self.table("[]").rows.isEmpty && problems(self.table(" [ ] ")).isEmpty)
    }

    static let broken: [(text: String, problem: String)] = [
        ("[{\"alias\": \"a\"} {", "f:1:17: error: here should be a comma, or ] at the end"),
        ("[{\"alias\": {}}]", "f:1:12: error: an object has no place here"),
        ("[{\"alias\": [[]]}]", "f:1:13: error: here should be a text in quotation marks"),
        ("[{\"alias\": \"a\", \"alias\": \"b\"}]", "f:1:17: error: \"alias\" stands in this object already"),
        ("[{\"alias\": tru}]", "f:1:12: error: not a value"),
        ("[{\"alias\": 1e5}]", "f:1:12: error: not a value"),
        ("[{\"alias\": \"\\ud83d\"}]", "f:1:13: error: half a surrogate pair"),
        ("[{\"alias\": \"\\u0000\"}]", "f:1:13: error: no character"),
        ("[{\"alias\": \"\n\"}]", "f:1:13: error: a control character inside a text"),
        ("[{\"alias\": \"a", "f:1:12: error: this text is never closed"),
        ("[{\"allias\": \"a\"}]", "f:1:13: error: \"allias\" is no column of aliases; did you mean alias?"),
        ("[] []", "f:1:4: error: there is something behind the array"),
        ("{}", "f:1:1: error: here should be an array of objects"),
    ]

    @Test(arguments: broken)
    func `what is wrong in JSON has its place`(_ text: String, _ problem: String) {
        #expect(problems(table(text, .aliases)).first?.hasPrefix(problem) == true, "\(problems(table(text, .aliases)))")
    }

    @Test func `depth costs nothing`() {
        let deep = String(repeating: "[", count: 1_000_000)
        #expect(problems(table(deep)).count == 1)
    }

    @Test func `addresses in a cell may have blanks and commas in quotation marks`() {
        let text = "a@x.test, \"b c, d\"@x.test;\"e\\\" f\"@x.test\r\ng@x.test"
        #expect(
            AddressList.split(text) == [
                "a@x.test", "\"b c, d\"@x.test", "\"e\\\" f\"@x.test", "g@x.test",
            ])
        #expect(AddressList.split(" , ;").isEmpty)
    }
}
