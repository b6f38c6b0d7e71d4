public import MailTypes
public import Pipeline
public import struct Foundation.Date

/// Allow and block lists: of everybody, of a domain, of a mailbox.
///
/// A block entry refuses or files as junk. An allow entry sets aside what would follow from the score, and nothing
/// else: what a scanner or another stage has refused stays refused. Everybody's lists come before a mailbox's own, and
/// those before its domain's; within each, allow before block.
public struct SenderLists: RecipientStage, MessageStage {
    public static let name: StageName = "lists"
    public static let effects: Effects = [.rejects, .disposes, .exempts, .distinguishesRecipients]
    public static let judgesBy: Set = ["spf", "dmarc"]

    public struct Configuration: Decodable, Sendable {
        /// What a block entry does.
        public enum Action: String, Decodable, Sendable, CaseIterable {
            case reject, junk
        }

        public var block = Action.reject

        public init() {}
    }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    /// Names the narrowest scope that has lists of its own.
    public func recipient(_ recipient: Recipient, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let scopes = try await transaction.services.listScopes(of: recipient.policyScope)
        guard let narrowest = scopes.first, narrowest != .global else { return .none }
        return Finding(edits: [.policy(narrowest.key)])
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let scope = transaction.policy.map(PolicyScope.init(key:)) ?? .global
        guard try await !transaction.services.listScopes(of: scope).isEmpty else { return .none }
        let written = MessageSenders.authors(of: message)
        let authors = try await Self.kept(written.addresses, transaction.services)
        let senders = MessageSenders(authors, isPlain: written.isPlain, in: transaction)
        let probe = ListProbe(
            scope: scope, client: senders.client, authors: senders.authors, sender: senders.envelope)
        let found = try await transaction.services.listed(probe)
        guard !found.isEmpty else { return .none }
        let now = found.contains { $0.ends != nil } ? try await transaction.services.now() : nil
        let search = senders.search(found, at: now)
        guard let entry = search.entry else {
            return search.unproven.isEmpty ? .none : Finding(note: search.words)
        }
        if entry.action == .block { try await transaction.services.noteUse(ofListEntry: entry.id) }
        return policy.finding(on: entry, search.words, transaction)
    }
}

extension SenderLists {
    /// The authors with their domains in A-labels and without a final dot, as lists have them.
    private static func kept(
        _ written: [EmailAddress], _ services: Services
    ) async throws(StageFailure) -> [EmailAddress] {
        var authors: [EmailAddress] = []
        for author in written.prefix(ListProbe.mostAuthors) {
            let domain = author.domain.withoutFinalDot
            let ascii = try await services.asciiDomain(domain) ?? domain
            authors.append(EmailAddress(localPart: author.localPart, domain: ascii))
        }
        return authors
    }

    /// Which of the entries that the directory has about a message would hold, were these proofs given.
    public static func entry(
        of entries: [ListEntry], for probe: ListProbe, proven: Set<ListEntry.Proof>, at now: Date
    ) -> ListEntry? {
        MessageSenders(probe, proven: proven).search(entries, at: now).entry
    }

    static let refusal = Reply(550, .deliveryNotAuthorized, "Mail from this sender is not wanted here")
}

extension SenderLists.Configuration {
    func finding(on entry: ListEntry, _ note: String, _ transaction: Transaction) -> Finding {
        switch entry.action {
        case .allow:
            let exemption = Exemption(reason: entry.words, origin: entry.origin, entry: entry.id)
            return Finding(edits: [.exempt(exemption)], note: note)
        case .block:
            var finding = Finding(decidedBy: ["block"], note: note)
            switch block {
            case .reject: finding.verdict = .reject(SenderLists.refusal)
            case .junk:
                for recipient in transaction.recipients where recipient.disposition == .deliver {
                    finding.edits.append(.disposition(recipient.address, .junk))
                }
            }
            return finding
        }
    }
}

extension SenderLists.Configuration {
    enum CodingKeys: String, CodingKey {
        case block
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        block = table.value(.block, default: block)
    }
}
