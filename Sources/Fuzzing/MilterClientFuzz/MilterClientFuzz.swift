import CFuzzer
import MailTypes
import Protocols

// What a milter answers comes to the same however it is cut, is bounded, and is never more than was agreed on. The
// first octet says what it may do, the second how its words are cut.
@_cdecl("MilterClientFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        guard octets.count > 2 else { return 0 }
        let words = octets.dropFirst(2)
        let step = max(1, Int(octets[1]))
        var (whole, cut) = (Session(octets[0]), Session(octets[0]))
        // Words are cut where a packet can end, so that both hear them at the same point of the conversation.
        for packet in packets(words) {
            whole.hear(packet)
            for start in stride(from: packet.startIndex, to: packet.endIndex, by: step) {
                cut.hear(packet[start..<min(start + step, packet.endIndex)])
            }
        }
        precondition(whole.answers == cut.answers && whole.isAtFault == cut.isAtFault)
        return 0
    }
}

/// The octets of one packet after the other, and of what is none.
func packets(_ octets: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    var (packets, rest) = ([ArraySlice<UInt8>](), octets)
    while !rest.isEmpty {
        let length = rest.count < 4 ? rest.count : 4 + rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        packets.append(rest.prefix(length))
        rest = rest.dropFirst(length)
    }
    return packets
}

/// A client's session of two messages.
struct Session {
    private static let largestBody = 100

    private(set) var answers: [MilterAnswer] = []
    private(set) var isAtFault = false
    private let actions: MilterActions
    private var machine: MilterClientMachine
    private var stories: [MilterStory]
    private var isTelling = false

    init(_ choice: UInt8) {
        actions = MilterActions(rawValue: UInt32(choice))
        machine = MilterClientMachine(.init(actions: actions, largestBody: Self.largestBody))
        var story = MilterStory(.init(host: "mx", peer: .address("192.0.2.7", port: 25)))
        stories = [story]
        story.hello = .init("mx")
        stories.append(story)
        for id in ["1", "2"] {
            story.mail = .init("<a@out.example>", macros: ["i": id])
            (story.recipients, story.message) = ([], nil)
            stories.append(story)
            for name in ["b", "c"] {
                story.recipients.append(.init("<\(name)@here.example>"))
                stories.append(story)
            }
            let header = Header(fields: [HeaderField(name: "A", value: "1"), HeaderField(name: "B", value: "2")])
            story.message = Message(header: header, body: "Hello.\r\n")
            stories.append(story)
        }
        stories.reverse()
        tell()
    }

    mutating func hear(_ octets: ArraySlice<UInt8>) {
        guard !isAtFault else { return }
        do throws(MilterFault) { try machine.received(octets) } catch {
            isAtFault = true
            precondition(error.reason.utf8.count < 10_000)
            return
        }
        tell()
    }

    private mutating func tell() {
        while true {
            if !isTelling {
                guard let story = stories.popLast() else { return }
                machine.ask(story)
                isTelling = true
            }
            switch machine.next() {
            case .wait: return
            case .send(let octets): precondition(octets.count < 10_000)
            case .answer(let answer):
                check(answer)
                answers.append(answer)
                isTelling = false
            }
        }
    }

    private func check(_ answer: MilterAnswer) {
        precondition(answer.changes.count <= MilterClientMachine.mostChanges)
        var body = 0
        for change in answer.changes {
            precondition(actions.contains(change.action))
            if case .replaceBody(let octets) = change { body += octets.count }
        }
        precondition(body <= Self.largestBody)
        switch answer.verdict {
        case .continue, .accept, .reject(nil), .tempfail(nil): break
        case .discard: precondition(answer.changes.isEmpty)
        case .reject(let words?): precondition(words.isPermanent && answer.changes.isEmpty)
        case .tempfail(let words?): precondition(words.isTemporary && answer.changes.isEmpty)
        }
    }
}
