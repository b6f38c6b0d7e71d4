import Foundation
import MailTypes
import Pipeline

#if canImport(Glibc)
    import Glibc
#endif

/// A secret of this server in a file of the folder `keys`: what links of digests are signed with, and what logins
/// at other servers are sealed with.
enum SecretKeyFile {
    static let size = 32

    /// Reads it, or makes it where there is none. Two processes that make it at once have one key.
    static func open(_ path: String, _ hashing: any PasswordHashing) throws -> [UInt8] {
        if let key = try read(path) { return key }
        // A crash may have left one behind, and numbers of processes come again.
        let ending = try hashing.randomBytes(8).map { String(UInt16($0) | 0x100, radix: 16).dropFirst() }.joined()
        let draft = "\(path).\(ending)"
        let key = try hashing.randomBytes(size)
        let descriptor = Glibc.open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: draft, code: errno) }
        defer { unlink(draft) }
        let written = write(descriptor, key, key.count)
        let isSynced = fsync(descriptor) == 0
        close(descriptor)
        guard written == key.count, isSynced else { throw SystemError(call: "write", path: draft, code: errno) }
        guard link(draft, path) == 0 || errno == EEXIST else {
            throw SystemError(call: "link", path: path, code: errno)
        }
        guard let kept = try read(path) else { throw SystemError(call: "read", path: path, code: EIO) }
        return kept
    }

    /// `nil` where there is none.
    private static func read(_ path: String) throws -> [UInt8]? {
        guard let octets = FileManager.default.contents(atPath: path) else {
            guard !FileManager.default.fileExists(atPath: path) else {
                throw SystemError(call: "open", path: path, code: EACCES)
            }
            return nil
        }
        guard octets.count == size else {
            throw CommandFailure.wrong("\(path) is not a key of \(size) octets; remove it, and another one is made.")
        }
        return Array(octets)
    }
}
