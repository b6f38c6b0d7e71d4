/// "Did you mean …?"
enum NearestName {
    /// Names longer than this are not compared.
    private static let longest = 128

    /// The candidate that is spelled most like `name`, if one is near: a third may differ, and at most three letters.
    static func among(_ candidates: some Sequence<String>, to name: String) -> String? {
        let wanted = Array(name.utf8)
        guard (1...longest).contains(wanted.count) else { return nil }
        let most = min(3, max(1, wanted.count / 3))
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let octets = Array(candidate.utf8)
            guard abs(octets.count - wanted.count) <= most, octets.count <= longest else { continue }
            let distance = distance(wanted, octets)
            if distance > 0, distance <= most, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.name
    }

    /// Insertions, removals, replacements and swaps of neighbours (optimal string alignment).
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var before: [Int] = []
        var previous = Array(0...right.count)
        for (row, letter) in left.enumerated() {
            var current = [row + 1]
            current.reserveCapacity(right.count + 1)
            for (column, other) in right.enumerated() {
                var cost = min(
                    previous[column] + (letter == other ? 0 : 1), previous[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, letter == right[column - 1], left[row - 1] == other {
                    cost = min(cost, before[column - 1] + 1)
                }
                current.append(cost)
            }
            before = previous
            previous = current
        }
        return previous[right.count]
    }
}
