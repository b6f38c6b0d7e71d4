import Adapters
import Foundation
import MailTypes
import Pipeline
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The secrets that rewritten reverse-paths are signed with: `keys/srs.secrets` of the data folder.
///
/// A secret on each line, the newest first, as PostSRSd has them; lines that begin with `#` say nothing. The first one
/// signs, and addresses that one of the others has signed find their way back. What is changed there counts from the
/// next message on.
final class ReversePathSecretFile: ReversePathSecrets {
    let path: String
    private let known = Mutex<(stamp: KeyFileStamp, secrets: [[UInt8]])?>(nil)

    /// Octets of a new secret, before base64.
    private static let size = 24
    /// Larger than any such file.
    private static let mostOctets = 64 << 10
    /// With each one more an address takes longer to be found forged.
    static let mostSecrets = 16

    init(_ path: String) { self.path = path }

    func secrets() throws(CryptographyFailure) -> [[UInt8]] {
        do {
            guard let stamp = try stamp() else { throw CryptographyFailure("there is no \(path)") }
            return try secrets(stamp)
        } catch let error as CryptographyFailure {
            throw error
        } catch { throw CryptographyFailure("\(error)") }
    }

    private func secrets(_ stamp: KeyFileStamp) throws -> [[UInt8]] {
        if let known = known.withLock({ $0 }), known.stamp == stamp { return known.secrets }
        let secrets = try Self.read(path)
        known.withLock { $0 = (stamp, secrets) }
        return secrets
    }

    private func stamp() throws -> KeyFileStamp? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            guard errno == ENOENT else { throw SystemError(call: "lstat", path: path, code: errno) }
            return nil
        }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size <= Self.mostOctets else {
            throw CryptographyFailure("\(path) is not a file of secrets")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw CryptographyFailure("\(path) may be read or changed by others than its owner: chmod 600")
        }
        return KeyFileStamp(
            inode: UInt64(status.st_ino), size: Int(status.st_size), seconds: status.st_ctim.tv_sec,
            nanoseconds: status.st_ctim.tv_nsec)
    }

    private static func read(_ path: String) throws -> [[UInt8]] {
        guard let octets = FileManager.default.contents(atPath: path) else {
            throw SystemError(call: "open", path: path, code: EACCES)
        }
        let secrets = octets.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") })
            .map(Array.init).filter { $0.first != UInt8(ascii: "#") }
        guard (1...mostSecrets).contains(secrets.count) else {
            throw CryptographyFailure("\(path) has \(secrets.count) secrets; there must be 1 to \(mostSecrets)")
        }
        return secrets
    }

    // MARK: Changing

    /// Makes it where there is none. Who calls this is whom the data folder belongs to.
    func make() throws {
        if access(path, F_OK) == 0 { return }
        try Self.put([try Self.new()], into: path, mayReplace: false)
    }

    /// Puts a new secret before the others.
    ///
    /// - Parameter kept: Old ones that stay, the newest of them.
    /// - Returns: How many old ones are left.
    func rotate(keeping kept: Int) throws -> Int {
        let old = try stamp() == nil ? [] : Array(try Self.read(path).prefix(max(0, min(kept, Self.mostSecrets - 1))))
        try Self.put([try Self.new()] + old, into: path, mayReplace: true)
        return old.count
    }

    private static func new() throws -> [UInt8] {
        Array(Data(try Crypto.randomBytes(size)).base64EncodedString().utf8)
    }

    /// Writes a whole file or none. Two processes that make it at once have one.
    private static func put(_ secrets: [[UInt8]], into path: String, mayReplace: Bool) throws {
        let draft = "\(path).\(getpid()).\(UUID().uuidString)"
        defer { unlink(draft) }
        try KeyFolder.write(Array(secrets.joined(separator: [UInt8(ascii: "\n")])) + [UInt8(ascii: "\n")], to: draft)
        if mayReplace {
            guard rename(draft, path) == 0 else { throw SystemError(call: "rename", path: path, code: errno) }
        } else {
            guard link(draft, path) == 0 || errno == EEXIST else {
                throw SystemError(call: "link", path: path, code: errno)
            }
        }
        try KeyFolder.sync((path as NSString).deletingLastPathComponent)
    }
}
