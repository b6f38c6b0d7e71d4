import Foundation
import MailTypes

#if canImport(Glibc)
    import Glibc
#endif

/// Keys that come and go. Who calls this is whom the data folder belongs to (``DataFolder/entered()``), so the files
/// are the server's.
extension KeyFolder {
    func file(domain: String, selector: String) -> String { "\(path)/\(domain)/\(selector).pem" }

    /// Writes a key to stable storage: a whole file, or none. A file that is there already stays as it is, and is fine
    /// if it holds just that.
    ///
    /// - Returns: Whether the file is new.
    func save(_ pem: [UInt8], domain: String, selector: String) throws -> Bool {
        let folder = "\(path)/\(domain)"
        let file = file(domain: domain, selector: selector)
        let draft = "\(folder)/.\(selector).pem.new"
        do {
            try Self.makeFolder(folder, in: path)
            // What an attempt that was cut short has left.
            unlink(draft)
            defer { unlink(draft) }
            try Self.write(pem, to: draft)
            if link(draft, file) != 0 {
                guard errno == EEXIST else { throw SystemError(call: "link", path: file, code: errno) }
                guard FileManager.default.contents(atPath: file).map(Array.init) == pem else {
                    throw CommandFailure.wrong(
                        "\(file) is there already, with another key. If nothing uses it, take it away first.")
                }
                return false
            }
            try Self.sync(folder)
            return true
        } catch let error as SystemError {
            throw CommandFailure.again("The key cannot be written: \(error).")
        }
    }

    /// Removes a key, and the domain's folder with its last one. There may be none.
    func remove(domain: String, selector: String) throws {
        let file = file(domain: domain, selector: selector)
        guard unlink(file) == 0 || errno == ENOENT else {
            throw CommandFailure.again("\(file) cannot be removed: \(String(cString: strerror(errno))).")
        }
        // It stays where it is not empty.
        if rmdir("\(path)/\(domain)") != 0 { try? Self.sync("\(path)/\(domain)") }
    }

    private static func makeFolder(_ folder: String, in parent: String) throws(SystemError) {
        if mkdir(folder, 0o700) == 0 { return try sync(parent) }
        guard errno == EEXIST else { throw SystemError(call: "mkdir", path: folder, code: errno) }
    }

    static func write(_ octets: [UInt8], to file: String) throws(SystemError) {
        let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: file, code: errno) }
        defer { close(descriptor) }
        var rest = octets[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw SystemError(call: "write", path: file, code: errno) }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0 else { throw SystemError(call: "fsync", path: file, code: errno) }
    }

    static func sync(_ folder: String) throws(SystemError) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: folder, code: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw SystemError(call: "fsync", path: folder, code: errno) }
    }
}
