import CFuzzer
import MailTypes
import NIOCore
import Protocols

// The first octet chooses the listener, the second where the rest is cut in two. Whatever is said, a message
// that is asked about has recipients and, with strict line ends and outside BINARYMIME, whole lines.
@_cdecl("SMTPServerFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        guard octets.count > 2 else { return 0 }
        var conversation = Conversation(octets[0])
        let rest = octets.dropFirst(2)
        let cut = rest.startIndex + Int(octets[1]) * rest.count / 256
        conversation.send(rest[..<cut])
        conversation.send(rest[cut...])
        return 0
    }
}

/// Says yes to everything, and holds the machine to its word.
struct Conversation {
    private var machine: SMTPServerMachine
    private var input = ByteBuffer()
    private var content: [UInt8]?
    private var isOver = false

    init(_ choice: UInt8) {
        var configuration = SMTPServerMachine.Configuration(hostname: "mx.here.example")
        configuration.language = choice & 1 == 0 ? .smtp : .lmtp
        configuration.lineEnds = choice & 2 == 0 ? .strict : .clean
        configuration.syncViolation = .note
        configuration.maxMessageSize = choice & 4 == 0 ? 0 : 100
        configuration.maxTextLine = choice & 8 == 0 ? 0 : 30
        configuration.offersStartTLS = true
        configuration.authMechanisms = ["PLAIN", "LOGIN"]
        configuration.extensions = Set(SMTPServerMachine.Extension.allCases)
        machine = SMTPServerMachine(configuration: configuration)
        if choice & 16 != 0 { machine.tlsEstablished() }
        run(machine.start())
    }

    mutating func send(_ octets: ArraySlice<UInt8>) {
        guard !isOver else { return }
        input.writeBytes(octets)
        run(machine.next(&input))
    }

    private mutating func run(_ first: SMTPServerMachine.Action) {
        var action = first
        var isAnswer = false
        while true {
            switch action {
            case .wait:
                if !isAnswer { return }
            case .send, .sendEach, .challenge:
                break
            case .startTLS:
                precondition(input.readableBytes == 0)
                machine.tlsEstablished()
            case .ask(let question):
                action = answer(question)
                isAnswer = true
                continue
            case .content(let octets):
                precondition(content != nil && octets.readableBytes > 0)
                content?.append(contentsOf: octets.readableBytesView)
            case .dropContent:
                content = nil
            case .xclient:
                action = machine.answered(Reply(220, "mx.here.example"))
                isAnswer = true
                continue
            case .close:
                isOver = true
                return
            }
            action = machine.next(&input)
            isAnswer = false
        }
    }

    private mutating func answer(_ question: SMTPServerMachine.Question) -> SMTPServerMachine.Action {
        machine.inputBeforeReply(input.readableBytes)
        switch question {
        case .greeting: return machine.answered(Reply(220, "mx.here.example"))
        case .hello, .sender, .recipient: return machine.answered(Reply(250, .other, "Yes"))
        case .contentBegins:
            content = []
            return machine.answered(Reply(354, "Go"))
        case .login: return machine.loggedIn(.success)
        case .message(let envelope):
            check(content, envelope)
            content = nil
            let replies = envelope.recipients.map { _ in Reply(250, .other, "Taken") }
            return machine.repliesPerRecipient ? machine.answeredEach(replies) : machine.answered(replies[0])
        }
    }

    private func check(_ content: [UInt8]?, _ envelope: Envelope) {
        guard let content else { preconditionFailure("asked about a message that was dropped") }
        precondition(!envelope.recipients.isEmpty)
        let limit = machine.configuration.maxMessageSize
        precondition(limit == 0 || content.count <= limit)
        guard envelope.parameters.body != .binaryMIME else { return }
        for (place, octet) in content.enumerated() {
            precondition(octet != 0)
            if octet == .cr { precondition(place + 1 < content.count && content[place + 1] == .lf) }
            if octet == .lf { precondition(place > 0 && content[place - 1] == .cr) }
        }
    }
}
