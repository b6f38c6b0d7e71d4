import Testing

@testable import Scoring

@Suite struct PatternSyntaxTests {
    static let sound = [
        "a", "(?i)viagra", "a|b", "(?:ab)+", "[a-z]{2,3}", "[^]a]", "\\bfree\\b", "a{2}", "a{2,}", "\\(a", "[(]", "a+?",
        "x{name}", "(?P<n>a)", "\\x41", "\\x{41}", "[[:digit:]]+", "ä", "(?:ä|ö)", "^a.*b$", "a\\.b", "[\\]]",
        "(?i:a)b",
    ]

    @Test(arguments: sound)
    func `nothing is to be said about it`(_ text: String) { #expect(PatternSyntax(text).mistakes == []) }

    static let mistakes: [(text: String, offsets: [Int])] = [
        ("", [0]), ("(a", [0]), ("a)", [1]), ("[a", [0]), ("a(b(c)", [1]), ("*a", [0]), ("a|+b", [2]), ("(?=a)b", [0]),
        ("(?<!a)b", [0]), ("(?>a)", [0]), ("(a)\\1", [3]), ("a\\", [1]), ("a++", [2]), ("a{3,2}", [1]),
        ("a{2,900}", [1]), ("[aä]", [2]), ("\\x{263a}", [0]), ("(?=a)[b", [0, 5]), ("(*a)", [1]), ("\\Kx", [0]),
    ]

    @Test(arguments: mistakes)
    func `all that is wrong is told with its place`(_ row: (text: String, offsets: [Int])) {
        #expect(PatternSyntax(row.text).mistakes.map(\.offset) == row.offsets)
    }

    @Test func `an expression is not longer than it may be`() {
        #expect(PatternSyntax(String(repeating: "a", count: 4000)).mistakes == [])
        #expect(PatternSyntax(String(repeating: "a", count: 4001)).mistakes.map(\.offset) == [0])
    }
}
