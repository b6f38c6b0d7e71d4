import Foundation
import MailTypes
import Pipeline
import Synchronization

@testable import Sandbox

/// What became of workers and jobs.
final class Witness: Sendable {
    private struct State {
        var ends: [WorkerEnd] = []
        var startFailures: [String] = []
        var results: [SandboxObserver.JobResult: Int] = [:]
    }

    private let state = Mutex(State())

    var observer: SandboxObserver {
        var observer = SandboxObserver()
        observer.ended = { [self] end, _, _ in state.withLock { $0.ends.append(end) } }
        observer.couldNotStart = { [self] reason in state.withLock { $0.startFailures.append(reason) } }
        observer.finished = { [self] result in state.withLock { $0.results[result, default: 0] += 1 } }
        return observer
    }

    var ends: [WorkerEnd] { state.withLock { $0.ends } }
    /// Those that nobody wanted.
    var troubles: [WorkerEnd] { ends.filter { $0 != .recycled } }
    var startFailures: [String] { state.withLock { $0.startFailures } }
    func count(_ result: SandboxObserver.JobResult) -> Int { state.withLock { $0.results[result] ?? 0 } }
}

extension SandboxOptions {
    /// Where the tests lie, and what was built with them.
    static let products: String = {
        let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: tests).deletingLastPathComponent().path
    }()

    /// The built program, or another build of it: `SLUICE_PROGRAM=dist/sluice` tests what is delivered.
    static var built: SandboxOptions {
        var options = SandboxOptions()
        options.program = [ProcessInfo.processInfo.environment["SLUICE_PROGRAM"] ?? products + "/sluice"]
        options.jobTimeout = "20s"
        return options
    }

    /// A program of the shell as the worker; its socket is descriptor 3.
    static func script(_ text: String) -> SandboxOptions {
        var options = SandboxOptions()
        options.program = ["/bin/sh", "-c", text]
        options.workers = 1
        return options
    }
}

/// Holds everybody until it is opened.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.waiting.count } }

    func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for one in waiting { one.resume() }
    }
}

/// Waits until `condition` holds; `false` if it does not in time.
func eventually(within limit: Duration = .seconds(60), _ condition: () -> Bool) async -> Bool {
    let end = ContinuousClock.now + limit
    while ContinuousClock.now < end {
        if condition() { return true }
        try? await Task.sleep(for: .milliseconds(10))
    }
    return condition()
}
