public import MailTypes
import NIOCore
public import Protocols

/// Drives an ``SMTPServerMachine`` in memory, with a pipeline that decides by the names in the addresses.
///
/// Local parts: `unknown…` is refused with 550, `busy…` with 451; `picky…` takes no message. A sender
/// `banned…` is refused. A message that contains `X-Refuse:` is refused with 550 as a whole, `X-Defer:` with 451.
/// Logins: `anna` with `secret`; `down` has no directory; `banned` is sent away.
public struct SMTPMachineTransport: DialogTransport {
    /// A message that got a positive reply, with the envelope that it was asked with.
    public struct Taken: Sendable, Hashable {
        public var envelope: Envelope
        public var content: [UInt8]
    }

    public private(set) var machine: SMTPServerMachine
    public private(set) var taken: [Taken] = []
    public private(set) var isOver = false
    /// Every question that was asked.
    public private(set) var questions: [SMTPServerMachine.Question] = []
    private var input = ByteBuffer()
    private var output = ByteBuffer()
    private var spool: [UInt8]?

    /// Connects; with `early`, these octets came before the greeting.
    public init(_ configuration: SMTPServerMachine.Configuration, isEncrypted: Bool = false, early: [UInt8] = []) {
        machine = SMTPServerMachine(configuration: configuration)
        if isEncrypted { machine.tlsEstablished() }
        let first = machine.start()
        machine.inputBeforeReply(early.count)
        input.writeBytes(early)
        run(first)
    }

    public mutating func send(_ octets: [UInt8]) {
        guard !isOver else { return }
        input.discardReadBytes()
        input.writeBytes(octets)
        run(machine.next(&input))
    }

    public mutating func receive() -> [UInt8] {
        output.readBytes(length: output.readableBytes) ?? []
    }

    public mutating func startTLS() { machine.tlsEstablished() }
    public mutating func isClosed() -> Bool { isOver }
    public func takenMessages() -> [[UInt8]]? { taken.map(\.content) }

    /// Octets that wait for the rest of their line.
    public var unread: Int { input.readableBytes }

    private mutating func run(_ first: SMTPServerMachine.Action) {
        var action = first
        var isFromNext = true
        while !isOver {
            switch action {
            case .wait:
                if isFromNext { return }
            case .send(let reply), .startTLS(let reply):
                SMTPReplyEncoder.write(reply, to: &output)
            case .sendEach(let replies):
                for reply in replies { SMTPReplyEncoder.write(reply, to: &output) }
            case .challenge(let text):
                SMTPReplyEncoder.write(challenge: text, to: &output)
            case .ask(let question):
                questions.append(question)
                action = answer(question)
                isFromNext = false
                continue
            case .content(let octets):
                spool?.append(contentsOf: octets.readableBytesView)
            case .dropContent:
                spool = nil
            case .xclient:
                action = machine.answered(.sampleGreeting)
                isFromNext = false
                continue
            case .close(let reply):
                if let reply { SMTPReplyEncoder.write(reply, to: &output) }
                isOver = true
                return
            }
            action = machine.next(&input)
            isFromNext = true
        }
    }

    private mutating func answer(_ question: SMTPServerMachine.Question) -> SMTPServerMachine.Action {
        switch question {
        case .greeting:
            return machine.answered(.sampleGreeting)
        case .hello:
            return machine.answered(Reply(250, "fine"))
        case .sender(let envelope):
            let isBanned = envelope.sender?.localPart.hasPrefix("banned") == true
            return machine.answered(
                isBanned ? Reply(550, .deliveryNotAuthorized, "Not you") : Reply(250, .other, "Sender taken"))
        case .recipient(let recipient):
            return machine.answered(Self.verdict(on: recipient))
        case .contentBegins:
            spool = []
            return machine.answered(Reply(354, "Go ahead"))
        case .message(let envelope):
            return message(envelope)
        case .login(let login):
            return machine.loggedIn(Self.outcome(of: login))
        }
    }

