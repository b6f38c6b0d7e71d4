public import MailTypes

/// Many networks, in which an address is found in as many steps as there are lengths of prefixes.
public struct NetworkSet: Sendable, Hashable {
    private var bases: [Int: Set<IPAddress>] = [:]
    private let isEmpty: Bool

    public init(_ networks: [Network]) {
        isEmpty = networks.isEmpty
        for network in networks { bases[network.bits, default: []].insert(network.base) }
    }

    public func contains(_ address: IPAddress) -> Bool {
        guard !isEmpty else { return false }
        let most = address.octets.count * 8
        return bases.contains { bits, bases in bits <= most && bases.contains(address.network(bits: bits)) }
    }
}

/// How wide a neighbourhood counts as one client: senders of some size come back from another
/// address of the same network.
struct Neighbourhood: Sendable {
    let ipv4Bits: Int
    let ipv6Bits: Int

    /// The network of `address`, as the key of what is remembered about it.
    func key(of address: IPAddress) -> String {
        let bits = address.isIPv6 ? ipv6Bits : ipv4Bits
        return "\(address.network(bits: bits))/\(bits)"
    }
}
