public import MailTypes

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The real disk.
public struct LinuxFileSystem: FileSystem {
    public init() {}

    public func open(_ path: String, create: Bool, isReadOnly: Bool) throws(SystemError) -> CInt {
        var flags = O_CLOEXEC | (isReadOnly ? O_RDONLY : O_RDWR)
        if create { flags |= O_CREAT | O_EXCL }
        let mode: mode_t = 0o600
        return try check("open", path) { Glibc.open(path, flags, mode) }
    }

    public func close(_ descriptor: CInt) throws(SystemError) {
        // Linux has let go of the descriptor even when it says EINTR: a second close could hit another file.
        guard Glibc.close(descriptor) != 0, errno != EINTR else { return }
        throw SystemError(call: "close", code: errno)
    }

    public func size(_ descriptor: CInt) throws(SystemError) -> Int {
        var status = stat()
        try check("fstat") { fstat(descriptor, &status) }
        return Int(status.st_size)
    }

    public func write(
        _ descriptor: CInt, _ octets: UnsafeRawBufferPointer, at offset: Int
    ) throws(SystemError) -> Int {
        try check("write") { pwrite(descriptor, octets.baseAddress, octets.count, off_t(offset)) }
    }

    public func read(
        _ descriptor: CInt, into octets: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(SystemError) -> Int {
        try check("read") { pread(descriptor, octets.baseAddress, octets.count, off_t(offset)) }
    }

    public func allocate(_ descriptor: CInt, count: Int) throws(SystemError) {
        while true {
            // Returns the error instead of setting errno.
            let code = posix_fallocate(descriptor, 0, off_t(count))
            if code == 0 { return }
            if code != EINTR { throw SystemError(call: "fallocate", code: code) }
        }
    }

    public func truncate(_ descriptor: CInt, count: Int) throws(SystemError) {
        try check("ftruncate") { ftruncate(descriptor, off_t(count)) }
    }

    public func synchronize(_ descriptor: CInt) throws(SystemError) {
        // Not repeated after EINTR either: what a failed sync leaves in the cache is not known.
        guard fdatasync(descriptor) != 0 else { return }
        throw SystemError(call: "fdatasync", code: errno)
    }

    public func synchronizeDirectory(_ path: String) throws(SystemError) {
        let descriptor = try check("open", path) { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        defer { _ = Glibc.close(descriptor) }
        guard fsync(descriptor) != 0 else { return }
        throw SystemError(call: "fsync", path: path, code: errno)
    }

    public func makeDirectory(_ path: String) throws(SystemError) {
        if mkdir(path, 0o700) != 0, errno != EEXIST {
            throw SystemError(call: "mkdir", path: path, code: errno)
        }
    }

    public func list(_ path: String) throws(SystemError) -> [String] {
        guard let directory = opendir(path) else { throw SystemError(call: "opendir", path: path, code: errno) }
        defer { closedir(directory) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else { break }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        if errno != 0 { throw SystemError(call: "readdir", path: path, code: errno) }
        return names
    }

    public func rename(_ path: String, to target: String) throws(SystemError) {
        try check("rename", path) { Glibc.rename(path, target) }
    }

    public func remove(_ path: String) throws(SystemError) {
        try check("unlink", path) { unlink(path) }
    }

    public func map(_ path: String) throws(SystemError) -> Bytes {
        let descriptor = try open(path, create: false, isReadOnly: true)
        defer { _ = Glibc.close(descriptor) }
        return Bytes(try MappedFile(descriptor: descriptor, count: size(descriptor)))
    }

    public func space(_ path: String) throws(SystemError) -> FileSystemSpace {
        var status = statvfs()
        try check("statvfs", path) { statvfs(path, &status) }
        let (octets, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return FileSystemSpace(
            octets: overflow ? Int.max : Int(clamping: octets),
            inodes: status.f_files == 0 ? nil : Int(clamping: status.f_favail))
    }

    @discardableResult
    private func check<Number: FixedWidthInteger>(
        _ call: String, _ path: String? = nil, _ body: () -> Number
    ) throws(SystemError) -> Number {
        while true {
            let result = body()
            if result != -1 { return result }
            if errno != EINTR { throw SystemError(call: call, path: path, code: errno) }
        }
    }
}

// MARK: Locks and shared memory

extension LinuxFileSystem {
    public func lock(_ path: String, isShared: Bool) throws(SystemError) -> (any FileLock)? {
        let descriptor = try check("open", path) { Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600 as mode_t) }
        guard flock(descriptor, (isShared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0 else {
            let code = errno
            _ = Glibc.close(descriptor)
            if code == EWOULDBLOCK { return nil }
            throw SystemError(call: "flock", path: path, code: code)
        }
        if !isShared {
            let text = Array("\(getpid())\n".utf8)
            // For people only: that the file is locked does not depend on what it says.
            if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
        }
        return DescriptorLock(descriptor: descriptor)
    }

    public func lockHolder(_ path: String) -> Int? {
        guard let descriptor = try? open(path, create: false, isReadOnly: true) else { return nil }
        defer { _ = Glibc.close(descriptor) }
        var octets = [UInt8](repeating: 0, count: 20)
        let count = pread(descriptor, &octets, octets.count, 0)
        return Int(String(decoding: octets.prefix(max(count, 0)).prefix { $0.isDigit }, as: UTF8.self))
    }

    public func sharedMemory(_ path: String, count: Int) throws(SystemError) -> any SharedMemory {
        let descriptor = try check("open", path) { Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600 as mode_t) }
        defer { _ = Glibc.close(descriptor) }
        // A page that has no block behind it would be a bus error on a full disk.
        try allocate(descriptor, count: count)
        let address = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard address != MAP_FAILED, let address else { throw SystemError(call: "mmap", path: path, code: errno) }
        return MappedMemory(base: address, count: count)
    }
}

private final class DescriptorLock: FileLock {
    private let descriptor: CInt
    init(descriptor: CInt) { self.descriptor = descriptor }
    func release() { flock(descriptor, LOCK_UN) }
    deinit { _ = Glibc.close(descriptor) }
}

/// Callers keep each word to one writer at a time.
private final class MappedMemory: SharedMemory {
    private nonisolated(unsafe) let base: UnsafeMutableRawPointer
    private let count: Int

    init(base: UnsafeMutableRawPointer, count: Int) {
        self.base = base
        self.count = count
    }

    deinit { munmap(base, count) }

    func load(_ index: Int) -> UInt64 {
        guard index >= 0, index < count / 8 else { return 0 }
        return base.load(fromByteOffset: index * 8, as: UInt64.self)
    }

    func store(_ word: UInt64, at index: Int) {
        guard index >= 0, index < count / 8 else { return }
        base.storeBytes(of: word, toByteOffset: index * 8, as: UInt64.self)
    }
}
