import MailTypes

/// A milter's side of a conversation, without any I/O: what a mail server says becomes questions, and their answers
/// what it is told. docs/milter.md.
///
/// The header, the body and their ends are not answered one by one, if the server agrees: they come out as the octets
/// of one message, and the message is one question, when it is whole. While a question is open the server waits; one
/// that does not is at fault.
public struct MilterServerMachine: Sendable {
    public struct Configuration: Sendable, Hashable {
        /// What this milter may want to do to a message, where the server lets it.
        public var actions: MilterActions
        /// The macros that it wants to know, by the places where they are sent; otherwise the server's usual ones.
        public var macros: [MilterPlace: [String]]
        /// Octets of a message that are taken; 0 = no limit.
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
        /// All of its octets have come out, unless there were too many of them.
        case message(isTooLarge: Bool)
    }

    public enum Action: Sendable, Hashable {
        case send([UInt8])
        /// To be answered before anything else.
        case ask(Question)
        /// The next octets of the message, header and body, with the line ends of RFC 5322.
        case content([UInt8])
        /// The transaction is over, whatever was said of it.
        case abort
        /// Another client's session begins.
        case beginAnew
        case wait
        case close
    }

    /// Fields of a message that are taken, and macros of one command.
    static let mostFields = 10_000
    static let mostMacros = 1000

    private let configuration: Configuration
    private var reader = MilterPacketReader()
    private var agreed: MilterNegotiation?
    private var open: Question?
    /// What comes after the octets that have come out last.
    private var following: Action?
    private var isClosed = false
    private var fields = 0
    /// The empty line behind the header has come out.
    private var hasEndedHeader = false
    private var size = 0
    private var isTooLarge = false
    /// By the codes of the commands that they came with.
    private var told: [UInt8: [String: String]] = [:]
    /// For the command that comes next.
    private var pending: (code: UInt8, values: [String: String])?

    public init(_ configuration: Configuration) { self.configuration = configuration }

    /// What the server lets this milter do; `nil` before they have agreed.
    public var actions: MilterActions? { agreed?.actions }

    /// The version that both speak.
    public var version: UInt32? { agreed?.version }

    /// What the server has told of itself, the session and the transaction, with the latest command that told it.
    public func macro(_ name: String) -> String? {
        for place in MilterPlace.latestFirst { if let value = told[place.code]?[name] { return value } }
        return nil
    }

    public mutating func received(_ octets: some Sequence<UInt8>) { reader.append(octets) }

    /// What is to be done next; nothing while a question is open.
    public mutating func next() throws(MilterFault) -> Action {
        if let action = following.take() { return action }
        while !isClosed {
            guard let packet = try reader.next() else { return .wait }
            guard open == nil else { throw MilterFault("it does not wait for an answer") }
            if let action = try take(MilterCommand(packet)) { return action }
        }
        return .close
    }

    /// The octets by which a server that has asked about a message hears that the answer takes time; others would not
    /// understand it.
    public var progress: [UInt8]? {
        guard case .message? = open else { return nil }
        return MilterReply.progress.packet.octets
    }

    /// Answers the open question. Changes are for the message alone, and those that the server did not agree on are
    /// a fault of who answers.
    public mutating func answered(_ answer: MilterAnswer) throws(MilterFault) -> Action {
        guard let question = open.take() else { throw MilterFault("no question is open") }
        var octets: [UInt8] = []
        if !answer.changes.isEmpty {
            guard case .message = question else { throw MilterFault("there is no message to change") }
            for change in answer.changes {
                guard actions?.contains(change.action) == true else {
                    throw MilterFault("the server does not let it change that")
                }
                for piece in change.pieces { unspaced(piece).packet.write(to: &octets) }
            }
        }
        answer.verdict.reply.packet.write(to: &octets)
        if case .message = question { forgetMessage() }
        return .send(octets)
    }

