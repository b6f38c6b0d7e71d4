import MailTypes

/// A mail server's side of a conversation with a milter, without any I/O. docs/milter.md.
///
/// It is told a ``MilterStory`` and says what the milter has not heard of it, one command after the other, each when
/// the one before is answered, until the last part has its answer:
///
///     ask(story); next() -> send … wait; received(octets); next() -> send … answer
///
/// What milters say is bounded, and nothing is taken that was not agreed on: after a fault the connection is closed.
public struct MilterClientMachine: Sendable {
    public struct Configuration: Sendable, Hashable {
        /// What the milter may do.
        public var actions: MilterActions
        /// Octets of a body that the milter may put in place of a message's own.
        public var largestBody: Int

        public init(actions: MilterActions, largestBody: Int) {
            self.actions = actions
            self.largestBody = largestBody
        }
    }

    public enum Action: Sendable, Hashable {
        /// Send these octets, and ask again.
        case send([UInt8])
        /// Nothing to do until more has come.
        case wait
        case answer(MilterAnswer)
    }

    /// Changes of one message.
    public static let mostChanges = 1000
    /// Octets of all changes of one message but those of its body.
    public static let largestChanges = 1 << 20
    /// Octets that are sent at a time, about.
    static let longestWrite = 64 << 10
    /// What this side can do without. Of recipients that are refused elsewhere it does not know.
    static let offeredSteps = MilterSteps.all.subtracting(.refusedRecipients)

    /// What is said in one packet, or two.
    enum Step: Sendable, Hashable {
        case negotiate, connect, hello, abort, mail
        case recipient(Int)
        case data
        case field(Int)
        case endOfHeader
        /// From this octet on.
        case body(Int)
        case endOfMessage
    }

    /// What the milter knows.
    struct Heard: Sendable {
        var client: MilterStory.Client?
        var hello: MilterStory.Said?
        var mail: MilterStory.Said?
        /// Those that it has not refused.
        var recipients: [MilterStory.Said] = []
        /// Of the message's content it has heard something.
        var hasContent = false
        /// Its last word on the session: it hears no more of it.
        var onSession: MilterAnswer.Verdict?
        /// Its last word on the message.
        var onMessage: MilterAnswer.Verdict?
        var skips: Set<Kind> = []

        mutating func forgetMessage() {
            (mail, recipients, hasContent, onMessage, skips) = (nil, [], false, nil, [])
        }
    }

    /// What may be skipped.
    enum Kind: Sendable, Hashable { case recipients, fields, body }

    let configuration: Configuration
    var agreed: MilterNegotiation?
    var heard = Heard()
    var story: MilterStory?
    /// What is still to be said, the last one first.
    var steps: [Step] = []
    /// What the milter has to reply to.
    var open: Step?
    var answer: MilterAnswer?
    var changes: [MilterChange] = []
    private var sizes = (body: 0, others: 0)
    private var reader = MilterPacketReader()

    public init(_ configuration: Configuration) { self.configuration = configuration }

    /// Whether this conversation can go on with that story: a client's is its own. More may be known of it by now.
    public func canTell(_ story: MilterStory) -> Bool {
        open == nil && (heard.client == nil || heard.client?.peer == story.client.peer)
    }

    /// Whether the milter wants to hear no more of the session: the connection is not needed any longer.
    public var isSettled: Bool { heard.onSession != nil }

    /// The octets that end a conversation.
    public var farewell: [UInt8] {
        guard agreed != nil else { return [] }
        let abort = heard.mail == nil ? [] : MilterCommand.abort.packet.octets
        return abort + MilterCommand.quit.packet.octets
    }

    /// Begins to tell a story; the answer to the one before has been taken.
    public mutating func ask(_ story: MilterStory) {
        self.story = story
        (answer, changes, sizes) = (nil, [], (0, 0))
        steps = plan(for: story).reversed()
    }

    public mutating func next() -> Action {
        var octets: [UInt8] = []
        while open == nil, answer == nil, octets.count < Self.longestWrite, let step = steps.popLast() {
            say(step, to: &octets)
        }
        if !octets.isEmpty { return .send(octets) }
        if open != nil || story == nil { return .wait }
        let settled = heard.onSession ?? (story?.mail == nil ? nil : heard.onMessage)
        let answer = answer ?? MilterAnswer(settled ?? .continue)
        story = nil
        return .answer(answer)
    }

    /// Takes what the milter has said.
    public mutating func received(_ octets: some Sequence<UInt8>) throws(MilterFault) {
        reader.append(octets)
        while let packet = try reader.next() { try take(MilterReply(packet)) }
    }

    private mutating func take(_ reply: MilterReply) throws(MilterFault) {
        guard let step = open else { throw MilterFault("it speaks unasked") }
        if case .progress = reply { return }
        if case .negotiate(let wish) = reply, step == .negotiate {
            agreed = try agreement(on: wish)
            open = nil
            return
        }
        guard step != .negotiate else { throw MilterFault("it does not negotiate") }
        switch reply {
        case .continue: conclude(step, .continue)
        case .accept: conclude(step, .accept)
        case .discard where step.isOfMessage: conclude(step, .discard)
        case .reject: conclude(step, .reject(nil))
        case .refuse(let words): conclude(step, words.isTemporary ? .tempfail(words) : .reject(words))
        case .tempfail, .shutdown, .connectionFailure: conclude(step, .tempfail(nil))
        case .skip: try skip(step)
        case .change(let change): try take(change, at: step)
        case .discard, .negotiate, .progress: throw MilterFault("a reply that is none here")
        }
    }

