#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A system call that failed: which one, on what, and `errno`.
public struct SystemError: Error, Hashable, CustomStringConvertible {
    public let call: String
    public let path: String?
    public let code: CInt

    public init(call: String, path: String? = nil, code: CInt) {
        self.call = call
        self.path = path
        self.code = code
    }

    /// What the system calls it: `Connection reset by peer`.
    public var reason: String { String(cString: strerror(code)) }

    public var description: String {
        path.map { "\(call) \($0): \(reason)" } ?? "\(call): \(reason)"
    }

    /// The disk, the quota or the inodes are used up: a matter of waiting.
    public var isOutOfSpace: Bool { code == ENOSPC || code == EDQUOT }
}
