public import MailTypes
public import Pipeline

/// Fixed routes of whole domains.
///
/// Mail for a domain in the table is taken from everybody and goes where the table says: these are
/// the domains this server is a relay for, as backup or as filter in front of another server. A
/// key that begins with a dot stands for all domains below it.
///
/// It runs before `relay`, which would refuse a domain that is not hosted here, and once more when
/// the message has come: members of an alias or a group whose domain is in the table take its route.
public struct Transport: RecipientStage, MessageStage {
    public static let name: StageName = "transport"
    public static let effects: Effects = [.routes]

    public struct Configuration: Decodable, Sendable {
        /// The routes by domain, in lower case.
        public var routes: [String: TransportRoute] = [:]

        public init(routes: [String: TransportRoute] = [:]) { self.routes = routes }

        public init(from decoder: any Decoder) throws {
            let table = try decoder.container(keyedBy: AnyKey.self)
            for key in table.allKeys {
                guard let route = table.optional(key, as: TransportRoute.self) else { continue }
                routes[key.stringValue.asciiLowercased] = route
            }
        }
    }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    /// An empty table routes nothing.
    public var currentEffects: Effects { policy.routes.isEmpty ? [] : Self.effects }

    /// Where mail for an address goes, if the table has its domain.
    public func destination(of address: EmailAddress) -> Destination? {
        policy.route(of: address.domain)?.route.destination(of: address)
    }

    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        guard recipient.destinations.isEmpty, let (key, route) = policy.route(of: recipient.address.domain) else {
            return .none
        }
        return Finding(
            edits: [.resolve(recipient.address, to: [route.destination(of: recipient.address)])],
            decidedBy: [key], note: "\(key) goes to \(route)")
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        var finding = Finding.none
        for recipient in transaction.recipients {
            let routed = recipient.destinations.map { destination in
                guard case .exchanger = destination.route,
                    let (key, route) = policy.route(of: destination.address.domain)
                else { return destination }
                if !finding.decidedBy.contains(key) { finding.decidedBy.append(key) }
                var routed = route.destination(of: destination.address)
                routed.reversePath = destination.reversePath
                routed.owner = destination.owner
                return routed
            }
            if routed != recipient.destinations { finding.edits.append(.resolve(recipient.address, to: routed)) }
        }
        return finding.edits.isEmpty ? .none : finding
    }
}

extension Transport.Configuration {
    /// The route of a domain and the key that names it: the domain itself, else the nearest parent
    /// with a dot.
    func route(of domain: String) -> (key: String, route: TransportRoute)? {
        if let route = routes[domain] { return (domain, route) }
        var rest = domain[...]
        while let dot = rest.firstIndex(of: ".") {
            let parent = String(rest[dot...])
            if let route = routes[parent] { return (parent, route) }
            rest = rest[rest.index(after: dot)...]
        }
        return nil
    }
}
