import MailTypes

/// A rule that holds for a message.
public struct RuleHit: Sendable, Hashable {
    public var rule: Rule
    /// As they are for the domain that was asked for.
    public var points: Double
    /// Where its pattern matches first, if it has one.
    public var match: PatternHit?
}

extension RuleSet {
    /// The texts that the patterns are to be held against.
    public func texts(of evidence: Evidence) -> PatternTexts {
        var reader = TextReader(evidence)
        for (place, view) in views.enumerated() { reader.read(view, place) }
        return reader.texts
    }

    /// The rules that hold and have points, in the order in which they are written.
    ///
    /// - Parameter hits: What a ``PatternMatcher`` has found in ``texts(of:)`` of the same evidence.
    public func evaluate(_ evidence: Evidence, hits: [PatternHit], domain: String? = nil) -> [RuleHit] {
        holding(evidence, hits: hits).compactMap { hit in
            let points = points(of: hit.rule, domain: domain)
            return points == 0 ? nil : RuleHit(rule: hit.rule, points: points, match: hit.match)
        }
    }

    /// All rules that hold, also those upon which only others build.
    public func holding(_ evidence: Evidence, hits: [PatternHit]) -> [RuleHit] {
        var matches = [Bool](repeating: false, count: patterns.count)
        var places = [Int](repeating: 0, count: patterns.count)
        for (place, hit) in hits.enumerated()
        where patterns.indices.contains(hit.pattern) && hit.count >= patterns[hit.pattern].atLeast {
            (matches[hit.pattern], places[hit.pattern]) = (true, place)
        }
        let holds = program.run(matches: matches, FactReader(evidence))
        return rules.indices.filter { holds[$0] }.map { place in
            RuleHit(
                rule: rules[place], points: rules[place].points,
                match: patternPlaces[place].map { hits[places[$0]] })
        }
    }
}
