import CFuzzer
import Protocols

// What a clamd answers comes to the same however it is cut, and to nothing that is not bounded. The first octet says
// what was asked, and how often before.
@_cdecl("ClamdReplyFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        guard let first = octets.first else { return 0 }
        let commands: [ClamdSession.Command] = [.ping, .version, .stream]
        let command = commands[Int(first) % commands.count]
        let (whole, cut) = (Heard(command, after: first / 64), Heard(command, after: first / 64))
        let text = octets.dropFirst()
        whole.hear(text)
        for octet in text { cut.hear([octet]) }
        precondition(whole.isAtFault == cut.isAtFault)
        // Cut, a reply may have been whole before what should not have followed it.
        if !whole.isAtFault { precondition(whole.reply == cut.reply) }
        for reply in [whole.reply, cut.reply] { reply.map(check) }
        return 0
    }
}

/// One session, and what has come of one command.
private final class Heard {
    private var session = ClamdSession()
    private(set) var reply: ClamdSession.Reply?
    private(set) var isAtFault = false

    init(_ command: ClamdSession.Command, after others: UInt8) {
        for number in 0..<Int(others) {
            _ = session.begin(.ping)
            precondition((try? session.received("\(number + 1): PONG\0".utf8)) == .pong)
        }
        _ = session.begin(command)
    }

    func hear(_ octets: some Sequence<UInt8>) {
        // Nobody listens to who is at fault.
        guard !isAtFault else { return }
        do { reply = try session.received(octets) ?? reply } catch {
            isAtFault = true
            precondition(error.reason.utf8.count <= ClamdSession.longestReply + 100)
        }
    }
}

private func check(_ reply: ClamdSession.Reply) {
    switch reply {
    case .pong, .clean: break
    case .version(let text), .found(let text), .failed(let text):
        precondition(text.utf8.count <= ClamdSession.longestReply)
        precondition(text.utf8.allSatisfy { (0x20...0x7E).contains($0) })
    }
}
