import MailTypes
import NIOCore
import Synchronization

/// Counts the octets of messages that have not come to their end, by the client's address.
///
/// Whoever sends large messages almost to their end and breaks off, again and again, fills memory, disk and
/// line and gets no reply that a stage could count. What is on its way counts until its message is complete;
/// what was broken off counts on, and is forgiven evenly: all that the limit allows in the time named.
final class ContentBudget: Sendable {
    /// Addresses that are remembered.
    private static let capacity = 65_536

    private struct Account {
        var underWay = 0
        var brokenOff = 0.0
        var seen: NIODeadline
    }

    /// Octets; 0 = no limit.
    let limit: Int
    private let accounts = Mutex(BoundedTable<IPAddress, Account>(capacity: capacity))

    /// In how long as many octets are forgiven as the limit allows.
    let forgiveness: TimeAmount

    init(limit: Int, forgiveness: TimeAmount = .minutes(1)) {
        self.limit = limit
        self.forgiveness = forgiveness
    }

    /// Takes `octets` that have come, and says whether they were still within the limit.
    func take(_ octets: Int, from address: IPAddress, at now: NIODeadline) -> Bool {
        guard limit > 0 else { return true }
        return change(address, now) { account in
            account.underWay += octets
            return Double(account.underWay) + account.brokenOff <= Double(limit)
        }
    }

    /// A message is over of which `octets` were taken.
    ///
    /// - Parameter rest: Octets that have come and were not taken; of interest only where it was broken off.
    func settle(_ octets: Int, rest: Int, isComplete: Bool, from address: IPAddress, at now: NIODeadline) {
        guard limit > 0, octets > 0 || !isComplete else { return }
        change(address, now) { account in
            account.underWay = max(0, account.underWay - octets)
            if !isComplete { account.brokenOff += Double(octets + rest) }
        }
    }

    @discardableResult
    private func change<Result: Sendable>(
        _ address: IPAddress, _ now: NIODeadline, _ body: @Sendable (inout Account) -> Result
    ) -> Result {
        let network = address.accountingNetwork
        return accounts.withLock { accounts in
            var account = accounts[network] ?? Account(seen: now)
            let share = Double((now - account.seen).nanoseconds) / Double(forgiveness.nanoseconds)
            account.brokenOff = max(0, account.brokenOff - share * Double(limit))
            account.seen = now
            let result = body(&account)
            accounts[network] = account.underWay == 0 && account.brokenOff == 0 ? nil : account
            return result
        }
    }
}

/// What one message has taken of the budget. Used on one event loop only.
final class ContentCharge {
    /// Octets that are taken together: small messages cost no look at what all connections share.
    static let step = 64 << 10

    private let budget: ContentBudget
    private let address: IPAddress
    private var taken = 0
    private var rest = 0
    private var isOver = false

    /// `nil` where the address has nothing left.
    init?(_ budget: ContentBudget, _ address: IPAddress, at now: NIODeadline = .now()) {
        self.budget = budget
        self.address = address
        guard budget.take(0, from: address, at: now) else { return nil }
    }

    /// Whether these octets were still within the budget.
    func received(_ octets: Int, at now: NIODeadline = .now()) -> Bool {
        guard !isOver else { return true }
        rest += octets
        guard rest >= Self.step else { return true }
        let isWithin = budget.take(rest, from: address, at: now)
        taken += rest
        rest = 0
        return isWithin
    }

    /// The message has come to its end, or nothing more of it will come.
    func end(isComplete: Bool, at now: NIODeadline = .now()) {
        guard !isOver else { return }
        isOver = true
        budget.settle(taken, rest: rest, isComplete: isComplete, from: address, at: now)
    }
}
