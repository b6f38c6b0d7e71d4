public import MailTypes
public import Pipeline

/// A directory as a test writes it down.
///
///     var directory = SampleDirectory(domains: ["here.example"], mailboxes: ["bob@here.example"])
///     directory.aliases["info@here.example"] = ["bob@here.example"]
public struct SampleDirectory: Sendable {
    /// Domains that are hosted here.
    public var domains: Set<String>
    public var mailboxes: Set<EmailAddress>
    public var aliases: [EmailAddress: [EmailAddress]] = [:]
    public var groups: [EmailAddress: [EmailAddress]] = [:]
    /// Mailboxes whose mail goes elsewhere.
    public var redirections: [EmailAddress: [EmailAddress]] = [:]
    /// Those of them that get it as well.
    public var keepingCopies: Set<EmailAddress> = []
    /// Further names of domains, with the domain of each.
    public var domainAliases: [String: String] = [:]
    /// Who gets mail for addresses of a domain that nobody has.
    public var catchAlls: [String: EmailAddress] = [:]
    /// Mailboxes that are switched off.
    public var disabled: Set<EmailAddress> = []
    /// Addresses under which a mailbox may send beside its own.
    public var senders: [EmailAddress: Set<EmailAddress>] = [:]
    /// Servers through which mail leaves, by post office; under an empty name that of everybody.
    public var smarthosts: [String: RelayHost] = [:]
    /// Domains whose mail goes to other servers.
    public var relayDomains: [RelayDomain] = []
    /// Domains of which others have a part.
    public var splitDomains: [SplitDomain] = []
    /// Domains that are not verified.
    public var unverified: Set<String> = []
    /// Who is kept from sending.
    public var blocks: [SendBlock] = []
    /// How often that was lifted.
    public var pardons: [SendParty: Int] = [:]
    /// Domains whose keys the directory keeps.
    public var signing: [String: SigningDomain] = [:]
    public var thresholds: [SetThresholds] = []
    /// Those of the one post office of all domains, and everybody's.
    public var footers: [SetFooter] = []
    /// In the order of their precedence.
    public var lists: [ListEntry] = []

    public init(
        domains: Set<String> = ["here.example"], mailboxes: Set<EmailAddress> = ["bob@here.example"]
    ) {
        self.domains = domains
        self.mailboxes = mailboxes
    }

    /// The answer to a question, by the rules of ``AddressMeaning``.
    public func answer(_ question: DirectoryQuestion) -> DirectoryAnswer {
        switch question {
        case .address(let address):
            return .address(meaning(of: address))
        case .domain(let name):
            let home = domainAliases[name] ?? name
            guard domains.contains(home) else { return .domain(nil) }
            return .domain(HostedDomain(name: home, postOffice: "sample", catchAll: catchAlls[home]))
        case .maySend(let mailbox, let address):
            let isOwn = mailbox.key == address.key
            return .maySend(isOwn || (senders[mailbox] ?? []).contains { $0.key == address.key })
        case .smarthost(let name):
            return .smarthost(name.flatMap { smarthosts[$0] } ?? smarthosts[""])
        case .relayDomain(let name):
            return .relayDomain(relayDomains.first { $0.name == name })
        case .splitDomain(let name):
            return .splitDomain(splitDomains.first { $0.name == domainAliases[name] ?? name })
        case .sendStanding(let mailbox):
            return .sendStanding(sendStanding(of: mailbox))
        case .thresholds(let scope):
            return .thresholds(scope.levels.lazy.compactMap { level in thresholds.first { $0.scope == level } }.first)
        case .listScopes(let scope):
            return .listScopes(scope.levels.filter { level in lists.contains { $0.scope == level } })
        case .authorLists(let scope):
            let byAuthor = lists.filter(\.goesByAuthor).map { SenderList(scope: $0.scope, action: $0.action) }
            return .authorLists(scope.allLists.filter(byAuthor.contains))
        case .listed(let probe):
            let keys = Set(probe.keys)
            return .listed(
                lists.filter { probe.scope.levels.contains($0.scope) && keys.contains($0.sender.key) })
        case .footers(let domain):
            return .footers(footers.filter { $0.postOffice == nil || domains.contains(domain) })
        case .signing(let domain):
            let labels = domain.split(separator: ".")
            let names = labels.indices.map { labels[$0...].joined(separator: ".") }
            return .signing(names.lazy.compactMap { signing[$0] }.first)
        }
    }

    private func sendStanding(of mailbox: EmailAddress) -> SendStanding? {
        guard case .mailbox(let found) = meaning(of: mailbox) else { return nil }
        let (own, office) = (SendParty.mailbox(found), SendParty.postOffice("sample"))
        return SendStanding(
            mailbox: found, postOffice: "sample",
            block: blocks.first { $0.party == own } ?? blocks.first { $0.party == office },
            pardons: pardons[own] ?? 0, postOfficePardons: pardons[office] ?? 0)
    }

    private func meaning(of address: EmailAddress) -> AddressMeaning {
        if let domain = domainAliases[address.domain] {
            return .expands(to: [EmailAddress(localPart: address.localPart, domain: domain)], kind: .domainAlias)
        }
        guard domains.contains(address.domain) else { return .foreign }
        if unverified.contains(address.domain) { return .unverified }
        func find(_ addresses: some Sequence<EmailAddress>) -> EmailAddress? {
            addresses.first { $0.key == address.key }
        }
        if find(disabled) != nil { return .disabled }
        if let mailbox = find(mailboxes) {
            guard let targets = redirections[mailbox], !targets.isEmpty else { return .mailbox(mailbox) }
            return .redirects(mailbox, to: targets, keepsCopy: keepingCopies.contains(mailbox))
        }
        if let alias = find(aliases.keys), let members = aliases[alias] { return .expands(to: members, kind: .alias) }
        if let group = find(groups.keys), let members = groups[group] { return .expands(to: members, kind: .group) }
        let parts = address.localPart.split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            return splitDomains.first { $0.name == address.domain }.map { .atPartner($0.host) } ?? .unknown
        }
        return meaning(of: EmailAddress(localPart: String(parts[0]), domain: address.domain))
    }
}
