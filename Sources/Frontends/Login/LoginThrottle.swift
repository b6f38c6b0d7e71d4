import MailTypes
import Synchronization

/// Slows and limits failed logins, per address and per account, so that guessing does not pay and
/// nobody can lock out somebody else. RFC 4954 §6.
public final class LoginThrottle: Sendable {
    /// The limits; times are in seconds.
    public struct Limits: Sendable, Hashable {
        /// Failures from one address (IPv6: one /64) within ``window`` before it is refused unheard.
        public var failuresPerAddress = 20
        /// Failures for one account within ``window`` before addresses it is not known from are refused.
        public var failuresPerAccount = 50
        public var window = 600.0
        /// The wait before the reply to the first failure; doubled for each further one.
        public var firstDelay = 0.5
        public var longestDelay = 10.0
        /// Addresses and accounts remembered at once.
        public var mostEntries = 10_000
        public init() {}
    }

    private struct Failures {
        var count: Double
        var last: Double
    }

    /// A place from where an account has logged in.
    private struct Acquaintance: Hashable {
        var account: String
        var network: IPAddress
    }

    private struct State {
        var addresses: BoundedTable<IPAddress, Failures>
        var accounts: BoundedTable<String, Failures>
        var known: BoundedTable<Acquaintance, Bool>
    }

    let limits: Limits
    private let state: Mutex<State>

    public init(_ limits: Limits = Limits()) {
        self.limits = limits
        let most = limits.mostEntries
        state = Mutex(
            State(
                addresses: BoundedTable(capacity: most), accounts: BoundedTable(capacity: most),
                known: BoundedTable(capacity: most)))
    }

    /// Whether a login may be tried at all at `now`, in seconds of a steady clock.
    func allows(_ account: String, from address: IPAddress, at now: Double) -> Bool {
        let network = address.accountingNetwork
        return state.withLock { state in
            if weight(state.addresses[network], now).rounded() >= Double(limits.failuresPerAddress) { return false }
            let key = account.asciiLowercased
            if weight(state.accounts[key], now).rounded() < Double(limits.failuresPerAccount) { return true }
            return state.known[Acquaintance(account: key, network: network)] != nil
        }
    }

    /// Notes a failure and tells how many seconds its reply is held back.
    func failed(_ account: String, from address: IPAddress, at now: Double) -> Double {
        let network = address.accountingNetwork
        return state.withLock { state in
            let count = weight(state.addresses[network], now) + 1
            state.addresses[network] = Failures(count: count, last: now)
            let key = account.asciiLowercased
            state.accounts[key] = Failures(count: weight(state.accounts[key], now) + 1, last: now)
            var delay = limits.firstDelay
            for _ in 0..<min(16, Int(count) - 1) { delay *= 2 }
            return min(delay, limits.longestDelay)
        }
    }

    func succeeded(_ account: String, from address: IPAddress) {
        let network = address.accountingNetwork
        state.withLock { state in
            state.addresses[network] = nil
            state.known[Acquaintance(account: account.asciiLowercased, network: network)] = true
        }
    }

    /// Failures count less the longer ago they are, and nothing after the window.
    private func weight(_ failures: Failures?, _ now: Double) -> Double {
        guard let failures else { return 0 }
        return max(0, failures.count * (1 - max(0, now - failures.last) / limits.window))
    }
}
