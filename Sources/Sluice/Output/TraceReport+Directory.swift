import MailTypes
import Pipeline

// What the directory has said, for people.

extension AddressMeaning.Expansion {
    var words: String {
        switch self {
        case .alias: "alias"
        case .group: "group"
        case .domainAlias: "domain alias"
        }
    }
}

extension DirectoryAnswer {
    var words: String {
        switch self {
        case .address(.mailbox(let box)): "mailbox \(box)"
        case .address(.redirects(let box, let targets, let keepsCopy)):
            "mailbox \(box), redirected to \(targets.map(\.description).joined(separator: ", "))"
                + (keepsCopy ? ", with a copy" : "")
        case .address(.disabled): "switched off"
        case .address(.expands(let members, let kind)):
            "\(kind.words) of \(members.map(\.description).joined(separator: ", "))"
        case .address(.unknown): "unknown here"
        case .address(.atPartner(let host)): "unknown here, sought at \(Route.host(host).words)"
        case .address(.unverified): "in a domain that is not verified"
        case .address(.foreign): "not hosted here"
        case .domain(let domain): domain.map { "hosted for \($0.postOffice)" } ?? "not hosted here"
        case .maySend(let may): may ? "yes" : "no"
        case .sendStanding(let standing):
            standing.map { $0.block.map { "blocked: \($0.reason)" } ?? "yes, of \($0.postOffice)" } ?? "unknown here"
        case .smarthost(let host): host.map { Route.host($0).words } ?? "none"
        case .relayDomain(let found): found.map(\.route.words) ?? "nowhere else"
        case .splitDomain(let found): found.map { Route.host($0.host).words } ?? "nobody"
        case .signing(let domain): domain.map(\.words) ?? "nobody"
        case .thresholds(let found): found.map { "\($0.values), \($0.origin)" } ?? "none"
        case .listScopes(let scopes): scopes.isEmpty ? "nobody" : scopes.map(\.description).joined(separator: ", ")
        case .authorLists(let lists):
            lists.isEmpty ? "none" : lists.map { "\($0.action.rawValue) of \($0.scope)" }.joined(separator: ", ")
        case .listed(let entries):
            entries.isEmpty ? "none" : entries.map { "\($0.words), \($0.origin)" }.joined(separator: "; ")
        case .footers(let found): found.isEmpty ? "none" : found.map(\.origin).joined(separator: "; ")
        }
    }
}

extension ListProbe {
    var senders: String {
        (authors + [sender].compactMap(\.self)).map(\.description).joined(separator: ", ")
    }
}

extension SigningDomain {
    fileprivate var words: String {
        let selectors = active.map { "\($0.name) (\($0.algorithm.rawValue))" }
        return "\(name) with \(selectors.isEmpty ? "no key" : selectors.joined(separator: ", "))"
    }
}

extension CalloutReport {
    var words: String {
        switch self {
        case .accepted: "yes"
        case .refused(let reply): "no: \(reply)"
        case .unreachable(let reason): "nobody says: \(reason)"
        case .notAsked: "not asked"
        }
    }
}

extension MailboxFill {
    var words: String {
        switch self {
        case .unlimited: "no limit"
        case .measured(let octets, let quota): "\(octets) of \(quota) octets are used"
        case .outdated(let octets, let quota): "\(octets) of \(quota) octets were used some time ago"
        case .unknown(let quota): "unknown, of \(quota) octets"
        }
    }
}
