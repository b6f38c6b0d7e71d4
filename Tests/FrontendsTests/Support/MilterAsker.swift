import Frontends
import MailTypes
import Pipeline
import Protocols
import Synchronization

/// A mail server that asks a listener of the milter protocol.
struct MilterAsker {
    let client: TestClient
    private var machine: MilterClientMachine

    init(_ server: LiveServer, actions: MilterActions = .all) async throws {
        client = try await server.client()
        machine = MilterClientMachine(.init(actions: actions, largestBody: 1 << 20))
    }

    mutating func ask(_ story: MilterStory) async throws -> MilterAnswer {
        machine.ask(story)
        while true {
            switch machine.next() {
            case .answer(let answer): return answer
            case .send(let octets): try await client.send(octets)
            case .wait:
                let octets = try await client.octets()
                guard !octets.isEmpty else { throw TestClient.Timeout(wanted: "an answer", got: "the end") }
                try machine.received(octets)
            }
        }
    }

    /// Tells all of a transaction; what was said to its last step.
    mutating func deliver(_ story: MilterStory) async throws -> MilterAnswer {
        var told = story
        (told.mail, told.recipients, told.message) = (nil, [], nil)
        told.mail = story.mail
        var answer = try await ask(told)
        for recipient in story.recipients where answer.verdict == .continue {
            told.recipients.append(recipient)
            answer = try await ask(told)
        }
        guard story.message != nil, answer.verdict == .continue else { return answer }
        told.message = story.message
        return try await ask(told)
    }
}

/// A mail server that says what a test wants.
struct MilterTalk {
    let client: TestClient
    private var reader = MilterPacketReader()

    init(_ client: TestClient) { self.client = client }

    func say(_ commands: MilterCommand...) async throws {
        try await client.send(commands.flatMap(\.packet.octets))
    }

    mutating func reply() async throws -> MilterReply {
        while true {
            if let packet = try reader.next() { return try MilterReply(packet) }
            let octets = try await client.octets()
            guard !octets.isEmpty else { throw TestClient.Timeout(wanted: "a reply", got: "the end") }
            reader.append(octets)
        }
    }

    /// Negotiates, and tells of a client, whatever is answered.
    mutating func open(from address: IPAddress, hello: String) async throws {
        let silent: MilterSteps = [.noReplyToHeader, .noReplyToEndOfHeader, .noReplyToBody]
        try await say(.negotiate(.init(actions: .all, steps: silent)))
        _ = try await reply()
        try await say(.connect(host: "x.test", .address(address, port: 1)))
        _ = try await reply()
        try await say(.hello(hello))
        _ = try await reply()
    }
}

extension MilterStory {
    static func from(
        _ client: IPAddress = "192.0.2.7", macros: [String: String] = ["j": "mx.far.test"],
        hello: String = "mx.out.test"
    ) -> MilterStory {
        var story = MilterStory(Client(host: "mx.out.test", peer: .address(client, port: 4711), macros: macros))
        story.hello = Said(hello)
        return story
    }

    func mail(_ path: String = "<a@out.test>", _ macros: [String: String] = [:], to paths: [String]) -> MilterStory {
        var story = self
        story.mail = Said(path, macros: macros.merging(["i": "4bX1"]) { $1 })
        story.recipients = paths.map { Said($0) }
        return story
    }

    func message(_ text: String) throws -> MilterStory {
        var story = self
        story.message = try Message(parsing: Bytes(Array(text.replacing("\n", with: "\r\n").utf8)))
        return story
    }
}

/// Does to a message what its subject says.
struct EditsMail: RecipientStage, MessageStage {
    static let name: StageName = "edits-mail"
    static let effects: Effects = [
        .editsHeader, .editsBody, .changesEnvelope, .quarantines, .discards, .disposes, .rejects,
    ]
    struct Configuration: Decodable, Sendable {}
    var gate = Gate()
    init(_ configuration: Configuration) {}

    func recipient(_ recipient: Recipient, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let address = recipient.address
        return switch address.localPart {
        case "junk": Finding(edits: [.disposition(address, .junk)])
        case "nobody": Finding(.reject(Reply(550, .badDestinationMailbox, "100% unknown")))
        default: .none
        }
    }

    func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        switch message.header["Subject"]?.value {
        case "edit":
            let place = message.header.fields.firstIndex { $0.isNamed("X-Old") } ?? 0
            return Finding(edits: [
                .removeFields(at: [place]), .prependField(name: "X-New", value: "1"),
                .appendField(name: "X-Last", value: "2"),
                .replaceBody(Bytes(Array("changed\r\n".utf8) + [UInt8](repeating: 0x61, count: 100_000))),
            ])
        case "envelope":
            return Finding(edits: [
                .changeSender("list@out.test"), .addRecipient("new@elsewhere.test"), .removeRecipient("a@far.test"),
            ])
        case "hold": return Finding(.quarantine(reason: "odd"))
        case "drop": return Finding(.discard)
        case "percent": return Finding(.reject(Reply(550, .deliveryNotAuthorized, "100% spam")))
        case "slow":
            await gate.wait()
            return .none
        default: return .none
        }
    }
}

/// Keeps who waits until it is opened.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    var waiting: Int { state.withLock { $0.waiting.count } }

    func open() {
        let waiting = state.withLock { state in
            defer { (state.isOpen, state.waiting) = (true, []) }
            return state.waiting
        }
        for one in waiting { one.resume() }
    }
}
