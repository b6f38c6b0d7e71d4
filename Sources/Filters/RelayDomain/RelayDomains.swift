public import MailTypes
public import Pipeline

/// Domains whose mail goes to another server as a whole, as the directory has them (`sluice relay-domain`).
///
/// A domain that is not hosted here is relayed; one that is acts as a smart host: its own mailboxes get nothing. A
/// backup domain goes to its own mail exchangers that are better ones than this server. Where the next server is asked
/// who exists there, unknown addresses are refused here and now, and what it has said is remembered for the time when
/// it is down. With `onlyAuthenticated` only who may relay is served. It runs before `relay`, which would
/// refuse a domain that is not hosted here, and `recipients`; and once more when the message has come, for members of
/// aliases and groups, mailboxes of such a domain among them. Another name of a domain that is hosted here goes where
/// that domain goes, unless it has an entry of its own.
public struct RelayDomains: RecipientStage, MessageStage {
    public static let name: StageName = "relay-domain"
    public static let effects: Effects = [.rejects, .tempfails, .routes, .relays]

    let policy: Configuration
    private let networks: NetworkSet

    public init(_ configuration: Configuration) {
        policy = configuration
        networks = NetworkSet(configuration.networks)
    }

    public func remark(behind other: any Stage) -> String? {
        guard other is Relay || other is Recipients else { return nil }
        return "relay-domain is asked behind \(type(of: other).name), which refuses what it would relay"
    }

    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        let said = recipient.address
        guard recipient.destinations.isEmpty, !said.domain.isEmpty,
            let (found, address) = try await Self.relayed(said, transaction.services)
        else { return .none }
        guard found.isVerified else {
            let reply = Reply(550, .badDestinationSystem, "Domain takes no mail before it is verified")
            return Finding(.reject(reply), note: "\(found.name) is not verified yet")
        }
        if address.hasRoutingLocalPart {
            return Self.refusal("Address is not accepted", [], "the local part asks for routing")
        }
        guard !found.onlyAuthenticated || isPermitted(transaction.session) else {
            return Self.refusal(
                "Relaying is not permitted", ["networks"], "\(found.name) is for authenticated users only")
        }
        let routed = Finding(
            edits: [.resolve(said, to: [Destination(address: address, route: found.route)])], note: Self.note(found))
        guard found.asksServer else { return routed }
        switch policy.consequence(of: try await existence(of: address, found, transaction)) {
        case .relay(let note):
            return Finding(edits: routed.edits, note: "\(Self.note(found)); \(note)")
        case .refuse(let note):
            return Finding(.reject(Reply(550, .badDestinationMailbox, "No such user there")), note: note)
        case .wait(let reason):
            let reply = Reply(451, .noAnswer, "Cannot learn just now whether there is such a user; please come back")
            return Finding(.tempfail(reply), decidedBy: ["server_down"], note: reason)
        }
    }

    /// Where all mail of an address's domain goes, with the address as it is known there.
    private static func relayed(
        _ address: EmailAddress, _ services: Services
    ) async throws(StageFailure) -> (RelayDomain, EmailAddress)? {
        if let found = try await services.relayDomain(address.domain) { return (found, address) }
        guard let name = try await services.hostedDomain(address.domain)?.name,
            name != address.domain.asciiLowercased, let found = try await services.relayDomain(name)
        else { return nil }
        return (found, EmailAddress(localPart: address.localPart, domain: name))
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        var finding = Finding.none
        for recipient in transaction.recipients {
            var routed = recipient.destinations
            for place in routed.indices {
                guard let domain = Self.domain(of: routed[place], for: recipient),
                    let found = try await transaction.services.relayDomain(domain), found.isVerified
                else { continue }
                routed[place].route = found.route
                finding.note = Self.note(found)
            }
            if routed != recipient.destinations { finding.edits.append(.resolve(recipient.address, to: routed)) }
        }
        return finding
    }

    /// The domain whose entry decides about a destination. Of an address as it was said, that was asked already: who
    /// gave it a mailbox all the same meant it.
    private static func domain(of destination: Destination, for recipient: Recipient) -> String? {
        switch destination.route {
        case .exchanger(let domain): domain
        case .mailbox(let mailbox) where destination.address.key != recipient.address.key: mailbox.domain
        case .mailbox, .host, .discard: nil
        }
    }

    private func isPermitted(_ session: Session) -> Bool {
        session.user != nil || session.language == .internal || networks.contains(session.client)
    }

    private static func note(_ found: RelayDomain) -> String {
        guard let host = found.host else { return "backup of \(found.name): to its better exchangers" }
        return "all mail for \(found.name) goes to \(host.name):\(host.port)"
    }

    private static func refusal(_ text: String, _ keys: [String], _ note: String) -> Finding {
        Finding(.reject(Reply(550, .deliveryNotAuthorized, text)), decidedBy: keys, note: note)
    }
}
