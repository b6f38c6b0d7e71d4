import MailTypes
import Scoring
import Testing

@Suite struct LessonTrainerTests {
    private func model(_ lessons: [LessonTrainer.Lesson]) throws -> LessonModel {
        let weights = LessonTrainer().weights(of: lessons)
        return try #require(
            LessonModel(Bytes(LessonModel.encoded(scope: "global", spam: 1, ham: 1, change: 1, tokens: weights))))
    }

    /// Tokens 2 and 4 tell the class, 100 is in all, the others in one each.
    static let lessons = (0..<40).map { number -> LessonTrainer.Lesson in
        let isSpam = number % 2 == 0
        let tokens: [UInt64] = [isSpam ? 2 : 4, 100, 1_000 + UInt64(number) * 2]
        return LessonTrainer.Lesson(tokens: tokens, isSpam: isSpam)
    }

    @Test func `what tells the classes apart has weight, what all have has none`() throws {
        let model = try model(Self.lessons)
        let weights = Dictionary(uniqueKeysWithValues: model.known([2, 4, 100]).map { ($0.hash, $0.weight) })
        #expect(try #require(weights[2]) > 0.4 && #require(weights[4]) < -0.4)
        #expect(abs(try #require(weights[100])) < 0.1)
        #expect(model.known([2]).first.map { [$0.spam, $0.ham] } == [20, 0])
        #expect(model.margin(of: [2, 100]).sum > 0.5 && model.margin(of: [4, 100]).sum < -0.5)
    }

    @Test func `tokens that always come together share one weight`() throws {
        // As newsletters have it: ten tokens that are one, against one that is worth as much.
        let many: [UInt64] = (0..<10).map { 10_000 + $0 * 2 }
        let lessons = (0..<60).map { number -> LessonTrainer.Lesson in
            switch number % 3 {
            case 0: LessonTrainer.Lesson(tokens: many + [100], isSpam: false)
            case 1: LessonTrainer.Lesson(tokens: [2, 100], isSpam: true)
            default: LessonTrainer.Lesson(tokens: [4, 100], isSpam: false)
            }
        }
        let model = try model(lessons)
        let known = model.known(many + [2])
        #expect(abs(known[0].weight) < known[known.count - 1].weight / 2)
    }

    @Test func `what was taught once is left out when there are many lessons`() throws {
        let many = (0..<150).map { number -> LessonTrainer.Lesson in
            let tokens: [UInt64] = [number % 2 == 0 ? 2 : 4, 1_000 + UInt64(number) * 2]
            return LessonTrainer.Lesson(tokens: tokens, isSpam: number % 2 == 0)
        }
        #expect(try model(many).known([1_000, 1_002]).isEmpty)
        #expect(try model(Array(many.prefix(50))).known([1_000, 1_002]).count == 2)
    }

    @Test func `what wider scopes have right is not learnt again`() throws {
        let right = Self.lessons.map { lesson in
            LessonTrainer.Lesson(tokens: lesson.tokens, isSpam: lesson.isSpam, offset: lesson.isSpam ? 2 : -2)
        }
        #expect(try model(right).known([2, 4, 100]).allSatisfy { $0.weight == 0 })
    }

    @Test func `anchors hold what is right, and are not counted`() throws {
        let anchors = (0..<40).map { _ in
            LessonTrainer.Lesson(tokens: [4, 100], isSpam: false, offset: -1.2, isAnchor: true)
        }
        let own = LessonTrainer.Lesson(tokens: [4, 100, 200], isSpam: true, offset: -1.2)
        let held = try model([own] + anchors)
        #expect(-1.2 + held.margin(of: [4, 100]).sum < -0.8)
        #expect(-1.2 + held.margin(of: [4, 100, 200]).sum > 0.5)
        #expect(held.known([4]).first?.ham == 0)
    }

    @Test func `no lessons, and lessons without tokens, teach nothing`() {
        #expect(LessonTrainer().weights(of: []).isEmpty)
        #expect(LessonTrainer().weights(of: [.init(tokens: [], isSpam: true)]).isEmpty)
    }
}
