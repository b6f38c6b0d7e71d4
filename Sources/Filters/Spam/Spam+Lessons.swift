import MailTypes
public import Pipeline
import Scoring

extension Spam {
    /// The narrowest scope around a recipient's mailbox that has lessons of its own.
    func taught(_ recipient: Recipient, _ services: Services) async throws(StageFailure) -> LessonScope {
        guard policy.lessons else { return .global }
        let boxes = recipient.destinations.compactMap { if case .mailbox(let box) = $0.route { box } else { nil } }
        // Mail for nobody here is judged by everybody's lessons.
        guard !boxes.isEmpty else { return .global }
        let own: [LessonScope] = boxes.count == 1 ? [.mailbox(boxes[0].key)] : []
        return try await services.lessonScopes(among: [.domain(recipient.policyDomain)] + own).last ?? .global
    }

    /// What lessons make of a message; `nil` if not enough was taught.
    func opinion(
        _ evidence: Evidence, _ scope: LessonScope, _ services: Services
    ) async throws(StageFailure) -> Symbol? {
        guard policy.lessons else { return nil }
        // Where nothing was taught, a message need not be taken apart.
        guard !(try await services.lessonScopes(among: scope.chain)).isEmpty else { return nil }
        let tokens = MessageTokens(of: evidence.message, evidence.content).hashes
        return Symbol(try await services.lessons(tokens, scopes: scope.chain))
    }
}

extension Symbol {
    /// `nil`: not enough was taught.
    public init?(_ answer: LessonAnswer) {
        guard let margin = answer.margin else { return nil }
        let opinion = LessonOpinion(margin: margin)
        let likeness = margin >= 0 ? "Like what was taught as spam" : "Like what was taught as good mail"
        let percent = Int(saturating: (opinion.probability * 100).rounded())
        self.init(
            opinion.name, points: opinion.points,
            description:
                "\(likeness): spam with a probability of \(percent) % (\(answer.spam) and \(answer.ham) lessons)")
    }
}
