import MailTypes

/// A message on its way through the message phase, for the recipients who share one policy.
///
/// There is one draft as long as all recipients are judged alike. It is divided where a stage has
/// different values for some of them: then each part has its own message, score and verdict.
struct Draft: Sendable {
    /// How far the message phase has come for this draft.
    enum State: Sendable, Hashable {
        case open
        /// A stage has accepted: later ones are not asked.
        case accepted
        case refused(Reply)
        case discarded
    }

    var message: Message
    var recipients: [Recipient]
    var symbols: [Symbol]
    var authentication: AuthenticationResults
    var state = State.open
    /// Why a person must look at it.
    var quarantined: String?

    /// The parts of this draft for which `link` has the same values.
    func divided(by link: Link) -> [(StageVariant, Draft)] {
        guard !link.domains.isEmpty else { return [(link.base, self)] }
        var parts: [(StageVariant, Draft)] = []
        for recipient in recipients {
            let variant = link.variant(for: recipient.policyDomain)
            if let place = parts.firstIndex(where: { $0.0.scope == variant.scope }) {
                parts[place].1.recipients.append(recipient)
            } else {
                var part = self
                part.recipients = [recipient]
                parts.append((variant, part))
            }
        }
        return parts
    }

    /// Applies a finding as a whole.
    mutating func apply(_ finding: Finding) {
        // Places are those of the message the stage saw, so fields go before others come.
        message.header.remove(at: finding.edits.flatMap(\.removedFields))
        for edit in finding.edits { apply(edit) }
        switch finding.verdict {
        case .continue: break
        case .accept: state = .accepted
        case .reject(let reply), .tempfail(let reply): state = .refused(reply)
        case .quarantine(let reason):
            quarantined = reason
            for place in recipients.indices { recipients[place].disposition = .quarantine }
        case .discard: state = .discarded
        }
    }

    private mutating func apply(_ edit: Edit) {
        switch edit {
        case .score(let symbol): symbols.append(symbol)
        case .authentication(let entry): authentication.entries.append(entry)
        case .prependField(let name, let value): message.header.prepend(HeaderField(name: name, value: value))
        case .appendField(let name, let value): message.header.append(HeaderField(name: name, value: value))
        case .removeFields: break
        case .replaceBody(let body): message.body = body
        case .resolve(let address, let destinations):
            forRecipient(address) { $0.destinations = destinations }
        case .disposition(let address, let disposition):
            forRecipient(address) { $0.disposition = disposition }
        }
    }

    private mutating func forRecipient(_ address: EmailAddress, _ change: (inout Recipient) -> Void) {
        for place in recipients.indices where recipients[place].address == address { change(&recipients[place]) }
    }
}

extension Edit {
    fileprivate var removedFields: [Int] { if case .removeFields(let places) = self { places } else { [] } }
}
