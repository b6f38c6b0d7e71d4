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

    /// Whether a login may be tried.
    enum Admission {
        /// It counts as under way until ``LoginThrottle/succeeded(_:from:)``, ``LoginThrottle/failed(_:from:at:)`` or
        /// ``LoginThrottle/undecided(_:from:)``.
        case now
        /// If all that are under way fail, this one is too many: it waits for them.
        case later
        case never
    }

    private struct Failures {
        var count = 0.0
        var last = 0.0
        /// Logins that are being checked: each may become a failure.
        var underway = 0
        var isNothing: Bool { count == 0 && underway == 0 }
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

    /// Whether a login may be tried at `now`, in seconds of a steady clock.
    func admits(_ account: String, from address: IPAddress, at now: Double) -> Admission {
        let network = address.accountingNetwork
        let key = account.asciiLowercased
        return state.withLock { state in
            let isKnown = state.known[Acquaintance(account: key, network: network)] != nil
            let byAddress = admission(state.addresses[network], limits.failuresPerAddress, now)
            let byAccount = isKnown ? .now : admission(state.accounts[key], limits.failuresPerAccount, now)
            switch (byAddress, byAccount) {
            case (.never, _), (_, .never): return .never
            case (.later, _), (_, .later): return .later
            case (.now, .now): break
            }
            var (from, to) = (state.addresses[network] ?? Failures(), state.accounts[key] ?? Failures())
            from.underway += 1
            to.underway += 1
            (state.addresses[network], state.accounts[key]) = (from, to)
            return .now
        }
    }

    /// Notes a failure and tells how many seconds its reply is held back.
    func failed(_ account: String, from address: IPAddress, at now: Double) -> Double {
        let count = ended(account, address) { failures in
            failures.count = weight(failures, now) + 1
            failures.last = now
        }
        var delay = limits.firstDelay
        for _ in 0..<min(16, max(1, Int(count)) - 1) { delay *= 2 }
        return min(delay, limits.longestDelay)
    }

    /// Notes from where the account is used. Failures of the address stay: whoever has an account of his own would
    /// otherwise have as many guesses at others' as he likes.
    func succeeded(_ account: String, from address: IPAddress) {
        ended(account, address)
        let place = Acquaintance(account: account.asciiLowercased, network: address.accountingNetwork)
        state.withLock { $0.known[place] = true }
    }

    /// The login could not be checked.
    func undecided(_ account: String, from address: IPAddress) { ended(account, address) }

    /// A login is not under way any more; answers what the address's failures weigh.
    @discardableResult
    private func ended(
        _ account: String, _ address: IPAddress, _ change: (inout Failures) -> Void = { _ in }
    ) -> Double {
        let network = address.accountingNetwork
        let key = account.asciiLowercased
        return state.withLock { state in
            var (byAddress, byAccount) = (state.addresses[network] ?? Failures(), state.accounts[key] ?? Failures())
            // A full table may have forgotten that it was under way.
            byAddress.underway = max(0, byAddress.underway - 1)
            byAccount.underway = max(0, byAccount.underway - 1)
            change(&byAddress)
            change(&byAccount)
            // Who has nothing against him needs no place in the tables.
            state.addresses[network] = byAddress.isNothing ? nil : byAddress
            state.accounts[key] = byAccount.isNothing ? nil : byAccount
            return byAddress.count
        }
    }

    private func admission(_ failures: Failures?, _ limit: Int, _ now: Double) -> Admission {
        guard let failures else { return .now }
        let count = weight(failures, now).rounded()
        if count >= Double(limit) { return .never }
        return count + Double(failures.underway) >= Double(limit) ? .later : .now
    }

    /// Failures count less the longer ago they are, and nothing after the window.
    private func weight(_ failures: Failures, _ now: Double) -> Double {
        max(0, failures.count * (1 - max(0, now - failures.last) / limits.window))
    }
}
