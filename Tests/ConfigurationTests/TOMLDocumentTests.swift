import Foundation
import MailTypes
import SluiceTesting
import Testing

@testable import Configuration

@Suite struct TOMLDocumentTests {
    private func parse(_ text: String) throws -> TOMLNode { try TOMLDocument(Array(text.utf8), file: "t").root }

    @Test func `every kind of value has its text and its place`() throws {
        let root = try parse(
            """
            s = "a\\"b\\u0000"
            i = -7
              f = 2.5
            b = true
            d = 2026-01-02T03:04:05Z
            l = [1, "é", { x = 1 }]
            [t."a b"]
            k = 1
            """)
        let texts = try #require(root.table).entries.map {
            "\($0.key) \($0.location) \($0.value.location) \($0.value.text)"
        }
        #expect(
            texts == [
                #"s t:1:1 t:1:5 "a\"b\u0000""#, "i t:2:1 t:2:5 -7", "f t:3:3 t:3:7 2.5", "b t:4:1 t:4:5 true",
                "d t:5:1 t:5:5 2026-01-02T03:04:05Z", #"l t:6:1 t:6:5 [1, "é", { x = 1 }]"#,
                #"t t:7:2 t:7:1 { "a b" = { k = 1 } }"#,
            ])
        #expect(root.location(of: ["l", 1]).description == "t:6:9")
        #expect(root.location(of: ["l", 9, "x"]).description == "t:6:5")
        #expect(root[["t", "a b", "k"]]?.text == "1")
    }

    @Test func `keys are told apart by their octets`() throws {
        let root = try parse("\"\u{E9}\" = 1\n\"e\u{301}\" = 2\n")
        #expect(root.table?.entries.count == 2)
        #expect(root.table?["e\u{301}"]?.text == "2")
    }

    @Test func `an empty file is an empty table`() throws {
        #expect(try parse("").table?.entries.isEmpty == true)
    }

    @Test(arguments: [
        (String(repeating: "[", count: 100_000), "nested"),
        ("x = " + String(repeating: "[", count: 100_000), "nested"),
        ("x = " + String(repeating: "{a=", count: 100_000), "nested"),
        (String(repeating: "a.", count: 100_000) + "a = 1", "16 words"),
        ("[" + String(repeating: "a.", count: 100_000) + "a]", "16 words"),
        ("x = {" + String(repeating: "a.", count: 100_000) + "a = 1}", "16 words"),
        ("x = \"\"\"a.b\"\"\"\"\"\n[" + String(repeating: "a.", count: 100_000) + "a]", "16 words"),
        (String(repeating: " ", count: 5 << 20), "4MB"),
        ("a = \"é\" # é\nb = é", "beyond ASCII"),
        ("é = 1", "beyond ASCII"),
    ])
    func `depth, length and characters are limited`(_ text: String, _ word: String) throws {
        let error = #expect(throws: Diagnostic.self) { try self.parse(text) }
        if word != "nested" { #expect(error?.message.contains(word) == true) }
    }

    @Test func `dots elsewhere are not counted as a key's`() throws {
        let dots = String(repeating: ".", count: 100)
        let root = try parse("# \(dots)\na = \"\(dots)\"\nb = '\(dots)'\nc = \"\"\"\n\(dots)\n\"\"\"\nd = [1.5, 2.5]\n")
        #expect(root.table?.entries.count == 4)
    }

    /// Whatever is done to a file, the parser answers: with a tree, or with a place in the file.
    @Test func `five thousand damaged files do no harm`() throws {
        let sample = try Data(contentsOf: Repository.sample)
        let whole = Array(try SampleTests.wholeSample().utf8)
        let kinds = Array(
            #"a.b."c d" = [1, 2.5, true, 1979-05-27T07:32:00Z, 07:32:00, 'x', """y"""] # c"#.utf8)
        let seeds = [Array(sample), whole, kinds + Array("\n[[x.y]]\nz = { a = 1, b.c = 0x1F }\n".utf8)]
        var random = SeededRandom(2026)
        var refused = 0
        for round in 0..<5000 {
            var octets = seeds[round % seeds.count]
            for _ in 0..<Int.random(in: 1...4, using: &random) { damage(&octets, &random) }
            do {
                let document = try TOMLDocument(octets, file: "t")
                _ = document.root.text
                _ = ServerConfiguration.read(octets, file: "/nonexistent/sluice.toml")
                _ = FilterFile.read(octets, file: "t", number: 1, name: "t").value?.decode(GreylistValues.self)
            } catch {
                refused += 1
                #expect(!error.message.isEmpty)
            }
        }
        #expect(refused > 1000)
        #expect(refused < 5000)
    }

    private func damage(_ octets: inout [UInt8], _ random: inout SeededRandom) {
        let signs = Array("[]{}=.,\"'#\\\n\r\t 0e+-_\u{0}é\u{202E}".utf8) + [0xFF, 0xC0, 0x80]
        let place = Int.random(in: 0...octets.count, using: &random)
        let other = Int.random(in: 0...octets.count, using: &random)
        let range = min(place, other)..<min(max(place, other), min(place, other) + 200)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: octets.insert(signs[Int.random(in: 0..<signs.count, using: &random)], at: place)
        case 1: octets.removeSubrange(range)
        case 2: octets.insert(contentsOf: Array(octets[range]), at: place)
        case 3 where place < octets.count: octets[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        default: octets.removeLast(min(octets.count, range.count))
        }
    }
}
