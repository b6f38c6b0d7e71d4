import MailTypes
import Pipeline
import Synchronization

/// libclamav in the server's own process: `isolation = "none"`. All scanners share one engine.
final class LocalScanners: ScannerSource {
    private let library: ClamAVLibrary
    let options: ScannerOptions
    let databases: [VirusDatabase]
    let isAlive = true
    private let isOutdated = Mutex(false)

    init(_ options: ScannerOptions, _ databases: [VirusDatabase]) throws(WorkerStartFailure) {
        do throws(JobFailure) { library = try ClamAVLibrary(options) } catch {
            throw WorkerStartFailure(reason: error.reason)
        }
        (self.options, self.databases) = (options, databases)
    }

    var version: String { library.version }
    var signatures: Int { library.signatures }

    func retire() { isOutdated.withLock { $0 = true } }

    func scanner() throws(WorkerStartFailure) -> any Worker {
        try LocalWorker(isOutdated: { [self] in isOutdated.withLock { $0 } }) { () throws(JobFailure) in
            ScanBench(library, options)
        }
    }
}
