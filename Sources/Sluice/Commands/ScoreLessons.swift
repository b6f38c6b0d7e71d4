import Configuration
import Directory
import Filters
import Foundation
import MailTypes
import Pipeline
import Scoring

/// What lessons say of a message, for `sluice score`.
struct ScoreLessons {
    private let store: LessonStore
    private let mailbox: LessonScope?
    /// Tokens that are told of.
    private static let mostTold = 12

    /// `nil`: nothing was taught here.
    init?(_ settings: ServerConfiguration, mailbox: String?) throws {
        let address = try mailbox.map { try EmailAddress(typed: $0) }
        guard FileManager.default.fileExists(atPath: DataFolder(settings).lessons) else { return nil }
        let data = try DataFolder(settings).entered()
        store = try told { try Stores.lessons(in: data) }
        self.mailbox = address.map { .mailbox($0.key) }
    }

    /// As a rule is told, with the most telling tokens; `nil`: not enough was taught.
    func found(_ evidence: Evidence, domain: String?) async throws -> ScoreReport.Found? {
        let tokens = MessageTokens(of: evidence.message, evidence.content, isSpelled: true)
        let scope = mailbox ?? domain.map { .domain($0.asciiLowercased) } ?? .global
        let answer: LessonAnswer
        do throws(StageFailure) {
            answer = try await store.answer(LessonQuestion(tokens.hashes, scopes: scope.chain))
        } catch {
            throw CommandFailure.again("What was taught cannot be asked: \(error.reason).")
        }
        guard let symbol = Symbol(answer) else { return nil }
        let telling = answer.tokens.prefix(Self.mostTold).map { token in
            let share = String(format: "%+.2f", Double(token.thousandths) / 1_000)
            return "\(tokens.spellings[token.hash] ?? "?") \(share) (\(token.spam):\(token.ham))"
        }
        return ScoreReport.Found(
            rule: symbol.name, points: symbol.points, description: symbol.description, place: "lessons",
            matched: telling.joined(separator: ", "), view: "most telling")
    }
}
