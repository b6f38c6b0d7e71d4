import MailTypes

// How a story is told: what is left of it, and in which packets.

extension MilterClientMachine {
    /// What is to be said so that the milter has heard `story`.
    func plan(for story: MilterStory) -> [Step] {
        guard heard.onSession == nil else { return [] }
        var steps: [Step] = agreed == nil ? [.negotiate] : []
        if heard.client == nil { steps.append(.connect) }
        var hasMail = heard.mail != nil
        if story.hello != nil, story.hello != heard.hello {
            if hasMail { steps.append(.abort) }
            hasMail = false
            steps.append(.hello)
        }
        guard story.mail != nil else { return steps }
        let isAsked = story.message == nil && !story.recipients.isEmpty
        let earlier = isAsked ? story.recipients.indices.dropLast() : story.recipients.indices[...]
        if hasMail, goesOn(story, earlier.map { story.recipients[$0] }) {
            if heard.onMessage != nil { return steps }
            var known = heard.recipients
            for place in earlier where !known.removeFirst(story.recipients[place]) { steps.append(.recipient(place)) }
        } else {
            if hasMail { steps.append(.abort) }
            steps.append(.mail)
            steps += earlier.map(Step.recipient)
        }
        if isAsked { steps.append(.recipient(story.recipients.count - 1)) }
        guard let message = story.message else { return steps }
        steps.append(.data)
        steps += message.header.fields.indices.map(Step.field)
        return steps + [.endOfHeader, .body(0), .endOfMessage]
    }

    /// Whether what the milter has heard of a message is the beginning of this story.
    ///
    /// While recipients come it may know of some that another stage has refused; before the message it must know of
    /// those that it is for, and of no others.
    private func goesOn(_ story: MilterStory, _ recipients: [MilterStory.Said]) -> Bool {
        guard heard.mail == story.mail, !heard.hasContent else { return false }
        if heard.onMessage != nil { return true }
        guard story.message != nil else { return !story.recipients.isEmpty }
        var left = recipients
        return heard.recipients.allSatisfy { left.removeFirst($0) }
    }

    /// Puts a step into octets; afterwards a reply is due, or not.
    mutating func say(_ step: Step, to octets: inout [UInt8]) {
        guard let story else { return }
        // A step that is skipped has been taken: nothing more follows from it.
        guard wants(step) else { return pass(step) }
        for packet in packets(for: step, of: story) { packet.write(to: &octets) }
        switch step {
        case .abort: heard.forgetMessage()
        case .data, .field, .endOfHeader: heard.hasContent = true
        case .body(let start):
            heard.hasContent = true
            let end = start + MilterPacket.longestChunk
            if let body = story.message?.body, end < body.count { steps.append(.body(end)) }
        case .negotiate, .connect, .hello, .mail, .recipient, .endOfMessage: break
        }
        if isAnswered(step) { open = step } else { pass(step) }
    }

    private func wants(_ step: Step) -> Bool {
        guard let steps = agreed?.steps else { return true }
        switch step {
        case .negotiate, .abort, .endOfMessage: return true
        case .connect: return !steps.contains(.noConnect)
        case .hello: return !steps.contains(.noHello)
        case .mail: return !steps.contains(.noMail)
        case .recipient: return !steps.contains(.noRecipient) && !heard.skips.contains(.recipients)
        case .data: return !steps.contains(.noData) && (agreed?.version ?? 0) > 3
        case .field: return !steps.contains(.noHeader) && !heard.skips.contains(.fields)
        case .endOfHeader: return !steps.contains(.noEndOfHeader)
        case .body:
            let isEmpty = story?.message?.body.isEmpty ?? true
            return !steps.contains(.noBody) && !heard.skips.contains(.body) && !isEmpty
        }
    }

    private func isAnswered(_ step: Step) -> Bool {
        let silent: MilterSteps =
            switch step {
            case .abort: []
            case .negotiate, .endOfMessage: []
            case .connect: .noReplyToConnect
            case .hello: .noReplyToHello
            case .mail: .noReplyToMail
            case .recipient: .noReplyToRecipient
            case .data: .noReplyToData
            case .field: .noReplyToHeader
            case .endOfHeader: .noReplyToEndOfHeader
            case .body: .noReplyToBody
            }
        guard step != .abort else { return false }
        return silent.isEmpty || agreed?.steps.isSuperset(of: silent) != true
    }

    // MARK: Packets

    private func packets(for step: Step, of story: MilterStory) -> [MilterPacket] {
        let mail = story.mail ?? MilterStory.Said("<>")
        switch step {
        case .negotiate:
            let offer = MilterNegotiation(
                actions: configuration.actions.union(.nameMacros), steps: Self.offeredSteps)
            return [MilterCommand.negotiate(offer).packet]
        case .connect:
            let client = story.client
            return packets(.connect, client.macros, .connect(host: client.host, client.peer))
        case .hello:
            let hello = story.hello ?? MilterStory.Said("")
            return packets(.hello, hello.macros, .hello(hello.text))
        case .abort: return [MilterCommand.abort.packet]
        case .mail: return packets(.mail, mail.macros, .mail(mail.text, mail.parameters))
        case .recipient(let place):
            let recipient = story.recipients[place]
            let macros = mail.macros.merging(recipient.macros) { $1 }
            return packets(.recipient, macros, .recipient(recipient.text, recipient.parameters))
        case .data: return packets(.data, mail.macros, .data)
        case .field(let place):
            guard let field = story.message?.header.fields[place] else { return [] }
            return [header(field)]
        case .endOfHeader: return packets(.endOfHeader, mail.macros, .endOfHeader)
        case .body(let start):
            guard let body = story.message?.body else { return [] }
            return [MilterPacket("B", body[start..<min(start + MilterPacket.longestChunk, body.count)].array)]
        case .endOfMessage: return packets(.endOfMessage, mail.macros, .endOfMessage([]))
        }
    }

    private func packets(
        _ place: MilterPlace, _ values: MilterStory.Macros, _ command: MilterCommand
    ) -> [MilterPacket] {
        let names = agreed?.macros[place] ?? place.usualMacros
        let macros = names.compactMap { name in values[name].map { MilterMacro(name, $0) } }
        guard !macros.isEmpty else { return [command.packet] }
        return [MilterCommand.macros(for: place.code, macros).packet, command.packet]
    }

    /// The octets as they are: a signature may cover them.
    private func header(_ field: HeaderField) -> MilterPacket {
        var value = field.rawValue
        if agreed?.steps.contains(.leadingSpace) != true, value.first == .space { value = value.dropFirst() }
        var data: [UInt8] = []
        data.append(text: field.nameBytes)
        data.append(text: value.filter { $0 != .cr && $0 != 0 })
        return MilterPacket("L", data)
    }
}

extension Array where Element: Equatable {
    /// Takes one such element out; whether there was one.
    fileprivate mutating func removeFirst(_ element: Element) -> Bool {
        guard let place = firstIndex(of: element) else { return false }
        remove(at: place)
        return true
    }
}
