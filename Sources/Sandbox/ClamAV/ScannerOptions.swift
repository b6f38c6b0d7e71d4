public import MailTypes

/// How libclamav is kept: `[clamav]` of sluice.toml.
public struct ScannerOptions: Sendable, Hashable {
    /// The folder with the databases, or one file.
    public var database = "/var/lib/clamav"
    /// Scanners at once.
    public var workers = 2
    /// Messages after which a scanner is replaced.
    public var scansPerWorker = 1000
    /// How long the library may scan one message: what is left is not looked at then, and it says so.
    public var maxTime: Interval = "15s"
    /// How long a scanner may take for one message before it is killed.
    public var timeout: Interval = "20s"
    /// Octets that a scanner may map beyond program and databases.
    public var memory: ByteCount = "1GB"
    /// Octets that are unpacked of one message.
    public var maxScanSize: ByteCount = "400MB"
    /// Octets of one file in it.
    public var maxFileSize: ByteCount = "100MB"
    /// Files that are unpacked of one message.
    public var maxFiles = 10_000
    /// Files in files in files.
    public var maxNesting = 17
    /// Where scanners unpack: a folder of ours, best in memory.
    public var folder = "/dev/shm"

    public init() {}
}
