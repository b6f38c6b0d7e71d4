import Foundation
import Glibc
import MailTypes
public import Pipeline

/// Compiled patterns in files, so that the next process need not compile them.
///
/// What Vectorscan executes is in these files, so they are taken from nobody but this process's user and root, and
/// only as they were written. Whatever is wrong with a file or the folder, the patterns are compiled as if there were
/// none: a cache has no errors.
public struct PatternCache: Sendable {
    private let folder: String
    private let cryptography: any SignatureCryptography

    /// Octets of a file.
    static let mostOctets = 128 << 20
    /// Files that are kept: the server's, and those of configurations that are tried.
    static let mostFiles = 3
    /// After this many seconds nobody writes to a file any more that is not finished.
    static let writingSeconds = 600
    private static let ending = ".image"
    private static let unfinished = ".new"

    /// - Parameter folder: It is made when something is to be kept, if the folder that it lies in is there.
    public init(folder: String, cryptography: any SignatureCryptography) {
        self.folder = folder
        self.cryptography = cryptography
    }

    // MARK: - Reading

    /// The databases that were kept for `key`.
    func databases(of key: [UInt8]) -> [[UInt8]]? {
        guard let name = digest([key]), let folder = OpenFolder(folder, isForWriting: false),
            let octets = folder.octets(of: Self.name(name), most: Self.mostOctets), octets.count >= name.count
        else { return nil }
        let content = Array(octets[name.count...])
        guard digest([name, content]) == Array(octets[..<name.count]) else { return nil }
        return Self.parts(of: content)
    }

    /// Each part with its length in eight octets before it.
    private static func parts(of content: [UInt8]) -> [[UInt8]]? {
        var parts: [[UInt8]] = []
        var place = 0
        while place < content.count {
            guard content.count - place >= 8 else { return nil }
            let count = content[place..<place + 8].reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
            place += 8
            guard count <= content.count - place else { return nil }
            parts.append(Array(content[place..<place + Int(count)]))
            place += Int(count)
        }
        return parts
    }

    // MARK: - Writing

    /// Keeps the databases for `key`, if this user has a folder for that.
    func keep(_ databases: [[UInt8]], of key: [UInt8]) {
        var content: [UInt8] = []
        for database in databases {
            withUnsafeBytes(of: UInt64(database.count).bigEndian) { content += $0 }
            content += database
        }
        guard let name = digest([key]), let check = digest([name, content]),
            check.count + content.count <= Self.mostOctets, let folder = OpenFolder(folder, isForWriting: true)
        else { return }
        let file = Self.name(name)
        folder.remove(file + Self.unfinished, olderThan: Self.writingSeconds)
        guard folder.write(check + content, to: file, by: file + Self.unfinished) else { return }
        removeOld(folder)
    }

    /// Leaves the newest images.
    private func removeOld(_ folder: OpenFolder) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: self.folder)) ?? []
        for name in names where name.hasSuffix(Self.unfinished) {
            folder.remove(name, olderThan: Self.writingSeconds)
        }
        let images = names.filter { $0.hasSuffix(Self.ending) }.compactMap { name in
            folder.age(of: name).map { (name: name, age: $0) }
        }
        for image in images.sorted(by: { ($0.age, $0.name) < ($1.age, $1.name) }).dropFirst(Self.mostFiles) {
            folder.remove(image.name)
        }
    }

    private static func name(_ digest: [UInt8]) -> String {
        digest.map { String(format: "%02x", $0) }.joined() + ending
    }

    private func digest(_ pieces: [[UInt8]]) -> [UInt8]? {
        try? cryptography.sha256 { sink in
            for piece in pieces { piece.withUnsafeBytes { sink($0) } }
        }
    }
}

/// A folder that nobody can put another in the place of while it is used.
private final class OpenFolder {
    private let descriptor: CInt

    /// `nil`: it is not there, not a folder, or others may write to it. Who is to write must own it.
    init?(_ path: String, isForWriting: Bool) {
        if isForWriting { mkdir(path, 0o700) }
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0, Self.isTrusted(status),
            !isForWriting || status.st_uid == geteuid()
        else { return nil }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// Whether only this user and root can have written it.
    private static func isTrusted(_ status: stat) -> Bool {
        (status.st_uid == geteuid() || status.st_uid == 0) && status.st_mode & (S_IWGRP | S_IWOTH) == 0
    }

    /// `nil`: there is no such file, others may write to it, or it is too large.
    func octets(of name: String, most: Int) -> [UInt8]? {
        // Who waits at a pipe waits for ever.
        let file = openat(descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, Self.isTrusted(status),
            let size = Int(exactly: status.st_size), size <= most
        else { return nil }
        return try? [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while count < size, let base = buffer.baseAddress {
                let got = read(file, base + count, size - count)
                if got < 0, errno == EINTR { continue }
                guard got > 0 else { throw POSIXError(.EIO) }
                count += got
            }
        }
    }

    /// Writes a file that is there whole or not at all, whatever happens; `false`: it is not there.
    func write(_ octets: [UInt8], to name: String, by temporary: String) -> Bool {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let file = openat(descriptor, temporary, flags, 0o600)
        guard file >= 0 else { return false }
        defer { close(file) }
        let isWritten = octets.withUnsafeBytes { octets in
            do throws(SystemError) { try SharedMessage.write(octets, to: file) } catch { return false }
            return fsync(file) == 0
        }
        guard isWritten, renameat(descriptor, temporary, descriptor, name) == 0 else {
            unlinkat(descriptor, temporary, 0)
            return false
        }
        fsync(descriptor)
        return true
    }

    /// Seconds since it was written.
    func age(of name: String) -> Double? {
        var status = stat()
        guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
        let written = Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) / 1e9
        return Date().timeIntervalSince1970 - written
    }

    func remove(_ name: String) { unlinkat(descriptor, name, 0) }

    func remove(_ name: String, olderThan seconds: Int) {
        if let age = age(of: name), age > Double(seconds) { remove(name) }
    }
}
