public import MailTypes
public import Pipeline
import Scoring

import struct Foundation.Date

/// How much in a message speaks for spam: rules about its header, its text, its links, its files and its way here, and
/// what was taught.
///
/// It finds evidence only; what follows from the sum is for other stages. The message is read by `Content`, patterns
/// are found in one pass over each text, and each rule that holds becomes a symbol with its points and its meaning.
public struct Spam: MessageStage, RecipientStage, EquippedStage {
    public static let name: StageName = "spam"
    public static let effects: Effects = [.scores, .distinguishesRecipients]

    public struct Configuration: Decodable, Sendable {
        /// Larger messages are not judged.
        public var maxSize: ByteCount = "10MB"
        /// Mail of those who have logged in is judged as well.
        public var outgoing = false
        /// What was taught is judged by, too.
        public var lessons = true

        public init() {}
    }

    let policy: Configuration
    private var tools = ScoringTools.none

    public init(_ configuration: Configuration) { policy = configuration }

    public var needsWorkers: Bool { true }

    public func equipped(with tools: StageTools) throws -> Spam {
        var stage = self
        stage.tools = tools.scoring
        return stage
    }

    /// Names the domain whose own points hold, if it has some, and whose own lessons.
    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        var scope = SpamScope(domain: tools.rules.domains[recipient.policyDomain].map { _ in recipient.policyDomain })
        scope.lessons = try await taught(recipient, transaction.services)
        return scope.name.map { Finding(edits: [.policy($0)]) } ?? .none
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        if let reason = policy.obstacle(message, in: transaction) { return Finding(note: reason) }
        let evidence = await Evidence(message, in: transaction, now: try transaction.services.now())
        let hits = try await hits(evidence)
        let scope = SpamScope(named: transaction.policy)
        var finding = Finding(tools.rules.evaluate(evidence, hits: hits, domain: scope.domain))
        if let symbol = try await opinion(evidence, scope.lessons, transaction.services) {
            finding.edits.append(.score(symbol))
        }
        return finding
    }

    private func hits(_ evidence: Evidence) async throws(StageFailure) -> [PatternHit] {
        do throws(PatternFailure) {
            return try await tools.matcher.match(tools.rules.texts(of: evidence))
        } catch {
            throw StageFailure(error.reason, timedOut: error.timedOut)
        }
    }
}

extension Spam.Configuration {
    /// Why a message is not judged.
    func obstacle(_ message: Message, in transaction: Transaction) -> String? {
        if transaction.session.user != nil, !outgoing { return "who has logged in is not judged" }
        return message.size > maxSize.octets ? "larger than max_size" : nil
    }
}

extension Finding {
    /// The symbols of rules that hold.
    init(_ hits: [RuleHit]) {
        self.init(
            edits: hits.map { .score(Symbol($0.rule.name, points: $0.points, description: $0.rule.description)) })
        guard !hits.isEmpty else { return }
        let sum = hits.reduce(0) { $0 + $1.points }
        // Tenths are what people write; sums of them in binary are not.
        note = "\(hits.count == 1 ? "one rule" : "\(hits.count) rules"), \((sum * 100).rounded() / 100) points"
    }
}

extension Evidence {
    init(_ message: Message, in transaction: Transaction, now: Date) async {
        self.init(message, content: await transaction.content(of: message))
        envelope = transaction.envelope
        client.address = transaction.session.client
        client.hello = transaction.session.hello
        client.isEncrypted = transaction.session.tls != nil
        client.hasLoggedIn = transaction.session.user != nil
        authentication = transaction.authentication
        symbols = Set(transaction.symbols.map(\.name))
        self.now = now
    }
}
