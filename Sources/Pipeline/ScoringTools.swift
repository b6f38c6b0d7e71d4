public import Scoring

/// The rules that messages are scored by, and what holds their patterns against texts.
///
/// A tool and no fact: what it says depends on the message and the rules alone, so a replay asks it anew.
public struct ScoringTools: Sendable {
    public let rules: RuleSet
    public let matcher: any PatternMatcher

    public init(_ rules: RuleSet, matcher: any PatternMatcher) {
        self.rules = rules
        self.matcher = matcher
    }

    /// No rules.
    public static let none = ScoringTools(.empty, matcher: NoPatterns())

    private struct NoPatterns: PatternMatcher {
        func match(_ texts: PatternTexts) -> [PatternHit] { [] }
    }
}