    /// Without the leading blank of a value, which the server writes itself if they have not agreed otherwise.
    private func unspaced(_ change: MilterChange) -> MilterReply {
        guard agreed?.steps.contains(.leadingSpace) != true else { return .change(change) }
        return switch change {
        case .addField(let name, let value): .change(.addField(name: name, value: value.withoutBlank))
        case .insertField(let place, let name, let value):
            .change(.insertField(at: place, name: name, value: value.withoutBlank))
        case .changeField(let number, let name, let value):
            .change(.changeField(number: number, name: name, value: value.withoutBlank))
        default: .change(change)
        }
    }

    // MARK: Commands

    private mutating func take(_ command: MilterCommand) throws(MilterFault) -> Action? {
        if case .negotiate(let offer) = command { return try negotiate(offer) }
        guard agreed != nil else { throw MilterFault("it does not negotiate") }
        settleMacros(for: command)
        switch command {
        case .negotiate: return nil
        case .macros(let code, let values):
            guard values.count <= Self.mostMacros else { throw MilterFault("too many macros") }
            pending = (code, Dictionary(values.map { ($0.name, $0.value) }) { $1 })
            return nil
        case .connect(let host, let peer): return ask(.connect(host: host, peer))
        case .hello(let name): return ask(.hello(name))
        case .mail(let path, let parameters):
            forgetMessage()
            return ask(.mail(path, parameters))
        case .recipient(let path, let parameters): return ask(.recipient(path, parameters))
        case .data: return reply(unless: .noReplyToData)
        case .header(let name, let value): return try take(name, value)
        case .endOfHeader:
            guard !hasEndedHeader else { throw MilterFault("the header ends twice") }
            return then(reply(unless: .noReplyToEndOfHeader), endOfHeader())
        case .body(let octets): return then(reply(unless: .noReplyToBody), body(octets))
        case .endOfMessage(let octets):
            let rest = body(octets)
            return then(ask(.message(isTooLarge: isTooLarge)), rest)
        case .abort:
            forgetMessage()
            for place in MilterPlace.ofMessage { told[place.code] = nil }
            return .abort
        case .unknown: return reply(unless: .noReplyToUnknown)
        case .quit:
            isClosed = true
            return .close
        case .quitForNext:
            forgetMessage()
            told = [:]
            return .beginAnew
        }
    }

    /// What was told with a command before holds no longer where it comes again, nor with another transaction.
    private mutating func settleMacros(for command: MilterCommand) {
        if case .macros = command { return }
        defer { pending = nil }
        guard let code = command.macroPlace?.code else { return }
        if case .mail = command { for place in MilterPlace.ofMessage { told[place.code] = nil } }
        told[code] = pending?.code == code ? pending?.values : nil
    }

    private mutating func ask(_ question: Question) -> Action {
        open = question
        return .ask(question)
    }

    private func reply(unless silence: MilterSteps) -> Action? {
        agreed?.steps.contains(silence) == true ? nil : .send(MilterReply.continue.packet.octets)
    }

    /// Octets come out before what follows from them.
    private mutating func then(_ action: Action?, _ content: [UInt8]) -> Action? {
        guard !content.isEmpty else { return action }
        following = action
        return .content(content)
    }

    // MARK: Content

    private mutating func take(_ name: [UInt8], _ value: [UInt8]) throws(MilterFault) -> Action? {
        guard !hasEndedHeader else { throw MilterFault("a field behind the header") }
        fields += 1
        if fields > Self.mostFields { isTooLarge = true }
        let field = MilterField.octets(
            name: name, value: value, hasLeadingSpace: agreed?.steps.contains(.leadingSpace) == true)
        return then(reply(unless: .noReplyToHeader), counted(field))
    }

    private mutating func endOfHeader() -> [UInt8] {
        guard !hasEndedHeader else { return [] }
        hasEndedHeader = true
        return counted([.cr, .lf])
    }

    private mutating func body(_ octets: [UInt8]) -> [UInt8] {
        // A server that was not asked for the end of the header may leave it out.
        let end = endOfHeader()
        return end + counted(octets)
    }

    /// Of a message that is too large nothing more comes out.
    private mutating func counted(_ octets: [UInt8]) -> [UInt8] {
        guard !isTooLarge else { return [] }
        let (sum, isBeyond) = size.addingReportingOverflow(octets.count)
        size = sum
        isTooLarge = isBeyond || (configuration.largestMessage > 0 && sum > configuration.largestMessage)
        return isTooLarge ? [] : octets
    }

