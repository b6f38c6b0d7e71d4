public import MailTypes
public import Pipeline

/// What a local address stands for: a mailbox, or an alias, a group or a redirected mailbox, which are followed
/// to their ends.
///
/// A member on another server gets a route there: whoever owns the alias has decided so. Members
/// that are unknown or switched off are left out while others remain; if none does, the recipient is
/// refused. An alias that leads back to itself is refused, since its mail would never arrive. An address that nobody
/// has is left to stages that take such, if any follow.
public struct Recipients: RecipientStage {
    public static let name: StageName = "recipients"
    public static let effects: Effects = [.rejects, .routes]

    public struct Configuration: Decodable, Sendable {
        /// How many aliases, groups and redirections may lie between an address and its mailbox.
        public var maxDepth: BoundedInt<DepthBounds> = 10
        /// How many different addresses one may stand for in the end, and members of each entry on the way.
        public var maxMembers: BoundedInt<MemberBounds> = 100_000
        /// Who reads what is sent to `postmaster` of this server, and of each hosted domain that
        /// has none. RFC 5321 §4.5.1.
        public var postmaster: EmailAddress?

        public init() {}
    }

    /// More would let one address ask the directory for ever.
    public enum DepthBounds: Bounds { public static let range = 1...100 }
    public enum MemberBounds: Bounds { public static let range = 1...100_000 }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        guard recipient.destinations.isEmpty else { return .none }
        let address = recipient.address
        // Where the mail of other domains goes is the affair of the mail server that has asked.
        if transaction.session.language == .milter,
            try await transaction.services.hostedDomain(address.domain) == nil
        {
            return .none
        }
        var expansion = Expansion(of: address, policy.limits)
        if let postmaster = policy.postmaster, address.isPostmaster(of: transaction.hostname) {
            expansion.learn(.expands(to: [postmaster], kind: .alias))
        }
        try await expansion.follow(by: transaction.services)
        if expansion.isUnknown, let postmaster = policy.postmaster, address.isPostmaster {
            expansion = Expansion(of: address, policy.limits)
            expansion.learn(.expands(to: [postmaster], kind: .alias))
            try await expansion.follow(by: transaction.services)
        }
        return expansion.finding(for: address, isClaimable: transaction.claimsFollow)
    }

    public func remark(behind other: any Stage) -> String? {
        let early = type(of: other).name
        if other is Quota {
            return "\(early) refuses nobody: it is asked before \(Self.name) has found whose mailboxes a message is for"
        }
        guard other is CatchAll || other is SplitDomains else { return nil }
        return "\(early) takes nothing: it is asked before \(Self.name) has found which addresses nobody has"
    }
}

extension Recipients {
    /// How far a way may lead.
    public var limits: Expansion.Limits { policy.limits }
}

extension Recipients.Configuration {
    var limits: Expansion.Limits { Expansion.Limits(depth: maxDepth.value, members: maxMembers.value) }
}

extension Recipients.Configuration {
    enum CodingKeys: String, CodingKey {
        case maxDepth = "max_depth"
        case maxMembers = "max_members"
        case postmaster
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        maxDepth = table.value(.maxDepth, default: maxDepth)
        maxMembers = table.value(.maxMembers, default: maxMembers)
        postmaster = table.optional(.postmaster)
    }
}
