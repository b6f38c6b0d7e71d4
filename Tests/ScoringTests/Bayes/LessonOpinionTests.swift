import Scoring
import Testing

@Suite struct LessonOpinionTests {
    @Test(arguments: [
        (2.0, "BAYES_SPAM_99"), (0.5, "BAYES_SPAM_99"), (0.4, "BAYES_SPAM_95"), (0.12, "BAYES_SPAM_80"),
        (0.0, "BAYES_UNSURE"), (-0.2, "BAYES_HAM_80"), (-0.4, "BAYES_HAM_95"), (-3.0, "BAYES_HAM_99"),
    ])
    func `a margin has a name`(_ margin: Double, _ name: String) {
        #expect(LessonOpinion(margin: margin).name == name)
    }

    @Test func `points and probability grow with the margin, and have ends`() {
        let opinions = stride(from: -3.0, through: 3, by: 0.01).map(LessonOpinion.init)
        #expect(zip(opinions, opinions.dropFirst()).allSatisfy { $0.points <= $1.points })
        #expect(zip(opinions, opinions.dropFirst()).allSatisfy { $0.probability < $1.probability })
        #expect(opinions.allSatisfy { (-8.5...8.5).contains($0.points) && (0...1).contains($0.probability) })
    }
}
