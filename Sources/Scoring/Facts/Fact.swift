/// Something that is measured of every message, for conditions of rules: a number, or 1 and 0 for what holds or not.
///
/// The vocabulary is fixed; docs/rules.md has it, and a test holds the two together.
public struct Fact: Sendable {
    /// Lower-case words with dots.
    public let name: String
    /// For the documentation: what it says.
    public let summary: String
    let read: @Sendable (FactReader) -> Double

    init(_ name: String, _ summary: String, _ read: @escaping @Sendable (FactReader) -> Double) {
        self.name = name
        self.summary = summary
        self.read = read
    }

    /// A fact that holds or does not.
    init(_ name: String, _ summary: String, if holds: @escaping @Sendable (FactReader) -> Bool) {
        self.init(name, summary) { holds($0) ? 1 : 0 }
    }

    /// A fact that counts.
    init(_ name: String, _ summary: String, count: @escaping @Sendable (FactReader) -> Int) {
        self.init(name, summary) { Double(count($0)) }
    }

    /// All that there are, group by group.
    public static let all: [Fact] =
        header + subject + people + text + html + uri + attachment + mime + session + authentication

    static let byName: [String: Fact] = Dictionary(all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })

    public static func isKnown(_ name: String) -> Bool { byName[name] != nil }
}
