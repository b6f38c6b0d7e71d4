public import MailTypes
public import NIOCore

/// What a load balancer says first about the connection that it passes on: the PROXY protocol, versions 1 and 2.
///
/// The listener reads it only from listed peers, and there it is required. HAProxy's proxy-protocol.txt.
///
/// ### Example
/// ```
/// PROXY TCP4 192.0.2.7 198.51.100.1 56324 25
/// ```
public enum ProxyHeader: Sendable, Hashable {
    /// The connection of somebody else. The `ssl` TLV and all others are skipped.
    case proxied(source: Endpoint, destination: Endpoint)
    /// The balancer's own connection (a health check), or one whose ends it does not know: the socket's
    /// own addresses hold.
    case local

    public struct Endpoint: Sendable, Hashable {
        public var address: IPAddress
        public var port: Int
        public init(_ address: IPAddress, _ port: Int) {
            self.address = address
            self.port = port
        }
    }

    public enum Result: Sendable, Hashable {
        /// Not all of it has arrived; nothing was taken from the buffer.
        case wait
        /// Taken from the buffer; what follows is the client's.
        case header(ProxyHeader)
        /// Not the PROXY protocol, or wrong: the connection must be closed.
        case refused
    }

    /// Octets of a version 1 line with its CR LF (§2.1).
    static let maxLine = 107
    /// Octets of a version 2 header with its TLVs; more is nobody's.
    static let maxBinary = 4096

    static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]

    /// Reads the header that a connection must begin with.
    public static func parse(_ input: inout ByteBuffer) -> Result {
        let known = input.readableBytesView
        if known.starts(with: signature) { return binary(&input) }
        if known.starts(with: "PROXY ".utf8) { return line(&input) }
        let isBeginning = signature.starts(with: known) || "PROXY ".utf8.starts(with: known)
        return isBeginning ? .wait : .refused
    }
}

// Version 1, for people (§2.1).
extension ProxyHeader {
    private static func line(_ input: inout ByteBuffer) -> Result {
        let known = input.readableBytesView.prefix(maxLine)
        guard let end = known.firstIndex(of: .lf) else { return known.count < maxLine ? .wait : .refused }
        guard end > known.startIndex, known[end - 1] == .cr else { return .refused }
        let words = known[..<(end - 1)].split(separator: .space, omittingEmptySubsequences: false)
        guard let header = header(of: words.map { String(decoding: $0, as: UTF8.self) }) else { return .refused }
        input.moveReaderIndex(forwardBy: end + 1 - known.startIndex)
        return .header(header)
    }

    private static func header(of words: [String]) -> ProxyHeader? {
        guard words.count >= 2 else { return nil }
        // What follows UNKNOWN is to be ignored.
        if words[1] == "UNKNOWN" { return .local }
        guard words.count == 6, words[1] == "TCP4" || words[1] == "TCP6" else { return nil }
        let isIPv6 = words[1] == "TCP6"
        guard
            let source = address(words[2], isIPv6: isIPv6), let destination = address(words[3], isIPv6: isIPv6),
            let sourcePort = port(words[4]), let destinationPort = port(words[5])
        else { return nil }
        return .proxied(
            source: Endpoint(source, sourcePort), destination: Endpoint(destination, destinationPort))
    }

    private static func address(_ text: String, isIPv6: Bool) -> IPAddress? {
        text.utf8.contains(UInt8(ascii: ":")) == isIPv6 ? IPAddress(text) : nil
    }

    private static func port(_ text: String) -> Int? {
        guard text.utf8.count <= 5, text.utf8.allSatisfy(\.isDigit), text == "0" || text.utf8.first != UInt8(ascii: "0")
        else { return nil }
        return Int(text).flatMap { $0 <= 65535 ? $0 : nil }
    }
}

// Version 2, for machines (§2.2).
extension ProxyHeader {
    private static func binary(_ input: inout ByteBuffer) -> Result {
        let start = input.readerIndex + signature.count
        guard
            let version = input.getInteger(at: start, as: UInt8.self),
            let family = input.getInteger(at: start + 1, as: UInt8.self),
            let declared = input.getInteger(at: start + 2, as: UInt16.self)
        else { return .wait }
        let length = Int(declared)
        guard version >> 4 == 2, version & 0x0F <= 1, length + signature.count + 4 <= maxBinary else { return .refused }
        guard let body = input.getBytes(at: start + 4, length: length) else { return .wait }
        let result: Result = version & 0x0F == 0 ? .header(.local) : proxied(family: family, body)
        if case .header = result { input.moveReaderIndex(to: start + 4 + length) }
        return result
    }

    private static func proxied(family: UInt8, _ body: [UInt8]) -> Result {
        switch family {
        case 0x00: return .header(.local)
        case 0x11: return endpoints(body, width: 4)
        case 0x21: return endpoints(body, width: 16)
        // Datagrams and UNIX sockets do not carry mail.
        default: return .refused
        }
    }

    private static func endpoints(_ body: [UInt8], width: Int) -> Result {
        guard
            body.count >= 2 * width + 4, let source = IPAddress(octets: body[..<width]),
            let destination = IPAddress(octets: body[width..<2 * width])
        else { return .refused }
        let ports = body[(2 * width)...]
        func port(_ offset: Int) -> Int { Int(ports[2 * width + offset]) << 8 | Int(ports[2 * width + offset + 1]) }
        return .header(.proxied(source: Endpoint(source, port(0)), destination: Endpoint(destination, port(2))))
    }
}
