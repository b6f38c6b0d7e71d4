import MailTypes
public import Pipeline
import Synchronization
public import struct Foundation.Date

/// Knows the MTA-STS policies of domains: those that are kept, and those that are fetched when a record names one
/// that is not. RFC 8461 §3, §5.
///
/// A policy that is kept holds until its `max_age` is over, whatever has become of record and web server meanwhile:
/// otherwise whoever can suppress one answer of DNS could switch it off.
public final class MTASTSDesk: Sendable {
    /// A policy as it was fetched.
    public struct Kept: Sendable, Hashable {
        public var domain: String
        public var policy: MTASTSPolicy
        public var fetched: Date

        public init(domain: String, policy: MTASTSPolicy, fetched: Date) {
            self.domain = domain
            self.policy = policy
            self.fetched = fetched
        }

        public var expires: Date { fetched.addingTimeInterval(Double(policy.maxAge)) }
    }

    /// Where policies outlive the process; `nil` in place of a policy: it is gone.
    public typealias Keeper = @Sendable (_ domain: String, _ kept: Kept?) -> Void

    private struct State {
        var kept: [String: Kept] = [:]
        /// Fetches that have failed, and till when that is believed.
        var failed: [String: (id: String, finding: MTASTSFinding, until: Date)] = [:]
        var underWay: [String: Task<MTASTSFinding, Never>] = [:]
    }

    private let fetch: @Sendable (String) async throws(MTASTSFetcher.Failure) -> [UInt8]
    private let resolve: @Sendable (DNSQuestion) async throws(StageFailure) -> DNSAnswer
    private let now: @Sendable () -> Date
    private let capacity: Int
    private let keeper: Keeper
    private let state: Mutex<State>

    /// A failed fetch is not tried again before. RFC 8461 §3.3 asks for a limit of that kind.
    static let failureMemory = 300.0
    /// A policy in use is fetched anew after so long, so that it does not run out.
    static let refreshAfter = 86_400.0
    /// Fetches at the same time; what comes beyond them is delivered without, unless a policy is kept.
    static let mostFetches = 64
    private static let mostFailures = 10_000

    public init(
        kept: [Kept] = [], capacity: Int = 100_000, now: @escaping @Sendable () -> Date = { Date() },
        keeper: @escaping Keeper = { _, _ in },
        resolve: @escaping @Sendable (DNSQuestion) async throws(StageFailure) -> DNSAnswer,
        fetch: @escaping @Sendable (String) async throws(MTASTSFetcher.Failure) -> [UInt8]
    ) {
        self.fetch = fetch
        self.resolve = resolve
        self.now = now
        self.capacity = max(1, capacity)
        self.keeper = keeper
        var state = State()
        for one in kept where one.expires > now() { state.kept[one.domain] = one }
        self.state = Mutex(state)
    }

    /// All that is kept and in force.
    public var policies: [Kept] {
        let date = now()
        return state.withLock { $0.kept.values.filter { $0.expires > date } }.sorted { $0.domain < $1.domain }
    }

    /// What holds for mail to a domain now.
    public func finding(for domain: String) async -> MTASTSFinding {
        let domain = domain.asciiLowercased
        let date = now()
        let kept = state.withLock { $0.kept[domain] }.flatMap { $0.expires > date ? $0 : nil }
        let id: String?
        do throws(StageFailure) { id = try await recordID(of: domain) } catch {
            return kept.map { .policy($0.policy) } ?? .none
        }
        guard let id else { return kept.map { .policy($0.policy) } ?? .none }
        if let kept, kept.policy.id == id {
            // In the background: what is there holds meanwhile.
            if date.timeIntervalSince(kept.fetched) >= Self.refreshAfter(kept.policy) {
                _ = fetching(domain, id, date)
            }
            return .policy(kept.policy)
        }
        let found = await fetching(domain, id, date)?.value ?? failure(domain, id, date)
        // A new policy that cannot be had leaves the old one in force. RFC 8461 §5.1.
        if case .failure = found, let kept { return .policy(kept.policy) }
        return found
    }

    private static func refreshAfter(_ policy: MTASTSPolicy) -> Double {
        min(refreshAfter, Double(policy.maxAge) / 2)
    }

    private func recordID(of domain: String) async throws(StageFailure) -> String? {
        guard case .records(let records, _) = try await resolve(DNSQuestion("_mta-sts.\(domain)", .txt)) else {
            return nil
        }
        return MTASTSRecord.id(in: records.compactMap { if case .text(let octets) = $0 { octets } else { nil } })
    }

    private func failure(_ domain: String, _ id: String, _ date: Date) -> MTASTSFinding {
        let known = state.withLock { $0.failed[domain] }
        if let known, known.id == id, known.until > date { return known.finding }
        return .failure(.fetch, "too many policies are being fetched")
    }

    // MARK: Fetching

    /// The fetch that is under way, or a new one; `nil` where none may be made now.
    private func fetching(_ domain: String, _ id: String, _ date: Date) -> Task<MTASTSFinding, Never>? {
        state.withLock { state in
            if let task = state.underWay[domain] { return task }
            if let known = state.failed[domain], known.id == id, known.until > date { return nil }
            guard state.underWay.count < Self.mostFetches else { return nil }
            let task = Task { await self.fetched(domain, id) }
            state.underWay[domain] = task
            return task
        }
    }

    private func fetched(_ domain: String, _ id: String) async -> MTASTSFinding {
        let found: MTASTSFinding
        do throws(MTASTSFetcher.Failure) {
            let octets = try await fetch(domain)
            do throws(MTASTSPolicy.Malformed) { found = .policy(try MTASTSPolicy(octets, id: id)) } catch {
                found = .failure(.invalid, error.reason)
            }
        } catch {
            found = .failure(error.fault, error.reason)
        }
        note(found, of: domain, id)
        return found
    }

    private func note(_ found: MTASTSFinding, of domain: String, _ id: String) {
        let date = now()
        let dropped = state.withLock { state -> [String] in
            state.underWay[domain] = nil
            guard case .policy(let policy) = found else {
                if state.failed.count >= Self.mostFailures { state.failed = [:] }
                state.failed[domain] = (id, found, date.addingTimeInterval(Self.failureMemory))
                return []
            }
            state.failed[domain] = nil
            state.kept[domain] = Kept(domain: domain, policy: policy, fetched: date)
            return Self.makeRoom(in: &state, capacity)
        }
        for other in dropped { keeper(other, nil) }
        if case .policy(let policy) = found { keeper(domain, Kept(domain: domain, policy: policy, fetched: date)) }
    }

    /// Who runs out first goes first; a tenth at a time, so that it seldom has to be done.
    private static func makeRoom(in state: inout State, _ capacity: Int) -> [String] {
        guard state.kept.count > capacity else { return [] }
        let goes = state.kept.values.sorted { $0.expires < $1.expires }
            .prefix(state.kept.count - capacity + capacity / 10).map(\.domain)
        for domain in goes { state.kept[domain] = nil }
        return goes
    }
}
