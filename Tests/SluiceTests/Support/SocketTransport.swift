import Foundation
import SluiceTesting
import Synchronization

/// Plays a dialog over a socket.
struct SocketTransport: DialogTransport {
    private let wire: Wire
    private let heard = Heard()
    /// Replies that the dialog waits for in all; beyond them only something wrong could come.
    private let expected: Int

    init(_ wire: Wire, expecting dialog: Dialog) {
        self.wire = wire
        expected = dialog.lines.count { if case .server = $0.event { true } else { false } }
    }

    /// The ids of the messages that the server says it has taken.
    var taken: [String] { heard.taken }

    mutating func send(_ octets: [UInt8]) async throws {
        // The server may have closed already; what it said before still counts.
        try? await wire.send(octets)
    }

    mutating func receive() async throws -> [UInt8] {
        let isOver = heard.replies >= expected
        _ = await eventually(within: .milliseconds(isOver ? 60 : 60_000)) {
            wire.isClosed || !wire.unread.isEmpty
        }
        let octets = wire.takeOctets()
        heard.add(octets)
        return octets
    }

    mutating func startTLS() async throws { try await wire.startTLS() }

    mutating func isClosed() async throws -> Bool { await eventually { wire.isClosed } }

    func takenMessages() async throws -> [[UInt8]]? { nil }

    /// What came, line by line.
    private final class Heard: Sendable {
        private let state = Mutex<(rest: [UInt8], replies: Int, taken: [String])>(([], 0, []))

        var replies: Int { state.withLock { $0.replies } }
        var taken: [String] { state.withLock { $0.taken } }

        func add(_ octets: [UInt8]) {
            state.withLock { state in
                state.rest += octets
                while let end = state.rest.firstIndex(of: 10) {
                    let line = String(decoding: state.rest[..<end].filter { $0 != 13 }, as: UTF8.self)
                    state.rest.removeFirst(end + 1)
                    if line.dropFirst(3).first != "-" { state.replies += 1 }
                    if let range = line.range(of: "Taken as ") {
                        let id = String(line[range.upperBound...].prefix(16))
                        if !state.taken.contains(id) { state.taken.append(id) }
                    }
                }
            }
        }
    }
}
