import MailTypes
import Scoring
import Testing

@Suite struct LessonTrainerTests {
    private func model(_ lessons: [LessonTrainer.Lesson]) throws -> LessonModel {
        let weights = LessonTrainer().weights(of: lessons)
        let own = lessons.filter { !$0.isAnchor }
        let spam = own.count(where: \.isSpam)
        let octets = LessonModel.encoded(
            scope: "global", spam: spam, ham: own.count - spam, change: 1, tokens: weights)
        return try #require(LessonModel(Bytes(octets)))
    }

    /// Tokens 8 and 4 tell the class, 100 is in all, the others in one each. All are of one kind.
    static let lessons = (0..<40).map { number -> LessonTrainer.Lesson in
        let isSpam = number % 2 == 0
        let tokens: [UInt64] = [isSpam ? 8 : 4, 100, 1_000 + UInt64(number) * 4]
        return LessonTrainer.Lesson(tokens: tokens, isSpam: isSpam)
    }

    @Test func `what tells the classes apart has weight, what all have has none`() throws {
        let model = try model(Self.lessons)
        let weights = Dictionary(uniqueKeysWithValues: model.known([8, 4, 100]).map { ($0.hash, $0.weight) })
        #expect(try #require(weights[8]) > 0.4 && #require(weights[4]) < -0.4)
        #expect(abs(try #require(weights[100])) < 0.1)
        #expect(model.known([8]).first.map { [$0.spam, $0.ham] } == [20, 0])
        #expect(model.margin(of: [8, 100]).sum > 0.5 && model.margin(of: [4, 100]).sum < -0.5)
    }

    @Test func `tokens that always come together share one weight`() throws {
        // As newsletters have it: ten tokens that are one, against one that is worth as much.
        let many: [UInt64] = (0..<10).map { 10_000 + $0 * 4 }
        let lessons = (0..<60).map { number -> LessonTrainer.Lesson in
            switch number % 3 {
            case 0: LessonTrainer.Lesson(tokens: many + [100], isSpam: false)
            case 1: LessonTrainer.Lesson(tokens: [8, 100], isSpam: true)
            default: LessonTrainer.Lesson(tokens: [4, 100], isSpam: false)
            }
        }
        let model = try model(lessons)
        let known = model.known(many + [8])
        #expect(abs(known[0].weight) < known[known.count - 1].weight / 2)
    }

    @Test func `what was taught once is left out when there are many lessons`() throws {
        let many = (0..<150).map { number -> LessonTrainer.Lesson in
            let tokens: [UInt64] = [number % 2 == 0 ? 8 : 4, 1_000 + UInt64(number) * 4]
            return LessonTrainer.Lesson(tokens: tokens, isSpam: number % 2 == 0)
        }
        #expect(try model(many).known([1_000, 1_004]).isEmpty)
        #expect(try model(Array(many.prefix(50))).known([1_000, 1_004]).count == 2)
    }

    @Test func `what wider scopes have right is not learnt again`() throws {
        let right = Self.lessons.map { lesson in
            LessonTrainer.Lesson(tokens: lesson.tokens, isSpam: lesson.isSpam, offset: lesson.isSpam ? 2 : -2)
        }
        #expect(try model(right).known([8, 4, 100]).allSatisfy { $0.weight == 0 })
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

    @Test func `what the texts say and how messages are made count the same, however long the texts are`() throws {
        // Kinds by the last two bits: 0 is form, 2 a word. Texts are of hundreds of words, half of them of any class.
        func lesson(_ number: Int, isSpam: Bool) -> LessonTrainer.Lesson {
            let words = (0..<300).map { UInt64(40_000 + (($0 * 7 + number * 13) % 900) * 4 + 2) }
            return LessonTrainer.Lesson(tokens: [isSpam ? 8 : 4] + words, isSpam: isSpam)
        }
        let model = try model((0..<60).map { lesson($0, isSpam: $0 % 2 == 0) })
        let unseen = lesson(1_001, isSpam: true).tokens
        let shares = model.margin(of: unseen).shares.filter { $0.token.hash == 8 }
        #expect(try #require(shares.first).share > 0.4)
        #expect(model.margin(of: unseen).sum > 0.3)
    }

    @Test func `a rare token counts more than a frequent one that says as much`() throws {
        let lessons = (0..<200).map { number -> LessonTrainer.Lesson in
            let isSpam = number % 2 == 0
            return LessonTrainer.Lesson(tokens: [isSpam ? 8 : 4] + (number % 20 == 0 ? [12] : []), isSpam: isSpam)
        }
        let weights = Dictionary(uniqueKeysWithValues: try model(lessons).known([8, 12]).map { ($0.hash, $0.weight) })
        // Of ten lessons in which both are, and of ninety with one: for each lesson the rare one has gained more.
        #expect(try #require(weights[12]) / 10 > #require(weights[8]) / 100)
    }

    @Test func `no lessons, and lessons without tokens, teach nothing`() {
        #expect(LessonTrainer().weights(of: []).isEmpty)
        #expect(LessonTrainer().weights(of: [.init(tokens: [], isSpam: true)]).isEmpty)
    }
}
