import CFuzzer
import MailTypes
import NIOCore
import Protocols

// The first octet chooses the client, the second the lengths of the pieces in which the rest, a server's words,
// arrives.
@_cdecl("SMTPClientFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        guard octets.count > 2 else { return 0 }
        let pieces = pieces(of: octets.dropFirst(2), octets[1])
        precondition(read(pieces) == read([octets.dropFirst(2)]), "a reply depends on how it arrives")
        var conversation = Conversation(octets[0])
        for piece in pieces { conversation.receive(piece) }
        conversation.end()
        return 0
    }
}

/// Zero: all at once. Other choices: pieces of up to so many octets, no two alike.
func pieces(of octets: ArraySlice<UInt8>, _ choice: UInt8) -> [ArraySlice<UInt8>] {
    guard choice > 0 else { return [octets] }
    var (pieces, rest, state) = ([ArraySlice<UInt8>](), octets, UInt32(choice))
    while !rest.isEmpty {
        state = state &* 1_664_525 &+ 1_013_904_223
        let length = 1 + Int(state >> 16) % Int(choice)
        pieces.append(rest.prefix(length))
        rest = rest.dropFirst(length)
    }
    return pieces
}

/// What the parser makes of the pieces: the replies, and at last what is none.
func read(_ pieces: [ArraySlice<UInt8>]) -> [Result<Reply, SMTPReplyParser.Malformed>] {
    var (parser, input) = (SMTPReplyParser(), ByteBuffer())
    var read: [Result<Reply, SMTPReplyParser.Malformed>] = []
    for piece in pieces {
        input.writeBytes(piece)
        do throws(SMTPReplyParser.Malformed) {
            while let reply = try parser.next(&input) {
                check(reply, parser)
                read.append(.success(reply))
            }
        } catch {
            return read + [.failure(error)]
        }
        precondition(input.readableBytes < parser.maxLine, "more is kept than a line")
    }
    return read
}

/// A reply can be logged and sent on, and is no longer than was allowed.
func check(_ reply: Reply, _ parser: SMTPReplyParser) {
    precondition((200...599).contains(reply.code))
    precondition((1...parser.maxLines).contains(reply.lines.count))
    // An octet that is no UTF-8 becomes three that are.
    precondition(reply.lines.reduce(0) { $0 + $1.utf8.count } <= 3 * parser.maxText)
    for line in reply.lines {
        precondition(line.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control })
    }
}
