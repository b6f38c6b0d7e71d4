import Foundation
import MailTypes
import Pipeline
import Scoring
import Synchronization

/// The folder `lessons`: what was made of the lessons, a file for each scope, which all processes have mapped.
///
/// A file is never changed: another one takes its place. Whoever has replaced one counts the folder's generation up,
/// and what was read before is read anew.
final class LessonModels: Sendable {
    private let folder: String
    private let generation: GenerationFile
    private let loaded = Mutex(Loaded())

    private struct Loaded {
        var generation: UInt64 = 0
        /// `nil`: there is none.
        var models: [LessonScope: LessonModel?] = [:]
    }

    /// Models that are kept mapped at the same time.
    private static let mostLoaded = 4_096

    init(folder: String) throws {
        self.folder = folder
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        generation = try GenerationFile(path: folder + "/generation")
    }

    /// The scope's model, if it was read before.
    func immediate(_ scope: LessonScope) -> LessonModel?? {
        let current = generation.current
        return loaded.withLock { $0.generation == current ? $0.models[scope] : nil }
    }

    /// The scope's model, from the disk if need be. `nil`: there is none, or it is damaged.
    func model(of scope: LessonScope) -> LessonModel? {
        let current = generation.current
        if let known = loaded.withLock({ $0.generation == current ? $0.models[scope] : nil }) { return known }
        let read = read(scope)
        loaded.withLock { loaded in
            if loaded.generation != current || loaded.models.count >= Self.mostLoaded {
                loaded = Loaded(generation: current)
            }
            loaded.models[scope] = .some(read)
        }
        return read
    }

    private func read(_ scope: LessonScope) -> LessonModel? {
        let descriptor = Glibc.open(path(of: scope), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { Glibc.close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, let count = Int(exactly: status.st_size),
            let file = try? MappedFile(descriptor: descriptor, count: count)
        else { return nil }
        // The check goes through all of it, so nobody who asks later waits for the disk.
        guard let model = LessonModel(Bytes(file)), model.scope == scope.text else { return nil }
        return model
    }

    /// Puts a model in place; it outlives a power cut when this returns.
    func write(_ octets: [UInt8], of scope: LessonScope) throws {
        let path = path(of: scope)
        let temporary = path + ".new"
        let descriptor = Glibc.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: temporary, code: errno) }
        defer { Glibc.close(descriptor) }
        var written = 0
        while written < octets.count {
            let count = octets.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress! + written, $0.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw SystemError(call: "write", path: temporary, code: errno) }
            written += count
        }
        guard fsync(descriptor) == 0 else { throw SystemError(call: "fsync", path: temporary, code: errno) }
        guard rename(temporary, path) == 0 else { throw SystemError(call: "rename", path: path, code: errno) }
        try syncFolder()
        generation.advance()
    }

    /// There are no lessons any more.
    func remove(_ scope: LessonScope) {
        unlink(path(of: scope))
        generation.advance()
    }

    /// There are no lessons of anybody any more.
    func removeAll() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        for name in names where name.hasSuffix(".model") {
            unlink("\(folder)/\(name)")
        }
        generation.advance()
    }

    private func syncFolder() throws {
        let descriptor = Glibc.open(folder, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: folder, code: errno) }
        defer { Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw SystemError(call: "fsync", path: folder, code: errno) }
    }

    /// While the result lives, no other process makes models here.
    func locked<Result>(_ body: () throws -> Result) throws -> Result {
        let descriptor = Glibc.open(folder + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: folder + "/lock", code: errno) }
        // Closing it gives the lock back.
        defer { Glibc.close(descriptor) }
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else { throw SystemError(call: "flock", path: folder + "/lock", code: errno) }
        }
        return try body()
    }

    /// Names of scopes are no names of files; the file itself says whose it is.
    private func path(of scope: LessonScope) -> String {
        var hash = TokenHash()
        hash.add(scope.text.utf8)
        return "\(folder)/\(String(hash.single, radix: 16)).model"
    }
}
