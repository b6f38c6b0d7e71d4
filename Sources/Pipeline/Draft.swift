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
    /// The reverse-path.
    var sender: EmailAddress?
    /// Its content; another one where the message becomes another.
    private(set) var content = ContentBox()
    var recipients: [Recipient]
    /// The keys of those who were said and are answered as it ends, also of who has been taken out since.
    private(set) var answered: Set<String>
    var symbols: [Symbol]
    var authentication: AuthenticationResults
    var state = State.open
    /// Why a person must look at it.
    var quarantined: String?
    /// Why its score is not held against it; the first word counts.
    var exemption: Exemption?
    /// The stages of the message phase that it has been past.
    private(set) var passed = 0
    /// It was refused and is taken all the same, as junk.
    private(set) var isJunked = false

    init(
        message: Message, sender: EmailAddress?, recipients: [Recipient], symbols: [Symbol],
        authentication: AuthenticationResults, quarantined: String?
    ) {
        self.message = message
        self.sender = sender
        self.recipients = recipients
        answered = Set(recipients.map(\.address.key))
        self.symbols = symbols
        self.authentication = authentication
        self.quarantined = quarantined
    }

    /// Takes in one more of those who were said.
    mutating func admit(_ recipient: Recipient) {
        recipients.append(recipient)
        answered.insert(recipient.address.key)
    }

    /// The reply it was refused with, if it was.
    var refusal: Reply? { if case .refused(let reply) = state { reply } else { nil } }

    /// Whether somebody gets it.
    var isTaken: Bool { state == .open || state == .accepted }

    /// This draft for whom it was refused, to be taken as junk: the stages behind the one that refused it are
    /// still to be asked.
    var junked: Draft {
        var draft = self
        draft.state = .open
        draft.isJunked = true
        for place in recipients.indices where recipients[place].disposition == .deliver {
            draft.recipients[place].disposition = .junk
        }
        return draft
    }

    /// Which values of a stage hold for a recipient: those that its file has for the domain, and those that the
    /// stage itself has named.
    private struct Values: Hashable {
        let scope: String?
        let policy: String?
    }

    /// Whether `link` can have other values for one recipient than for another, or than everybody's.
    func isDivisible(by link: Link) -> Bool {
        !link.domains.isEmpty || recipients.contains { $0.policy(of: link.file) != nil }
    }

    /// The parts of this draft for which `link` has the same values.
    func divided(by link: Link) -> [(StageVariant, Draft)] {
        guard isDivisible(by: link) else { return [(link.base, self)] }
        var parts: [(StageVariant, Draft)] = []
        var places: [Values: Int] = [:]
        // Who was added comes along with those for whom the stage has added him.
        let leader = recipients.first { !$0.isAdded }
        for one in recipients {
            let recipient = one.isAdded ? leader ?? one : one
            let scope = link.valueScope(for: recipient.policyDomain)
            let values = Values(scope: scope, policy: recipient.policy(of: link.file))
            if let place = places[values] {
                parts[place].1.recipients.append(one)
            } else {
                places[values] = parts.count
                var part = self
                part.recipients = [one]
                parts.append((link.variant(for: recipient.policyDomain), part))
            }
        }
        // Who was taken out is answered as the first part is: it has those who were put in his place.
        let standing = Set(recipients.map(\.address.key))
        for place in parts.indices {
            let own = Set(parts[place].1.recipients.map(\.address.key))
            parts[place].1.answered = answered.filter { own.contains($0) || (place == 0 && !standing.contains($0)) }
        }
        return parts
    }

    /// How many stages have values of their own for those whom it is for: of a copy that tells of one list or one
    /// person there are more.
    private var ownValues: Int { recipients.lazy.filter { !$0.isAdded }.map(\.policies.count).max() ?? 0 }

    /// Drafts that are taken, in which whoever a stage has added to several of them stands once: where he was said, or
    /// else in the one that is the least about somebody.
    static func withoutDoubles(_ drafts: [Draft]) -> [Draft] {
        let hasAdded = drafts.contains { $0.recipients.contains(where: \.isAdded) }
        guard drafts.count > 1, hasAdded else { return drafts }
        var homes: [String: Int] = [:]
        for (place, draft) in drafts.enumerated() where draft.isTaken {
            for recipient in draft.recipients {
                let key = recipient.address.key
                guard let other = homes[key] else {
                    homes[key] = place
                    continue
                }
                let isSaidThere = drafts[other].recipients.contains { $0.address.key == key && !$0.isAdded }
                if isSaidThere { continue }
                if !recipient.isAdded || draft.ownValues < drafts[other].ownValues { homes[key] = place }
            }
        }
        return drafts.enumerated().map { place, draft in
            guard draft.isTaken else { return draft }
            var draft = draft
            draft.recipients.removeAll { $0.isAdded && homes[$0.address.key] != place }
            if draft.recipients.isEmpty { draft.state = .discarded }
            return draft
        }
    }

    /// Notes that the message stage at `place` has been asked, and applies what it found.
    mutating func pass(_ place: Int, _ finding: Finding?) {
        passed = place + 1
        guard let finding else { return }
        apply(finding.edits)
        switch finding.verdict {
        case .continue: break
        case .accept: state = .accepted
        case .reject(let reply), .tempfail(let reply):
            // Junk cannot become more so; what could not be judged is another matter.
            if reply.isTemporary || !isJunked { state = .refused(reply) }
        case .quarantine(let reason):
            quarantined = reason
            for place in recipients.indices { recipients[place].disposition = .quarantine }
        case .discard: state = .discarded
        }
    }

    private mutating func apply(_ edits: [Edit]) {
        guard !edits.isEmpty else { return }
        // Places are those of the message the stage saw, so fields go before others come.
        if edits.contains(where: \.changesContent) { content = ContentBox() }
        let removed = edits.flatMap(\.removedFields)
        if !removed.isEmpty { message.header.remove(at: removed) }
        for edit in edits { apply(edit) }
        changeRecipients(edits)
    }

    private mutating func apply(_ edit: Edit) {
        switch edit {
        case .score(let symbol): symbols.append(symbol)
        case .authentication(let entry): authentication.entries.append(entry)
        case .prependField(let name, let value): message.header.prepend(HeaderField(name: name, value: value))
        case .appendField(let name, let value): message.header.append(HeaderField(name: name, value: value))
        case .insertField(let name, let value, let place):
            message.header.insert(HeaderField(name: name, foldedValue: value), at: place)
        case .replaceBody(let body): message.body = body
        case .spliceBody(let splices): message.body = message.body.spliced(splices)
        case .changeSender(let address): sender = address
        case .exempt(let reason): exemption = exemption ?? reason
        case .removeFields, .resolve, .disposition, .addRecipient, .removeRecipient, .policy, .standing, .block,
            .unclaimed:
            break
        }
    }

    /// There may be as many edits as recipients: one look at each is enough for all of them.
    private mutating func changeRecipients(_ edits: [Edit]) {
        var destinations: [EmailAddress: [Destination]] = [:]
        var dispositions: [EmailAddress: Disposition] = [:]
        var removed: Set<String> = []
        for edit in edits {
            switch edit {
            case .resolve(let address, let found): destinations[address] = found
            case .disposition(let address, let wanted): dispositions[address] = wanted
            case .removeRecipient(let address): removed.insert(address.key)
            case .score, .authentication, .prependField, .appendField, .removeFields, .insertField, .replaceBody,
                .spliceBody, .addRecipient, .changeSender, .policy, .exempt, .standing, .block, .unclaimed:
                break
            }
        }
        if !removed.isEmpty { recipients.removeAll { removed.contains($0.address.key) } }
        guard !destinations.isEmpty || !dispositions.isEmpty else { return }
        for place in recipients.indices {
            let address = recipients[place].address
            if let found = destinations[address] { recipients[place].destinations = found }
            if let wanted = dispositions[address] { recipients[place].disposition = wanted }
        }
    }
}

extension Edit {
    fileprivate var removedFields: [Int] { if case .removeFields(let places) = self { places } else { [] } }
}
