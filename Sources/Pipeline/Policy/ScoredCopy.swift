public import MailTypes

/// A message that was judged by its score, for one recipient.
public struct ScoredCopy: Sendable, Hashable {
    public var recipient: EmailAddress
    /// Whose thresholds held.
    public var scope: PolicyScope
    public var score: Double
    /// The score was set aside, whatever it was.
    public var isExempt: Bool
    /// What an attempt to send it again has in common with the first; `nil` where nobody can tell.
    public var identity: String?

    public init(
        for recipient: EmailAddress, scope: PolicyScope, score: Double, isExempt: Bool = false, identity: String? = nil
    ) {
        self.recipient = recipient
        self.scope = scope
        self.score = score
        self.isExempt = isExempt
        self.identity = identity
    }
}

extension Trace {
    /// What was judged by its score, for each recipient. Mail of own users is not among it.
    public var scoredCopies: [ScoredCopy] {
        // In shadow, too: it is before a stage is let loose that somebody wants to know.
        guard steps.contains(where: { $0.phase == .message && $0.finding?.writtenScore != nil }) else { return [] }
        let judged = steps.filter { $0.phase == .message && $0.finding != nil }
        var exempt: Set<String> = []
        for step in judged where step.isApplied && step.finding?.isExempting == true {
            exempt.formUnion(step.recipients)
        }
        var scores: [String: Double] = [:]
        for step in judged {
            guard let score = step.finding?.writtenScore else { continue }
            for name in step.recipients { scores[name] = score }
        }
        return recipients.compactMap { recipient in
            let name = recipient.address.description
            guard let score = scores[name] else { return nil }
            let identity = summary["message-id"].map { id in
                "\(id) \(envelope?.sender?.key ?? "") \(recipient.address.key)"
            }
            return ScoredCopy(
                for: recipient.address, scope: recipient.policyScope, score: score, isExempt: exempt.contains(name),
                identity: identity)
        }
    }
}

extension Finding {
    fileprivate var isExempting: Bool { edits.contains { if case .exempt = $0 { true } else { false } } }

    /// The score that the message carries.
    fileprivate var writtenScore: Double? {
        edits.lazy.compactMap { edit -> Double? in
            guard case .prependField("X-Spam-Score", let value) = edit else { return nil }
            return Double(value)
        }.first
    }
}
