import Scoring

/// The search for where matches begin: each pattern that has matched, alone, in the one text in which it has.
///
/// To have the compiler tell that of all patterns takes it four times as long, so only those are asked that somebody
/// wants to be shown.
struct MatchSearch {
    let image: PatternImage
    /// To be searched one after the other.
    let texts: [PatternTexts]
    private let hits: [PatternHit]

    /// `nil`: there is nothing to search for.
    init?(_ hits: [PatternHit], of rules: RuleSet, in texts: PatternTexts) throws(PatternFailure) {
        let parts = texts.texts ?? []
        guard !hits.isEmpty else { return nil }
        guard hits.allSatisfy({ rules.patterns.indices.contains($0.pattern) && parts.indices.contains($0.text) }) else {
            throw PatternFailure("these are no hits of these texts")
        }
        do { image = try PatternImage(locating: hits.map { rules.patterns[$0.pattern] }) } catch {
            throw PatternFailure("the patterns cannot be compiled: \(error)")
        }
        self.texts = hits.enumerated().map { number, hit in
            var own = PatternTexts()
            own.append(Array(texts.octets[parts[hit.text].range]), view: number)
            return own
        }
        self.hits = hits
    }

    /// The hits with what was found; where that is nothing, a hit stays as it is.
    func located(by found: [PatternHit]) -> [PatternHit] {
        var located = hits
        for hit in found where located.indices.contains(hit.pattern) { located[hit.pattern].range = hit.range }
        return located
    }
}
