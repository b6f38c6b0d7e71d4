/// A block of IP addresses with a common beginning: `192.0.2.0/24`, `2001:db8::/32`, or one address. RFC 4632.
public struct Network: Sendable, Hashable {
    public let base: IPAddress
    public let bits: Int

    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = parts.first.flatMap({ IPAddress($0) }) else { return nil }
        let most = address.octets.count * 8
        let bits = parts.count == 2 ? Int(parts[1]) : most
        guard let bits, (0...most).contains(bits), parts.count == 1 || parts[1].utf8.allSatisfy(\.isDigit) else {
            return nil
        }
        self.base = address.network(bits: bits)
        self.bits = bits
        // 192.0.2.1/24 is nearly always a slip: of the address or of the length.
        guard base == address else { return nil }
    }

    public func contains(_ address: IPAddress) -> Bool {
        address.octets.count == base.octets.count && address.network(bits: bits) == base
    }
}

extension Network: CustomStringConvertible {
    public var description: String { bits == base.octets.count * 8 ? "\(base)" : "\(base)/\(bits)" }
}

extension Network: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let network = Network(text) else {
            let hint = "is not an address or a network such as 192.0.2.0/24 (all bits after the prefix zero)"
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\"\(text)\" \(hint)")
        }
        self = network
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension Network: ExpressibleByStringLiteral {
    /// For networks written in our own source.
    public init(stringLiteral value: String) {
        guard let network = Network(value) else { preconditionFailure("\(value) is no network") }
        self = network
    }
}
