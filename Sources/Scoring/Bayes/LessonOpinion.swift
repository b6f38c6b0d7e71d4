import Foundation

/// What lessons make of a message, in points.
///
/// | margin | symbol | points |
/// |---|---|---|
/// | from 0.5 | `BAYES_SPAM_99` | 8.1 to 8.5 |
/// | 0.3 to 0.5 | `BAYES_SPAM_95` | 8 to 8.1 |
/// | 0.1 to 0.3 | `BAYES_SPAM_80` | 3 to 8 |
/// | -0.15 to 0.1 | `BAYES_UNSURE` | -3.5 to 3 |
/// | -0.3 to -0.15 | `BAYES_HAM_80` | -6 to -3.5 |
/// | -0.5 to -0.3 | `BAYES_HAM_95` | -7 to -6 |
/// | below | `BAYES_HAM_99` | -8.5 to -7 |
///
/// Good mail that is like what was taught weighs as much as any rules: rules know what spam says, lessons know what
/// these people write to each other, and newsletters that somebody wants say what spam says.
public struct LessonOpinion: Sendable, Hashable {
    public let name: String
    public let points: Double
    /// How likely the message is spam, from 0 to 1, where one message of five is.
    public let probability: Double

    /// Margins and the points there; between two of them points grow evenly.
    private static let knots: [(margin: Double, points: Double)] = [
        (-1, -8.5), (-0.5, -7), (-0.3, -6), (-0.15, -3.5), (0, 0), (0.1, 3), (0.3, 8), (1, 8.5),
    ]
    private static let bands: [(from: Double, name: String)] = [
        (0.5, "BAYES_SPAM_99"), (0.3, "BAYES_SPAM_95"), (0.1, "BAYES_SPAM_80"), (-0.15, "BAYES_UNSURE"),
        (-0.3, "BAYES_HAM_80"), (-0.5, "BAYES_HAM_95"),
    ]
    /// How certainty grows with the margin: a logistic curve, fitted on labelled mail.
    private static let curve = (steepness: 7.9, offset: 0.3)

    public init(margin: Double) {
        name = Self.bands.first { margin >= $0.from }?.name ?? "BAYES_HAM_99"
        probability = 1 / (1 + exp(-Self.curve.steepness * margin - Self.curve.offset))
        points = (Self.points(at: margin) * 10).rounded() / 10
    }

    private static func points(at margin: Double) -> Double {
        guard let next = knots.firstIndex(where: { margin < $0.margin }) else { return knots[knots.count - 1].points }
        guard next > 0 else { return knots[0].points }
        let (low, high) = (knots[next - 1], knots[next])
        return low.points + (high.points - low.points) * (margin - low.margin) / (high.margin - low.margin)
    }
}
