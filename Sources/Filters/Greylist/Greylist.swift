public import MailTypes
public import Pipeline
import struct Foundation.Date

/// Strangers come back later. RFC 6647.
///
/// A triplet of where mail comes from, sender and recipient is refused for now until ``Configuration/delay`` has
/// passed, and then let through until it has not been seen for ``Configuration/lifetime``. Where it comes from is the
/// pool of addresses that the sender's domain permits in SPF, else the client's network; one that has proved its
/// patience often enough is no stranger any more. Whom users of this server have written to is none either. Who is on
/// an allow or block list does not wait; where only the author can tell, whom the message names, the wait is told after
/// the message.
public struct Greylist: RecipientStage, MessageStage {
    public static let name: StageName = "greylist"
    public static let effects: Effects = [.tempfails, .distinguishesRecipients]

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public var remarks: [String] {
        guard policy.minScore >= policy.maxScore else { return [] }
        return ["`min_score`: nobody has so many points and less than `max_score`, so nobody waits"]
    }

    public func remark(under words: Link.Words) -> String? {
        guard policy.correspondents.seconds > 0, words.unless.contains(.plain(.authenticated)) else { return nil }
        return "`correspondents`: \"authenticated\" stands in unless, so nobody notes whom users write to; "
            + "they never wait, whatever it says"
    }

    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        guard transaction.session.user == nil else { return .none }
        // Who is allowed is let in, who is blocked is refused: neither is made to come back.
        guard recipient.standing != .listed else { return Finding(note: Self.listed) }
        guard policy.isSuspect(transaction.score) else {
            return Finding(decidedBy: ["min_score", "max_score"], note: "\(transaction.score) points so far")
        }
        let services = transaction.services
        let now = try await services.now()
        if try await isCorrespondent(transaction, at: now) {
            return Finding(
                decidedBy: ["correspondents"], note: "a user has written to \(transaction.sender?.key ?? "")")
        }
        let triplets = triplets(recipient, transaction)
        // What is remembered is remembered of the first; what was remembered of others before counts.
        guard let own = triplets.first else { return .none }
        if let finding = try await acquaintance(triplets, own, at: now, services) { return finding }
        var attempts = try await services.visits(
            .visit(table: Table.waiting, key: own.key, at: now, lifetime: policy.window))
        for other in triplets.dropFirst() {
            let earlier = try await services.visits(.peek(table: Table.waiting, key: other.key, at: now))
            if let earlier, earlier.first < attempts?.first ?? now { attempts = earlier }
        }
        let finding = policy.finding(onStranger: attempts, at: now)
        if finding.verdict == .continue {
            try await remember(own.key, in: Table.passed, at: now, services)
            if policy.knownAfter.value > 0 {
                try await remember(own.network, in: Table.networks, at: now, services)
            }
            try await Patience.note(recipient.address, in: transaction, at: now)
        } else if recipient.standing == .open {
            return Finding(
                edits: [.policy(Self.late)], decidedBy: finding.decidedBy,
                note: "\(finding.note ?? ""); told after the message, whose author may be on a list")
        }
        return finding
    }

    static let listed = "lists have the word"

    /// What recipients have in common for whom a stranger is told to wait after the message.
    private static let late = "late"

    private func lateFinding(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        guard transaction.policy == Self.late else { return .none }
        if let exemption = transaction.exemption { return Finding(note: "does not wait: \(exemption.reason)") }
        guard !transaction.recipients.allSatisfy({ $0.disposition == .junk }) else {
            return Finding(note: "does not wait: it goes to the Junk folder")
        }
        let now = try await transaction.services.now()
        let triplet = transaction.recipients.first.flatMap { triplets($0, transaction).first }
        let attempts: Visits? =
            if let triplet {
                try await transaction.services.visits(.peek(table: Table.waiting, key: triplet.key, at: now))
            } else { nil }
        var finding = policy.finding(onStranger: attempts, at: now)
        // It was found to be a stranger at RCPT, however long its message has taken since.
        if finding.verdict == .continue { finding = policy.finding(onStranger: nil, at: now) }
        finding.note = "no list has its author"
        return finding
    }

    private func triplets(_ recipient: Recipient, _ transaction: Transaction) -> [Triplet] {
        policy.origins(of: transaction).map {
            Triplet(from: $0, sender: transaction.sender, recipient: recipient.address, policy)
        }
    }

    /// Why the triplet need not wait, if it need not.
    private func acquaintance(
        _ triplets: [Triplet], _ own: Triplet, at now: Date, _ services: Services
    ) async throws(StageFailure) -> Finding? {
        for triplet in triplets where policy.knownAfter.value > 0 {
            let passes = try await services.visits(.peek(table: Table.networks, key: triplet.network, at: now))
            guard policy.isKnown(passes) else { continue }
            try await remember(triplet.network, in: Table.networks, at: now, services)
            return Finding(decidedBy: ["known_after", "known_for"], note: "the network is known")
        }
        for triplet in triplets {
            guard try await services.visits(.peek(table: Table.passed, key: triplet.key, at: now)) != nil else {
                continue
            }
            try await remember(own.key, in: Table.passed, at: now, services)
            return Finding(decidedBy: ["lifetime"], note: "passed before")
        }
        return nil
    }

    private func remember(
        _ key: String, in table: String, at now: Date, _ services: Services
    ) async throws(StageFailure) {
        _ = try await services.visits(.visit(table: table, key: key, at: now, lifetime: policy.lifetime))
    }

    /// Where the stories are kept.
    enum Table {
        /// Triplets that were refused and may come back.
        static let waiting = "greylist.waiting"
        /// Triplets that came back.
        static let passed = "greylist.passed"
        /// Networks whose triplets came back; each visit is one triplet.
        static let networks = "greylist.networks"
        /// Whom users of this server have written to.
        static let correspondents = "greylist.correspondents"
    }
}

