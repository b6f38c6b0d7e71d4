import Content
public import MailTypes
public import Pipeline

/// Footers below what this server's own users send to others: disclaimers, in plain text and in HTML.
///
/// Recipients here and elsewhere of one message get copies of their own, so that only those who are elsewhere see a
/// footer. Mail that cannot take one without harm goes on as it is, and the trace says why.
public struct FooterStage: RecipientStage, MessageStage {
    public static let name: StageName = "footer"
    public static let effects: Effects = [.editsHeader, .editsBody, .distinguishesRecipients]

    let policy: Configuration
    private let networks: NetworkSet

    public init(_ configuration: Configuration) {
        policy = configuration
        networks = NetworkSet(configuration.networks)
    }

    /// Why a footer cannot be one; `nil`: it can.
    public static func mistake(in footer: Footer) -> FooterMistake? {
        do throws(FooterMistake) { _ = try FooterBlock(footer) } catch { return error }
        return nil
    }

    public var remarks: [String] {
        guard !policy.footer.isEmpty, !policy.mode.hasGlobal else { return [] }
        return ["`mode`: everybody's footer stands here, and \"\(policy.mode.rawValue)\" never uses it"]
    }

    // MARK: Recipients

    /// What is named in the recipient phase for those whose copy gets footers.
    private static let marked = "external"

    public func recipient(_ recipient: Recipient, in transaction: Transaction) async throws(StageFailure) -> Finding {
        guard policy.mode != .disabled, policy.recipients == .external, isOwn(transaction.session),
            try await isExternal(recipient, transaction.services)
        else { return .none }
        return Finding(edits: [.policy(Self.marked)])
    }

    /// Whether the message was sent by one of this server's own users. What the server says itself, and what it
    /// forwards for others, is neither's to add to.
    private func isOwn(_ session: Session) -> Bool { session.user != nil || networks.contains(session.client) }

    /// Whether a copy leaves the domains that are hosted here, by whatever way.
    private func isExternal(_ recipient: Recipient, _ services: Services) async throws(StageFailure) -> Bool {
        for destination in recipient.destinations {
            switch destination.route {
            case .mailbox, .discard: continue
            case .exchanger, .host:
                if try await services.hostedDomain(destination.address.domain) == nil { return true }
            }
        }
        return false
    }

    // MARK: Message

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        guard policy.mode != .disabled, isOwn(transaction.session),
            policy.recipients == .all || transaction.policy == Self.marked
        else { return .none }
        let found = try await footers(of: message, transaction)
        guard !found.isEmpty else { return .none }
        let blocks = try found.map { source throws(StageFailure) in
            do throws(FooterMistake) { return try FooterBlock(source.footer) } catch {
                throw StageFailure("the footer of \(source.name) (\(source.origin)): \(error)")
            }
        }
        let engine = FooterEngine(blocks: blocks, place: policy.place, repeats: policy.repeats)
        let outcome = await engine.outcome(for: message, await transaction.content(of: message))
        return finding(on: outcome, found)
    }

    private func finding(on outcome: FooterEngine.Outcome, _ found: [Source]) -> Finding {
        var finding = Finding(decidedBy: ["mode"])
        switch outcome {
        case .edited(let edit, let blocks):
            let names = blocks.map { "\(found[$0].name) (\(found[$0].origin))" }
            finding.edits = edit.edits
            finding.note = "footer of " + names.joined(separator: " and of ")
        case .untouched(let obstacle):
            finding.note = "no footer: \(obstacle)"
        }
        return finding
    }

    // MARK: Whose footers

    /// A footer, and where it stands.
    private struct Source {
        let footer: Footer
        let name: String
        let origin: String
    }

    /// Those that hold for a message, in their order.
    private func footers(of message: Message, _ transaction: Transaction) async throws(StageFailure) -> [Source] {
        let domain = senderDomain(of: message, transaction)
        let kept = try await transaction.services.footers(for: domain ?? "")
        var sources: [Source] = []
        if policy.mode.hasPostOffice, let own = kept.first(where: { $0.postOffice != nil }) {
            sources.append(Source(footer: own.footer, name: own.postOffice ?? "", origin: "audit \(own.audit)"))
        }
        guard policy.mode.hasGlobal else { return sources }
        if let global = kept.first(where: { $0.postOffice == nil }) {
            sources.append(Source(footer: global.footer, name: "everybody", origin: "audit \(global.audit)"))
        } else if !policy.footer.isEmpty {
            sources.append(Source(footer: policy.footer, name: "everybody", origin: "file"))
        }
        return sources
    }

    /// The domain of who has logged in, else of the one author, else of the reverse-path.
    private func senderDomain(of message: Message, _ transaction: Transaction) -> String? {
        if let user = transaction.session.user { return user.mailbox.domain }
        return Authors.only(of: message.header)?.domain ?? transaction.sender?.domain
    }
}

extension FooterEngine {
    /// Messages that are read where they are; a larger one is read on a thread for computing, so that the sessions of
    /// an event loop do not wait for it.
    private static let mostInPlace = 64 << 10

    func outcome(for message: Message, _ content: MessageContent) async -> Outcome {
        if message.size <= Self.mostInPlace { return edit(message, content) }
        return await Task.detached(executorPreference: globalConcurrentExecutor) {
            edit(message, content)
        }.value
    }
}
