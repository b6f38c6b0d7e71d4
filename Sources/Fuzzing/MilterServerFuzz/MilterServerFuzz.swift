import CFuzzer
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
            case .send, .abort, .beginAnew: actions.append(action)
            case .ask(let question):
                actions.append(action)
                actions.append(try machine.answered(answer(to: question)))
            }
        }
    }

    private func answer(to question: MilterServerMachine.Question) -> MilterAnswer {
        guard case .message(let fields, let body) = question else { return MilterAnswer(.continue) }
        let size = fields.reduce(body.count) { $0 + $1.name.utf8.count + $1.value.utf8.count }
        // An octet that is no UTF-8 becomes three that are.
        precondition(size <= 3 * Self.largestMessage)
        return MilterAnswer(.accept, changes: [.addField(name: "X", value: " 1")])
    }
}
