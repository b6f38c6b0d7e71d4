public import MailTypes
public import struct Foundation.Date

/// Leads one mail transaction through the chain, from MAIL to the verdict on its message.
///
/// It is asked in the session, before each reply; it applies what the stages find and keeps the trace. A session asks
/// one question at a time, and from one executor: an actor would cost it two turns of its event loop for each.
public final class TransactionJudge {
    let chain: Chain
    var transaction: Transaction
    var notes: Opening.Notes
    var trace: Trace
    private var accepted: [AcceptedRecipient] = []
    /// The ``EmailAddress/key`` of each of them.
    private var acceptedKeys: Set<String> = []
    /// The message is for somebody in the end.
    private var hasCopies = false
    /// The first that gets a copy: in one reply for all, the others must be judged as it is.
    private var standard: AcceptedRecipient?

    /// A recipient that was taken, with all that its copy is judged by.
    struct AcceptedRecipient: Sendable {
        var recipient: Recipient
        var symbols: [Symbol]
        /// Which values of each message stage hold for it.
        var policy: [String?]
        var isDiscarded: Bool
        /// What stages have named as that by which they judge.
        var judgedBy: [String: String] = [:]
        /// What is to stand at the top of the header.
        var fields: [(name: String, value: String)] = []
        /// Said before in this transaction: answered again, delivered once.
        var isRepeated = false

        /// Whether one verdict serves both.
        func isJudged(like other: Self) -> Bool {
            policy == other.policy && symbols == other.symbols && judgedBy == other.judgedBy
        }

        /// What it is told if no stage says where its mail goes.
        var refusal: Reply? { isDiscarded || !recipient.destinations.isEmpty ? nil : recipient.unclaimed }
    }

    public init(
        chain: Chain, id: TransactionID, hostname: String, session: Session, opening: Opening,
        started: Date, source: any ServiceSource
    ) {
        self.chain = chain
        notes = opening.notes
        let services = Services(source, record: FactRecord(opening.notes.facts))
        transaction = Transaction(id: id, hostname: hostname, session: session, services: services)
        transaction.resources = opening.resources
        trace = Trace(id: id, started: started, session: session)
        trace.openings = notes.sessions
    }

    /// Notes a sender about whom no stage is asked.
    public func note(_ envelope: Envelope) {
        transaction.envelope = envelope
        trace.envelope = envelope
    }

    /// The judgement of `MAIL FROM`.
    public func sender(_ envelope: Envelope) async -> Reply {
        note(envelope)
        for link in chain.links(in: .sender) {
            transaction.symbols = notes.symbols
            transaction.authentication = notes.authentication
            let runner = StageRunner(link: link, phase: .sender, subject: .client, variant: link.base)
            let (step, finding) = await runner.run(in: transaction)
            notes.steps.append(step)
            guard let finding else { continue }
            switch notes.take(finding) {
            case .onward: continue
            case .settled: return .senderAccepted
            case .refuse(let reply): return refuse(reply)
            }
        }
        return .senderAccepted
    }

    /// The judgement of one `RCPT TO`.
    public func recipient(_ said: EnvelopeRecipient) async -> Reply {
        trace.asked.append(said)
        var candidate = AcceptedRecipient(recipient: Recipient(said), symbols: [], policy: [], isDiscarded: false)
        for link in chain.links(in: .recipient) {
            transaction.symbols = notes.symbols + candidate.symbols
            transaction.authentication = notes.authentication
            transaction.claimsFollow = chain.claimsFollow(link)
            let variant = link.variant(for: candidate.recipient.policyDomain)
            let subject = StageRunner.Subject.recipient(candidate.recipient)
            let runner = StageRunner(link: link, phase: .recipient, subject: subject, variant: variant)
            let (step, finding) = await runner.run(in: transaction)
            notes.steps.append(step)
            if link.words.isObserved { observe(step.finding, of: link, for: &candidate) }
            let course = finding.map { take($0, of: link, for: &candidate) } ?? .onward
            if case .refuse(let reply) = course { return refuse(reply, said.address) }
            if course == .settled { break }
            if !transaction.claimsFollow, let reply = candidate.refusal { return refuse(reply, said.address) }
        }
        return admit(candidate)
    }

    /// What a stage in shadow goes by when it is asked about the message is its own affair, so it is kept.
    private func observe(_ finding: Finding?, of link: Link, for candidate: inout AcceptedRecipient) {
        for case .policy(let name) in finding?.edits ?? [] { candidate.recipient.observedPolicies[link.file] = name }
    }

