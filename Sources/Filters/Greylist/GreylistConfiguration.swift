public import MailTypes
import Pipeline
import struct Foundation.Date

extension Greylist {
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
        /// Whether all addresses that the sender's domain permits in SPF are one.
        public var pools = true
        /// For how long whom a user has written to need not wait; 0 is never.
        public var correspondents: Interval = "60d"
        /// The points that a stranger must have so far to wait.
        public var minScore = -999.0
        /// The points with which one does not wait any more: others will judge.
        public var maxScore = 999.0
        /// How much of an IPv4 address is the network.
        public var ipv4Prefix: BoundedInt<IPv4PrefixBounds> = 24
        /// How much of an IPv6 address is the network.
        public var ipv6Prefix: BoundedInt<IPv6PrefixBounds> = 64

        public init() {}
    }
}

/// Where mail comes from.
enum Origin: Sendable, Hashable {
    case network(String)
    /// Every address that this domain permits, for its own mail.
    case pool(String)
}

/// Who sends from where to whom, as keys of what is remembered. RFC 6647 §2.2.
struct Triplet {
    let key: String
    /// The network, with the sender's domain where it is known for that only.
    let network: String

    init(from origin: Origin, sender: EmailAddress?, recipient: EmailAddress, _ policy: Greylist.Configuration) {
        // A report's null path is a sender like any other: it, too, comes from somewhere.
        let rest = "<\(sender?.key ?? "")> <\(recipient.key)>"
        switch origin {
        case .network(let block):
            key = "\(block) \(rest)"
            network = policy.knownFor == .any ? block : "\(block) \(sender?.domain ?? "<>")"
        case .pool(let domain):
            key = "spf \(rest)"
            network = "spf \(domain)"
        }
    }
}

// The whole policy, apart from clocks and memories.
extension Greylist.Configuration {
    /// Where a message comes from: what its domain vouches for first, if it does.
    func origins(of transaction: Transaction) -> [Origin] {
        let neighbourhood = Neighbourhood(ipv4Bits: ipv4Prefix.value, ipv6Bits: ipv6Prefix.value)
        let network = Origin.network(neighbourhood.key(of: transaction.session.client))
        guard pools, let sender = transaction.sender, transaction.authentication.vouches(for: sender) else {
            return [network]
        }
        return [.pool(sender.domain), network]
    }

    /// Whether somebody with so many points is one who waits.
    func isSuspect(_ score: Double) -> Bool { score >= minScore && score < maxScore }

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
    private func whole(_ seconds: Double) -> Int { Int(saturating: max(0, seconds).rounded(.up)) }
}

extension AuthenticationResults {
    /// Whether SPF has found that the client may send for the sender's domain, and not just because anybody may.
    fileprivate func vouches(for sender: EmailAddress) -> Bool {
        let property = Property("smtp.mailfrom", sender.description)
        return entries.contains { entry in
            entry.method == "spf" && entry.result == .pass && entry.reason != SPFOutcome.anybody
                && entry.properties.contains(property)
        }
    }
}

extension Greylist.Configuration {
    enum CodingKeys: String, CodingKey {
        case delay, window, lifetime, pools, correspondents
        case knownAfter = "known_after"
        case knownFor = "known_for"
        case minScore = "min_score"
        case maxScore = "max_score"
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
        pools = table.value(.pools, default: pools)
        correspondents = table.value(.correspondents, default: correspondents)
        minScore = table.value(.minScore, default: minScore)
        maxScore = table.value(.maxScore, default: maxScore)
        ipv4Prefix = table.value(.ipv4Prefix, default: ipv4Prefix)
        ipv6Prefix = table.value(.ipv6Prefix, default: ipv6Prefix)
        guard window.seconds > delay.seconds else {
            throw DecodingError.dataCorruptedError(
                forKey: .window, in: table,
                debugDescription: "must be longer than delay (\(delay)), or nobody could come back in time")
        }
    }
}
