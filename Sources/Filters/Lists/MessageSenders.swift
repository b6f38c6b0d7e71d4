import MailTypes
import Pipeline
import struct Foundation.Date

/// Who a message says it is from, and what of that is proven.
struct MessageSenders {
    let client: IPAddress
    let authors: [EmailAddress]
    let envelope: EmailAddress?
    /// Every reader sees the same authors; otherwise nobody is allowed for being one of them.
    private let isPlain: Bool
    private let proven: Set<ListEntry.Proof>

    /// `authors` have their domains as the directory has them.
    init(_ authors: [EmailAddress], isPlain: Bool, in transaction: Transaction) {
        self.isPlain = isPlain
        client = transaction.session.client
        envelope = transaction.sender
        self.authors = authors
        let results = transaction.authentication
        var proven: Set<ListEntry.Proof> = [.none]
        if results.contains("dmarc", .pass) { proven.insert(.dmarc) }
        // A pass for the name in HELO proves nothing of a sender.
        let isSPF = results.entries.contains {
            $0.method == "spf" && $0.result == .pass && $0["smtp.mailfrom"] != nil
        }
        if isSPF { proven.insert(.spf) }
        self.proven = proven
    }

    init(_ probe: ListProbe, proven: Set<ListEntry.Proof>) {
        client = probe.client
        authors = probe.authors
        isPlain = true
        envelope = probe.sender
        self.proven = proven.union([.none])
    }

    /// Of all From fields, and whether they can be read without doubt. Where they cannot, whoever is mentioned counts.
    /// More than are looked at are a doubt, too: behind those that may be allowed there could be any stranger.
    static func authors(of message: Message) -> (addresses: [EmailAddress], isPlain: Bool) {
        let fields = message.header.fields.filter { $0.isNamed("From") }
        let addresses = fields.flatMap { AddressList($0, limit: ListProbe.mostAuthors + 1).addresses }
        let isPlain =
            addresses.count <= ListProbe.mostAuthors && fields.allSatisfy { Authors.addresses(in: $0) != nil }
        return (isPlain ? addresses : addresses + fields.flatMap(Authors.mentions), isPlain)
    }

    /// What a search has found: the entry that holds, and those before it that would, were their sender proven.
    struct Search {
        var entry: ListEntry?
        var unproven: [ListEntry] = []

        var words: String {
            let missing = unproven.prefix(Self.mostTold).map {
                "\($0.words) does not hold: \($0.needs.rawValue) has not passed, \($0.origin)"
            }
            return (missing + [entry.map { "\($0.words), \($0.origin)" }].compactMap(\.self)).joined(separator: "; ")
        }

        private static let mostTold = 3
    }

    /// The first of the entries, in the order of their precedence, that is about this message and holds.
    func search(_ entries: [ListEntry], at now: Date?) -> Search {
        var search = Search()
        for entry in entries where entry.holds(at: now) && isMeant(by: entry) {
            guard isProven(entry) else {
                search.unproven.append(entry)
                continue
            }
            search.entry = entry
            break
        }
        return search
    }

    private func isMeant(by entry: ListEntry) -> Bool {
        if case .network(let network) = entry.sender { return network.contains(client) }
        switch entry.match {
        case .headerFrom: return areAuthors(of: entry)
        case .envelopeFrom: return isEnvelope(of: entry)
        case .either: return areAuthors(of: entry) || isEnvelope(of: entry)
        }
    }

    /// One author is enough to be blocked; to be allowed all must be meant, or any stranger could put one beside
    /// himself.
    private func areAuthors(of entry: ListEntry) -> Bool {
        guard !authors.isEmpty else { return false }
        switch entry.action {
        case .allow: return isPlain && authors.allSatisfy(entry.sender.means)
        case .block: return authors.contains(where: entry.sender.means)
        }
    }

    private func isEnvelope(of entry: ListEntry) -> Bool { envelope.map(entry.sender.means) ?? false }

    private func isProven(_ entry: ListEntry) -> Bool { proven.contains(entry.needs) }
}

extension ListEntry {
    func holds(at now: Date?) -> Bool {
        guard let ends, let now else { return true }
        return now < ends
    }
}

extension ListEntry.Sender {
    /// Whether it is this address, or one of the domain or below it.
    func means(_ address: EmailAddress) -> Bool {
        switch self {
        case .domain(let domain): address.domain == domain || address.domain.hasSuffix(".\(domain)")
        case .address(let own): own.key == address.key
        case .network: false
        }
    }
}
