import Scoring

/// Where the matches of one search are collected. One thread uses it.
final class MatchSink {
    private let isLocating: Bool
    private var found: [PatternHit?]
    private var order: [Int] = []
    var text = 0

    init(patterns: Int, isLocating: Bool) {
        self.isLocating = isLocating
        found = Array(repeating: nil, count: patterns)
    }

    func begin() {
        for place in order { found[place] = nil }
        order = []
    }

    func take(_ pattern: Int, _ start: Int, _ end: Int) {
        guard found.indices.contains(pattern), start <= end else { return }
        guard let known = found[pattern] else {
            found[pattern] = PatternHit(pattern: pattern, count: 1, text: text, range: start..<end)
            order.append(pattern)
            return
        }
        if known.count < Pattern.mostMatches { found[pattern]?.count += 1 }
        // The same match, as long as it can be.
        if isLocating, known.text == text, known.range.lowerBound == start, end > known.range.upperBound {
            found[pattern]?.range = start..<end
        }
    }

    var hits: [PatternHit] { order.sorted().compactMap { found[$0] } }
}
