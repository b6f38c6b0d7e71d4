import MailTypes

/// The client's side of a session with clamd, without any I/O: one command at a time, each with one reply. clamd(8).
///
///     zIDSESSION NUL, once
///     zVERSION NUL                        1: ClamAV 1.4.6/27500/… NUL
///     zINSTREAM NUL, chunks, no chunk     2: stream: OK NUL  /  2: stream: NAME FOUND NUL  /  2: … ERROR NUL
///     zEND NUL
///
/// Each reply has its command's number; one with another, one that nobody has asked for, one that is too long or says
/// anything else is a fault, after which nothing of that server is believed.
public struct ClamdSession: Sendable {
    public enum Command: String, Sendable, Hashable {
        case ping = "PING"
        case version = "VERSION"
        /// Its ``ClamdSession/chunk(of:)``s follow, then ``ClamdSession/lastChunk``.
        case stream = "INSTREAM"
    }

    public enum Reply: Sendable, Hashable {
        case pong
        /// `ClamAV 1.4.6/27500/Sat Nov 14 09:28:40 2026`
        case version(String)
        case clean
        case found(String)
        /// The server could not do it, in its words.
        case failed(String)
    }

    /// Octets of a reply.
    public static let longestReply = 1024
    /// Octets of a chunk. clamd takes as many as its StreamMaxLength, chunk by chunk.
    public static let largestChunk = 128 << 10

    private var number = 0
    private var open: Command?
    private var heard: [UInt8] = []

    public init() {}

    /// The octets that begin a command; the reply to the one before has been heard.
    public mutating func begin(_ command: Command) -> [UInt8] {
        let start = number == 0 ? "zIDSESSION\0" : ""
        number += 1
        open = command
        return Array("\(start)z\(command.rawValue)\0".utf8)
    }

    /// A chunk of a stream: its length in four octets, big-endian, and itself. Of more than ``largestChunk`` only as
    /// much.
    public static func chunk(of octets: some Collection<UInt8>) -> [UInt8] {
        let part = octets.prefix(largestChunk)
        return withUnsafeBytes(of: UInt32(part.count).bigEndian) { Array($0) } + part
    }

    /// Ends a stream.
    public static let lastChunk: [UInt8] = [0, 0, 0, 0]
    /// Ends the session.
    public static let end = Array("zEND\0".utf8)

    /// The reply, once all of it is here.
    public mutating func received(_ octets: some Sequence<UInt8>) throws(ClamdFault) -> Reply? {
        heard += octets
        guard let command = open else { throw ClamdFault(reason: "it speaks unasked") }
        guard let end = heard.firstIndex(of: 0) else {
            guard heard.count <= Self.longestReply else { throw ClamdFault(reason: "a reply without end") }
            return nil
        }
        guard end <= Self.longestReply else { throw ClamdFault(reason: "a reply of \(end) octets") }
        guard end == heard.count - 1 else { throw ClamdFault(reason: "more than one reply to one command") }
        let text = heard[..<end]
        (open, heard) = (nil, [])
        return try Self.reply(to: command, number, text)
    }

    private static func reply(
        to command: Command, _ number: Int, _ octets: ArraySlice<UInt8>
    ) throws(ClamdFault) -> Reply {
        let text = String(decoding: octets.map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
        // What it says before it has read the number of a command, has none: `INSTREAM size limit exceeded. ERROR`.
        if text.hasSuffix(" ERROR") {
            let words = text.dropLast(6)
            return .failed(String(words.hasPrefix("\(number): ") ? words.dropFirst("\(number): ".count) : words))
        }
        guard text.hasPrefix("\(number): ") else { throw ClamdFault(reason: "a reply to another command: \(text)") }
        let words = text.dropFirst("\(number): ".count)
        switch command {
        case .ping where words == "PONG": return .pong
        case .version where words.hasPrefix("ClamAV "): return .version(String(words))
        case .stream where words == "stream: OK": return .clean
        case .stream where words.hasPrefix("stream: ") && words.hasSuffix(" FOUND"):
            let name = words.dropFirst(8).dropLast(6)
            guard !name.isEmpty else { throw ClamdFault(reason: "a find without a name") }
            return .found(String(name))
        case .ping, .version, .stream: throw ClamdFault(reason: "no reply to \(command.rawValue): \(text)")
        }
    }
}

/// Not what clamd says: whoever it is, is not to be believed.
public struct ClamdFault: Error, Sendable, Hashable {
    public let reason: String
    public init(reason: String) { self.reason = reason }
}
