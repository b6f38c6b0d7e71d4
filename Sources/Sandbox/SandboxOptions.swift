public import MailTypes

/// How workers are kept: `[sandbox]` of sluice.toml.
public struct SandboxOptions: Sendable {
    public enum Isolation: String, Sendable, Hashable, CaseIterable {
        /// Each worker is a process of its own that may do nothing but compute.
        case process
        /// Jobs run in the server's process, on threads of their own.
        case none
    }

    public var isolation = Isolation.process
    /// Processes, or threads where there is no isolation.
    public var workers = 2
    /// Jobs after which a worker is replaced.
    public var jobsPerWorker = 10_000
    /// How long a worker may compute for one job before it is killed.
    public var jobTimeout: Interval = "10s"
    /// Octets that a worker may map beyond what the program itself has.
    public var memory: ByteCount = "256MB"
    /// Jobs that wait for a worker; more fail at once.
    public var maxWaiting = 1000
    /// The program that becomes a worker, and its arguments before ``SandboxWorker/word``.
    public var program = ownProgram

    static let ownProgram = ["/proc/self/exe"]

    public init() {}

    /// Processor time of a worker's whole life, in seconds.
    var processorSeconds: Int {
        Int(max(1, min(86_400, Double(jobsPerWorker) * jobTimeout.seconds)).rounded(.up))
    }
}

/// Why a worker is no more.
public enum WorkerEnd: Sendable, Hashable, CustomStringConvertible {
    /// It was killed by this signal; 31 (SIGSYS) is a call that the sandbox forbids.
    case signal(Int)
    case exit(code: Int)
    /// It took longer than ``SandboxOptions/jobTimeout``.
    case hung
    /// It said something that is not in the protocol.
    case corrupt(String)
    /// It has done its jobs, or the server stops.
    case recycled

    /// The word it is counted by.
    public var word: String {
        switch self {
        case .signal, .exit: "crash"
        case .hung: "hang"
        case .corrupt: "corrupt"
        case .recycled: "recycled"
        }
    }

    public var description: String {
        switch self {
        case .signal(let number): "signal \(number)"
        case .exit(let code): "exit code \(code)"
        case .hung: "no answer in time"
        case .corrupt(let reason): "not in the protocol: \(reason)"
        case .recycled: "recycled"
        }
    }
}

/// Who is told what becomes of workers and jobs, on the workers' threads.
public struct SandboxObserver: Sendable {
    /// A worker has ended: why, its process, and the jobs it has begun.
    public var ended: @Sendable (WorkerEnd, _ process: Int, _ jobs: Int) -> Void = { _, _, _ in }
    /// There is no worker, and why.
    public var couldNotStart: @Sendable (_ reason: String) -> Void = { _ in }
    /// A job is over.
    public var finished: @Sendable (JobResult) -> Void = { _ in }

    public enum JobResult: String, Sendable, Hashable, CaseIterable {
        case done, failed, refused
    }

    public init() {}
}
