public import Foundation
import Glibc
import MailTypes
import Pipeline
import Synchronization

/// Has a template ready whenever there are databases: a thread that starts one, looks whether the databases have
/// changed, and puts the next one in its place once that is loaded.
final class ScannerTemplates: @unchecked Sendable {
    /// Between two looks at the databases.
    static let lookEvery = TimeInterval(30)
    /// Between two attempts with the same databases.
    static let retryAfter = TimeInterval(10)

    // Everything below is read and written under `condition`.
    private let condition = NSCondition()
    private var wanted: ScannerOptions?
    private var current: (any ScannerSource)?
    private var failure: String?
    private var loaded: Date?
    /// How often somebody has wanted the databases looked at, and how many of these calls have been followed.
    private var calls = 0
    private var followed = 0
    private var isStopped = false

    private let sandbox: SandboxOptions
    private let observer: ScannerObserver

    init(_ sandbox: SandboxOptions, observer: ScannerObserver) {
        self.sandbox = sandbox
        self.observer = observer
    }

    func start() {
        let thread = Thread { [self] in run() }
        thread.name = "scanner-template"
        thread.start()
    }

    /// What is to be loaded from now on; `nil`: nothing. The databases are looked at anew.
    func use(_ options: ScannerOptions?) {
        locked {
            wanted = options
            calls += 1
            condition.broadcast()
        }
    }

    func stop() {
        locked {
            isStopped = true
            condition.broadcast()
        }
    }

    /// Waits until what was asked for last has been tried.
    func settle(within limit: TimeInterval) {
        let end = Date(timeIntervalSinceNow: limit)
        locked {
            let last = calls
            while followed < last, !isStopped, condition.wait(until: end) {}
        }
    }

    /// A template that is ready, or why there is none.
    func template() throws(WorkerStartFailure) -> any ScannerSource {
        let (found, reason) = locked { (current, failure) }
        if let found, found.isAlive { return found }
        if found != nil {
            // A new one is started at once; messages wait for it as for the first.
            use(locked { wanted })
            settle(within: Self.retryAfter)
            if let fresh = locked({ current }), fresh.isAlive { return fresh }
        }
        throw WorkerStartFailure(reason: locked { failure } ?? reason ?? "no virus database is loaded yet")
    }

    /// Why nothing is loaded, if that is known.
    var reason: String? { locked { current == nil ? failure : nil } }

    var process: pid_t? { locked { (current as? TemplateProcess)?.process } }

    var state: ScannerState {
        locked {
            var state = ScannerState()
            state.isWanted = wanted != nil
            state.path = wanted?.database ?? ""
            state.failure = failure
            guard let current else { return state }
            state.version = current.version
            state.signatures = current.signatures
            state.databases = current.databases
            state.loaded = loaded
            return state
        }
    }

    // MARK: - The thread

    private func run() {
        while let (call, options) = next() {
            let databases = options.map { VirusDatabase.all(in: $0.database) } ?? []
            let known = locked { current }
            let isSame = known?.databases == databases && known?.options == options && known?.isAlive == true
            if !isSame { replace(known, options, databases) }
            locked {
                followed = call
                condition.broadcast()
            }
        }
        locked { current = nil }
    }

    /// What to load when somebody calls, or after a while; `nil`: nothing any more.
    private func next() -> (call: Int, ScannerOptions?)? {
        locked {
            let end = Date(timeIntervalSinceNow: failure == nil ? Self.lookEvery : Self.retryAfter)
            while calls == followed, !isStopped, condition.wait(until: end) {}
            return isStopped ? nil : (calls, wanted)
        }
    }

    private func replace(_ known: (any ScannerSource)?, _ options: ScannerOptions?, _ databases: [VirusDatabase]) {
        let attempt = make(options, databases)
        let news = locked { () -> ScannerNews? in
            switch attempt {
            case .success(let fresh):
                known?.retire()
                (current, failure, loaded) = (fresh, nil, Date())
                return fresh.map { .loaded(version: $0.version, signatures: $0.signatures, $0.databases.versions) }
            case .failure(let reason):
                // The old one goes on as long as it can.
                if known?.isAlive != true { current = nil }
                defer { failure = reason.reason }
                return failure == reason.reason ? nil : .failed(reason.reason, isScanning: current != nil)
            }
        }
        if let news { observer.news(news) }
    }

    private func make(
        _ options: ScannerOptions?, _ databases: [VirusDatabase]
    ) -> Result<(any ScannerSource)?, WorkerStartFailure> {
        guard let options else { return .success(nil) }
        guard !databases.isEmpty else {
            return .failure(.init(reason: "there is no virus database in \(options.database)"))
        }
        guard ScanFolder.isOurs(options.folder) else {
            return .failure(.init(reason: "the folder \(options.folder) cannot be made"))
        }
        do throws(WorkerStartFailure) {
            switch sandbox.isolation {
            case .process: return .success(try TemplateProcess(options, databases, program: sandbox.program))
            case .none: return .success(try LocalScanners(options, databases))
            }
        } catch { return .failure(error) }
    }

    private func locked<Value>(_ body: () -> Value) -> Value {
        condition.lock()
        defer { condition.unlock() }
        return body()
    }
}

/// What has become of the databases.
public enum ScannerNews: Sendable, Hashable {
    /// `versions` of those that have one.
    case loaded(version: String, signatures: Int, _ versions: String)
    /// They cannot be used, and why; those of before may still be. Told once for each reason.
    case failed(String, isScanning: Bool)
}

/// What libclamav scans with now.
public struct ScannerState: Sendable, Hashable {
    /// Whether any stage wants it.
    public var isWanted = false
    /// Where the databases are.
    public var path = ""
    /// Why the databases that are there now are not used; with ``version`` the old ones still are.
    public var failure: String?
    /// The library's; `nil`: nothing is loaded.
    public var version: String?
    public var signatures = 0
    public var databases: [VirusDatabase] = []
    public var loaded: Date?
    public init() {}
}
