import MailTypes
import Synchronization

/// Which clients that were turned away before MAIL get a trace: a flood of them must not push the traces of mail out
/// of the store.
final class RefusalTraces: Sendable {
    /// So many traces at once, and then so many in a second.
    struct Rate: Sendable {
        var burst: Double
        var perSecond: Double

        /// A month of them is some ten megabytes.
        static let all = Rate(burst: 100, perSecond: 0.1)
        static let each = Rate(burst: 3, perSecond: 1 / 600)
    }

    private struct Bucket: Sendable {
        var tokens: Double
        var last: Double

        init(_ rate: Rate, at now: Double) { (tokens, last) = (rate.burst, now) }

        mutating func fill(_ rate: Rate, at now: Double) {
            tokens = min(rate.burst, tokens + max(0, now - last) * rate.perSecond)
            last = now
        }
    }

    private struct State: Sendable {
        var all: Bucket?
        var each = BoundedTable<IPAddress, Bucket>(capacity: 4096)
    }

    private let state = Mutex(State())

    /// Whether this one is kept, at `now` in seconds of any steady clock.
    func keeps(_ client: IPAddress, at now: Double) -> Bool {
        let network = client.accountingNetwork
        return state.withLock { state in
            var all = state.all ?? Bucket(.all, at: now)
            var own = state.each[network] ?? Bucket(.each, at: now)
            all.fill(.all, at: now)
            own.fill(.each, at: now)
            let isKept = all.tokens >= 1 && own.tokens >= 1
            if isKept {
                all.tokens -= 1
                own.tokens -= 1
            }
            state.all = all
            state.each[network] = own
            return isKept
        }
    }
}
