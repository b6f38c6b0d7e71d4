import Configuration
import Foundation
import Logging
import Synchronization
import Testing

@testable import Sluice

/// The socket on which a running server takes commands.
@Suite struct ControlTests {
    /// Something that a test waits for.
    private final class Gate: Sendable {
        private let state = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

        var isAwaited: Bool { state.withLock { !$0.waiting.isEmpty } }

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
                defer { state = (true, []) }
                return state.waiting
            }
            for one in waiting { one.resume() }
        }
    }

    private static let silentLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// Whether it was done. A command waits for its answer on a thread.
    private static func ask(_ request: ControlRequest, _ data: DataFolder) -> Task<Bool, Never> {
        Task.detached {
            await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    let answer = try? ControlClient(data: data).ask(request)
                    if case .done? = answer { return continuation.resume(returning: true) }
                    continuation.resume(returning: false)
                }
            }
        }
    }

    @Test func `who is silent, and a command that takes long, keep nobody waiting`() async throws {
        let folder = try TemporaryFolder()
        var settings = ServerConfiguration()
        settings.data = folder.path
        let data = DataFolder(settings)
        let gate = Gate()
        let server = try ControlServer(data, logger: Self.silentLogger) { request in
            if case .reload = request { await gate.pass() }
            return .done
        }
        server.start()
        defer { server.stop() }
        // All but two of the places, taken by somebody who says nothing and by a command under way.
        var silent: [ControlSocketHolder] = []
        for _ in 0..<ControlServer.mostConnections - 2 { silent.append(try ControlSocketHolder(data.control)) }
        let reload = Self.ask(.reload, data)
        #expect(await eventually { gate.isAwaited })
        #expect(await Self.ask(.status, data).value)
        #expect(gate.isAwaited, "it still takes")
        // More than there are places: the silent ones are given up.
        for _ in 0..<ControlServer.mostConnections { silent.append(try ControlSocketHolder(data.control)) }
        #expect(await Self.ask(.status, data).value)
        gate.open()
        #expect(await reload.value)
    }
}

/// A connection that stays open and says nothing.
private final class ControlSocketHolder {
    private let socket: ControlSocket

    init(_ path: String) throws {
        guard let socket = try ControlSocket(connectingTo: path) else { throw Timeout("nobody listens at \(path)") }
        self.socket = socket
    }
}