    private mutating func message(_ envelope: Envelope) -> SMTPServerMachine.Action {
        let content = spool ?? []
        spool = nil
        let text = String(decoding: content, as: UTF8.self)
        if text.contains("X-Refuse:") { return machine.answered(Reply(550, .deliveryNotAuthorized, "Refused")) }
        if text.contains("X-Defer:") { return machine.answered(Reply(451, .deliveryNotAuthorized, "Not now")) }
        let happy = envelope.recipients.filter { !$0.address.localPart.hasPrefix("picky") }
        if !machine.repliesPerRecipient || !happy.isEmpty { taken.append(Taken(envelope: envelope, content: content)) }
        guard machine.repliesPerRecipient else { return machine.answered(Reply(250, .other, "Taken")) }
        return machine.answeredEach(
            envelope.recipients.map {
                happy.contains($0)
                    ? Reply(250, .other, "Taken for \($0.address.localPart)")
                    : Reply(550, .deliveryNotAuthorized, "Not for \($0.address.localPart)")
            })
    }

    private static func verdict(on recipient: EnvelopeRecipient) -> Reply {
        let name = recipient.address.localPart
        if name.hasPrefix("unknown") { return Reply(550, .badDestinationMailbox, "No such user") }
        if name.hasPrefix("busy") { return Reply(451, .deliveryNotAuthorized, "Come back later") }
        return Reply(250, .destinationValid, "Recipient taken")
    }

    private static func outcome(of login: SMTPServerMachine.Login) -> SMTPServerMachine.LoginOutcome {
        switch login.name {
        case "anna": login.password == Array("secret".utf8) ? .success : .refused
        case "down": .temporary
        case "banned": .banned(Reply(421, .securityOther, "Too many failed logins"))
        default: .refused
        }
    }
}

extension Reply {
    fileprivate static let sampleGreeting = Reply(220, "mx.here.example ESMTP")
}

extension SMTPServerMachine.Configuration {
    /// The machine's configuration for a dialog, with small limits and everything on offer.
    public static func sample(for dialog: Dialog) throws -> Self {
        var configuration = Self(hostname: "mx.here.example")
        configuration.maxMessageSize = 1000
        configuration.maxRecipients = 100
        configuration.offersStartTLS = true
        configuration.authMechanisms = ["PLAIN", "LOGIN"]
        for (key, value) in dialog.options { try configuration.set(key, to: value) }
        return configuration
    }

    private mutating func set(_ key: String, to value: String) throws {
        let number = Int(value) ?? 0
        switch key {
        case "language": language = try Self.read(value, SMTPServerMachine.Language.init)
        case "lineEnds": lineEnds = try Self.read(value, SMTPServerMachine.LineEnds.init)
        case "syncViolation": syncViolation = try Self.read(value, SMTPServerMachine.SyncViolation.init)
        case "maxMessageSize": maxMessageSize = number
        case "maxRecipients": maxRecipients = number
        case "maxRefusedRecipients": maxRefusedRecipients = number
        case "maxTransactions": maxTransactions = number
        case "maxErrors": maxErrors = number
        case "maxUnknownBeforeHello": maxUnknownBeforeHello = number
        case "maxJunkCommands": maxJunkCommands = number
        case "maxCommandLine": maxCommandLine = number
        case "maxTextLine": maxTextLine = number
        case "offersStartTLS": offersStartTLS = value == "true"
        case "requiresTLS": requiresTLS = value == "true"
        case "requiresAuth": requiresAuth = value == "true"
        case "authWithoutTLS": authWithoutTLS = value == "true"
        case "authMechanisms": authMechanisms = value.split(separator: " ").map(String.init)
        case "without": extensions.remove(try Self.read(value, SMTPServerMachine.Extension.init))
        case "with": extensions.insert(try Self.read(value, SMTPServerMachine.Extension.init))
        // How the connection begins, which is the player's to arrange.
        case "implicitTLS", "early": break
        default: throw Dialog.Malformed(description: "config: \(key) is no option")
        }
    }

    private static func read<Value>(_ text: String, _ make: (String) -> Value?) throws -> Value {
        guard let value = make(text) else { throw Dialog.Malformed(description: "config: \(text) is no value") }
        return value
    }
}

extension Dialog {
    public func option(_ key: String) -> String? { options.last { $0.key == key }?.value }

    /// Plays the dialog against a fresh machine, and returns what it went through.
    @discardableResult
    public func playAgainstMachine(_ cutting: DialogPlayer.Cutting) async throws -> SMTPMachineTransport {
        var transport = SMTPMachineTransport(
            try .sample(for: self), isEncrypted: option("implicitTLS") == "true",
            early: option("early").flatMap(Dialog.unescaped) ?? [])
        try await DialogPlayer.play(self, cutting, against: &transport)
        return transport
    }
}
