import MailTypes

/// A milter's side of a conversation, without any I/O: what a mail server says becomes questions, and their answers
/// what it is told. docs/milter.md.
///
/// The header, the body and their ends are not answered one by one, if the server agrees: the message is one question,
/// when it is whole. While a question is open the server waits; one that does not is at fault.
public struct MilterServerMachine: Sendable {
    public struct Configuration: Sendable, Hashable {
        /// What this milter may want to do to a message.
        public var actions: MilterActions
        /// The macros that it wants to know, by the places where they are sent; otherwise the server's usual ones.
        public var macros: [MilterPlace: [String]]
        /// Octets of header and body that are taken.
        public var largestMessage: Int

        public init(actions: MilterActions, macros: [MilterPlace: [String]] = [:], largestMessage: Int) {
            self.actions = actions
            self.macros = macros
            self.largestMessage = largestMessage
        }
    }

    public enum Question: Sendable, Hashable {
        case connect(host: String, MilterPeer)
        case hello(String)
        case mail(String, [String])
        case recipient(String, [String])
        /// The names and values of the fields as they came, and the body.
        case message([Field], [UInt8])
    }

    public struct Field: Sendable, Hashable {
        public var name: String
        /// What stands behind the colon, if the server agrees to send all of it; lines are separated by LF.
        public var value: String
    }

    public enum Action: Sendable, Hashable {
        case send([UInt8])
        /// To be answered before anything else.
        case ask(Question)
        /// The transaction is over, whatever was said of it.
        case abort
        /// Another client's session begins.
        case beginAnew
        case wait
        case close
    }

    /// Fields of a message, and macros of a session.
    static let mostFields = 10_000
    static let mostMacros = 1000

    private let configuration: Configuration
    private var reader = MilterPacketReader()
    private var agreed: MilterNegotiation?
    private var open: Question?
    private var isClosed = false
    private var fields: [Field] = []
    private var body: [UInt8] = []
    private var size = 0
    /// What the server has told of itself, the session and the message: by name, the latest.
    public private(set) var macros: [String: String] = [:]

    public init(_ configuration: Configuration) { self.configuration = configuration }

    /// Whether values of fields come with the blanks before them.
    public var hasLeadingSpace: Bool { agreed?.steps.contains(.leadingSpace) == true }

    /// What the server lets this milter do.
    public var actions: MilterActions { agreed?.actions ?? [] }

    public mutating func received(_ octets: some Sequence<UInt8>) { reader.append(octets) }

    /// What is to be done next; nothing while a question is open.
    public mutating func next() throws(MilterFault) -> Action {
        while !isClosed {
            guard let packet = try reader.next() else { return .wait }
            guard open == nil else { throw MilterFault("it does not wait for an answer") }
            if let action = try take(MilterCommand(packet)) { return action }
        }
        return .close
    }

    /// Answers the open question. Changes are for the message alone, and those that the server did not agree on are
    /// a fault of who answers.
    public mutating func answered(_ answer: MilterAnswer) throws(MilterFault) -> Action {
        guard let question = open.take() else { throw MilterFault("no question is open") }
        var octets: [UInt8] = []
        if !answer.changes.isEmpty {
            guard case .message = question else { throw MilterFault("there is no message to change") }
            for change in answer.changes {
                guard actions.contains(change.action) else {
                    throw MilterFault("the server does not let it change that")
                }
                for piece in change.pieces { piece.packet.write(to: &octets) }
            }
        }
        answer.verdict.reply.packet.write(to: &octets)
        if case .message = question { forgetMessage() }
        return .send(octets)
    }

