public import MailTypes
public import struct Foundation.Date

/// One line of an allow or block list.
public struct ListEntry: Sendable, Hashable, Codable {
    /// What it says of its sender.
    public enum Action: String, Sendable, Hashable, Codable, CaseIterable {
        /// The score is not held against the message.
        case allow
        case block
    }

    /// Which of a message's senders are compared.
    public enum Match: String, Sendable, Hashable, Codable, CaseIterable {
        /// The author, in the From field.
        case headerFrom = "header-from"
        /// The reverse-path, in MAIL FROM.
        case envelopeFrom = "envelope-from"
        case either
    }

    /// What must be proven of the sender before an allow entry holds.
    public enum Proof: String, Sendable, Hashable, Codable, CaseIterable {
        case none
        /// DMARC has passed for the author's domain.
        case dmarc
        /// SPF has passed for the reverse-path's domain.
        case spf
    }

    /// Whom it is about.
    public enum Sender: Sendable, Hashable, Codable {
        /// A domain with all below it, in lower case and A-labels.
        case domain(String)
        case address(EmailAddress)
        /// Clients' addresses.
        case network(Network)
    }

    /// Never given twice.
    public var id: Int64
    public var scope: PolicyScope
    public var action: Action
    public var sender: Sender
    public var match: Match
    public var needs: Proof
    public var reason: String?
    /// Who made it: `cli:root`, `portal:anna@acme.test`.
    public var author: String
    public var created: Date
    /// From then on it holds no more.
    public var ends: Date?
    /// The entry of the audit log that made it so.
    public var audit: Int64

    public init(
        id: Int64, scope: PolicyScope, action: Action, sender: Sender, author: String, created: Date, audit: Int64
    ) {
        self.id = id
        self.scope = scope
        self.action = action
        self.sender = sender
        self.author = author
        self.created = created
        self.audit = audit
        match = .headerFrom
        needs = .none
    }

    /// Where it stands, for a trace: `audit 34 (acme.test)`.
    public var origin: String { "audit \(audit) (\(scope))" }

    /// Whether only the message tells if it is meant.
    public var goesByAuthor: Bool { !sender.isNetwork && match != .envelopeFrom }

    /// `allow partner.example (header-from, needs dmarc)`
    public var words: String {
        var conditions: [String] = []
        if !sender.isNetwork { conditions.append(match.rawValue) }
        if needs != .none { conditions.append("needs \(needs.rawValue)") }
        let behind = conditions.isEmpty ? "" : " (\(conditions.joined(separator: ", ")))"
        return "\(action.rawValue) \(sender)\(behind)"
    }
}

extension ListEntry.Sender: CustomStringConvertible {
    public var description: String {
        switch self {
        case .domain(let domain): domain
        case .address(let address): address.description
        case .network(let network): network.description
        }
    }

    public var isNetwork: Bool { if case .network = self { true } else { false } }

    /// What two spellings have in common. An address has an `@`, a network a `/`, so no two kinds meet.
    public var key: String {
        switch self {
        case .domain(let domain): domain.asciiLowercased
        case .address(let address): address.key
        case .network(let network): "\(network.base)/\(network.bits)"
        }
    }
}

/// All of a message that lists are asked by.
public struct ListProbe: Sendable, Hashable, Codable {
    /// Whose lists: the scope and those around it.
    public var scope: PolicyScope
    public var client: IPAddress
    /// The authors, ``mostAuthors`` at most.
    public var authors: [EmailAddress]
    /// The reverse-path.
    public var sender: EmailAddress?

    /// More in one From field are looked for no further.
    public static let mostAuthors = 10

    public init(scope: PolicyScope, client: IPAddress, authors: [EmailAddress], sender: EmailAddress?) {
        self.scope = scope
        self.client = client
        self.authors = Array(authors.prefix(Self.mostAuthors))
        self.sender = sender
    }

    /// The keys of all entries that may be about this message. See ``ListEntry/Sender/key``.
    public var keys: [String] {
        let addresses = authors + [sender].compactMap(\.self)
        let widths = 0...(client.octets.count * 8)
        let networks = widths.map { "\(client.network(bits: $0))/\($0)" }
        let domains = Set(addresses.map(\.domain)).flatMap(Self.domains(from:))
        return networks + Set(addresses.map(\.key)).sorted() + Set(domains).sorted()
    }

    /// A domain and those above it, the longest ``mostLabels``.
    private static func domains(from domain: String) -> [String] {
        let labels = domain.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return labels.indices.suffix(mostLabels).map { place in
            labels[place...].map { String(decoding: $0, as: UTF8.self) }.joined(separator: ".")
        }
    }

    private static let mostLabels = 16
}

/// One of the two lists of a scope.
public struct SenderList: Sendable, Hashable, Codable {
    public var scope: PolicyScope
    public var action: ListEntry.Action

    public init(scope: PolicyScope, action: ListEntry.Action) {
        self.scope = scope
        self.action = action
    }
}

extension PolicyScope {
    /// Every list that may hold in this scope, in the order of their precedence: allow comes before block.
    public var allLists: [SenderList] {
        precedence.flatMap { scope in ListEntry.Action.allCases.map { SenderList(scope: scope, action: $0) } }
    }
}

/// What lists can say of a message before it has come.
public enum ListStanding: String, Sendable, Hashable, Codable {
    /// One of them has an entry that holds, or an earlier one will: it is allowed or blocked, and need not wait.
    case listed
    /// That depends on its author, whom only the message names.
    case open
}

/// Where stage memory keeps when entries of lists have changed an outcome.
public enum ListUse {
    public static let table = "lists.used"
    static let lifetime: Interval = "3650d"

    public static func key(of id: Int64) -> String { String(id) }
}

/// Why the score is not held against a message.
public struct Exemption: Sendable, Hashable, Codable {
    /// For people: `allow partner.example (header-from)`.
    public var reason: String
    /// Who says so, for a trace.
    public var origin: String
    /// The list's entry, to note when it has last changed an outcome.
    public var entry: Int64?

    public init(reason: String, origin: String, entry: Int64? = nil) {
        self.reason = reason
        self.origin = origin
        self.entry = entry
    }
}
