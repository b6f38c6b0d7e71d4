import Foundation
import Synchronization

/// What a program that was run to its end has said.
struct Ran: Sendable, CustomStringConvertible {
    let code: Int32
    let output: String
    let errors: String

    var description: String { "exit code \(code)\n\(output)\n\(errors)" }

    /// The output as JSON.
    func json() throws -> Any { try JSONSerialization.jsonObject(with: Data(output.utf8)) }
}

/// A peer that a test needs is not there.
struct MissingPeer: Error, CustomStringConvertible {
    let name: String
    var description: String {
        "\(name) is missing; `make test` installs the packages of scripts/packages-test.txt as root"
    }
}

/// Somebody waited in vain.
struct Timeout: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Programs, started and waited for without holding a thread of the cooperative pool.
enum Programs {
    /// The folder of the built products, where this test bundle lies too.
    static let products: String = {
        let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: executable).deletingLastPathComponent().path
    }()

    /// The built program, or another build of it: `SLUICE_PROGRAM=dist/sluice` tests what is delivered.
    static let sluice = ProcessInfo.processInfo.environment["SLUICE_PROGRAM"] ?? products + "/sluice"
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    /// Where a program of that name is; administrators' programs are looked for as well.
    static func path(of name: String) throws -> String {
        if name.hasPrefix("/") {
            guard FileManager.default.isExecutableFile(atPath: name) else { throw MissingPeer(name: name) }
            return name
        }
        let folders = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"]
        guard let found = folders.map({ "\($0)/\(name)" }).first(where: FileManager.default.isExecutableFile) else {
            throw MissingPeer(name: name)
        }
        return found
    }

    /// Runs a program to its end. One that takes longer than `limit` is killed, and its code is not 0.
    static func run(
        _ name: String, _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:],
        folder: String? = nil, limit: Duration = .seconds(60)
    ) async throws -> Ran {
        let place = try TemporaryFolder()
        let child = try Child(
            name, arguments, input: input, environment: environment, folder: folder, place: place.path)
        let watch = Task {
            try await Task.sleep(for: limit)
            child.kill()
        }
        let code = await child.end()
        watch.cancel()
        return Ran(code: code, output: try place.text("out"), errors: try place.text("err"))
    }
}

/// A program under way. Its output goes to the files `out` and `err` of a folder.
final class Child: Sendable {
    private struct State {
        var code: Int32?
        var waiting: [CheckedContinuation<Int32, Never>] = []
    }

    let pid: pid_t
    private let state: Mutex<State>

    init(
        _ name: String, _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:],
        folder: String? = nil, place: String
    ) throws {
        for file in ["in", "out", "err"] {
            _ = FileManager.default.createFile(atPath: "\(place)/\(file)", contents: file == "in" ? Data(input) : nil)
        }
        let start = folder.map { ["/usr/bin/env", "--chdir=\($0)"] } ?? []
        let command = start + [try Programs.path(of: name)] + arguments
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        pid = try Self.spawn(
            command, variables.map { "\($0)=\($1)" },
            files: ["\(place)/in", "\(place)/out", "\(place)/err"])
        state = Mutex(State())
        // A thread that waits: an end is seen even if grandchildren hold on to what the child had open.
        let thread = Thread { [self] in
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            let code = status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F)
            let waiting = state.withLock { state in
                state.code = code
                defer { state.waiting = [] }
                return state.waiting
            }
            for one in waiting { one.resume(returning: code) }
        }
        thread.start()
    }

    /// Not every library marks what it opens: a child must not hold on to other tests' sockets.
    private static func keepOurs() {
        let numbers = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        for number in numbers.compactMap({ Int32($0) }) where number > 2 { _ = fcntl(number, F_SETFD, FD_CLOEXEC) }
    }

    /// Starts a program with these files as its standard input, output and errors.
    private static func spawn(
        _ arguments: [String], _ variables: [String], files: [String]
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (number, file) in files.enumerated() {
            let flags = number == 0 ? O_RDONLY : O_WRONLY | O_APPEND
            posix_spawn_file_actions_addopen(&actions, Int32(number), file, flags, 0)
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Signals as a shell would leave them: none blocked, none ignored; a process group of its own.
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP)
        posix_spawnattr_setflags(&attributes, flags)
        var texts = arguments.map { strdup($0) } + [nil]
        var settings = variables.map { strdup($0) } + [nil]
        defer { for text in texts + settings { free(text) } }
        keepOurs()
        var pid: pid_t = 0
        let result = posix_spawn(&pid, arguments[0], &actions, &attributes, &texts, &settings)
        guard result == 0 else {
            throw Timeout("\(arguments[0]) cannot be started: \(String(cString: strerror(result)))")
        }
        return pid
    }

    /// The exit code; negative is the signal that ended it.
    func end() async -> Int32 {
        await withCheckedContinuation { continuation in
            let code = state.withLock { state in
                if state.code == nil { state.waiting.append(continuation) }
                return state.code
            }
            if let code { continuation.resume(returning: code) }
        }
    }

    var hasEnded: Bool { state.withLock { $0.code != nil } }

    func send(signal: Int32) { if !hasEnded { Glibc.kill(pid, signal) } }
    func kill() { send(signal: SIGKILL) }

    /// Asks it to end, and makes it end if it does not listen.
    @discardableResult
    func stop(within limit: Duration = .seconds(60)) async -> Int32 {
        send(signal: SIGTERM)
        let watch = Task {
            try await Task.sleep(for: limit)
            kill()
        }
        defer { watch.cancel() }
        return await end()
    }
}

/// A folder of one test, gone with it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory().trimmingSuffix("/") + "/sluice-live-\(UUID().uuidString.prefix(13))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func text(_ file: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(file)")), as: UTF8.self)
    }

    func write(_ text: String, to file: String) throws {
        let url = URL(fileURLWithPath: "\(path)/\(file)")
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }
}

extension String {
    fileprivate func trimmingSuffix(_ suffix: Character) -> String {
        last == suffix ? String(dropLast()) : self
    }
}

/// Waits until `condition` holds; `false` if it does not in time.
func eventually(
    within limit: Duration = .seconds(60), _ condition: () async throws -> Bool
) async rethrows -> Bool {
    let end = ContinuousClock.now + limit
    while ContinuousClock.now < end {
        if try await condition() { return true }
        try? await Task.sleep(for: .milliseconds(20))
    }
    return try await condition()
}