    private mutating func take(_ command: MilterCommand) throws(MilterFault) -> Action? {
        if case .negotiate(let offer) = command { return try negotiate(offer) }
        guard agreed != nil else { throw MilterFault("it does not negotiate") }
        switch command {
        case .negotiate: return nil
        case .macros(_, let values):
            for macro in values { macros[macro.name] = macro.value }
            guard macros.count <= Self.mostMacros else { throw MilterFault("too many macros") }
            return nil
        case .connect(let host, let peer): return ask(.connect(host: host, peer))
        case .hello(let name): return ask(.hello(name))
        case .mail(let path, let parameters):
            forgetMessage()
            return ask(.mail(path, parameters))
        case .recipient(let path, let parameters): return ask(.recipient(path, parameters))
        case .data: return reply(unless: .noReplyToData)
        case .header(let name, let value):
            try count(name.utf8.count + value.utf8.count)
            guard fields.count < Self.mostFields else { throw MilterFault("too many fields") }
            fields.append(Field(name: name, value: value))
            return reply(unless: .noReplyToHeader)
        case .endOfHeader: return reply(unless: .noReplyToEndOfHeader)
        case .body(let octets):
            try count(octets.count)
            body += octets
            return reply(unless: .noReplyToBody)
        case .endOfMessage(let octets):
            try count(octets.count)
            return ask(.message(fields, body + octets))
        case .abort:
            forgetMessage()
            return .abort
        case .unknown: return reply(unless: .noReplyToUnknown)
        case .quit:
            isClosed = true
            return .close
        case .quitForNext:
            forgetMessage()
            macros = [:]
            return .beginAnew
        }
    }

    private mutating func ask(_ question: Question) -> Action {
        open = question
        return .ask(question)
    }

    private func reply(unless silence: MilterSteps) -> Action? {
        agreed?.steps.contains(silence) == true ? nil : .send(MilterReply.continue.packet.octets)
    }

    private mutating func count(_ octets: Int) throws(MilterFault) {
        size += octets
        guard size <= configuration.largestMessage else {
            throw MilterFault("the message has more than \(configuration.largestMessage) octets")
        }
    }

    private mutating func forgetMessage() { (fields, body, size) = ([], [], 0) }

    /// What of the offer this milter makes use of.
    private mutating func negotiate(_ offer: MilterNegotiation) throws(MilterFault) -> Action {
        guard agreed == nil else { throw MilterFault("it negotiates twice") }
        guard offer.version >= MilterNegotiation.oldestVersion else {
            throw MilterFault("it speaks version \(offer.version)")
        }
        guard offer.actions.isSuperset(of: configuration.actions) else {
            let missing = configuration.actions.subtracting(offer.actions)
            throw MilterFault("it does not let a milter \(missing.names)")
        }
        let wanted: MilterSteps = [
            .noUnknown, .noReplyToData, .noReplyToHeader, .noReplyToEndOfHeader, .noReplyToBody, .leadingSpace,
        ]
        let mayName = offer.actions.contains(.nameMacros) && !configuration.macros.isEmpty
        let answer = MilterNegotiation(
            version: min(offer.version, MilterNegotiation.newestVersion),
            actions: configuration.actions.union(mayName ? .nameMacros : []), steps: wanted.intersection(offer.steps),
            macros: mayName ? configuration.macros : [:])
        agreed = answer
        return .send(MilterReply.negotiate(answer).packet.octets)
    }
}

extension MilterAnswer.Verdict {
    fileprivate var reply: MilterReply {
        switch self {
        case .continue: .continue
        case .accept: .accept
        case .discard: .discard
        case .reject(nil): .reject
        case .tempfail(nil): .tempfail
        case .reject(let words?), .tempfail(let words?): .refuse(words)
        }
    }
}

extension MilterChange {
    /// Packets have a size.
    fileprivate var pieces: [MilterReply] {
        guard case .replaceBody(let octets) = self, octets.count > MilterPacket.longestChunk else {
            return [.change(self)]
        }
        return stride(from: 0, to: octets.count, by: MilterPacket.longestChunk).map { start in
            let end = min(start + MilterPacket.longestChunk, octets.count)
            return .change(.replaceBody(Array(octets[start..<end])))
        }
    }
}
