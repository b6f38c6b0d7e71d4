/// Finds the word that was probably meant.
public enum NearestWord {
    /// The word nearest to `word`, if one is near enough to be a misspelling of it.
    public static func to(_ word: String, in vocabulary: some Sequence<String>) -> String? {
        let letters = Array(word.lowercased().unicodeScalars.prefix(longest))
        let allowed = max(1, letters.count / 3)
        var best: (word: String, distance: Int)?
        for candidate in vocabulary {
            let other = Array(candidate.lowercased().unicodeScalars)
            guard candidate != word else { continue }
            // "warn" is "warning", though three letters are missing.
            let isBeginning = letters.count >= leastBeginning && other.starts(with: letters)
            guard isBeginning || abs(other.count - letters.count) <= allowed else { continue }
            let distance = isBeginning ? min(allowed, other.count - letters.count) : distance(letters, other)
            guard distance <= allowed, distance < other.count else { continue }
            if let best, (best.distance, best.word) <= (distance, candidate) { continue }
            best = (candidate, distance)
        }
        return best?.word
    }

    private static let leastBeginning = 3
    /// Longer words are nobody's misspelling; the table below grows with the square.
    private static let longest = 64

    /// Letters to insert, take away, replace or swap with their neighbour (optimal string alignment).
    static func distance<Letter: Equatable>(_ left: [Letter], _ right: [Letter]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for row in left.indices {
            var current = [row + 1]
            for column in right.indices {
                let isSame = left[row] == right[column]
                var cost = min(last[column + 1] + 1, current[column] + 1, last[column] + (isSame ? 0 : 1))
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current.append(cost)
            }
            (beforeLast, last) = (last, current)
        }
        return last[right.count]
    }
}