    func take(_ finding: Finding, of link: Link, for candidate: inout AcceptedRecipient) -> Course {
        for edit in finding.edits {
            switch edit {
            case .score(let symbol): candidate.symbols.append(symbol)
            case .authentication(let entry): notes.authentication.entries.append(entry)
            case .resolve(_, let destinations): candidate.recipient.destinations = destinations
            case .disposition(_, let disposition): candidate.recipient.disposition = disposition
            case .policy(let name):
                candidate.recipient.policies[link.file] = name
                if link.judgesByRecipient { candidate.judgedBy[link.file] = name }
            case .unclaimed(let reply): candidate.recipient.unclaimed = reply
            case .standing(let standing): candidate.recipient.standing = standing
            case .prependField(let name, let value): candidate.fields.append((name, value))
            case .appendField, .removeFields, .insertField, .replaceBody, .spliceBody, .addRecipient,
                .removeRecipient, .changeSender, .exempt, .block:
                break
            }
        }
        switch finding.verdict {
        case .continue: return .onward
        case .accept: return .settled
        case .reject(let reply), .tempfail(let reply): return .refuse(reply)
        case .discard: candidate.isDiscarded = true
        case .quarantine: candidate.recipient.disposition = .quarantine
        }
        return .onward
    }

    /// Takes a recipient that no stage has refused, if somebody said where its mail goes.
    private func admit(_ candidate: AcceptedRecipient) -> Reply {
        var candidate = candidate
        let address = candidate.recipient.address
        let isRouted = !candidate.recipient.destinations.isEmpty || transaction.session.isRoutedElsewhere
        guard candidate.isDiscarded || isRouted else {
            let reply = Reply(550, .deliveryNotAuthorized, "Relaying is not permitted")
            return refuse(candidate.refusal ?? reply, address)
        }
        candidate.recipient.standing = nil
        candidate.recipient.unclaimed = nil
        candidate.isRepeated = acceptedKeys.contains(address.key)
        if candidate.isRepeated || candidate.isDiscarded { return admitted(candidate) }
        candidate.policy = chain.links(in: .message).map { link in
            link.words.isObserved || link.changesOnly
                ? nil : link.valueScope(for: candidate.recipient.policyDomain)
        }
        if isSplit, let standard, !standard.isJudged(like: candidate) || isKeptApart(candidate, standard) {
            let text = "Other rules hold for this recipient; please send it in a transaction of its own"
            return refuse(Reply(451, .tooManyRecipients, text), address)
        }
        standard = standard ?? candidate
        return admitted(candidate)
    }

    private var isSplit: Bool {
        guard !transaction.session.repliesPerRecipient else { return false }
        return chain.onMixed == .split || transaction.session.isRoutedElsewhere
    }

    /// Whoever delivers it elsewhere has one message for all, and no other place for it than theirs.
    private func isKeptApart(_ candidate: AcceptedRecipient, _ standard: AcceptedRecipient) -> Bool {
        transaction.session.isRoutedElsewhere
            && candidate.recipient.disposition != standard.recipient.disposition
    }

    private func admitted(_ candidate: AcceptedRecipient) -> Reply {
        accepted.append(candidate)
        acceptedKeys.insert(candidate.recipient.address.key)
        for field in candidate.fields { notes.prepend(field.name, field.value) }
        if !candidate.isRepeated { transaction.recipients.append(candidate.recipient) }
        transaction.envelope?.recipients.append(candidate.recipient.said)
        trace.envelope?.recipients.append(candidate.recipient.said)
        return .recipientAccepted
    }

    /// The judgement of the whole message, for the recipients that were taken.
    public func message(_ message: Message) async -> Outcome {
        trace.size = message.size
        trace.summary = message.summary
        var drafts = await judge(openDrafts(of: message))
        let refusals = drafts.compactMap(\.refusal)
        let isFinal = !refusals.contains(where: \.isTemporary)
        if isOneReply, !isSplit, isFinal, drafts.contains(where: \.isTaken) {
            drafts = await junkingRefused(drafts)
        }
        return conclude(drafts)
    }

    /// Asks the message stages behind the first `passed` about each draft.
    private func judge(_ drafts: [Draft], passed: Int = 0) async -> [Draft] {
        var drafts = drafts
        for (place, link) in chain.links(in: .message).enumerated().dropFirst(passed) {
            // Nearly always there is one for all.
            if drafts.count == 1, !drafts[0].isDivisible(by: link) {
                guard drafts[0].state == .open else { continue }
                let finding = await ask(link, link.base, about: drafts[0])
                drafts[0].pass(place, finding)
                await follow(finding, of: link, in: &drafts[0])
                continue
            }
            var next: [Draft] = []
            for draft in drafts {
                guard draft.state == .open else {
                    next.append(draft)
                    continue
                }
                if link.words.isObserved {
                    next.append(await observed(draft, by: link, at: place))
                    continue
                }
                for (variant, var part) in draft.divided(by: link) {
                    let finding = await ask(link, variant, about: part)
                    part.pass(place, finding)
                    await follow(finding, of: link, in: &part)
                    next.append(part)
                }
            }
            drafts = next
        }
        return drafts
    }

    /// Asks a stage in shadow with each set of its values. The draft stays whole: others must not notice.
    private func observed(_ draft: Draft, by link: Link, at place: Int) async -> Draft {
        for (variant, part) in draft.divided(by: link) { _ = await ask(link, variant, about: part) }
        var draft = draft
        draft.pass(place, nil)
        return draft
    }

