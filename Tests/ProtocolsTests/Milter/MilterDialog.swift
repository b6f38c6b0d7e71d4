import MailTypes

@testable import Protocols

/// A conversation of the machine with a milter that a test makes up.
struct MilterDialog {
    var machine: MilterClientMachine
    /// What the milter wants, and does; told each command but macros.
    var wish = MilterNegotiation(actions: .all, steps: .leadingSpace)
    var replies: (MilterCommand) -> [MilterReply] = { _ in [.continue] }
    /// What it has heard.
    private(set) var heard: [MilterCommand] = []
    private var reader = MilterPacketReader()

    init(actions: MilterActions = .all, largestBody: Int = 1000) {
        machine = MilterClientMachine(.init(actions: actions, largestBody: largestBody))
    }

    /// The codes of what it has heard since this was last asked, macros left out.
    mutating func codes() -> String {
        defer { heard = [] }
        return heard.compactMap { command in
            if case .macros = command { nil } else { String(Unicode.Scalar(command.packet.code)) }
        }.joined()
    }

    mutating func ask(_ story: MilterStory) throws -> MilterAnswer {
        machine.ask(story)
        while true {
            switch machine.next() {
            case .answer(let answer): return answer
            case .wait: throw MilterFault("the machine waits for ever")
            case .send(let octets):
                reader.append(octets)
                while let packet = try reader.next() { try hear(try MilterCommand(packet)) }
            }
        }
    }

    private mutating func hear(_ command: MilterCommand) throws {
        heard.append(command)
        let answers: [MilterReply] =
            switch command {
            case .macros, .abort, .quit, .quitForNext: []
            case .negotiate: [.negotiate(wish)]
            default: isSilent(on: command) ? [] : replies(command)
            }
        for reply in answers { try machine.received(reply.packet.octets) }
    }

    private func isSilent(on command: MilterCommand) -> Bool {
        switch command {
        case .connect: wish.steps.contains(.noReplyToConnect)
        case .hello: wish.steps.contains(.noReplyToHello)
        case .mail: wish.steps.contains(.noReplyToMail)
        case .recipient: wish.steps.contains(.noReplyToRecipient)
        case .data: wish.steps.contains(.noReplyToData)
        case .header: wish.steps.contains(.noReplyToHeader)
        case .endOfHeader: wish.steps.contains(.noReplyToEndOfHeader)
        case .body: wish.steps.contains(.noReplyToBody)
        default: false
        }
    }
}

extension MilterStory {
    static let sample = MilterStory(
        Client(host: "mx.out.example", peer: .address("192.0.2.7", port: 25), macros: ["j": "mx.here.example"]))

    func hello(_ name: String) -> MilterStory {
        var story = self
        story.hello = Said(name)
        return story
    }

    func mail(_ path: String, id: String = "1") -> MilterStory {
        var story = self
        story.mail = Said(path, macros: ["i": id])
        return story
    }

    func to(_ paths: String...) -> MilterStory {
        var story = self
        story.recipients = paths.map { Said($0) }
        return story
    }

    func message(_ fields: KeyValuePairs<String, String>, body: Bytes = "Hello.\r\n") -> MilterStory {
        var story = self
        story.message = Message(
            header: Header(fields: fields.map { HeaderField(name: $0.key, value: $0.value) }), body: body)
        return story
    }
}
