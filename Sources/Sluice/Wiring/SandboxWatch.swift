import Configuration
import Logging
import Metrics
import Pipeline
import Sandbox

extension SandboxPool {
    /// Has a worker ready if the chain needs one, so that an admin hears at the start that there can be none, and says
    /// so where there is no isolation.
    func prepare(for chain: Chain, _ settings: ServerConfiguration, _ logger: Logger) {
        guard chain.links.contains(where: \.base.stage.needsWorkers) else { return }
        if settings.sandbox.isolation == .none {
            logger.warning("workers are not isolated", metadata: ["option": "isolation"])
        }
        prepare()
    }
}

extension SandboxObserver {
    /// Logs and counts what becomes of workers and jobs.
    init(_ logger: Logger, _ factory: any MetricsFactory) {
        self.init(
            factory,
            names: ("sluice_sandbox_jobs_total", "sluice_sandbox_workers_ended_total"),
            failures: Counter(label: "sluice_sandbox_start_failures_total", factory: factory)
        ) { end, metadata in
            logger.log(level: end == .recycled ? .debug : .warning, "worker ended", metadata: metadata)
        } couldNotStart: {
            logger.error("no worker", metadata: ["reason": "\($0)"])
        }
    }

    /// The same of scanners. That there is none for want of databases, is told once, not for each message.
    init(scanners logger: Logger, _ factory: any MetricsFactory) {
        self.init(
            factory,
            names: ("sluice_clamav_scans_total", "sluice_clamav_scanners_ended_total"),
            failures: Counter(label: "sluice_clamav_start_failures_total", factory: factory)
        ) { end, metadata in
            logger.log(level: end == .recycled ? .debug : .warning, "scanner ended", metadata: metadata)
        } couldNotStart: {
            logger.debug("no scanner", metadata: ["reason": "\($0)"])
        }
    }

    private init(
        _ factory: any MetricsFactory, names: (jobs: String, ends: String), failures: Counter,
        ended tell: @escaping @Sendable (WorkerEnd, Logger.Metadata) -> Void,
        couldNotStart tellFailure: @escaping @Sendable (String) -> Void
    ) {
        self.init()
        let jobs = Self.counters(names.jobs, "result", JobResult.allCases.map(\.rawValue), factory)
        let ends = Self.counters(names.ends, "reason", ["crash", "hang", "corrupt", "recycled"], factory)
        ended = { end, process, count in
            ends[end.word]?.increment()
            tell(end, ["reason": "\(end)", "process": "\(process)", "jobs": "\(count)"])
        }
        couldNotStart = { reason in
            failures.increment()
            tellFailure(reason)
        }
        finished = { result in jobs[result.rawValue]?.increment() }
    }

    private static func counters(
        _ label: String, _ dimension: String, _ words: [String], _ factory: any MetricsFactory
    ) -> [String: Counter] {
        Dictionary(
            uniqueKeysWithValues: words.map { word in
                (word, Counter(label: label, dimensions: [(dimension, word)], factory: factory))
            })
    }
}
