import Pipeline

/// Where a milter listens, in the spellings of Sluice, Postfix and libmilter: `127.0.0.1:8891`, `inet:127.0.0.1:8891`,
/// `inet:8891@localhost`, `inet6:[::1]:8891`, `unix:/run/milter.sock`, `local:/run/milter.sock`.
public struct MilterSocket: Sendable, Hashable {
    let address: ScannerAddress

    public init?(_ text: String) {
        guard let server = ScannerServer(Self.plain(text)) else { return nil }
        address = server.address
    }

    /// As servers of scanners are written.
    private static func plain(_ text: String) -> String {
        if text.hasPrefix("local:") { return "unix:" + text.dropFirst(6) }
        guard let kind = ["inet:", "inet6:"].first(where: text.hasPrefix) else { return text }
        let place = text.dropFirst(kind.count)
        guard let at = place.firstIndex(of: "@") else { return String(place) }
        let (port, host) = (place[..<at], place[place.index(after: at)...])
        return host.contains(":") && !host.hasPrefix("[") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

extension MilterSocket: Decodable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let socket = MilterSocket(text) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "\"\(text)\" is no place such as \"unix:/run/milter.sock\" or \"inet:127.0.0.1:8891\""
            )
        }
        self = socket
    }
}

extension MilterSocket: ExpressibleByStringLiteral {
    /// For places written in our own source.
    public init(stringLiteral value: String) {
        guard let socket = MilterSocket(value) else { preconditionFailure("\(value) is no place of a milter") }
        self = socket
    }
}
