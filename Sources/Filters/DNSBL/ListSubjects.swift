import Content
import MailTypes
import Pipeline

/// An address or a domain that a list may have.
struct ListSubject: Sendable, Hashable {
    /// What it is in this message, for people: `client`, `sender`.
    let role: String
    /// As people write it.
    let text: String
    /// As it stands before a list's zone.
    let name: String
}

/// All that lists may be asked about one message.
struct ListSubjects: Sendable {
    typealias List = DNSBL.Configuration.List

    private var addresses: [List.Subject: [(IPAddress, String)]] = [:]
    /// Whole names, as DNS has them.
    private var hosts: [List.Subject: [String]] = [:]
    /// What was registered of each.
    private var registered: [String: String] = [:]
    private let most: Int

    /// - Parameter message: `nil`: there is none yet, so only client, sender and HELO name are known.
    init(
        of transaction: Transaction, message: Message?, _ policy: DNSBL.Configuration, for lists: [List]
    ) async throws(StageFailure) {
        most = policy.maxNames.value
        let wanted = Set(lists.flatMap(\.check))
        if wanted.contains(.client) {
            let client = RelayPath.origin(of: transaction.session.client, message, relays: policy.relays)
            if let client, client.isPublic { addresses[.client] = [(client, "client")] }
        }
        var written: [(List.Subject, String)] = []
        if let domain = transaction.sender?.domain { written.append((.sender, domain)) }
        if let hello = transaction.session.hello { written.append((.helo, hello)) }
        if let message {
            written += Self.written(in: message.header, "From", as: .from)
            written += Self.written(in: message.header, "Reply-To", as: .replyTo)
            if wanted.contains(.uri) {
                let found = LinkedHosts(in: await transaction.content(of: message))
                addresses[.uri] = found.addresses.filter(\.isPublic).map { ($0, "link to") }
                written += found.hosts.map { (.uri, $0) }
            }
        }
        for (subject, domain) in written where wanted.contains(subject) {
            guard let host = try await Self.host(domain, policy, transaction.services) else { continue }
            if hosts[subject]?.contains(host) != true { hosts[subject, default: []].append(host) }
        }
        guard lists.contains(where: { $0.kind == .domain && $0.names == .registered }) else { return }
        for host in Set(hosts.values.joined()).sorted() {
            registered[host] = try await DMARCAlignment.organization(of: host, transaction.services)
        }
    }

    /// What a list is asked about, each name once, and no more than so many.
    func asked(of list: List) -> [ListSubject] {
        var subjects: [ListSubject] = []
        var seen: Set<String> = []
        for place in list.check {
            switch list.kind {
            case .ip:
                for (address, role) in addresses[place] ?? [] where list.families.contains(address.family) {
                    subjects.append(ListSubject(role: role, text: "\(address)", name: address.listName()))
                }
            case .domain:
                for host in hosts[place] ?? [] {
                    guard let name = list.names == .host ? host.withoutWWW : registered[host] else { continue }
                    guard name.utf8.count + list.zone.utf8.count < DomainName.longest else { continue }
                    subjects.append(ListSubject(role: place.role, text: name, name: name))
                }
            }
        }
        return Self.both(ends: subjects.filter { seen.insert($0.name).inserted }, most)
    }

    /// Who hides one bad name among many others does not get to say which are left out.
    private static func both(ends subjects: [ListSubject], _ most: Int) -> [ListSubject] {
        guard subjects.count > most else { return subjects }
        return Array(subjects.prefix(most - most / 2) + subjects.suffix(most / 2))
    }

    private static func written(
        in header: Header, _ name: StaticString, as subject: List.Subject
    ) -> [(List.Subject, String)] {
        header.fields(named: name).prefix(mostFields)
            .flatMap { AddressList($0, limit: mostAddresses).addresses }.map { (subject, $0.domain) }
    }

    /// Fields of one name, and addresses of one field, that are looked at.
    private static let mostFields = 4
    private static let mostAddresses = 20

    /// A domain as DNS has it; `nil` for what no list is asked about.
    private static func host(
        _ domain: String, _ policy: DNSBL.Configuration, _ services: Services
    ) async throws(StageFailure) -> String? {
        guard domain.utf8.count <= DomainName.longest * 4, let ascii = try await services.asciiDomain(domain) else {
            return nil
        }
        let name = DMARCAlignment.normalized(ascii)
        guard DomainName.isName(name), let end = name.split(separator: ".").last, name.contains(".") else { return nil }
        // Nobody else has these, or they are addresses: to ask would only tell strangers of them.
        if privateEnds.contains(String(end)) || end.utf8.allSatisfy(\.isDigit) { return nil }
        if policy.exempt.contains(where: { DomainName.isWithin(name, $0.text.asciiLowercased) }) { return nil }
        return name
    }

    /// Names that are nobody's in the world. RFC 6761 §6.
    private static let privateEnds: Set = [
        "arpa", "example", "internal", "invalid", "local", "localhost", "onion", "test",
    ]
}

/// The hosts that a message's links lead to, each once.
struct LinkedHosts {
    private(set) var hosts: [String] = []
    private(set) var addresses: [IPAddress] = []

    /// Links whose host somebody may come to. `mailto` is one: that is where answers go.
    private static let schemes: Set = ["http", "https", "ftp", "ws", "wss", "mailto"]

    init(in content: MessageContent) {
        var seen: Set<String> = []
        // What is only fetched comes last: a reader goes where links go.
        for isFetched in [false, true] {
            for uri in content.uris where Self.fetched.contains(uri.source) == isFetched {
                guard
                    Self.schemes.contains(uri.address.scheme), let host = uri.address.host, seen.insert(host).inserted
                else { continue }
                if uri.address.isAddressLiteral {
                    if let address = IPAddress(host.trimmingBrackets) { addresses.append(address) }
                } else {
                    hosts.append(host)
                }
            }
        }
    }

    private static let fetched: Set<URISource> = [.image, .style, .script, .object, .base]
}

extension DNSBL.Configuration.List.Subject {
    /// What it is called to people.
    fileprivate var role: String {
        switch self {
        case .client: "client"
        case .sender: "sender"
        case .helo: "HELO"
        case .from: "From"
        case .replyTo: "Reply-To"
        case .uri: "link to"
        }
    }
}

extension String {
    fileprivate var withoutWWW: String { hasPrefix("www.") && dropFirst(4).contains(".") ? String(dropFirst(4)) : self }
    fileprivate var trimmingBrackets: Substring {
        hasPrefix("[") && hasSuffix("]") ? dropFirst().dropLast() : self[...]
    }
}
