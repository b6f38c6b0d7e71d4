import Foundation
import Pipeline

#if canImport(Glibc)
    import Glibc
#endif

/// Private keys in files: `DOMAIN/SELECTOR.pem`, which nobody but their owner may read.
struct KeyFolder: SigningKeyFiles {
    let path: String

    /// Larger than any key.
    private static let mostOctets = 64 << 10

    func contents(domain: String, selector: String) throws(CryptographyFailure) -> [UInt8] {
        let file = "\(path)/\(domain)/\(selector).pem"
        let descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { throw CryptographyFailure("\(file): \(String(cString: strerror(errno)))") }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw CryptographyFailure("\(file) is not a file")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw CryptographyFailure("\(file) may be read or changed by others than its owner: chmod 600")
        }
        guard status.st_size <= Self.mostOctets, let data = try? handle.read(upToCount: Self.mostOctets) else {
            throw CryptographyFailure("\(file) cannot be read, or is too large")
        }
        return Array(data)
    }

    func stamp(domain: String, selector: String) throws(CryptographyFailure) -> KeyFileStamp {
        let file = "\(path)/\(domain)/\(selector).pem"
        var status = stat()
        guard lstat(file, &status) == 0 else {
            throw CryptographyFailure("\(file): \(String(cString: strerror(errno)))")
        }
        return KeyFileStamp(
            inode: UInt64(status.st_ino), size: Int(status.st_size), seconds: status.st_ctim.tv_sec,
            nanoseconds: status.st_ctim.tv_nsec)
    }
}
