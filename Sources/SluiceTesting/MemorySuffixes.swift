import MailTypes
import Pipeline

/// A few public suffixes for tests that need no list; every top-level name is one, as in the real list.
struct MemorySuffixes: Sendable {
    static let names: Set = ["co.uk", "hosting.example"]

    static func suffix(of domain: String) -> String? {
        let labels = domain.asciiLowercased.split(separator: ".", omittingEmptySubsequences: false)
        guard !labels.contains("") else { return nil }
        let ends = labels.indices.map { labels[$0...].joined(separator: ".") }
        return ends.first { names.contains($0) } ?? ends.last
    }

    /// What a world without tables knows: ASCII, and one word of German.
    static func ascii(_ domain: String) -> String? {
        let ascii = domain.replacing("bücher", with: "xn--bcher-kva").asciiLowercased
        return ascii.utf8.allSatisfy { $0 < 0x80 } ? ascii : nil
    }
}
