public import MailTypes
public import Pipeline
import struct Foundation.Date

/// What follows from the score: nothing, a delay, the Junk folder, or a refusal.
///
/// The thresholds are the recipient's own where the directory has any for the mailbox or its domain, else the file's
/// for the domain, else the directory's for everybody, else the file's. What is scored carries its score, and nobody
/// else's word about it.
public struct ScoreVerdict: RecipientStage, MessageStage {
    public static let name: StageName = "thresholds"
    public static let effects: Effects = [
        .rejects, .tempfails, .disposes, .editsHeader, .readsScore, .distinguishesRecipients,
    ]

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    /// The thresholds of its file.
    public var thresholds: Thresholds { policy.thresholds }

    // MARK: Recipients

    /// Names the thresholds where they are not the file's: who has others must come with a message of its own, and who
    /// has the same need not, whoever set them.
    public func recipient(_ recipient: Recipient, in transaction: Transaction) async throws(StageFailure) -> Finding {
        guard policy.ownUsers == .judge || !transaction.isOwnUsers else { return .none }
        let (values, _) = try await thresholds(for: recipient.policyScope, transaction)
        return values == policy.thresholds ? .none : Finding(edits: [.policy(values.description)])
    }

    // MARK: Message

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let forged = message.header.fields.indices.filter { message.header.fields[$0].isAboutSpam }
        let taken: [Edit] = forged.isEmpty ? [] : [.removeFields(at: forged)]
        if transaction.isOwnUsers, policy.ownUsers != .judge {
            let force = try await thresholdsOfEverybody(transaction)
            var finding = policy.finding(onOwn: transaction.score, by: force.values)
            finding.edits += taken
            finding.origins = force.origins
            return finding
        }
        let force = try await thresholds(in: transaction)
        let score = transaction.score
        var judgement = ScoreJudgement(score, force.values.band(of: score), by: force)
        judgement.exemption = transaction.exemption
        if judgement.band == .defer, judgement.exemption == nil {
            judgement.waited = try await wait(of: message, in: transaction)
        }
        if judgement.isOtherwise { try await note(transaction.exemption, transaction) }
        return finding(on: judgement, taken, transaction)
    }

    /// Those that hold in a scope now, and where they stand.
    private func thresholds(
        for scope: PolicyScope, _ transaction: Transaction
    ) async throws(StageFailure) -> (values: Thresholds, source: ThresholdsInForce.Source) {
        let found = try await transaction.services.thresholds(for: scope)
        // The file's word for a domain is nearer than the directory's for everybody.
        let isFileNearer = !transaction.ownOptions.isDisjoint(with: Configuration.thresholdKeys)
        if let found, !(found.scope == .global && isFileNearer) { return (found.values, .directory(found)) }
        return (policy.thresholds, .file(isDomains: isFileNearer))
    }

    /// Those that hold for all recipients of this message: what was named at RCPT, for that was compared. Where they
    /// stand is looked up, for people.
    private func thresholds(in transaction: Transaction) async throws(StageFailure) -> ThresholdsInForce {
        let named = transaction.policy.map(Thresholds.init(text:))
        var force = ThresholdsInForce(values: (named ?? policy.thresholds) ?? policy.thresholds, sources: [])
        var scopes: Set<PolicyScope> = []
        for recipient in transaction.recipients {
            guard scopes.count < Self.mostSources else { break }
            guard scopes.insert(recipient.policyScope).inserted else { continue }
            let (values, source) = try await thresholds(for: recipient.policyScope, transaction)
            if values == force.values, !force.sources.contains(source) { force.sources.append(source) }
        }
        return force
    }

    /// Scopes of one message whose thresholds are told; of more, those of the first.
    private static let mostSources = 3

    /// Those for mail of own users, which is judged alike whoever gets it.
    private func thresholdsOfEverybody(_ transaction: Transaction) async throws(StageFailure) -> ThresholdsInForce {
        let (values, source) = try await thresholds(for: .global, transaction)
        return ThresholdsInForce(values: values, sources: [source])
    }

    private func finding(on judgement: ScoreJudgement, _ taken: [Edit], _ transaction: Transaction) -> Finding {
        var finding = Finding(decidedBy: judgement.decidedBy, note: judgement.note)
        finding.origins = judgement.force.origins
        let isFiled = judgement.outcome >= .junk
        let isJunk = isFiled || transaction.recipients.allSatisfy { $0.disposition == .junk }
        // The last one comes to stand at the top.
        let status = SpamStatus(judgement, isJunk: isJunk, symbols: transaction.symbols)
        finding.edits =
            taken + [
                .prependField(name: "X-Spam-Status", value: status.value),
                .prependField(name: "X-Spam-Score", value: "\(judgement.score)"),
            ]
        if isJunk { finding.edits.append(.prependField(name: "X-Spam", value: "Yes")) }
        switch judgement.outcome {
        case .deliver: break
        case .defer:
            let rest = policy.rest(after: judgement.waited)
            finding.verdict = .tempfail(
                Reply(451, .deliveryNotAuthorized, "Please send this message again in \(rest) seconds"))
            finding.decidedBy.append("delay")
        case .junk:
            for recipient in transaction.recipients where recipient.disposition == .deliver {
                finding.edits.append(.disposition(recipient.address, .junk))
            }
        case .reject: finding.verdict = .reject(Self.refusal)
        }
        return finding
    }

    /// What has followed from a score, if one was judged.
    public static func consequence(in finding: Finding) -> Thresholds.Band? {
        switch finding.verdict {
        case .tempfail: return .defer
        case .reject: return .reject
        default: break
        }
        let isJudged = finding.edits.contains { if case .prependField("X-Spam-Score", _) = $0 { true } else { false } }
        guard isJudged else { return nil }
        return finding.effects.contains(.disposes) ? .junk : .deliver
    }

    static let refusal = Reply(550, .deliveryNotAuthorized, "This message looks like spam")

    // MARK: Memory

    /// How long this very message has been waited for, by the recipient who has waited least; `nil`: it has waited
    /// long enough.
    private func wait(of message: Message, in transaction: Transaction) async throws(StageFailure)
        -> ScoreJudgement.Wait
    {
        let now = try await transaction.services.now()
        let identity = MessageIdentity(message, sender: transaction.sender, in: transaction.id)
        // Nobody waits for a message that nobody gets, and nothing would be remembered of it.
        guard !transaction.recipients.isEmpty else { return .over(0) }
        var shortest = Double.infinity
        for recipient in transaction.recipients.prefix(Self.mostAsked) {
            if try await Patience.isProven(recipient.address, in: transaction, at: now) {
                shortest = min(shortest, policy.delay.seconds)
                continue
            }
            let visits = try await transaction.services.visits(
                .visit(
                    table: Table.deferred, key: "\(identity.key) <\(recipient.address.key)>", at: now,
                    lifetime: policy.window))
            shortest = min(shortest, visits.map { max(0, now.timeIntervalSince($0.first)) } ?? 0)
        }
        return shortest >= policy.delay.seconds ? .over(shortest) : .waiting(shortest)
    }

    /// The first of many speak for the rest, who come back with them.
    private static let mostAsked = 50

    /// Writes down that an entry of a list has changed an outcome.
    private func note(_ exemption: Exemption?, _ transaction: Transaction) async throws(StageFailure) {
        guard let entry = exemption?.entry else { return }
        try await transaction.services.noteUse(ofListEntry: entry)
    }

    enum Table {
        /// Messages that were deferred and may come back.
        static let deferred = "thresholds.deferred"
    }
}

