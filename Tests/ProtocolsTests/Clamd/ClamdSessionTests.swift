import Testing

@testable import Protocols

/// What is said to clamd, and what is believed of its answers.
@Suite struct ClamdSessionTests {
    static func hear(
        _ reply: String, to command: ClamdSession.Command, after others: Int = 0, cutAt places: [Int] = []
    ) throws -> ClamdSession.Reply? {
        var session = ClamdSession()
        for number in 0..<others {
            _ = session.begin(.ping)
            _ = try session.received(Array("\(number + 1): PONG\0".utf8))
        }
        _ = session.begin(command)
        let octets = Array(reply.utf8)
        var start = 0
        for place in places {
            #expect(try session.received(octets[start..<place]) == nil)
            start = place
        }
        return try session.received(octets[start...])
    }

    @Test func `a session begins once, and each command has its number`() throws {
        var session = ClamdSession()
        #expect(session.begin(.version) == Array("zIDSESSION\0zVERSION\0".utf8))
        #expect(
            try session.received(Array("1: ClamAV 1.4.6/27500/Sat\0".utf8)) == .version("ClamAV 1.4.6/27500/Sat"))
        #expect(session.begin(.stream) == Array("zINSTREAM\0".utf8))
        #expect(try session.received(Array("2: stream: OK\0".utf8)) == .clean)
    }

    @Test func `a chunk says how long it is, and is no longer than it may be`() {
        #expect(ClamdSession.chunk(of: [7, 8, 9]) == [0, 0, 0, 3, 7, 8, 9])
        let long = ClamdSession.chunk(of: [UInt8](repeating: 1, count: ClamdSession.largestChunk + 1))
        #expect(long.count == ClamdSession.largestChunk + 4 && long.prefix(4) == [0, 2, 0, 0])
    }

    @Test(arguments: [
        (
            "1: stream: Eicar-Signature FOUND\0", ClamdSession.Command.stream,
            ClamdSession.Reply.found("Eicar-Signature")
        ),
        ("1: stream: OK\0", .stream, .clean), ("1: PONG\0", .ping, .pong),
        ("INSTREAM size limit exceeded. ERROR\0", .stream, .failed("INSTREAM size limit exceeded.")),
        ("1: stream: Can't allocate memory ERROR\0", .stream, .failed("stream: Can't allocate memory")),
        ("1: stream: a\u{7}\u{e9} FOUND\0", .stream, .found("a???")),
    ])
    func `a reply is what it says, wherever it is cut`(
        _ reply: String, _ command: ClamdSession.Command, _ meaning: ClamdSession.Reply
    ) throws {
        for place in 1..<reply.utf8.count - 1 {
            #expect(try Self.hear(reply, to: command, cutAt: [place]) == meaning)
        }
    }

    @Test(arguments: [
        ("2: stream: OK\0", ClamdSession.Command.stream), ("stream: OK\0", .stream), ("1: other: OK\0", .stream),
        ("1: stream:  FOUND\0", .stream), ("1: stream: OK\0\0", .stream), ("1: stream: OK\01: stream: OK\0", .stream),
        ("1: OK\0", .stream), ("1: PONG\0", .stream), ("1: stream: OK\0", .ping), ("1: VERSION 9\0", .version),
        ("\0", .stream), ("1: stream: OK FOUND OK\0", .stream),
    ])
    func `R49: what is no reply to the command is not believed`(_ reply: String, _ command: ClamdSession.Command) {
        #expect(throws: ClamdFault.self) { try Self.hear(reply, to: command) }
    }

    @Test func `R49: a reply to another stream, or to none, is not believed`() throws {
        #expect(throws: ClamdFault.self) { try Self.hear("1: stream: OK\0", to: .stream, after: 1) }
        #expect(try Self.hear("2: stream: OK\0", to: .stream, after: 1) == .clean)
        var session = ClamdSession()
        #expect(throws: ClamdFault.self) { try session.received([0x31]) }
    }

    @Test func `R49: a reply has an end`() throws {
        var session = ClamdSession()
        _ = session.begin(.stream)
        #expect(throws: ClamdFault.self) {
            for _ in 0..<100 { _ = try session.received([UInt8](repeating: 0x41, count: 100)) }
        }
        let long = "1: stream: " + String(repeating: "A", count: ClamdSession.longestReply) + " FOUND\0"
        #expect(throws: ClamdFault.self) { try Self.hear(long, to: .stream) }
    }
}
