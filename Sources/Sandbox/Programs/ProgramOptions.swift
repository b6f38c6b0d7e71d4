public import MailTypes

/// What a program of an admin's may use while it runs for one message.
public struct ProgramOptions: Sendable {
    /// By the clock; then it is killed, with all that it has started.
    public var timeout: Interval = "30s"
    /// Octets that each of its processes may map.
    public var memory: ByteCount = "256MB"
    /// Octets of a file that it writes.
    public var fileSize: ByteCount = "16MB"
    /// Whether it is kept from files that it has no business with, and from leaving its process group.
    public var isIsolated = true
    /// Folders that it may read besides those of the system.
    public var readable: [String] = []
    /// Folders that it may write to besides its own.
    public var writable: [String] = []
    /// What becomes the runner, and its arguments before ``ProgramRunner/word``.
    public var runner = SandboxOptions.ownProgram

    public init() {}

    /// What any program needs in order to run.
    static let systemFolders = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/proc", "/opt"]
    static let devices = "/dev"
}

/// How a program has ended.
public enum ProgramEnd: Sendable, Hashable, CustomStringConvertible {
    case exit(code: Int)
    /// It was killed by this signal; 24 (SIGXCPU) and 25 (SIGXFSZ) are its limits.
    case signal(Int)
    case timeout
    /// It could not be started.
    case failed(String)

    public var isSuccess: Bool { self == .exit(code: 0) }

    /// The word it is counted by.
    public var word: String {
        switch self {
        case .exit(0): "done"
        case .exit, .signal: "failed"
        case .timeout: "timeout"
        case .failed: "not-started"
        }
    }

    public var description: String {
        switch self {
        case .exit(let code): "exit code \(code)"
        case .signal(let number): "signal \(number)"
        case .timeout: "it took too long"
        case .failed(let reason): reason
        }
    }
}

/// One run of a program.
public struct ProgramRun: Sendable {
    public var end: ProgramEnd
    public var seconds: Double
    /// The beginning of what it has said on its standard error, as it came.
    public var errors: [UInt8]

    public init(end: ProgramEnd, seconds: Double = 0, errors: [UInt8] = []) {
        self.end = end
        self.seconds = seconds
        self.errors = errors
    }
}
