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

    static let sluice = products + "/sluice"
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
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try Programs.path(of: name))
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
        for file in ["in", "out", "err"] {
            _ = FileManager.default.createFile(atPath: "\(place)/\(file)", contents: file == "in" ? Data(input) : nil)
        }
        process.standardInput = FileHandle(forReadingAtPath: "\(place)/in")
        process.standardOutput = FileHandle(forWritingAtPath: "\(place)/out")
        process.standardError = FileHandle(forWritingAtPath: "\(place)/err")
        let ended = Ending()
        process.terminationHandler = { process in
            ended.tell(process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus)
        }
        try process.run()
        pid = process.processIdentifier
        state = Mutex(State())
        ended.whenTold { [self] code in
            let waiting = state.withLock { state in
                state.code = code
                defer { state.waiting = [] }
                return state.waiting
            }
            for one in waiting { one.resume(returning: code) }
        }
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
    func stop(within limit: Duration = .seconds(20)) async -> Int32 {
        send(signal: SIGTERM)
        let watch = Task {
            try await Task.sleep(for: limit)
            kill()
        }
        defer { watch.cancel() }
        return await end()
    }

    /// Joins the two moments of an end: that it happens, and that somebody is there to hear of it.
    private final class Ending: Sendable {
        private let state = Mutex<(code: Int32?, hear: (@Sendable (Int32) -> Void)?)>((nil, nil))

        func tell(_ code: Int32) {
            let hear = state.withLock { state in
                state.code = code
                return state.hear
            }
            hear?(code)
        }

        func whenTold(_ hear: @escaping @Sendable (Int32) -> Void) {
            let code = state.withLock { state in
                state.hear = hear
                return state.code
            }
            if let code { hear(code) }
        }
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
    within limit: Duration = .seconds(20), _ condition: () async throws -> Bool
) async rethrows -> Bool {
    let end = ContinuousClock.now + limit
    while ContinuousClock.now < end {
        if try await condition() { return true }
        try? await Task.sleep(for: .milliseconds(20))
    }
    return try await condition()
}
