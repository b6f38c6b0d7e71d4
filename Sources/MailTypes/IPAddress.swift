#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// An IPv4 or IPv6 address. An IPv4 address mapped into IPv6 (`::ffff:a.b.c.d`) is the IPv4 address.
public struct IPAddress: Sendable, Hashable {
    /// Four or sixteen octets in network order.
    public let octets: [UInt8]

    public init?(octets: some Collection<UInt8>) {
        let octets = Array(octets)
        guard octets.count == 4 || octets.count == 16 else { return nil }
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
        self.octets = octets.count == 16 && octets.starts(with: mapped) ? Array(octets.suffix(4)) : octets
    }

    /// Reads the usual spelling, without brackets, port or zone.
    public init?(_ text: some StringProtocol) {
        let text = String(text)
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            self.init(octets: withUnsafeBytes(of: four) { Array($0) })
        } else if inet_pton(AF_INET6, text, &six) == 1 {
            self.init(octets: withUnsafeBytes(of: six) { Array($0) })
        } else {
            return nil
        }
    }

    public var isIPv6: Bool { octets.count == 16 }
    public var isLoopback: Bool {
        isIPv6 ? octets.dropLast().allSatisfy { $0 == 0 } && octets[15] == 1 : octets[0] == 127
    }

    /// `0.0.0.0` or `::`. Who connects there reaches the own machine.
    public var isUnspecified: Bool { octets.allSatisfy { $0 == 0 } }

    /// The network of that many leading bits, the rest zero.
    public func network(bits: Int) -> IPAddress {
        var masked = octets
        for place in masked.indices {
            let kept = Swift.min(8, Swift.max(0, bits - place * 8))
            masked[place] &= kept == 0 ? 0 : 0xFF << UInt8(8 - kept)
        }
        return IPAddress(unchecked: masked)
    }

    private init(unchecked octets: [UInt8]) { self.octets = octets }

    /// The address as an address literal of the SMTP protocol: `[192.0.2.1]`, `[IPv6:2001:db8::1]`. RFC 5321 §4.1.3.
    public var literal: String { isIPv6 ? "[IPv6:\(self)]" : "[\(self)]" }
}

extension IPAddress: CustomStringConvertible {
    public var description: String {
        guard isIPv6 else {
            return .ascii(atMost: 15) { text in
                for (place, number) in octets.enumerated() {
                    if place > 0 { text.put(".") }
                    text.put(Int(number))
                }
            }
        }
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        return octets.withUnsafeBytes { raw in
            inet_ntop(AF_INET6, raw.baseAddress, &buffer, socklen_t(buffer.count)).map { String(cString: $0) } ?? ""
        }
    }
}

extension IPAddress: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let address = IPAddress(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\"\(text)\" is not an IP address such as 192.0.2.1 or 2001:db8::1")
        }
        self = address
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension IPAddress: ExpressibleByStringLiteral {
    /// For addresses written in our own source.
    public init(stringLiteral value: String) {
        guard let address = IPAddress(value) else { preconditionFailure("\(value) is no IP address") }
        self = address
    }
}
