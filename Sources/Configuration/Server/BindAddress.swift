public import MailTypes

/// Where a listener waits: an address and port, or a socket in the file system.
public enum BindAddress: Sendable, Hashable {
    case address(IPAddress, port: Int)
    case unix(path: String)

    public static func loopback(port: Int) -> BindAddress { .address("127.0.0.1", port: port) }

    /// The most octets of a socket's path, with its final NUL: `sun_path` of unix(7).
    static let longestPath = 108
}

extension BindAddress: CustomStringConvertible {
    public var description: String {
        switch self {
        case .address(let address, let port): "\(ServerAddress(address: address, port: port))"
        case .unix(let path): "unix:\(path)"
        }
    }
}

extension BindAddress: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard !path.isEmpty, path.utf8.count < Self.longestPath, !path.utf8.contains(0) else {
                let reason = "the path of a socket has 1 to \(Self.longestPath - 1) octets"
                throw DecodingError.dataCorruptedError(in: container, debugDescription: reason)
            }
            self = .unix(path: path)
            return
        }
        guard let server = ServerAddress(text) else {
            let reason = ServerAddress.reason(text, port: "25", also: " or \"unix:/run/sluice/lmtp.sock\"")
            throw DecodingError.dataCorruptedError(in: container, debugDescription: reason)
        }
        self = .address(server.address, port: server.port)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// An address and port of a server: `127.0.0.1:53`, `[2001:db8::1]:53`.
public struct ServerAddress: Sendable, Hashable {
    public var address: IPAddress
    public var port: Int

    public init(address: IPAddress, port: Int) {
        self.address = address
        self.port = port
    }

    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        var host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        guard
            digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = Int(digits), (0...65_535).contains(port),
            let address = IPAddress(host), isBracketed == host.contains(":")
        else { return nil }
        self.init(address: address, port: port)
    }

    /// Why `text` is none, with an example for that port.
    static func reason(_ text: String, port: String, also: String = "") -> String {
        if text.hasPrefix("*:") {
            let port = text.dropFirst(2)
            return "\(text.quoted) is written \"0.0.0.0:\(port)\" for IPv4 and \"[::]:\(port)\" for IPv6"
        }
        return "\(text.quoted) is not an address with a port such as "
            + "\"192.0.2.1:\(port)\", \"[2001:db8::1]:\(port)\"\(also)"
    }
}

extension ServerAddress: CustomStringConvertible {
    public var description: String { address.isIPv6 ? "[\(address)]:\(port)" : "\(address):\(port)" }
}

extension ServerAddress: Codable {
    /// An address alone is a DNS server on port 53.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        if let address = IPAddress(text) {
            self.init(address: address, port: 53)
        } else if let server = ServerAddress(text) {
            self = server
        } else {
            let reason = Self.reason(text, port: "53")
            throw DecodingError.dataCorruptedError(in: container, debugDescription: reason)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
