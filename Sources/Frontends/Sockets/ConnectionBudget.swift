import MailTypes
import Synchronization

/// Counts the open connections of one listener, or of all, against two limits.
final class ConnectionBudget: Sendable {
    enum Refusal: Sendable {
        case tooMany, tooManyFromAddress
    }

    private struct State {
        var total = 0
        var byNetwork: [IPAddress: Int] = [:]
    }

    private let state = Mutex(State())

    /// Takes a place if both limits allow it; each success is paid back by one ``release(_:)``.
    func admit(_ address: IPAddress, total: Int, perAddress: Int) -> Refusal? {
        let network = address.accountingNetwork
        return state.withLock { state in
            guard state.total < total else { return .tooMany }
            let open = state.byNetwork[network] ?? 0
            guard open < perAddress else { return .tooManyFromAddress }
            state.byNetwork[network] = open + 1
            state.total += 1
            return nil
        }
    }

    func release(_ address: IPAddress) {
        let network = address.accountingNetwork
        state.withLock { state in
            state.total -= 1
            guard let open = state.byNetwork[network] else { return }
            state.byNetwork[network] = open > 1 ? open - 1 : nil
        }
    }

    var count: Int { state.withLock { $0.total } }
}

extension IPAddress {
    /// What one customer of an access provider has: an IPv4 address, or an IPv6 network of 64 bits.
    var accountingNetwork: IPAddress { isIPv6 ? network(bits: 64) : self }
}
