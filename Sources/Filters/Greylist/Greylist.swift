public import MailTypes
public import Pipeline
import struct Foundation.Date

/// Strangers come back later. RFC 6647.
///
/// A triplet of client network, sender and recipient is refused for now until ``Configuration/delay``
/// has passed, and then let through until it has not been seen for ``Configuration/lifetime``.
/// A network that has proved its patience often enough is no stranger any more.
public struct Greylist: RecipientStage {
    public static let name: StageName = "greylist"
    public static let effects: Effects = [.tempfails]

    public struct Configuration: Decodable, Sendable {
        /// What a network that has proved itself is trusted with.
        public enum Scope: String, Decodable, Sendable, CaseIterable {
            /// Mail of the sender domains it has proved itself for.
            case domain
            /// Mail of everybody.
            case any
        }

        /// How long a stranger must wait.
        public var delay: Interval = "5m"
        /// How long a stranger may take to come back; who returns later begins anew.
        public var window: Interval = "2d"
        /// How long an acquaintance is remembered after it was last seen.
        public var lifetime: Interval = "36d"
        /// After how many triplets that came back a network is known; 0 is never.
        public var knownAfter: BoundedInt<OptionalCountBounds> = 5
        /// For whose mail it is known then.
        public var knownFor = Scope.domain
        /// How much of an IPv4 address is the network.
        public var ipv4Prefix: BoundedInt<IPv4PrefixBounds> = 24
        /// How much of an IPv6 address is the network.
        public var ipv6Prefix: BoundedInt<IPv6PrefixBounds> = 64

        public init() {}
    }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        let services = transaction.services
        let now = try await services.now()
        let triplet = Triplet(
            client: transaction.session.client, sender: transaction.sender, recipient: recipient.address, policy)

        if policy.knownAfter.value > 0 {
            let passes = try await services.visits(.peek(table: Table.networks, key: triplet.network, at: now))
            if policy.isKnown(passes) {
                try await remember(triplet.network, in: Table.networks, at: now, services)
                return Finding(decidedBy: ["known_after", "known_for"], note: "the network is known")
            }
        }
        let acquaintance = try await services.visits(.peek(table: Table.passed, key: triplet.key, at: now))
        if acquaintance != nil {
            try await remember(triplet.key, in: Table.passed, at: now, services)
            return Finding(decidedBy: ["lifetime"], note: "passed before")
        }
        let attempts = try await services.visits(
            .visit(table: Table.waiting, key: triplet.key, at: now, lifetime: policy.window))
        let finding = policy.finding(onStranger: attempts, at: now)
        if finding.verdict == .continue {
            try await remember(triplet.key, in: Table.passed, at: now, services)
            if policy.knownAfter.value > 0 {
                try await remember(triplet.network, in: Table.networks, at: now, services)
            }
        }
        return finding
    }

    private func remember(
        _ key: String, in table: String, at now: Date, _ services: Services
    ) async throws(StageFailure) {
        _ = try await services.visits(.visit(table: table, key: key, at: now, lifetime: policy.lifetime))
    }

    /// Where the three stories are kept.
    enum Table {
        /// Triplets that were refused and may come back.
        static let waiting = "greylist.waiting"
        /// Triplets that came back.
        static let passed = "greylist.passed"
        /// Networks whose triplets came back; each visit is one triplet.
        static let networks = "greylist.networks"
    }
}

/// Who sends from where to whom, as keys of what is remembered. RFC 6647 §2.2.
struct Triplet {
    let key: String
    /// The network, with the sender's domain where it is known for that only.
    let network: String

    init(client: IPAddress, sender: EmailAddress?, recipient: EmailAddress, _ policy: Greylist.Configuration) {
        let neighbourhood = Neighbourhood(ipv4Bits: policy.ipv4Prefix.value, ipv6Bits: policy.ipv6Prefix.value)
        let block = neighbourhood.key(of: client)
        // A report's null path is a sender like any other: it, too, comes from somewhere.
        key = "\(block) <\(sender?.key ?? "")> <\(recipient.key)>"
        network = policy.knownFor == .any ? block : "\(block) \(sender?.domain ?? "<>")"
    }
}

// The whole policy, apart from clocks and memories.
extension Greylist.Configuration {
    /// Whether so many triplets have come back that the network needs no further proof.
    func isKnown(_ passes: Visits?) -> Bool {
        guard let passes, knownAfter.value > 0 else { return false }
        return passes.count >= knownAfter.value
    }

    /// What a triplet gets that never passed, given its earlier attempts.
    func finding(onStranger attempts: Visits?, at now: Date) -> Finding {
        let waited = attempts.map { now.timeIntervalSince($0.first) }
        let rest = delay.seconds - (waited ?? 0)
        // A clock that was set back makes nobody wait longer than a stranger.
        guard rest > 0 else { return Finding(decidedBy: ["delay"], note: "came back after \(whole(waited ?? 0)) s") }
        let seconds = whole(min(rest, delay.seconds))
        let reply = Reply(451, .deliveryNotAuthorized, "Greylisted, try again in \(seconds) seconds")
        let note = waited.map { "first seen \(whole($0)) s ago" } ?? "never seen before"
        return Finding(.tempfail(reply), decidedBy: ["delay"], note: note)
    }

    /// Whole seconds, rounded up: who comes then has waited long enough.
    private func whole(_ seconds: Double) -> Int { Int(max(0, seconds).rounded(.up)) }
}

extension Greylist.Configuration {
    enum CodingKeys: String, CodingKey {
        case delay, window, lifetime
        case knownAfter = "known_after"
        case knownFor = "known_for"
        case ipv4Prefix = "ipv4_prefix"
        case ipv6Prefix = "ipv6_prefix"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        delay = table.value(.delay, default: delay)
        window = table.value(.window, default: window)
        lifetime = table.value(.lifetime, default: lifetime)
        knownAfter = table.value(.knownAfter, default: knownAfter)
        knownFor = table.value(.knownFor, default: knownFor)
        ipv4Prefix = table.value(.ipv4Prefix, default: ipv4Prefix)
        ipv6Prefix = table.value(.ipv6Prefix, default: ipv6Prefix)
        guard window.seconds > delay.seconds else {
            throw DecodingError.dataCorruptedError(
                forKey: .window, in: table,
                debugDescription: "must be longer than delay (\(delay)), or nobody could come back in time")
        }
    }
}
