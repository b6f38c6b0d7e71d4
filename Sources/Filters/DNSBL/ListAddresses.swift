import MailTypes

extension IPAddress {
    /// As a list of addresses has it: `2.0.0.127`, or 32 digits. RFC 5782 §2.1, §2.4.
    ///
    /// - Parameter isMapped: An IPv4 address as IPv6 has it (`::ffff:127.0.0.2`).
    func listName(isMapped: Bool = false) -> String {
        if !isIPv6, !isMapped { return octets.reversed().map(String.init).joined(separator: ".") }
        let whole = isIPv6 ? octets : [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF] + octets
        let digits = whole.reversed().flatMap { [$0 & 15, $0 >> 4] }
        return digits.map { String($0, radix: 16) }.joined(separator: ".")
    }

    var family: DNSBL.Configuration.List.Family { isIPv6 ? .ipv6 : .ipv4 }

    /// Whether it is somebody's in the world: what is inside of a network is on no list, and to ask would tell of it.
    var isPublic: Bool { !Self.inside.contains(self) }

    /// Of IANA's registries for special purposes; those for documentation do no harm.
    private static let inside = NetworkSet([
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.168.0.0/16", "224.0.0.0/3", "::/8", "fc00::/7", "fe80::/10", "ff00::/8",
    ])
}

/// The way of a message through servers in front of this one, as their Received fields tell it.
enum RelayPath {
    /// Received fields that are looked at.
    static let mostFields = 30

    /// The first address that is none of the relays'; `nil` where they do not tell it.
    ///
    /// Only fields that relays have written are believed: behind the first address that is not theirs nothing counts.
    static func origin(of client: IPAddress, _ message: Message?, relays: [Network]) -> IPAddress? {
        func isRelay(_ address: IPAddress) -> Bool {
            address.isLoopback || relays.contains { $0.contains(address) }
        }
        guard !relays.isEmpty, relays.contains(where: { $0.contains(client) }) else { return client }
        guard let message else { return nil }
        for field in message.header.fields(named: "Received").prefix(mostFields) {
            guard let address = address(in: field.rawValue) else { return nil }
            if !isRelay(address) { return address }
        }
        return nil
    }

    /// The address of `from name (name [address])`: the last one in brackets before `by`. RFC 5321 §4.4.
    ///
    /// What comes before it may be the client's own words; our own kind of server writes what it has seen last.
    static func address(in value: ArraySlice<UInt8>) -> IPAddress? {
        var found: IPAddress?
        var start: Int?
        var word: [UInt8] = []
        for place in value.indices.prefix(longestClause) {
            let octet = value[place]
            switch octet {
            case UInt8(ascii: "["): start = place + 1
            case UInt8(ascii: "]"):
                if let begin = start, begin < place { found = literal(value[begin..<place]) ?? found }
                start = nil
            case .space, .tab, .cr, .lf, UInt8(ascii: ";"):
                if word == Array("by".utf8), found != nil { return found }
                word = []
            default: if word.count < 3 { word.append(octet.asciiLowercased) }
            }
        }
        return found
    }

    /// Octets of a field in which the client stands.
    private static let longestClause = 2048

    private static func literal(_ octets: ArraySlice<UInt8>) -> IPAddress? {
        let text = String(decoding: octets, as: UTF8.self)
        return IPAddress(text.asciiLowercased.hasPrefix("ipv6:") ? String(text.dropFirst(5)) : text)
    }
}
