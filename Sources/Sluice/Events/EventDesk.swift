import Foundation
import MailTypes
import NIOPosix
import Sandbox
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Runs an admin's programs on messages: a few at once, some waiting, and no more than that. Whatever becomes of them,
/// mail goes on.
final class EventDesk: Sendable {
    struct Options: Sendable {
        var hostname: String
        /// Where the programs lie.
        var folder: String
        /// Where messages are written for them.
        var temporary: String
        var limits = ProgramOptions()
        var atOnce = 4
        var mostWaiting = 100
        /// Octets of a message; on a larger one no program is run.
        var maxSize = 50 << 20
    }

    enum Outcome: Sendable {
        case ran(ProgramRun)
        /// Too many wait, or it is too large.
        case dropped(String)

        /// The word it is counted by.
        var word: String {
            switch self {
            case .ran(let run): run.end.word
            case .dropped: "dropped"
            }
        }
    }

    /// Octets of messages that wait.
    private static let mostOctets = 128 << 20

    let options: Options
    private let launcher: ProgramLauncher
    private let gate: Gate
    private let threads: NIOThreadPool
    private let octets = Atomic(0)
    private let number = Atomic(0)

    init(_ options: Options) {
        self.options = options
        launcher = ProgramLauncher(options.limits)
        gate = Gate(inside: options.atOnce, waiting: options.mostWaiting)
        threads = NIOThreadPool(numberOfThreads: max(1, options.atOnce))
        threads.start()
        // What a crash has left.
        try? FileManager.default.removeItem(atPath: options.temporary)
    }

    /// Does not wait for what runs, and ends it: the kernel would end a program with us, but not what that has started.
    func close() {
        launcher.endAll()
        threads.shutdownGracefully { _ in }
    }

    /// Returns when the program has ended, or will not be run.
    func run(_ event: EventKind, _ program: String, on message: EventMessage) async -> Outcome {
        let size = message.size
        guard size <= options.maxSize else { return .dropped("it has more than \(ByteCount(options.maxSize))") }
        guard octets.add(size, ordering: .relaxed).newValue <= Self.mostOctets else {
            octets.subtract(size, ordering: .relaxed)
            return .dropped("too many octets wait for programs")
        }
        defer { octets.subtract(size, ordering: .relaxed) }
        let run = await gate.pass {
            await withCheckedContinuation { continuation in
                threads.submit { state in
                    guard state == .active else {
                        let end = ProgramEnd.failed("the server stops")
                        return continuation.resume(returning: ProgramRun(end: end))
                    }
                    continuation.resume(returning: self.run(event, program, message))
                }
            }
        }
        return run.map(Outcome.ran) ?? .dropped("too many messages wait for programs")
    }

    // MARK: - One run

    private func run(_ event: EventKind, _ program: String, _ message: EventMessage) -> ProgramRun {
        do {
            let path = try EventProgram(program, in: options.folder).path
            let folder = try makeFolder()
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let header = message.header
            let origin = message.origin(header, hostname: options.hostname)
            let file = "\(message.id).eml"
            try write(message.content, to: "\(folder)/\(file)")
            try write(
                [Bytes(Array(message.envelope(of: event, origin: origin).utf8))], to: "\(folder)/\(message.id).envelope"
            )
            return launcher.run(
                path, [file, origin.rawValue], in: folder,
                environment: [
                    "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=\(folder)", "TMPDIR=\(folder)",
                    "SLUICE_EVENT=\(event.rawValue)", "SLUICE_ID=\(message.id)",
                ])
        } catch let failure as EventProgram.Unusable {
            return ProgramRun(end: .failed(failure.reason))
        } catch {
            return ProgramRun(end: .failed("\(error)"))
        }
    }

    /// A folder for one run, which is its owner's alone.
    private func makeFolder() throws -> String {
        let folder = "\(options.temporary)/\(number.add(1, ordering: .relaxed).newValue)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return folder
    }

    private func write(_ pieces: [Bytes], to path: String) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw SystemError(call: "open", path: path, code: errno) }
        let handle = FileHandle(fileDescriptor: file, closeOnDealloc: true)
        for piece in pieces { try handle.write(contentsOf: Data(piece.array)) }
        try handle.close()
    }
}

/// A program in the folder for them: the folder's owner says what is run, and nobody else.
struct EventProgram {
    let path: String

    struct Unusable: Error {
        let reason: String
    }

    private static let longestName = 64

    init(_ name: String, in folder: String) throws(Unusable) {
        guard Self.isName(name) else {
            throw Unusable(reason: "\"\(name)\" is not the name of a program: letters, digits, dots, - and _, please")
        }
        path = "\(folder)/\(name)"
        let place = try Self.status(folder)
        guard place.st_mode & S_IFMT == S_IFDIR else { throw Unusable(reason: "\(folder) is not a folder") }
        let status = try Self.status(path)
        guard status.st_mode & S_IFMT == S_IFREG else { throw Unusable(reason: "\(path) is not a file") }
        for (path, status) in [(folder, place), (path, status)] where status.st_mode & 0o022 != 0 {
            throw Unusable(reason: "\(path) can be written to by others than its owner; `chmod go-w` it")
        }
        guard access(path, X_OK) == 0 else { throw Unusable(reason: "\(path) is not executable") }
    }

    static func isName(_ name: String) -> Bool {
        !name.hasPrefix(".") && (1...longestName).contains(name.utf8.count)
            && name.utf8.allSatisfy { $0.isLetter || $0.isDigit || "._-".utf8.contains($0) }
    }

    private static func status(_ path: String) throws(Unusable) -> stat {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw Unusable(reason: "\(path): \(String(cString: strerror(errno)))")
        }
        return status
    }
}
