import MailTypes

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Files of the configuration, as the system gives them.
enum SourceFile {
    /// Longer files are not read to their end: the parser refuses them.
    private static let longest = 4 * 1024 * 1024 + 1

    /// The octets of a regular file.
    static func read(_ path: String) throws(SystemError) -> [UInt8] {
        let descriptor = try opened(path)
        defer { close(descriptor) }
        var octets: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 * 1024)
        while octets.count < longest {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemError(call: "read", path: path, code: errno)
            }
            if count == 0 { break }
            octets += piece.prefix(count)
        }
        return octets
    }

    /// Why the file cannot be read; `nil` where it can.
    static func obstacle(_ path: String) -> String? {
        do {
            close(try opened(path))
            return nil
        } catch {
            return error.reason
        }
    }

    /// The names in a folder, sorted.
    static func names(in folder: String) throws(SystemError) -> [String] {
        guard let stream = opendir(folder) else { throw SystemError(call: "opendir", path: folder, code: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { start in
                start.withMemoryRebound(to: UInt8.self, capacity: MemoryLayout.size(ofValue: entry.pointee.d_name)) {
                    String(cString: $0)
                }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Whether this machine knows a user of that name.
    static func hasUser(_ name: String) -> Bool { getpwnam(name) != nil }

    static func hasGroup(_ name: String) -> Bool { getgrnam(name) != nil }

    /// The name of this machine.
    static var systemName: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        let text = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return text.isEmpty ? "localhost" : text
    }

    /// Opens without waiting for whoever writes into a pipe.
    private static func opened(_ path: String) throws(SystemError) -> CInt {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: path, code: errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw SystemError(call: "open", path: path, code: status.st_mode & S_IFMT == S_IFDIR ? EISDIR : EINVAL)
        }
        return descriptor
    }
}

extension SystemError {
    /// The system's words alone.
    var reason: String { String(cString: strerror(code)) }
}

extension String {
    /// The path, relative to `folder` unless it is absolute.
    func path(in folder: String) -> String {
        if hasPrefix("/") || folder.isEmpty { return self }
        let own = hasPrefix("./") ? String(dropFirst(2)) : self
        return folder.hasSuffix("/") ? folder + own : "\(folder)/\(own)"
    }

    /// The folder part of a path; empty where it has none.
    var folder: String {
        guard let slash = lastIndex(of: "/") else { return "" }
        return slash == startIndex ? "/" : String(self[..<slash])
    }
}
