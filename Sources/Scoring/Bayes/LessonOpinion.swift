import Foundation

/// What lessons make of a message, in points.
///
/// | margin | symbol | points |
/// |---|---|---|
/// | from 1 | `BAYES_SPAM_99` | 8 |
/// | 0.3 … 1 | `BAYES_SPAM_95` | 6 to 8 |
/// | 0.1 … 0.3 | `BAYES_SPAM_80` | 3 to 6 |
/// | -0.1 … 0.1 | `BAYES_UNSURE` | 1 to 3 |
/// | -0.4 … -0.1 | `BAYES_HAM_80` | -1 to 1 |
/// | -0.8 … -0.4 | `BAYES_HAM_95` | -3 to -1 |
/// | below | `BAYES_HAM_99` | -3 to -4 |
public struct LessonOpinion: Sendable, Hashable {
    public let name: String
    public let points: Double
    /// How likely the message is spam, from 0 to 1.
    public let probability: Double

    /// Margins and the points there; between two of them points grow evenly.
    private static let knots: [(margin: Double, points: Double)] = [
        (-1.2, -4), (-0.8, -3), (-0.4, -1), (-0.1, 1), (0.1, 3), (0.3, 6), (1, 8),
    ]
    private static let bands: [(from: Double, name: String)] = [
        (1, "BAYES_SPAM_99"), (0.3, "BAYES_SPAM_95"), (0.1, "BAYES_SPAM_80"), (-0.1, "BAYES_UNSURE"),
        (-0.4, "BAYES_HAM_80"), (-0.8, "BAYES_HAM_95"),
    ]
    /// How fast certainty grows with the margin, found on labelled mail.
    private static let steepness = 6.0

    public init(margin: Double) {
        name = Self.bands.first { margin >= $0.from }?.name ?? "BAYES_HAM_99"
        probability = 1 / (1 + exp(-Self.steepness * margin))
        points = (Self.points(at: margin) * 10).rounded() / 10
    }

    private static func points(at margin: Double) -> Double {
        guard let next = knots.firstIndex(where: { margin < $0.margin }) else { return knots[knots.count - 1].points }
        guard next > 0 else { return knots[0].points }
        let (low, high) = (knots[next - 1], knots[next])
        return low.points + (high.points - low.points) * (margin - low.margin) / (high.margin - low.margin)
    }
}
