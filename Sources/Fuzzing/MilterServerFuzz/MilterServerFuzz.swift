import CFuzzer
import MailTypes
import Protocols

// What a mail server says comes to the same however it is cut, and what is taken of it is bounded. The first octet says
// how its words are cut.
@_cdecl("MilterServerFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        guard octets.count > 1 else { return 0 }
        let words = octets.dropFirst()
        let step = max(1, Int(octets[0]))
        var (whole, cut) = (Heard(), Heard())
        whole.hear(words)
        for start in stride(from: words.startIndex, to: words.endIndex, by: step) {
            cut.hear(words[start..<min(start + step, words.endIndex)])
        }
        precondition(whole.actions == cut.actions && whole.isAtFault == cut.isAtFault)
        return 0
    }
}

struct Heard {
    private static let largestMessage = 1000

    private(set) var actions: [MilterServerMachine.Action] = []
    private(set) var isAtFault = false
    private var machine = MilterServerMachine(.init(actions: .addHeaders, largestMessage: largestMessage))
    /// What has come out of the message that is under way.
    private var content: [UInt8] = []

    mutating func hear(_ octets: ArraySlice<UInt8>) {
        guard !isAtFault else { return }
        machine.received(octets)
        do throws(MilterFault) { try run() } catch {
            isAtFault = true
            precondition(error.reason.utf8.count < 10_000)
        }
    }

    private mutating func run() throws(MilterFault) {
        while true {
            let action = try machine.next()
            switch action {
            case .wait: return
            case .close:
                if actions.last != .close { actions.append(.close) }
                return
            case .send: actions.append(action)
            case .content(let octets):
                content += octets
                precondition(content.count <= Self.largestMessage)
                actions.append(action)
            case .abort, .beginAnew:
                content = []
                actions.append(action)
            case .ask(let question):
                actions.append(action)
                actions.append(try machine.answered(answer(to: question)))
            }
        }
    }

    private mutating func answer(to question: MilterServerMachine.Question) -> MilterAnswer {
        switch question {
        case .connect, .hello: return MilterAnswer(.continue)
        case .mail(let path, let parameters):
            content = []
            _ = try? Envelope(milterPath: path, parameters, home: "here.example")
            return MilterAnswer(.continue)
        case .recipient(let path, let parameters):
            _ = try? EnvelopeRecipient(milterPath: path, parameters, home: "here.example")
            return MilterAnswer(.continue)
        case .message(let isTooLarge):
            if !isTooLarge { check() }
            content = []
            guard machine.actions?.contains(.addHeaders) == true else { return MilterAnswer(.accept) }
            return MilterAnswer(.accept, changes: [.addField(name: "X", value: " 1")])
        }
    }

    /// Whatever was said, the fields are those that were said, and the body begins where the server said so.
    private func check() {
        guard let message = try? Message(parsing: Bytes(content), limits: HeaderLimits(maxFields: 10_000)) else {
            preconditionFailure("the message cannot be read")
        }
        precondition(!message.header.defects.contains(.missingEmptyLine))
        precondition(!message.header.defects.contains(.endsInHeader))
    }
}