    private mutating func skip(_ step: Step) throws(MilterFault) {
        let isAgreed = agreed?.steps.contains(.skip) == true
        guard isAgreed, let kind = step.kind else { throw MilterFault("it skips what it has not been offered") }
        heard.skips.insert(kind)
        conclude(step, .continue)
    }

    private mutating func take(_ change: MilterChange, at step: Step) throws(MilterFault) {
        guard step == .endOfMessage else { throw MilterFault("it changes a message before its end") }
        guard agreed?.actions.contains(change.action) == true else {
            throw MilterFault("it does what it may not: \(change.action.names)")
        }
        if case .replaceBody(let piece) = change { sizes.body += piece.count } else { sizes.others += change.size }
        guard sizes.body <= configuration.largestBody else {
            throw MilterFault("it puts more than \(configuration.largestBody) octets in the body's place")
        }
        if case .replaceBody(let piece) = change, case .replaceBody(var whole)? = changes.last {
            changes.removeLast()
            whole += piece
            changes.append(.replaceBody(whole))
        } else {
            changes.append(spaced(change))
        }
        guard sizes.others <= Self.largestChanges, changes.count <= Self.mostChanges else {
            throw MilterFault("it changes too much")
        }
    }

    /// Values of fields come out as they stand behind the colon.
    private func spaced(_ change: MilterChange) -> MilterChange {
        guard agreed?.steps.contains(.leadingSpace) != true else { return change }
        switch change {
        case .addField(let name, let value): return .addField(name: name, value: " " + value)
        case .insertField(let place, let name, let value):
            return .insertField(at: place, name: name, value: " " + value)
        case .changeField(let number, let name, let value) where !value.isEmpty:
            return .changeField(number: number, name: name, value: " " + value)
        case .changeField, .replaceBody, .addRecipient, .deleteRecipient, .changeSender, .quarantine: return change
        }
    }

    /// What both sides go by.
    private func agreement(on wish: MilterNegotiation) throws(MilterFault) -> MilterNegotiation {
        let versions = MilterNegotiation.oldestVersion...MilterNegotiation.newestVersion
        guard versions.contains(wish.version) else { throw MilterFault("it speaks version \(wish.version)") }
        guard MilterSteps.all.isSuperset(of: wish.steps) else {
            throw MilterFault("it wants steps that there are not")
        }
        var agreed = wish
        // Many want all that they could ever do, and do less. Of what it was not offered it gets nothing.
        agreed.actions.formIntersection(configuration.actions.union(.nameMacros))
        agreed.steps.formIntersection(Self.offeredSteps)
        return agreed
    }

    // MARK: What follows from replies

    private mutating func conclude(_ step: Step, _ verdict: MilterAnswer.Verdict) {
        open = nil
        note(step, verdict)
        switch step {
        case .endOfMessage:
            answer = MilterAnswer(verdict, changes: verdict.keepsChanges ? changes : [])
        default:
            if verdict != .continue { answer = MilterAnswer(verdict) }
        }
        if answer != nil { steps = [] }
    }

    /// What the milter knows after this step.
    private mutating func note(_ step: Step, _ verdict: MilterAnswer.Verdict) {
        guard let story else { return }
        switch step {
        case .negotiate, .abort: break
        case .connect:
            heard.client = story.client
            if verdict != .continue { heard.onSession = verdict }
        case .hello:
            heard.hello = story.hello
            if verdict != .continue { heard.onSession = verdict }
        case .mail:
            heard.mail = story.mail
            if verdict != .continue { heard.onMessage = verdict }
        case .recipient(let place):
            switch verdict {
            case .continue: heard.recipients.append(story.recipients[place])
            case .accept, .discard: heard.onMessage = verdict
            // It is this recipient's affair.
            case .reject, .tempfail: break
            }
        case .data, .field, .endOfHeader, .body:
            if verdict != .continue { heard.onMessage = verdict }
        case .endOfMessage: heard.forgetMessage()
        }
    }

    /// Notes a step to which the milter has nothing to say.
    mutating func pass(_ step: Step) { note(step, .continue) }
}

extension MilterClientMachine.Step {
    /// From MAIL on.
    fileprivate var isOfMessage: Bool {
        switch self {
        case .negotiate, .connect, .hello, .abort: false
        case .mail, .recipient, .data, .field, .endOfHeader, .body, .endOfMessage: true
        }
    }

    var kind: MilterClientMachine.Kind? {
        switch self {
        case .recipient: .recipients
        case .field: .fields
        case .body: .body
        case .negotiate, .connect, .hello, .abort, .mail, .data, .endOfHeader, .endOfMessage: nil
        }
    }
}

extension MilterAnswer.Verdict {
    fileprivate var keepsChanges: Bool { self == .continue || self == .accept }
}

extension MilterActions {
    /// For people.
    public var names: String {
        let all: [(Self, String)] = [
            (.addHeaders, "add fields"), (.changeBody, "replace the body"), (.addRecipients, "add recipients"),
            (.deleteRecipients, "delete recipients"), (.changeHeaders, "change fields"),
            (.quarantine, "quarantine"), (.changeSender, "change the sender"),
            (.addRecipientsWithParameters, "add recipients with parameters"),
        ]
        let known = all.filter { contains($0.0) }.map(\.1)
        return known.isEmpty ? "actions \(rawValue)" : known.joined(separator: ", ")
    }
}
