import Testing

@testable import Configuration

@Suite struct NearestWordTests {
    @Test(arguments: [
        ("dely", "delay"), ("dealy", "delay"), ("DELAY", "delay"), ("lifetme", "lifetime"), ("warn", "warning"),
        ("give_up_aftre", "give_up_after"), ("colour", nil), ("x", nil), ("", nil), ("delay", nil),
    ])
    func `a misspelling leads to the word that was meant`(_ word: String, _ expected: String?) {
        #expect(NearestWord.to(word, in: ["delay", "lifetime", "warning", "give_up_after", "bind"]) == expected)
    }

    @Test(arguments: [
        ("", "", 0), ("abc", "", 3), ("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("ca", "abc", 3),
        ("kitten", "sitting", 3),
    ])
    func `swapped neighbours are one mistake`(_ left: String, _ right: String, _ expected: Int) {
        #expect(NearestWord.distance(Array(left), Array(right)) == expected)
    }

    @Test func `a long word costs nothing`() {
        #expect(NearestWord.to(String(repeating: "x", count: 1_000_000), in: ["delay"]) == nil)
    }

    @Test func `diagnostics are one line each, in the order of their places`() {
        let here = SourceLocation(file: "a", line: 2, column: 1)
        let there = SourceLocation(file: "a", line: 10, column: 1)
        let sorted = [Diagnostic(.error, at: there, "x"), Diagnostic(.lint, at: here, "a\nb\u{202E}", hint: "c")]
            .sorted()
        #expect(sorted.map(\.description) == ["a:2:1: lint: a\\u{a}b\\u{202e} (c)", "a:10:1: error: x"])
    }
}
