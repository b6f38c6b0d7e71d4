import Adapters
import Delivery
import Directory
import Foundation
import Logging
import MailTypes
import Metrics
import NIOPosix
import Pipeline
import Synchronization

/// Counts how sessions with exchangers fare with TLS, for those domains that want to be told. RFC 8460 §4.
///
/// Delivery waits for none of it: sums are kept in memory, and written every few seconds, when DNS has said who wants
/// to be told. A kill costs what was counted since.
final class TLSSessionBook: Sendable {
    private struct Key: Hashable {
        var domain: String
        var day: Date
        var policy: PublishedPolicy
    }

    private struct State {
        var tallies: [Key: TLSTally] = [:]
        var failures = 0
        /// Sessions that found no room.
        var dropped = 0
    }

    private let store: TLSSessionStore
    private let resolve: @Sendable (DNSQuestion) async throws(StageFailure) -> DNSAnswer
    private let now: @Sendable () -> Date
    private let logger: Logger
    private let counters: TLSSessionCounters
    private let state = Mutex(State())

    /// Between two writes.
    private static let pause = Duration.seconds(10)
    /// Policies in memory between two writes, and ways to fail under them; what comes beyond is not counted.
    static let mostTallies = 10_000
    static let mostFailures = 20_000
    /// Questions to DNS at once.
    private static let mostQuestions = 32

    init(
        _ store: TLSSessionStore, logger: Logger, now: @escaping @Sendable () -> Date = { Date() },
        counters: TLSSessionCounters = TLSSessionCounters(),
        resolve: @escaping @Sendable (DNSQuestion) async throws(StageFailure) -> DNSAnswer
    ) {
        self.store = store
        self.logger = logger
        self.now = now
        self.counters = counters
        self.resolve = resolve
    }

    /// Counts one session.
    func note(_ session: TLSSession) {
        counters.count(session)
        let domain = (InternationalDomain.toASCII(session.domain) ?? session.domain).asciiLowercased
        guard DomainName.isName(domain) else { return }
        let day = ReportPeriod(containing: now()).begin
        let key = Key(domain: domain, day: day, policy: session.policy.trimmed)
        let failures = Set(session.failures.map(\.trimmed))
        state.withLock { state in
            guard state.tallies[key] != nil || state.tallies.count < Self.mostTallies else {
                state.dropped += 1
                return
            }
            var tally = state.tallies[key] ?? TLSTally(domain: domain, day: day, policy: key.policy)
            if failures.isEmpty { tally.succeeded += 1 } else { tally.failed += 1 }
            for failure in failures {
                if tally.failures[failure] == nil {
                    guard state.failures < Self.mostFailures else { continue }
                    state.failures += 1
                }
                tally.failures[failure, default: 0] += 1
            }
            state.tallies[key] = tally
        }
    }

    /// Writes now and then, until the task is cancelled; and then once more.
    func run() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.pause)
            // The last time comes after the cancellation, which must not keep it from the disk.
            await Task { await write() }.value
        }
    }

    /// Writes what there is of those who want to be told.
    func write() async {
        let taken = state.withLock { state in
            defer { state = State() }
            return state
        }
        guard !taken.tallies.isEmpty || taken.dropped > 0 else { return }
        let wanted = await wanting(Set(taken.tallies.values.map(\.domain)))
        let tallies = taken.tallies.values.filter { wanted.contains($0.domain) }
        do {
            let (store, date) = (store, now())
            let left = try await NIOThreadPool.singleton.runIfActive { try store.add(tallies, at: date) }
            let dropped = taken.dropped + left
            guard dropped > 0 else { return }
            logger.warning("TLS sessions are not counted", metadata: ["sessions": "\(dropped)"])
        } catch {
            let sessions = tallies.reduce(0) { $0 + $1.sessions } + taken.dropped
            logger.warning(
                "TLS sessions are not counted", metadata: ["sessions": "\(sessions)", "reason": "\(error)"])
        }
    }

    /// Those with a record; and those of whom DNS cannot say, who will be asked again before a report is sent.
    private func wanting(_ domains: Set<String>) async -> Set<String> {
        var waiting = Array(domains)
        return await withTaskGroup(of: String?.self) { group in
            var wanting: Set<String> = []
            for _ in 0..<Self.mostQuestions { ask(waiting.popLast(), in: &group) }
            while let answer = await group.next() {
                if let answer { wanting.insert(answer) }
                ask(waiting.popLast(), in: &group)
            }
            return wanting
        }
    }

    private func ask(_ domain: String?, in group: inout TaskGroup<String?>) {
        guard let domain else { return }
        group.addTask { [resolve] in
            do throws(StageFailure) {
                let answer = try await resolve(DNSQuestion(TLSReportRecord.name(of: domain), .txt))
                return TLSReportRecord(answer) == nil ? nil : domain
            } catch { return domain }
        }
    }
}

/// Sessions as metrics: of all domains, whether they want to be told or not.
struct TLSSessionCounters: Sendable {
    private let counters: [String: Counter]

    init(factory: any MetricsFactory = MetricsSystem.factory) {
        var counters: [String: Counter] = [:]
        for kind in PublishedPolicy.Kind.allCases {
            for word in [Self.success] + TLSFailure.Result.allCases.map(\.rawValue) {
                counters["\(kind.rawValue) \(word)"] = Counter(
                    label: "sluice_tls_sessions_total", dimensions: [("policy", kind.rawValue), ("result", word)],
                    factory: factory)
            }
        }
        self.counters = counters
    }

    private static let success = "success"

    func count(_ session: TLSSession) {
        let word = session.failures.first?.result.rawValue ?? Self.success
        counters["\(session.policy.kind.rawValue) \(word)"]?.increment()
    }
}

extension TLSReportRecord {
    /// Where a domain's record is.
    static func name(of domain: String) -> String { "_smtp._tls.\(domain)" }

    init?(_ answer: DNSAnswer) {
        guard case .records(let records, _) = answer else { return nil }
        self.init(records.compactMap { if case .text(let octets) = $0 { octets } else { nil } })
    }
}

/// What a report tells of a policy and of a failure is no longer than this: strangers write it.
private enum Longest {
    static let line = 300
    static let lines = 30
    static let reason = 200
}

extension PublishedPolicy {
    fileprivate var trimmed: PublishedPolicy {
        PublishedPolicy(
            kind, domain: (InternationalDomain.toASCII(domain) ?? domain).asciiLowercased,
            text: text.prefix(Longest.lines).map { $0.cut(Longest.line) },
            exchangers: exchangers.prefix(Longest.lines).map { $0.cut(Longest.line) })
    }
}

extension TLSFailure {
    fileprivate var trimmed: TLSFailure {
        var failure = self
        failure.reason = reason?.cut(Longest.reason)
        failure.hello = hello?.cut(Longest.line)
        failure.host = host?.cut(Longest.line)
        return failure
    }
}

extension String {
    fileprivate func cut(_ most: Int) -> String {
        utf8.count <= most ? self : String(decoding: utf8.prefix(most), as: UTF8.self)
    }
}
