import MailTypes

/// The verbs that the server knows, and what it knows to be none of its protocol.
enum SMTPCommand: Sendable, Hashable {
    case helo, ehlo, lhlo, mail, rcpt, data, bdat, rset, noop, help, vrfy, expn, quit
    case auth, starttls, etrn, turn, xclient
    case unknown
    /// HTTP or SSH on the wrong port; perhaps a browser that was made to send mail (ALPACA).
    case foreign

    /// Octets of the longest verb.
    private static let longest = 8

    private static let verbs: [UInt64: SMTPCommand] = [
        key("helo"): .helo, key("ehlo"): .ehlo, key("lhlo"): .lhlo, key("mail"): .mail, key("rcpt"): .rcpt,
        key("data"): .data, key("bdat"): .bdat, key("rset"): .rset, key("noop"): .noop, key("help"): .help,
        key("vrfy"): .vrfy, key("expn"): .expn, key("quit"): .quit, key("auth"): .auth, key("starttls"): .starttls,
        key("etrn"): .etrn, key("turn"): .turn, key("xclient"): .xclient,
        key("get"): .foreign, key("post"): .foreign, key("put"): .foreign, key("head"): .foreign,
        key("options"): .foreign, key("connect"): .foreign, key("delete"): .foreign, key("patch"): .foreign,
        key("trace"): .foreign, key("pri"): .foreign,
    ]

    private static func key(_ word: StaticString) -> UInt64 {
        word.withUTF8Buffer { $0.reduce(0) { $0 << 8 | UInt64($1) } }
    }

    // command = verb [ SP arguments ] *SP; spaces at the end are passed over, RFC 5321 §4.1.1.
    static func split(_ line: ArraySlice<UInt8>) -> (verb: SMTPCommand, arguments: ArraySlice<UInt8>) {
        var line = line
        while line.last == .space { line.removeLast() }
        let end = line.firstIndex(of: .space) ?? line.endIndex
        let word = line[..<end]
        let arguments = line[end...].drop { $0 == .space }
        if word.starts(with: "SSH-".utf8) { return (.foreign, arguments) }
        guard word.count <= longest, !word.isEmpty else { return (.unknown, arguments) }
        let key = word.reduce(UInt64(0)) { $0 << 8 | UInt64($1.asciiLowercased) }
        return (verbs[key] ?? .unknown, arguments)
    }

    /// Whether an octet can begin no command at all: the first of a TLS handshake, and everything binary.
    static func isForeign(_ first: UInt8) -> Bool {
        first >= 0x7F || (first < 0x20 && first != .cr && first != .lf && first != .tab)
    }

    /// Whether more commands may follow without waiting, where the client may pipeline at all. RFC 2920 §3.1.
    var mayBeFollowed: Bool {
        switch self {
        case .mail, .rcpt, .rset, .bdat, .quit, .unknown: true
        case .helo, .ehlo, .lhlo, .data, .noop, .help, .vrfy, .expn, .auth, .starttls, .etrn, .turn, .xclient,
            .foreign:
            false
        }
    }
}
