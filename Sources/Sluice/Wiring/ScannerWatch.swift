import Adapters
import Configuration
import Foundation
import Filters
import Logging
import MailTypes
import Metrics
import Pipeline
import Sandbox
import Synchronization

extension Chain {
    /// Whether a stage has messages scanned by it, in shadow or not, for anybody.
    func scans(with engine: ScanEngine) -> Bool {
        links.contains { link in
            ([link.base] + link.domains.values).contains { ($0.stage as? ClamAV)?.engine == engine }
        }
    }
}

/// Everybody who scans.
final class ScanDesk: Sendable {
    let pool: ScannerPool
    let clamd: ClamdClient
    private let watching = Mutex<Task<Void, Never>?>(nil)

    /// How long the server waits for databases before it takes mail, which nobody would have scanned.
    private static let patience: Interval = "2m"
    /// Between two questions to each clamd how it is.
    private static let lookEvery = Duration.seconds(30)

    init(pool: ScannerPool, clamd: ClamdClient) {
        self.pool = pool
        self.clamd = clamd
    }

    /// Scans as this configuration wants it from now on. What has changed is loaded beside what is in use.
    func use(_ chain: Chain, _ settings: ServerConfiguration) {
        pool.use(chain.scans(with: .libclamav) ? ScannerOptions(settings) : nil)
        clamd.use(chain.scans(with: .clamd) ? ClamdClient.Options(settings) : nil)
    }

    /// The same, and waits until it is known who can scan.
    func prepare(for chain: Chain, _ settings: ServerConfiguration) async {
        use(chain, settings)
        await pool.settle(within: Self.patience)
        await clamd.look()
        let task = Task { [clamd] in
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.lookEvery)
                await clamd.look()
            }
        }
        watching.withLock { $0 = task }
    }

    func stop() {
        watching.withLock { $0 }?.cancel()
        pool.stop()
        clamd.stop()
    }

    var status: ScanningStatus? { ScanningStatus(pool.state, clamd.servers) }

    /// What an operator should look at.
    var troubles: [String] {
        let servers = clamd.servers
        let failing = servers.compactMap { server in server.failure.map { "\(server.server): \($0)" } }
        let words = failing.joined(separator: "; ")
        let ofClamd =
            failing.isEmpty
            ? nil
            : failing.count == servers.count
                ? "Nothing is scanned for viruses: no clamd answers (\(words))." : "A clamd does not answer: \(words)."
        return [pool.state.trouble, ofClamd].compactMap(\.self)
    }
}

extension Stores {
    /// Who scans, and says what becomes of it in the log.
    static func scanners(_ settings: ServerConfiguration, _ logger: Logger) -> ScanDesk {
        let aside = Counter(label: "sluice_clamd_put_aside_total", factory: MetricsSystem.factory)
        return scanners(settings, ScannerObserver(logger, MetricsSystem.factory)) { server, failure in
            guard let failure else {
                return logger.notice("clamd answers again", metadata: ["server": "\(server)"])
            }
            aside.increment()
            logger.error("clamd put aside", metadata: ["server": "\(server)", "reason": "\(failure)"])
        }
    }
}

extension ScannerState {
    /// What an operator should look at; `nil`: nothing.
    var trouble: String? {
        guard isWanted else { return nil }
        guard let failure else { return oldAge }
        guard version != nil else { return "Nothing is scanned for viruses: \(failure)." }
        return "Viruses are looked for with databases of before: \(failure)."
    }

    /// Databases that are signed are made every day.
    private static let mostDays = 7

    private var oldAge: String? {
        guard let newest = databases.compactMap(\.built).max() else { return nil }
        let days = Int(saturating: Date().timeIntervalSince(newest) / 86_400)
        return days > Self.mostDays ? "The virus databases are \(days) days old; does freshclam run?" : nil
    }
}

extension ScannerObserver {
    /// Logs and counts what becomes of scanners and databases.
    init(_ logger: Logger, _ factory: any MetricsFactory) {
        self.init()
        let signatures = Meter(label: "sluice_clamav_signatures", factory: factory)
        signatures.set(0)
        workers = SandboxObserver(scanners: logger, factory)
        news = { news in
            switch news {
            case .loaded(let version, let count, let versions):
                signatures.set(count)
                logger.notice(
                    "virus databases loaded",
                    metadata: ["version": "\(version)", "signatures": "\(count)", "databases": "\(versions)"])
            case .failed(let reason, let isScanning):
                if !isScanning { signatures.set(0) }
                logger.error(
                    isScanning ? "virus databases not loaded" : "nothing is scanned for viruses",
                    metadata: ["reason": "\(reason)"])
            }
        }
    }
}
