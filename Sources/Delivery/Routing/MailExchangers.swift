import MailTypes
import Pipeline

/// Which hosts take a domain's mail, in the order in which they are tried. RFC 5321 §5.1.
enum MailExchangers {
    /// More MX records than this are not looked at.
    static let most = 100

    /// What DNS's answer means for mail to `domain`.
    ///
    /// Chance spreads the load over hosts of one preference.
    /// - Parameter isOwn: whether a host name is this server's.
    static func hosts(
        for domain: String, _ answer: DNSAnswer, isOwn: (String) -> Bool
    ) throws(RoutingFailure) -> [String] {
        try ranked(for: domain, answer, isOwn: isOwn).map(\.host)
    }

    /// As ``hosts(for:_:isOwn:)``, with the preference of each.
    static func ranked(
        for domain: String, _ answer: DNSAnswer, isOwn: (String) -> Bool
    ) throws(RoutingFailure) -> [(preference: Int, host: String)] {
        guard case .records(let records, _) = answer else {
            if case .noName = answer { throw .noDomain(domain) }
            // No MX: the domain is its own exchanger.
            if isOwn(domain) { throw .loop(domain) }
            return [(0, domain)]
        }
        var exchangers: [(preference: Int, host: String)] = []
        for case .exchanger(let preference, let host) in records { exchangers.append((preference, host)) }
        if exchangers.isEmpty { return [(0, domain)] }
        let named = exchangers.filter { !$0.host.isEmpty }
        if named.isEmpty { throw .nullMX(domain) }
        // Shuffled, then sorted by a sort that keeps equals as they are.
        var sorted = Array(named.shuffled().sorted { $0.preference < $1.preference }.prefix(most))
        if let own = sorted.first(where: { isOwn($0.host) }) {
            // Who is no better than we are would hand the mail back to us.
            sorted.removeAll { $0.preference >= own.preference }
            if sorted.isEmpty { throw .loop(domain) }
        }
        var seen: Set<String> = []
        return sorted.filter { seen.insert($0.host).inserted }
    }
}

extension IPAddress {
    /// An address that no server of somebody else's has: this network, loopback, private, link-local, shared,
    /// multicast, reserved. RFC 6890.
    var isSpecial: Bool {
        let networks: [Network] = isIPv6 ? Self.specialIPv6 : Self.specialIPv4
        return networks.contains { $0.contains(self) }
    }

    private static let specialIPv4: [Network] = [
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
    ]
    private static let specialIPv6: [Network] = [
        "::/128", "::1/128", "64:ff9b:1::/48", "100::/64", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    ]
}
