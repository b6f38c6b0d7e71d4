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

    /// Names the narrowest scope that has lists of its own, and says what can be said without the message: by the
    /// client and the reverse-path.
    public func recipient(_ recipient: Recipient, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let services = transaction.services
        guard let narrowest = try await services.listScopes(of: recipient.policyScope).first else { return .none }
        let senders = MessageSenders([], isPlain: true, in: transaction)
        let search = try await Self.search(for: senders, in: narrowest, services)
        let byAuthor = try await services.authorLists(of: narrowest)
        if let entry = search.entry, entry.action == .block, policy.block == .reject,
            !Self.mayAllow(byAuthor, before: entry, in: narrowest)
        {
            try await services.noteUse(ofListEntry: entry.id)
            return policy.finding(on: entry, search.words, transaction)
        }
        var finding = Finding()
        if narrowest != .global { finding.edits.append(.policy(narrowest.key)) }
        if let entry = search.entry {
            finding.edits.append(.standing(.listed))
            finding.note = "\(entry.words), \(entry.origin)"
        } else if !byAuthor.isEmpty {
            finding.edits.append(.standing(.open))
        }
        return finding
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let scope = transaction.policy.map(PolicyScope.init(key:)) ?? .global
        guard try await !transaction.services.listScopes(of: scope).isEmpty else { return .none }
        let written = MessageSenders.authors(of: message)
        let authors = try await Self.kept(written.addresses, transaction.services)
        let senders = MessageSenders(authors, isPlain: written.isPlain, in: transaction)
        let search = try await Self.search(for: senders, in: scope, transaction.services)
        guard let entry = search.entry else {
            return search.unproven.isEmpty ? .none : Finding(note: search.words)
        }
        if entry.action == .block { try await transaction.services.noteUse(ofListEntry: entry.id) }
        return policy.finding(on: entry, search.words, transaction)
    }
}

extension SenderLists {
    public func remark(behind other: any Stage) -> String? {
        guard other is Greylist else { return nil }
        return
            "\(Greylist.name) makes senders wait before \(Self.name) has said who need not; let it be asked behind it"
    }

    /// Whether the author may be allowed in spite of an entry: by a list that comes before the one it is on.
    private static func mayAllow(_ byAuthor: [SenderList], before entry: ListEntry, in scope: PolicyScope) -> Bool {
        let own = SenderList(scope: entry.scope, action: entry.action)
        return scope.allLists.prefix { $0 != own }.contains { $0.action == .allow && byAuthor.contains($0) }
    }

    private static func search(
        for senders: MessageSenders, in scope: PolicyScope, _ services: Services
    ) async throws(StageFailure) -> MessageSenders.Search {
        let probe = ListProbe(
            scope: scope, client: senders.client, authors: senders.authors, sender: senders.envelope)
        let found = try await services.listed(probe)
        let now = found.contains { $0.ends != nil } ? try await services.now() : nil
        return senders.search(found, at: now)
    }

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

    /// What the entry says that has decided, if one has.
    public static func decision(in finding: Finding) -> ListEntry.Action? {
        if finding.edits.contains(where: { if case .exempt = $0 { true } else { false } }) { return .allow }
        return finding.decidedBy == [Self.block] ? .block : nil
    }

    /// The option of that name.
    static let block = "block"

    static let refusal = Reply(550, .deliveryNotAuthorized, "Mail from this sender is not wanted here")
}

extension SenderLists.Configuration {
    func finding(on entry: ListEntry, _ note: String, _ transaction: Transaction) -> Finding {
        switch entry.action {
        case .allow:
            let exemption = Exemption(reason: entry.words, origin: entry.origin, entry: entry.id)
            return Finding(edits: [.exempt(exemption)], note: note)
        case .block:
            var finding = Finding(decidedBy: [SenderLists.block], note: note)
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