extension Transaction {
    /// Whether it is mail of somebody who has logged in, or of this server itself.
    fileprivate var isOwnUsers: Bool { session.user != nil || session.language == .internal }
}

extension HeaderField {
    /// `X-Spam`, `X-Spam-Flag`, `X-Spamd-Result`, …: only this server says that here.
    fileprivate var isAboutSpam: Bool { nameBytes.count >= 6 && nameBytes.prefix(6).equalsIgnoringCase("X-Spam") }
}

// The whole policy, apart from clocks, directories and memories.
extension ScoreVerdict.Configuration {
    /// What becomes of mail of own users, which nobody defers or files as junk.
    func finding(onOwn score: Double, by thresholds: Thresholds) -> Finding {
        var finding = Finding(decidedBy: ["own_users"])
        guard ownUsers == .reject, thresholds.band(of: score) == .reject else { return finding }
        finding.verdict = .reject(ScoreVerdict.refusal)
        finding.decidedBy.append("reject")
        finding.note = "score \(score) of a user of this server's own"
        return finding
    }

    /// Whole seconds that are still to be waited, rounded up.
    func rest(after wait: ScoreJudgement.Wait?) -> Int {
        guard case .waiting(let waited)? = wait else { return Int(saturating: delay.seconds.rounded(.up)) }
        return Int(saturating: max(1, min(delay.seconds, delay.seconds - waited)).rounded(.up))
    }
}
