public import MailTypes
public import Pipeline

/// Mail for addresses that nobody has, to the address that its domain names for that.
///
/// In the recipient phase it takes what `recipients` has left. Of a message for several such addresses their reader
/// gets one copy. In the message phase that copy gets a field with their list; it is a message of its own, so no
/// other copy carries the list.
public struct CatchAll: RecipientStage, MessageStage {
    public static let name: StageName = "catchall"
    public static let effects: Effects = [
        .rejects, .routes, .claims, .editsHeader, .distinguishesRecipients, .dividesCopies,
    ]

    public struct Configuration: Decodable, Sendable {
        /// The name of the field; empty: no field.
        public var field = "X-Sluice-Catch-All"
        /// Addresses that the field names.
        public var maxListed: BoundedInt<ListBounds> = 100
        /// As in `recipients`.
        public var maxDepth: BoundedInt<Recipients.DepthBounds> = 10
        public var maxMembers: BoundedInt<Recipients.MemberBounds> = 100_000

        public init() {}
    }

    public enum ListBounds: Bounds { public static let range = 1...10_000 }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        guard recipient.destinations.isEmpty, recipient.unclaimed != nil,
            let domain = try await transaction.services.hostedDomain(recipient.address.domain),
            let target = domain.catchAll,
            // An address that nobody has is its own catch-all where its mailbox went, or its partner.
            target.key != recipient.address.key
        else { return .none }
        var expansion = Expansion(of: recipient.address, policy.limits)
        expansion.learn(.expands(to: [target], kind: .alias))
        try await expansion.follow(by: transaction.services)
        var finding = expansion.finding(for: recipient.address)
        finding.note = "the catch-all of \(domain.name) is \(target)"
        if finding.verdict == .continue { finding.edits.append(.policy("catch-all \(target.key)")) }
        return finding
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        guard !policy.field.isEmpty else { return .none }
        // What a stranger has written there would be taken for ours.
        let foreign = message.header.fields.indices.filter { message.header.fields[$0].isNamed(policy.field) }
        var finding = Finding(edits: foreign.isEmpty ? [] : [.removeFields(at: foreign)])
        guard transaction.policy != nil else { return finding }
        finding.edits.append(.prependField(name: policy.field, value: policy.list(of: transaction.recipients)))
        return finding
    }
}

extension CatchAll.Configuration {
    var limits: Expansion.Limits { Expansion.Limits(depth: maxDepth.value, members: maxMembers.value) }

    /// `a@here.example, b@here.example`, and how many more there are.
    func list(of recipients: [Recipient]) -> String {
        let named = recipients.prefix(maxListed.value).map(\.address.description).joined(separator: ", ")
        let rest = recipients.count - maxListed.value
        return rest > 0 ? "\(named) (and \(rest) more)" : named
    }

    enum CodingKeys: String, CodingKey {
        case field
        case maxListed = "max_listed"
        case maxDepth = "max_depth"
        case maxMembers = "max_members"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        field = table.value(.field, default: field)
        maxListed = table.value(.maxListed, default: maxListed)
        maxDepth = table.value(.maxDepth, default: maxDepth)
        maxMembers = table.value(.maxMembers, default: maxMembers)
    }
}
