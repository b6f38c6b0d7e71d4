import MailTypes

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// An open file that is closed when nobody holds it any more.
final class Descriptor: Sendable {
    let number: CInt
    init(_ number: CInt) { self.number = number }
    deinit { close(number) }
}

/// The system calls that change the disk, each behind one door, so that a test can make any of them fail.
struct DiskCalls: Sendable {
    /// Asked before each call with its name; anything but zero is the `errno` to fail with.
    var fault: (@Sendable (String) -> CInt)?

    /// Opens without ever following a symbolic link in the last place.
    func open(_ name: String, in directory: CInt, _ flags: CInt, mode: mode_t = 0) throws(SystemError) -> Descriptor {
        try check("openat", name)
        while true {
            let number = openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC, mode)
            if number >= 0 { return Descriptor(number) }
            guard errno == EINTR else { throw SystemError(call: "openat", path: name, code: errno) }
        }
    }

    func makeDirectory(_ name: String, in directory: CInt, mode: mode_t) throws(SystemError) {
        try check("mkdirat", name)
        if mkdirat(directory, name, mode) != 0, errno != EEXIST {
            throw SystemError(call: "mkdirat", path: name, code: errno)
        }
    }

    func write(_ octets: UnsafeRawBufferPointer, to file: Descriptor) throws(SystemError) {
        var rest = octets
        while let base = rest.baseAddress, !rest.isEmpty {
            try check("write", nil)
            let count = Glibc.write(file.number, base, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw SystemError(call: "write", code: count == 0 ? EIO : errno) }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
    }

    func rename(_ name: String, in from: CInt, to newName: String, in target: CInt) throws(SystemError) {
        try check("renameat", name)
        if renameat(from, name, target, newName) != 0 { throw SystemError(call: "renameat", path: name, code: errno) }
    }

    func remove(_ name: String, in directory: CInt) throws(SystemError) {
        try check("unlinkat", name)
        if unlinkat(directory, name, 0) != 0, errno != ENOENT {
            throw SystemError(call: "unlinkat", path: name, code: errno)
        }
    }

    /// Removes an empty folder.
    func removeDirectory(_ name: String, in directory: CInt) throws(SystemError) {
        try check("rmdir", name)
        if unlinkat(directory, name, AT_REMOVEDIR) != 0 { throw SystemError(call: "rmdir", path: name, code: errno) }
    }

    func sync(_ file: CInt) throws(SystemError) {
        try check("fsync", nil)
        while fsync(file) != 0 {
            guard errno == EINTR else { throw SystemError(call: "fsync", code: errno) }
        }
    }

    /// Everything that the file system of `file` holds in memory.
    func syncFileSystem(of file: CInt) throws(SystemError) {
        try check("syncfs", nil)
        while Self.syncfs(file) != 0 {
            guard errno == EINTR else { throw SystemError(call: "syncfs", code: errno) }
        }
    }

    /// `syncfs` of the C library, whose declaration Swift does not see; `sync` where there is none.
    private static let syncfs: @convention(c) (CInt) -> CInt = {
        guard let address = dlsym(dlopen(nil, RTLD_NOW), "syncfs") else {
            return { _ in
                Glibc.sync()
                return 0
            }
        }
        return unsafeBitCast(address, to: (@convention(c) (CInt) -> CInt).self)
    }()

    /// The names in a folder, without `.` and `..`; at most `limit`.
    func names(in directory: CInt, limit: Int) throws(SystemError) -> [String] {
        var names: [String] = []
        try eachName(in: directory, limit: limit) { name in
            names.append(name)
            return true
        }
        return names
    }

    /// Shows the names in a folder, without `.` and `..`, at most `limit`, for as long as `visit` answers `true`.
    func eachName(in directory: CInt, limit: Int, _ visit: (String) -> Bool) throws(SystemError) {
        let copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { throw SystemError(call: "openat", code: errno) }
        guard let stream = fdopendir(copy) else {
            let code = errno
            close(copy)
            throw SystemError(call: "fdopendir", code: code)
        }
        defer { closedir(stream) }
        var count = 0
        while count < limit, let entry = readdir(stream) {
            let length = Int(entry.pointee.d_reclen) - (MemoryLayout<dirent>.offset(of: \.d_name) ?? 0)
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                String(decoding: raw.prefix(max(0, length)).prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name != ".", name != ".." else { continue }
            count += 1
            guard visit(name) else { return }
        }
    }

    func status(of file: CInt) throws(SystemError) -> stat {
        var status = stat()
        if fstat(file, &status) != 0 { throw SystemError(call: "fstat", code: errno) }
        return status
    }

    private func check(_ call: String, _ path: String?) throws(SystemError) {
        if let code = fault?(call), code != 0 { throw SystemError(call: call, path: path, code: code) }
    }
}