    /// One reply for different verdicts: for whom it was refused it is finished as junk, as what others get was.
    private func junkingRefused(_ drafts: [Draft]) async -> [Draft] {
        var finished: [Draft] = []
        for draft in drafts {
            finished += draft.refusal == nil ? [draft] : await judge([draft.junked], passed: draft.passed)
        }
        return finished
    }

    /// Whether the message has one reply for all recipients.
    private var isOneReply: Bool { !transaction.session.repliesPerRecipient }

    private func openDrafts(of message: Message) -> [Draft] {
        var drafts: [Draft] = []
        var places: [[Symbol]: Int] = [:]
        var message = message
        for field in notes.fields { message.header.prepend(field) }
        for one in accepted where !one.isDiscarded && !one.isRepeated && !notes.isDiscarded {
            var recipient = one.recipient
            if notes.quarantined != nil { recipient.disposition = .quarantine }
            if let place = places[one.symbols] {
                drafts[place].admit(recipient)
            } else {
                places[one.symbols] = drafts.count
                drafts.append(
                    Draft(
                        message: message, sender: transaction.sender, recipients: [recipient],
                        symbols: notes.symbols + one.symbols, authentication: notes.authentication,
                        quarantined: notes.quarantined))
            }
        }
        return drafts
    }

    func ask(_ link: Link, _ variant: StageVariant, about draft: Draft) async -> Finding? {
        transaction.message = draft.message
        transaction.envelope?.sender = draft.sender
        transaction.contentBox = draft.content
        transaction.recipients = draft.recipients
        transaction.symbols = draft.symbols
        transaction.authentication = draft.authentication
        transaction.exemption = draft.exemption
        transaction.policy = draft.recipients.first?.policy(of: link.file)
        let names = draft.recipients.map(\.address.description)
        let subject = StageRunner.Subject.message(draft.message, for: names)
        let runner = StageRunner(link: link, phase: .message, subject: subject, variant: variant)
        let (step, finding) = await runner.run(in: transaction)
        notes.steps.append(step)
        return finding
    }

    /// From the drafts' ends to the replies and to what is to be queued.
    private func conclude(_ all: [Draft]) -> Outcome {
        let drafts = Draft.withoutDoubles(all)
        let word = transaction.session.isRoutedElsewhere ? "Passed" : "Taken"
        let taken = Reply(250, .other, "\(word) as \(transaction.id)")
        let replies: [Reply]
        var copies = drafts.filter(\.isTaken).map(Copy.init)
        if isOneReply {
            // Where it is a refusal nobody gets anything: the sender is told that it was not taken.
            let refusals = drafts.compactMap(\.refusal)
            let refusal = refusals.first(where: \.isTemporary) ?? refusals.first
            replies = [refusal?.marked(with: transaction.id) ?? taken]
            if refusal != nil { copies = [] }
        } else {
            var refusals: [String: Reply] = [:]
            for draft in drafts {
                guard let refusal = draft.refusal?.marked(with: transaction.id) else { continue }
                for key in draft.answered { refusals[key] = refusal }
            }
            replies = accepted.map { refusals[$0.recipient.address.key] ?? taken }
        }
        hasCopies = !copies.isEmpty
        trace.recipients = drafts.flatMap(\.recipients)
        // What shadows went by stands in their steps.
        for place in trace.recipients.indices {
            trace.recipients[place].observedPolicies = [:]
            trace.recipients[place].isAdded = false
        }
        trace.symbols = drafts.max { $0.symbols.count < $1.symbols.count }?.symbols ?? notes.symbols
        trace.authentication = drafts.first?.authentication ?? notes.authentication
        return Outcome(replies: replies, copies: copies)
    }

    private func refuse(_ reply: Reply, _ address: EmailAddress? = nil) -> Reply {
        let marked = reply.marked(with: transaction.id)
        if let address { trace.refused.append(RefusedRecipient(address: address, reply: marked)) }
        if address == nil { trace.replies = [marked] }
        return marked
    }

    /// The trace as it is now. `replies` is what the client was told after the message, if it came to that.
    public func trace(replies: [Reply]? = nil, queued: [String] = []) -> Trace {
        var trace = trace
        trace.session = transaction.session
        trace.steps = notes.steps
        trace.facts = transaction.services.facts
        if trace.symbols.isEmpty { trace.symbols = notes.symbols }
        if let replies { trace.replies = replies }
        trace.queued = queued
        trace.outcome = Trace.outcome(of: trace, isStored: replies != nil && !queued.isEmpty)
        if transaction.session.isRoutedElsewhere, hasCopies, replies?.allSatisfy(\.isPositive) == true {
            trace.outcome = .passed
        }
        return trace
    }
}

extension Trace {
    static func outcome(of trace: Trace, isStored: Bool) -> Outcome {
        let refusals = trace.replies.filter { !$0.isPositive } + trace.refused.map(\.reply)
        if isStored { return .accepted }
        if trace.replies.contains(where: \.isPositive) { return .discarded }
        if let first = refusals.first { return first.isTemporary ? .deferred : .rejected }
        return .unfinished
    }
}

extension Reply {
    static let senderAccepted = Reply(250, .other, "Sender accepted")
    static let recipientAccepted = Reply(250, .destinationValid, "Recipient accepted")
}
