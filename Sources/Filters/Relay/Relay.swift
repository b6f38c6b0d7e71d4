public import MailTypes
public import Pipeline

/// Who may send to other servers. RFC 5321 §7.1, RFC 6409 §6.
///
/// Mail for domains that are not hosted here is relayed for users who have logged in and for listed
/// networks, and for nobody else. Addresses that ask to be routed onwards (`u%far@here`,
/// `far!u@here`, `"u@far"@here`) are refused whatever their domain, so that no server behind this
/// one can be led to do it. Under which names users send is the matter of ``Senders``.
public struct Relay: RecipientStage {
    public static let name: StageName = "relay"
    public static let effects: Effects = [.rejects, .routes, .relays, .servesUsers]

    public struct Configuration: Decodable, Sendable {
        /// Clients that may relay without a login.
        public var networks: [Network] = []
        /// Whether addresses that ask to be routed onwards are refused.
        public var refuseRouting = true

        public init() {}
    }

    let policy: Configuration
    private let networks: NetworkSet

    public init(_ configuration: Configuration) {
        policy = configuration
        networks = NetworkSet(configuration.networks)
    }

    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        let address = recipient.address
        if policy.refuseRouting, address.hasRoutingLocalPart {
            return Self.refusal(550, "Address is not accepted", "refuse_routing", "the local part asks for routing")
        }
        // Somebody has said where it goes, or it is postmaster of this server itself.
        guard recipient.destinations.isEmpty, !address.isPostmaster(of: transaction.hostname) else { return .none }
        // Whom it relays for is the mail server's affair that has asked.
        guard transaction.session.language != .milter else { return .none }
        guard try await transaction.services.hostedDomain(address.domain) == nil else { return .none }
        guard let permission = permission(of: transaction.session) else {
            return Self.refusal(550, "Relaying is not permitted", "networks", "\(address.domain) is not hosted here")
        }
        let route = Destination(address: address, route: .exchanger(domain: address.domain))
        return Finding(edits: [.resolve(address, to: [route])], decidedBy: permission.keys, note: permission.note)
    }

    private func permission(of session: Session) -> (keys: [String], note: String)? {
        if let user = session.user { return ([], "\(user.mailbox) has logged in") }
        if session.language == .internal { return ([], "made by this server") }
        if networks.contains(session.client) { return (["networks"], "\(session.client) may relay") }
        return nil
    }

    private static func refusal(_ code: Int, _ text: String, _ key: String, _ note: String) -> Finding {
        Finding(.reject(Reply(code, .deliveryNotAuthorized, text)), decidedBy: [key], note: note)
    }
}

extension Relay.Configuration {
    enum CodingKeys: String, CodingKey {
        case networks
        case refuseRouting = "refuse_routing"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        networks = table.value(.networks, default: networks)
        refuseRouting = table.value(.refuseRouting, default: refuseRouting)
    }
}
