import MailTypes

/// What an import does where the file leaves it open.
public struct ImportOptions: Sendable {
    /// What becomes of entries that there are already.
    public enum Existing: String, Sendable, CaseIterable {
        /// They are problems, and nothing is imported.
        case refuse
        /// They stay as they are.
        case skip
        /// They become what the file says of them; what it doesn't say stays.
        case change
    }

    /// What becomes of a new account without a password.
    public enum MissingPassword: Sendable, Hashable {
        /// It is a problem.
        case refuse
        /// Nobody can log in to it before it is given one.
        case none
        /// Each gets one of its own.
        case generate
        /// All get this one.
        case set(String)
    }

    public var existing = Existing.refuse
    public var missingPassword = MissingPassword.refuse
    /// For new accounts of which the file says none, in octets; `nil`: no limit.
    public var defaultQuota: Int?
    /// What a quota without a unit is counted in, in octets; `nil`: it is a problem, because programs disagree.
    public var quotaUnit: Int?
    /// The post office in which domains of accounts are made that there are not yet; `nil`: they are problems.
    public var postOffice: String?
    /// What stands between cells; `nil`: the header tells, and without one it is a comma.
    public var separator: TransferSeparator?
    /// Makes a relay of what a file says; the login's password is to be sealed.
    public var relay: @Sendable (RelayText) throws -> NewRelay = { text in
        throw DirectoryError.malformed(text: text.host, reason: "cannot be imported here")
    }

    public init() {}
}

/// A server that mail is handed to, as it stands in a file.
public struct RelayText: Sendable {
    /// What stands for a host where a domain's own exchangers are meant, as in `transport`.
    static let ownExchangers = "mx"

    var isOwnExchangers: Bool { host.lowercased() == Self.ownExchangers }

    public var host: String
    public var tls: String?
    public var login: String?
    public var password: String?

    public init(host: String, tls: String? = nil, login: String? = nil, password: String? = nil) {
        self.host = host
        self.tls = tls
        self.login = login
        self.password = password
    }
}

/// What came of an import, or would have come of it.
public struct ImportReport: Sendable, Encodable {
    /// Of one kind.
    public struct Counts: Sendable, Hashable, Codable {
        public var added = 0
        public var changed = 0
        /// Those that there are already as the file says.
        public var unchanged = 0
        public var skipped = 0
    }

    /// By ``TransferKind/rawValue``.
    public internal(set) var kinds: [String: Counts] = [:]
    /// Domains that accounts needed, in their order.
    public internal(set) var domainsAdded: [String] = []
    /// By file, line and column; at most ``TransferLimits/problems``.
    public internal(set) var problems: [TransferProblem] = []
    public internal(set) var problemCount = 0
    /// Nothing was written: for a trial, or because of the problems.
    public internal(set) var isTrial = true

    mutating func add(_ more: [TransferProblem]) {
        problemCount += more.count
        problems += more
        problems.sort { ($0.file, $0.line, $0.column) < ($1.file, $1.line, $1.column) }
        problems.removeLast(max(0, problems.count - TransferLimits.problems))
    }
}

/// An account with the password that it was given, for the one who has to tell its user.
public struct GeneratedPassword: Sendable {
    public var address: String
    public var password: String

    /// As lines of CSV, in the columns that an import reads.
    public static func csv(_ passwords: [GeneratedPassword]) -> String {
        let header = [TransferColumn.emailAddress.rawValue, TransferColumn.password.rawValue]
        let rows = [header] + passwords.map { [$0.address, $0.password] }
        return rows.map { CSVWriter.line($0, separator: .comma) }.joined()
    }
}
