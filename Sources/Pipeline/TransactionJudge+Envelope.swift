import MailTypes

/// What follows where a stage has changed the envelope in the message phase: the stages before it that route have had
/// their say already, and must have it of what is new.
extension TransactionJudge {
    func follow(_ finding: Finding?, of link: Link, in draft: inout Draft) async {
        guard let finding, link.effects.contains(.changesEnvelope) else { return }
        if draft.state == .open, finding.edits.contains(where: \.changesSender) {
            // Paths were made of the old one.
            for one in draft.recipients.indices {
                for place in draft.recipients[one].destinations.indices {
                    draft.recipients[one].destinations[place].reversePath = nil
                }
            }
            if let refusal = await route(&draft, before: link) { draft.state = .refused(refusal) }
        }
        await route(additionsOf: finding, of: link, to: &draft)
    }

    /// Has the stages that route say where the mail of those goes whom a stage has added, as for mail of this server's
    /// own. Who is refused for good is left out, and stands among the refused; if it may be otherwise later, the
    /// message is to come again. So it is refused where it would be for nobody then.
    private func route(additionsOf finding: Finding, of link: Link, to draft: inout Draft) async {
        var last: Reply?
        for case .addRecipient(let address) in finding.edits where draft.state == .open {
            guard !draft.recipients.contains(where: { $0.address.key == address.key }) else { continue }
            var added = AcceptedRecipient(
                recipient: Recipient(EnvelopeRecipient(address)), symbols: [], policy: [], isDiscarded: false)
            added.recipient.isAdded = true
            var refusal = await refusal(whileRouting: &added)
            if refusal == nil {
                var apart = draft
                apart.recipients = [added.recipient]
                refusal = await route(&apart, before: link)
                added.recipient = apart.recipients.first ?? added.recipient
            }
            if let refusal {
                trace.refused.append(RefusedRecipient(address: address, reply: refusal))
                if refusal.isTemporary { draft.state = .refused(refusal) }
                last = refusal
            } else {
                draft.recipients.append(added.recipient)
            }
        }
        guard draft.recipients.isEmpty, draft.state == .open else { return }
        draft.state = last.map { .refused($0) } ?? .discarded
    }

    private func refusal(whileRouting added: inout AcceptedRecipient) async -> Reply? {
        var own = transaction
        own.session = Session(language: .internal, listener: transaction.session.listener, client: "127.0.0.1")
        for link in chain.links(in: .recipient) where link.effects.contains(.routes) && !link.words.isObserved {
            let variant = link.variant(for: added.recipient.policyDomain)
            let subject = StageRunner.Subject.recipient(added.recipient)
            let runner = StageRunner(link: link, phase: .recipient, subject: subject, variant: variant)
            let (step, finding) = await runner.run(in: own)
            notes.steps.append(step)
            guard let finding else { continue }
            let course = take(finding, of: link, for: &added)
            if case .refuse(let reply) = course { return reply }
            if course == .settled { break }
        }
        let isRouted = !added.recipient.destinations.isEmpty || transaction.session.isRoutedElsewhere
        return isRouted ? nil : Reply(550, .deliveryNotAuthorized, "Nobody says where its mail goes")
    }

    /// Asks the message stages before `last` that route about a draft, for the sake of its routes alone: what else they
    /// found of it was applied when it was their turn.
    private func route(_ draft: inout Draft, before last: Link) async -> Reply? {
        for (place, link) in chain.links(in: .message).enumerated() {
            if link === last { break }
            guard link.effects.contains(.routes), !link.words.isObserved, draft.state == .open else { continue }
            for (variant, var part) in draft.divided(by: link) {
                part.pass(place, await ask(link, variant, about: part))
                if let refusal = part.refusal { return refusal }
                for recipient in part.recipients {
                    let key = recipient.address.key
                    guard let own = draft.recipients.firstIndex(where: { $0.address.key == key }) else { continue }
                    draft.recipients[own].destinations = recipient.destinations
                }
            }
        }
        return nil
    }
}

extension Edit {
    fileprivate var changesSender: Bool { if case .changeSender = self { true } else { false } }
}