    private mutating func forgetMessage() { (fields, hasEndedHeader, size, isTooLarge) = (0, false, 0, false) }

    // MARK: Negotiation

    /// What of the offer this milter makes use of.
    private mutating func negotiate(_ offer: MilterNegotiation) throws(MilterFault) -> Action {
        guard agreed == nil else { throw MilterFault("it negotiates twice") }
        guard offer.version >= MilterNegotiation.oldestVersion else {
            throw MilterFault("it speaks version \(offer.version)")
        }
        let isOld = offer.version == MilterNegotiation.oldestVersion
        let offered = isOld ? offer.actions.intersection(.early) : offer.actions
        let wanted: MilterSteps = [
            .noUnknown, .noReplyToData, .noReplyToHeader, .noReplyToEndOfHeader, .noReplyToBody, .leadingSpace,
        ]
        let steps = wanted.intersection(offer.steps).intersection(isOld ? .early : .all)
        let mayName = offered.contains(.nameMacros) && !configuration.macros.isEmpty
        let answer = MilterNegotiation(
            version: min(offer.version, MilterNegotiation.newestVersion),
            actions: configuration.actions.intersection(offered).union(mayName ? .nameMacros : []), steps: steps,
            macros: mayName ? configuration.macros : [:])
        agreed = answer
        return .send(MilterReply.negotiate(answer).packet.octets)
    }
}

/// One field of a header, in the form that it has in a message.
enum MilterField {
    /// Whatever is said comes to exactly one field, so that the fields' numbers are the same on both sides: a line of
    /// the value that would not go on with it gets a blank, and what cannot stand in a name becomes `-`.
    static func octets(name: [UInt8], value: [UInt8], hasLeadingSpace: Bool) -> [UInt8] {
        var octets = name.map { $0.isVisible && $0 != UInt8(ascii: ":") ? $0 : UInt8(ascii: "-") }
        if octets.isEmpty { octets = [UInt8(ascii: "-")] }
        octets.append(UInt8(ascii: ":"))
        if !hasLeadingSpace { octets.append(.space) }
        var lines = value.split(separator: .lf, omittingEmptySubsequences: false)
        while lines.count > 1, lines.last?.isEmpty == true { lines.removeLast() }
        for (place, line) in lines.enumerated() {
            if place > 0 {
                octets += [.cr, .lf]
                if line.first?.isBlank != true { octets.append(.space) }
            }
            octets += line.last == .cr ? line.dropLast() : line
        }
        return octets + [.cr, .lf]
    }
}

extension MilterPlace {
    /// As they come in a session, the last one first.
    fileprivate static let latestFirst: [Self] = [
        .endOfMessage, .endOfHeader, .data, .recipient, .mail, .hello, .connect,
    ]
    fileprivate static let ofMessage: [Self] = [.mail, .recipient, .data, .endOfHeader, .endOfMessage]
}

extension MilterCommand {
    /// Where the macros are sent that come before this command.
    fileprivate var macroPlace: MilterPlace? {
        switch self {
        case .connect: .connect
        case .hello: .hello
        case .mail: .mail
        case .recipient: .recipient
        case .data: .data
        case .endOfHeader: .endOfHeader
        case .endOfMessage: .endOfMessage
        case .negotiate, .macros, .header, .body, .abort, .unknown, .quit, .quitForNext: nil
        }
    }
}

extension String {
    fileprivate var withoutBlank: String {
        utf8.first == .space ? String(decoding: utf8.dropFirst(), as: UTF8.self) : self
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
    fileprivate var pieces: [MilterChange] {
        guard case .replaceBody(let octets) = self, octets.count > MilterPacket.longestChunk else { return [self] }
        return stride(from: 0, to: octets.count, by: MilterPacket.longestChunk).map { start in
            let end = min(start + MilterPacket.longestChunk, octets.count)
            return .replaceBody(Array(octets[start..<end]))
        }
    }
}
