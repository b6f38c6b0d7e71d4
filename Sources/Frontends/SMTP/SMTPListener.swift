import Logging
import MailTypes
import NIOCore
import NIOPosix
import Protocols
import Synchronization

/// What all connections of all listeners share.
final class SharedState: Sendable {
    let environment: SMTPEnvironment
    let limits: ServerLimits
    let budget = ConnectionBudget()
    let throttle: LoginThrottle
    let content: ContentBudget
    let pool: NIOThreadPool
    let handshakes = Atomic<Int>(0)
    let refusalTraces = RefusalTraces()
    /// What ``ServerLimits/maxConnections`` comes to with the descriptors that there are.
    let mostConnections: Int

    init(environment: SMTPEnvironment, limits: ServerLimits, throttle: LoginThrottle, pool: NIOThreadPool) {
        self.environment = environment
        self.limits = limits
        self.throttle = throttle
        self.pool = pool
        content = ContentBudget(
            limit: limits.maxUnfinishedPerAddress, forgiveness: limits.unfinishedForgiven.timeAmount)
        mostConnections = limits.mostConnections(of: Descriptors.limit)
    }
}

/// What the connections of one listener share.
final class SMTPListener: Sendable {
    let shared: SharedState
    let budget = ConnectionBudget()
    let tls: ListenerTLS?
    let metrics: ListenerMetrics
    private let current: Mutex<ListenerOptions>

    init(_ options: ListenerOptions, shared: SharedState) {
        self.shared = shared
        tls =
            options.tls == .none
            ? nil : shared.environment.certificates.map { ListenerTLS($0, of: options) }
        metrics = ListenerMetrics(options.name, factory: shared.environment.metrics)
        current = Mutex(options)
    }

    /// New connections take these; open ones keep theirs.
    var options: ListenerOptions {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }

    /// Why a client is not let in, if it is not; otherwise it has a place until ``leave(_:)``.
    func admit(_ client: IPAddress, _ options: ListenerOptions) -> Reply? {
        if !options.access.isEmpty, !options.access.contains(where: { $0.contains(client) }) {
            metrics.count(.refused, "access")
            return Reply(554, .deliveryNotAuthorized, "\(options.machine.hostname) does not serve your network")
        }
        let limits = shared.limits
        let name = options.machine.hostname
        // A mail server has a connection for each of its own clients.
        let most = options.isMilter ? .max : limits.maxConnectionsPerAddress
        if let refusal = shared.budget.admit(client, total: shared.mostConnections, perAddress: most) {
            return refuse(refusal, name)
        }
        if let refusal = budget.admit(
            client, total: options.maxConnections, perAddress: options.maxConnectionsPerAddress)
        {
            shared.budget.release(client)
            return refuse(refusal, name)
        }
        return nil
    }

    func leave(_ client: IPAddress) {
        shared.budget.release(client)
        budget.release(client)
    }

    private func refuse(_ refusal: ConnectionBudget.Refusal, _ name: String) -> Reply {
        switch refusal {
        case .tooMany:
            metrics.count(.refused, "total")
            return Reply(421, .notAccepting, "\(name) has too many connections; try again later")
        case .tooManyFromAddress:
            metrics.count(.refused, "address")
            return Reply(421, .securityOther, "\(name) has too many connections from your address")
        }
    }
}
