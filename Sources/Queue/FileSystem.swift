public import MailTypes

/// What the queue asks of a disk, and nothing else of it: the tests put one there that fails.
///
/// Every call may be made on any thread. `EINTR` is the implementation's to deal with; a short
/// write or read is not: it is reported as the number of octets.
public protocol FileSystem: Sendable {
    /// Opens a file. `create`: it must not exist yet. The file is for reading and writing unless
    /// `isReadOnly`.
    func open(_ path: String, create: Bool, isReadOnly: Bool) throws(SystemError) -> CInt
    func close(_ descriptor: CInt) throws(SystemError)
    func size(_ descriptor: CInt) throws(SystemError) -> Int
    func write(_ descriptor: CInt, _ octets: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) -> Int
    func read(_ descriptor: CInt, into octets: UnsafeMutableRawBufferPointer, at offset: Int) throws(SystemError) -> Int
    /// Gives the file its blocks and this size at once, so that later syncs need not touch metadata.
    func allocate(_ descriptor: CInt, count: Int) throws(SystemError)
    /// Gives back what lies behind the first `count` octets.
    func truncate(_ descriptor: CInt, count: Int) throws(SystemError)
    /// Makes what was written durable: fdatasync.
    func synchronize(_ descriptor: CInt) throws(SystemError)
    /// Makes the names in a directory durable: fsync of the directory.
    func synchronizeDirectory(_ path: String) throws(SystemError)
    /// Makes a directory; one that is there already is fine.
    func makeDirectory(_ path: String) throws(SystemError)
    func list(_ path: String) throws(SystemError) -> [String]
    func rename(_ path: String, to target: String) throws(SystemError)
    func remove(_ path: String) throws(SystemError)
    /// The whole file for reading, without copying it.
    func map(_ path: String) throws(SystemError) -> Bytes
    /// What ordinary users may still take, of the file system that holds `path`.
    func space(_ path: String) throws(SystemError) -> FileSystemSpace
    /// Locks a file, made if need be, against other processes until the lock is let go; `nil` if
    /// another has it.
    func lock(_ path: String, isShared: Bool) throws(SystemError) -> (any FileLock)?
    /// What the lock file of `path` says of its holder.
    func lockHolder(_ path: String) -> Int?
    /// Memory that outlives a crash of this process, though not of the machine.
    /// `count` is in octets.
    func sharedMemory(_ path: String, count: Int) throws(SystemError) -> any SharedMemory
}

public struct FileSystemSpace: Sendable, Hashable {
    public var octets: Int
    /// `nil` where the file system does not count them.
    public var inodes: Int?

    public init(octets: Int, inodes: Int?) {
        self.octets = octets
        self.inodes = inodes
    }
}

/// Held until it is released or the process ends, however it ends.
public protocol FileLock: Sendable {
    func release()
}

/// A few words that are written with a store and found again after a crash of the process.
public protocol SharedMemory: Sendable {
    /// The word with this number.
    func load(_ index: Int) -> UInt64
    func store(_ word: UInt64, at index: Int)
}
