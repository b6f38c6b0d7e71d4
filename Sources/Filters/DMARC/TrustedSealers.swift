import MailTypes

/// Sealers whose word on where a message came from counts more than what is left of its proofs. RFC 8617 §7.2.
///
/// From the last one on, as long as each is trusted, their ARC-Authentication-Results are asked: one that saw DMARC
/// pass for the author's domain vouches for it. Whether the seals are sound is for the stage that says `arc=pass`.
struct TrustedSealers: Sendable, Hashable {
    private let domains: Set<String>

    /// RFC 8617 §4.2.1 allows no more instances.
    private static let mostInstances = 50

    init(_ domains: [String]) { self.domains = Set(domains.map(DMARCAlignment.normalized)) }

    var isEmpty: Bool { domains.isEmpty }

    /// The trusted sealer that saw DMARC pass for `domain`.
    func voucher(for domain: String, in header: Header) -> String? {
        guard let sealers = Self.sealers(in: header), let last = sealers.keys.max() else { return nil }
        let results = header.fields(named: "ARC-Authentication-Results").prefix(Self.mostInstances + 1)
            .map(ParsedAuthenticationResults.init)
        for instance in stride(from: last, through: 1, by: -1) {
            guard let sealer = sealers[instance], domains.contains(sealer) else { return nil }
            let said = results.filter { $0.instance == instance }
            // Two sets of one number are no chain.
            guard said.count == 1 else { return nil }
            if said[0].vouches(for: domain) { return sealer }
        }
        return nil
    }

    /// The domain of each seal by its number; `nil` where there is no chain.
    private static func sealers(in header: Header) -> [Int: String]? {
        let seals = header.fields(named: "ARC-Seal")
        guard seals.count <= mostInstances else { return nil }
        var sealers: [Int: String] = [:]
        for seal in seals {
            let tags = PolicyTags(seal.rawValue)
            guard tags.repeated == nil, let domain = tags["d"], let number = tags["i"],
                let instance = Int(String(decoding: number, as: UTF8.self)), (1...mostInstances).contains(instance)
            else { return nil }
            let name = DMARCAlignment.normalized(String(decoding: domain, as: UTF8.self))
            guard sealers.updateValue(name, forKey: instance) == nil else { return nil }
        }
        return sealers
    }
}

extension ParsedAuthenticationResults {
    fileprivate func vouches(for domain: String) -> Bool {
        results.entries.contains { entry in
            entry.method == "dmarc" && entry.result == .pass
                && entry.properties.contains {
                    $0.name == "header.from" && DMARCAlignment.normalized($0.value) == domain
                }
        }
    }
}
