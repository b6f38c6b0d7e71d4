import Metrics

/// The numbers of one listener.
struct ListenerMetrics: Sendable {
    /// What is counted by a word of our own.
    enum Kind: String, CaseIterable {
        /// Connections that were not let in.
        case refused = "sluice_smtp_refused_connections_total"
        /// Connections that we have ended.
        case closed = "sluice_smtp_closed_connections_total"
        /// Transactions that have ended.
        case transactions = "sluice_smtp_transactions_total"
        case logins = "sluice_smtp_logins_total"

        var words: [String] {
            switch self {
            case .refused: ["access", "total", "address"]
            case .closed:
                ["timeout", "slow", "unread", "overflow", "handshake", "budget", "proxy", "protocol", "stopping"]
            case .transactions: ["accepted", "passed", "rejected", "deferred", "discarded", "unfinished"]
            case .logins: ["success", "refused", "temporary", "throttled"]
            }
        }
    }

    let connections: Counter
    let open: Meter
    let judged: Metrics.Timer
    let committed: Metrics.Timer
    let octets: Counter
    let acceptFailures: Counter
    private let counters: [Kind: [String: Counter]]

    init(_ listener: String, factory: any MetricsFactory) {
        let own = [("listener", listener)]
        connections = Counter(label: "sluice_smtp_connections_total", dimensions: own, factory: factory)
        open = Meter(label: "sluice_smtp_open_connections", dimensions: own, factory: factory)
        judged = Metrics.Timer(label: "sluice_smtp_judge_seconds", dimensions: own, factory: factory)
        committed = Metrics.Timer(label: "sluice_smtp_commit_seconds", dimensions: own, factory: factory)
        octets = Counter(label: "sluice_smtp_message_octets_total", dimensions: own, factory: factory)
        acceptFailures = .acceptFailures(listener, factory)
        var counters: [Kind: [String: Counter]] = [:]
        for kind in Kind.allCases {
            let key = kind == .transactions || kind == .logins ? "result" : "reason"
            for word in kind.words {
                let dimensions = own + [(key, word)]
                counters[kind, default: [:]][word] = Counter(
                    label: kind.rawValue, dimensions: dimensions, factory: factory)
            }
        }
        self.counters = counters
    }

    func count(_ kind: Kind, _ word: String) { counters[kind]?[word]?.increment() }
}
