import MailTypes

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A file without a name: gone when it is let go of, whatever happens to the process.
final class SpoolFile: Sendable {
    private let descriptor: CInt

    /// Makes one in `directory`, which need only be writable.
    init(in directory: String) throws(SystemError) {
        let nameless = open(directory, __O_TMPFILE | O_DIRECTORY | O_RDWR | O_CLOEXEC, 0o600)
        if nameless >= 0 {
            descriptor = nameless
            return
        }
        // Not every file system has files without names; then it loses its name at once.
        guard errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL else {
            throw SystemError(call: "open", path: directory, code: errno)
        }
        var template = Array("\(directory)/spool.XXXXXX".utf8CString)
        let named = mkstemp(&template)
        guard named >= 0 else { throw SystemError(call: "mkstemp", path: directory, code: errno) }
        unlink(template)
        _ = fcntl(named, F_SETFD, FD_CLOEXEC)
        descriptor = named
    }

    deinit { close(descriptor) }

    /// Appends all of `octets`. Blocking.
    func append(_ octets: [UInt8]) throws(SystemError) {
        var done = 0
        while done < octets.count {
            let count = octets[done...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemError(call: "write", code: errno)
            }
            done += count
        }
    }

    /// The first `count` octets as memory; they stay readable when this file is let go of.
    func map(count: Int) throws(SystemError) -> Bytes { Bytes(try MappedFile(descriptor: descriptor, count: count)) }
}
