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
        var matches = [PatternHit?](repeating: nil, count: patterns.count)
        for hit in hits where patterns.indices.contains(hit.pattern) && hit.count >= patterns[hit.pattern].atLeast {
            matches[hit.pattern] = hit
        }
        var holds = [Bool](repeating: false, count: rules.count)
        var facts = FactReader(evidence)
        for place in order {
            switch rules[place].test {
            case .pattern: holds[place] = patternPlaces[place].map { matches[$0] != nil } ?? false
            case .condition(let expression):
                holds[place] = expression.holds { term in
                    value(of: term, holds, &facts)
                }
            }
        }
        return rules.indices.filter { holds[$0] }.map { place in
            RuleHit(
                rule: rules[place], points: rules[place].points, match: patternPlaces[place].flatMap { matches[$0] })
        }
    }

    private func value(of term: Expression.Term, _ holds: [Bool], _ facts: inout FactReader) -> Double {
        func holding(_ name: String) -> Bool { places[name].map { holds[$0] } ?? false }
        switch term {
        case .rule(let name): return holding(name) ? 1 : 0
        case .count(let names): return Double(names.count { holding($0) })
        case .fact(let name): return facts.value(of: name)
        case .field(let name):
            return Double(facts.evidence.message.header.fields.count { $0.isNamed(name) })
        case .symbol(let name): return facts.evidence.symbols.contains(name) ? 1 : 0
        }
    }
}
