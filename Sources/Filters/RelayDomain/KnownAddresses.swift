public import MailTypes
import Pipeline
import struct Foundation.Date

// Who exists on the server that a domain's mail goes to: asked at RCPT, and remembered.
extension RelayDomains {
    public struct Configuration: Decodable, Sendable {
        /// What becomes of mail for an address of which nothing is known, while the next server cannot be asked.
        public enum ServerDown: String, Decodable, Sendable, CaseIterable {
            case tempfail
            /// It is taken, and comes back to its sender if that server does not have the address.
            case accept
        }

        /// Clients that need no login for domains that are for authenticated users only.
        public var networks: [Network] = []
        public var serverDown = ServerDown.tempfail
        /// How long it is believed, without asking again, that the server has an address.
        public var knownFor: Interval = "1d"
        /// How long it is believed that it has not.
        public var unknownFor: Interval = "10m"
        /// How long what it has said is good for while it cannot be asked.
        public var rememberedFor: Interval = "36d"
        /// How long a server that could not be asked is left in peace.
        public var retryAfter: Interval = "1m"

        public init() {}
    }

    /// Whether the server has an address.
    enum Existence: Hashable {
        /// Just asked: yes.
        case accepted
        /// Just asked: no.
        case refused(Reply)
        /// Asked before: yes; `isDown`: and cannot be asked now.
        case remembered(isDown: Bool)
        /// Asked before: no.
        case missed
        /// Not asked, and nothing is to be found out; why.
        case unasked(String)
        /// Asked in vain; why.
        case open(String)
    }

    enum Consequence: Hashable {
        case relay(note: String)
        case refuse(note: String)
        case wait(reason: String)
    }

    /// Of each address when it was last said to be there, and when not.
    static let known = "relay-domain.known"
    static let unknown = "relay-domain.unknown"
    /// Of each domain when its server could not be asked.
    static let down = "relay-domain.down"

    func existence(
        of address: EmailAddress, _ domain: RelayDomain, _ transaction: Transaction
    ) async throws(StageFailure) -> Existence {
        let (services, now) = (transaction.services, try await transaction.services.now())
        let key = "\(domain.name) \(address.key)"
        let known = try await services.visits(.peek(table: Self.known, key: key, at: now))?.last
        let unknown = try await services.visits(.peek(table: Self.unknown, key: key, at: now))?.last
        // What was said last counts.
        let isKnown = known.map { $0 >= unknown ?? .distantPast } ?? false
        if isKnown, let known, now.timeIntervalSince(known) < policy.knownFor.seconds {
            return .remembered(isDown: false)
        }
        if !isKnown, let unknown, now.timeIntervalSince(unknown) < policy.unknownFor.seconds { return .missed }
        // Two servers that ask each other would do so for ever; and nothing comes back that nobody has sent.
        guard transaction.sender != nil else { return .unasked("nobody is asked for a report's sake") }
        let isDown = try await services.visits(.peek(table: Self.down, key: domain.name, at: now)) != nil
        if isDown { return isKnown ? .remembered(isDown: true) : .open("its server could not be asked a moment ago") }
        let report = try await services.callout(CalloutQuestion(host: domain.host, address: address))
        switch report {
        case .accepted:
            try await remember(Self.known, key, for: policy.rememberedFor, services, now)
            return .accepted
        case .refused(let reply) where reply.isAboutAddress:
            // It must outlast what was known of it before.
            let lifetime = known == nil ? policy.unknownFor : policy.rememberedFor
            try await remember(Self.unknown, key, for: lifetime, services, now)
            return .refused(reply)
        case .refused(let reply): return isKnown ? .remembered(isDown: true) : .open("its server says: \(reply)")
        case .unreachable(let reason):
            try await remember(Self.down, domain.name, for: policy.retryAfter, services, now)
            return isKnown ? .remembered(isDown: true) : .open("its server cannot be asked: \(reason)")
        case .notAsked: return .unasked("who exists there is not asked now")
        }
    }

    private func remember(
        _ table: String, _ key: String, for lifetime: Interval, _ services: Services, _ now: Date
    ) async throws(StageFailure) {
        _ = try await services.visits(.visit(table: table, key: key, at: now, lifetime: lifetime))
    }
}

// The whole policy, apart from directory, memory and network.
extension RelayDomains.Configuration {
    func consequence(of existence: RelayDomains.Existence) -> RelayDomains.Consequence {
        switch existence {
        case .accepted: .relay(note: "its server has the address")
        case .remembered(isDown: false): .relay(note: "its server has the address, as was asked before")
        case .remembered(isDown: true): .relay(note: "its server cannot be asked, and had the address")
        case .unasked(let reason): .relay(note: reason)
        case .refused(let reply): .refuse(note: "its server does not have the address: \(reply)")
        case .missed: .refuse(note: "its server does not have the address, as was asked before")
        case .open(let reason) where serverDown == .accept: .relay(note: reason)
        case .open(let reason): .wait(reason: reason)
        }
    }

    enum CodingKeys: String, CodingKey {
        case networks
        case serverDown = "server_down"
        case knownFor = "known_for"
        case unknownFor = "unknown_for"
        case rememberedFor = "remembered_for"
        case retryAfter = "retry_after"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        networks = table.value(.networks, default: networks)
        serverDown = table.value(.serverDown, default: serverDown)
        knownFor = table.value(.knownFor, default: knownFor)
        unknownFor = table.value(.unknownFor, default: unknownFor)
        rememberedFor = table.value(.rememberedFor, default: rememberedFor)
        retryAfter = table.value(.retryAfter, default: retryAfter)
    }
}
