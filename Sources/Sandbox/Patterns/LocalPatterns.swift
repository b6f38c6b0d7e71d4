import Foundation
public import Scoring

/// Patterns in this process, without a sandbox: for programs that measure, and for tests.
public final class LocalPatterns: PatternMatcher, @unchecked Sendable {
    // Used under `lock` only.
    private let scanner: PatternScanner
    private let lock = NSLock()

    public init(_ image: PatternImage) throws(PatternFailure) {
        guard let scanner = PatternScanner(image.shared.octets) else {
            throw PatternFailure("there is not enough memory for the patterns")
        }
        self.scanner = scanner
    }

    public func match(_ texts: PatternTexts) throws(PatternFailure) -> [PatternHit] {
        lock.lock()
        defer { lock.unlock() }
        guard let hits = scanner.match(texts) else { throw PatternFailure("the texts could not be searched") }
        return hits
    }

    /// The same hits with the beginnings of their matches.
    public static func located(
        _ hits: [PatternHit], of rules: RuleSet, in texts: PatternTexts
    ) throws(PatternFailure) -> [PatternHit] {
        guard let search = try MatchSearch(hits, of: rules, in: texts) else { return hits }
        let patterns = try LocalPatterns(search.image)
        var found: [PatternHit] = []
        for text in search.texts { found += try patterns.match(text) }
        return search.located(by: found)
    }
}
