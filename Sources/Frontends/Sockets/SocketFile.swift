import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What a bound socket is in the file system.
struct SocketFile: Sendable {
    private let path: String
    private let device: dev_t
    private let inode: ino_t
    /// It belongs to the user that we are.
    let isOwn: Bool

    /// What lies there now; `nil` if that is no socket.
    init?(_ path: String) {
        guard let status = Self.status(path) else { return nil }
        self.path = path
        device = status.st_dev
        inode = status.st_ino
        isOwn = status.st_uid == geteuid()
    }

    /// Says who may connect: it takes the right to write. What has taken its place, a link even, stays as it is.
    func setMode(_ mode: Int) throws {
        guard isThere else { return }
        guard fchmodat(AT_FDCWD, path, mode_t(clamping: mode), AT_SYMLINK_NOFOLLOW) == 0 else {
            throw IOError(errnoCode: errno, reason: "chmod \(path)")
        }
    }

    /// Takes it away, unless another socket has taken its place. Without the right to do so it stays.
    func remove() {
        if isThere { unlink(path) }
    }

    private var isThere: Bool {
        guard let status = Self.status(path) else { return false }
        return status.st_dev == device && status.st_ino == inode
    }

    private static func status(_ path: String) -> stat? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return nil }
        return status
    }
}
