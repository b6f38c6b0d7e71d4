import Adapters
import Logging
import Metrics
import Synchronization

extension BlocklistObserver {
    /// Logs and counts what becomes of lists.
    init(_ logger: Logger, _ factory: any MetricsFactory = MetricsSystem.factory) {
        self.init()
        let counters = ListCounters(factory)
        let gauge = Meter(label: "sluice_dnsbl_lists_put_aside", factory: factory)
        gauge.set(0)
        asked = { zone, result in counters[zone, result].increment() }
        putAside = { zone, reason in
            logger.error("list put aside", metadata: ["list": "\(zone)", "reason": "\(reason)"])
        }
        tookBack = { zone in logger.notice("list is sound again", metadata: ["list": "\(zone)"]) }
        counted = { count in gauge.set(count) }
    }
}

/// The questions to each list, by what came of them: there are as many lists as the chain has.
private final class ListCounters: Sendable {
    private struct Key: Hashable {
        let zone: String
        let result: BlocklistObserver.Result
    }

    private let factory: any MetricsFactory
    private let counters = Mutex<[Key: Counter]>([:])

    init(_ factory: any MetricsFactory) { self.factory = factory }

    subscript(_ zone: String, _ result: BlocklistObserver.Result) -> Counter {
        counters.withLock { counters in
            let key = Key(zone: zone, result: result)
            if let known = counters[key] { return known }
            let dimensions = [("list", zone), ("result", result.rawValue)]
            let counter = Counter(label: "sluice_dnsbl_questions_total", dimensions: dimensions, factory: factory)
            counters[key] = counter
            return counter
        }
    }
}
