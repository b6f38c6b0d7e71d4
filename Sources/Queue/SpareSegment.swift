import MailTypes

/// The next segment while it is being made: a file of zeros, written a portion at a time.
///
/// Blocks that were only allocated become written ones with the first sync after a write, which so waits for the
/// file system's own journal; these are written already.
struct SpareSegment: ~Copyable {
    private let directory: String
    private let count: Int
    private let files: any FileSystem
    private let descriptor: CInt
    private(set) var written = 0
    private var isDone = false

    /// In small portions, so that commits need not wait behind a mountain.
    static let portion = 1 << 20

    init(in directory: String, count: Int, files: any FileSystem) throws(SystemError) {
        self.directory = directory
        self.count = count
        self.files = files
        descriptor = try files.open("\(directory)/\(QueueLayout.newSpare)", create: true, isReadOnly: false)
    }

    deinit {
        try? files.close(descriptor)
        // Half of one is of no use to anybody.
        if !isDone { try? files.remove("\(directory)/\(QueueLayout.newSpare)") }
    }

    /// Writes and syncs one portion more. With the last one the file has its name, and the answer is `true`.
    mutating func grow() throws(SystemError) -> Bool {
        if written == 0 { try files.allocate(descriptor, count: count) }
        let part = min(Self.portion, count - written)
        let zeros = [UInt8](repeating: 0, count: part)
        try zeros.span.bytes.withUnsafeBytes { (all) throws(SystemError) in
            try files.writeAll(descriptor, all, at: written)
        }
        try files.synchronize(descriptor)
        written += part
        guard written == count else { return false }
        try files.rename(
            "\(directory)/\(QueueLayout.newSpare)", to: "\(directory)/\(QueueLayout.spare)")
        isDone = true
        return true
    }
}
