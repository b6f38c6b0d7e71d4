/// What can be exported and imported: each a table of its own, a CSV file or a JSON array.
///
/// Their order is the one in which they need one another.
public enum TransferKind: String, Sendable, Hashable, CaseIterable {
    case postOffices = "postoffices"
    case domains
    case domainAliases = "domain-aliases"
    case accounts
    case aliases
    case groups
    case senders
    case relayDomains = "relay-domains"

    /// In their order; the first one names the entry. Files without a header have as many of them as they like.
    public var columns: [TransferColumn] {
        switch self {
        case .postOffices: [.postOffice, .mail]
        case .domains: [.domain, .postOffice, .mail, .postmaster, .catchAll]
        case .domainAliases: [.alias, .domain]
        case .accounts: [.emailAddress, .password, .quota, .friendlyName, .mail, .redirect, .keepCopy]
        case .aliases: [.alias, .members, .mail]
        case .groups: [.group, .members, .name, .also, .mail]
        case .senders: [.sender, .mailboxes]
        case .relayDomains: [.domain, .host, .tls, .postOffice, .onlyUsers, .login, .password, .callout, .giveUpAfter]
        }
    }

    /// Those that an export writes: never a password.
    public var exportedColumns: [TransferColumn] { columns.filter { $0 != .password } }

    /// What one of them is called in a sentence.
    public var noun: String {
        switch self {
        case .postOffices: "post office"
        case .domains: "domain"
        case .domainAliases: "domain alias"
        case .accounts: "account"
        case .aliases: "alias"
        case .groups: "group"
        case .senders: "sender address"
        case .relayDomains: "relay domain"
        }
    }

    var key: TransferColumn { columns[0] }
}

/// A column of a table, by the name that its header has.
public enum TransferColumn: String, Sendable, Hashable, CaseIterable {
    case emailAddress = "emailaddress"
    case password
    case quota
    case friendlyName = "friendlyname"
    /// Whether mail is taken: `on` or `off`.
    case mail
    /// Addresses.
    case redirect
    case keepCopy = "keepcopy"
    case alias
    /// Addresses.
    case members
    case group
    case name
    /// Further addresses.
    case also
    case sender
    /// Addresses.
    case mailboxes
    case domain
    case postOffice = "postoffice"
    case postmaster
    case catchAll = "catchall"
    case host
    case tls
    case onlyUsers = "onlyusers"
    case login
    case callout
    /// `10d`; empty: as all other mail.
    case giveUpAfter = "giveupafter"

    /// The column that a header means: `Friendly name`, `friendly_name` and `FRIENDLYNAME` are one.
    static func named(_ text: String, of kind: TransferKind) -> TransferColumn? {
        let letters = text.lowercased().filter { !" -_\t".contains($0) }
        return kind.columns.first { $0.rawValue == letters }
    }

    /// A password is what stands there, blanks and all.
    var isVerbatim: Bool { self == .password }
}

/// How much an import reads.
public enum TransferLimits {
    /// Octets of one file.
    public static let octets = 64 << 20
    /// Rows of one file.
    public static let rows = 200_000
    /// Octets of one cell: a group of many members has one cell for them all.
    public static let cell = 4 << 20
    /// Problems that are told; of more only the number.
    public static let problems = 1_000
}

/// Something that is wrong with a file.
public struct TransferProblem: Error, Sendable, Hashable, Codable {
    public var file: String
    /// From one.
    public var line: Int
    /// In characters, from one: where the cell begins, or what is wrong in it.
    public var column: Int
    /// What is wrong, and what to do.
    public var message: String
}

extension TransferProblem: CustomStringConvertible {
    public var description: String { "\(file):\(line):\(column): error: \(message)" }
}

/// A file to be imported.
public struct TransferFile: Sendable {
    /// As problems name it.
    public var name: String
    public var kind: TransferKind
    public var content: [UInt8]

    public init(name: String, kind: TransferKind, content: [UInt8]) {
        self.name = name
        self.kind = kind
        self.content = content
    }
}

/// What stands between the cells of a row. RFC 4180 has the comma; some programs write others.
public enum TransferSeparator: String, Sendable, CaseIterable {
    case comma
    case semicolon
    case tab

    var octet: UInt8 {
        switch self {
        case .comma: UInt8(ascii: ",")
        case .semicolon: UInt8(ascii: ";")
        case .tab: UInt8(ascii: "\t")
        }
    }
}
