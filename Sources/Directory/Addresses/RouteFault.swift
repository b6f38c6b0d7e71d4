/// Something in the directory by which mail does not get through, or gets to where it should not.
public struct RouteFault: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        /// Mail would go round for ever.
        case loop
        /// Every way ends where nobody gets the mail.
        case deadEnd = "dead end"
        /// More aliases, groups and redirections inside one another than ``DirectoryLimits/depth``.
        case tooDeep = "too deep"
        /// More addresses in the end than the chain allows.
        case tooWide = "too wide"
        /// Of several members one ends where nobody gets the mail.
        case lostMember = "lost member"
        /// A login would be told to others than its server, or cannot be made.
        case astray = "login astray"
        /// Another entry comes before it and takes its mail.
        case shadowed
        /// Mail for addresses that nobody has goes on to other servers, and all spam with it.
        case leak
        /// Nothing comes by it.
        case idle
    }

    public var kind: Kind
    /// What is to be changed: `alias info@acme.test`, `catch-all of acme.test`.
    public var entry: String
    /// The way from there, address by address, to where it goes wrong.
    public var witness: [String]
    /// What is wrong at its end: `is switched off`.
    public var reason: String

    public init(kind: Kind, entry: String, witness: [String], reason: String) {
        self.kind = kind
        self.entry = entry
        self.witness = witness
        self.reason = reason
    }

    /// Mail is refused for it; the others are only worth a look.
    public var isError: Bool {
        switch kind {
        case .loop, .deadEnd, .tooDeep, .tooWide, .astray: true
        case .lostMember, .leak, .shadowed, .idle: false
        }
    }
}

/// What a walk through all entries has found.
public struct RouteReport: Sendable, Hashable, Codable {
    /// Aliases, groups, redirections, catch-alls and postmasters that were walked.
    public var entries: Int
    public var faults: [RouteFault]
}