// MARK: - Correspondents

extension Greylist {
    /// Notes whom a user writes to, and tells strangers to wait for whom it could not be said before.
    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        guard transaction.session.user != nil else { return try await lateFinding(transaction) }
        guard policy.correspondents.seconds > 0 else { return .none }
        let others = transaction.recipients.filter(\.isElsewhere).prefix(Self.mostNoted)
        guard !others.isEmpty else { return .none }
        let now = try await transaction.services.now()
        for other in others {
            _ = try await transaction.services.visits(
                .visit(
                    table: Table.correspondents, key: other.address.key, at: now, lifetime: policy.correspondents))
        }
        return Finding(note: others.count == 1 ? "a correspondent" : "\(others.count) correspondents")
    }

    /// Recipients of one message that become correspondents: who writes to more writes to a list.
    static let mostNoted = 50

    /// Anybody may write any sender's name: one whose domain disowns the client is not believed.
    private func isCorrespondent(_ transaction: Transaction, at now: Date) async throws(StageFailure) -> Bool {
        guard let sender = transaction.sender, policy.correspondents.seconds > 0 else { return false }
        let isDisowned = [.fail, .softfail].contains { transaction.authentication.contains("spf", $0) }
        guard !isDisowned else { return false }
        return try await transaction.services.visits(
            .peek(table: Table.correspondents, key: sender.key, at: now)) != nil
    }
}

extension Recipient {
    /// No copy of it lies here.
    fileprivate var isElsewhere: Bool {
        !destinations.contains { if case .mailbox = $0.route { true } else { false } }
    }
}

// MARK: - Counting

extension Greylist {
    /// What has become of a recipient here, for whoever counts.
    public enum Outcome: String, Sendable, CaseIterable {
        /// Told to come back.
        case waits
        /// Came back in time.
        case returned
        /// Passed before.
        case acquainted
        /// Its network or pool has proved itself.
        case known
        /// A user has written to it.
        case correspondent
        /// Has fewer points than `min_score`, or as many as `max_score`.
        case outside
        /// An entry of a list has the word.
        case listed
    }

    /// `nil` where nothing was to be decided, or is only once the message has come.
    public static func outcome(of finding: Finding, in phase: Phase) -> Outcome? {
        if case .tempfail = finding.verdict { return .waits }
        guard phase == .recipient, finding.edits.isEmpty else { return nil }
        switch finding.decidedBy.first {
        case "delay": return .returned
        case "lifetime": return .acquainted
        case "known_after": return .known
        case "correspondents": return .correspondent
        case "min_score": return .outside
        default: return finding.note == listed ? .listed : nil
        }
    }
}
