import Foundation
import Frontends
import MailTypes
import Pipeline
import Protocols
import Synchronization
import Testing

/// Whoever sends on while the server still looks for its answer.
@Suite struct SynchronyTests {
    /// Holds back the answer to the hello or to the sender until the test has seen enough.
    final class Gate: Sendable {
        private let state = Mutex((isAwaited: false, isOpen: false))
        var isAwaited: Bool { state.withLock { $0.isAwaited } }
        func open() { state.withLock { $0.isOpen = true } }

        func pass() async {
            state.withLock { $0.isAwaited = true }
            while !state.withLock({ $0.isOpen }) { try? await Task.sleep(for: .milliseconds(2)) }
        }
    }

    struct Holds: HelloStage, SenderStage {
        static let name: StageName = "holds"
        static let effects: Effects = []
        struct Configuration: Decodable, Sendable {}
        var atHello: Gate?
        var atSender: Gate?
        init(_ configuration: Configuration) {}

        func hello(_ transaction: Transaction) async throws(StageFailure) -> Finding {
            await atHello?.pass()
            return .none
        }

        func sender(_ transaction: Transaction) async throws(StageFailure) -> Finding {
            await atSender?.pass()
            return .none
        }
    }

    private func server(
        _ stage: Holds, _ violation: SMTPServerMachine.SyncViolation, isEncrypted: Bool = false
    ) async throws -> LiveServer {
        let store = isEncrypted ? try TestCertificates().store(["mx.here.test"]) : nil
        return try await LiveServer { setup in
            setup.stages.append(stage)
            setup.listener.machine.syncViolation = violation
            setup.listener.tls = isEncrypted ? .implicit : .none
            setup.certificates = store
        }
    }

    @Test(
        arguments: [SMTPServerMachine.SyncViolation.refuse, .note], [false, true])
    func `R10: who does not wait for the answer is noticed while it is being found`(
        _ violation: SMTPServerMachine.SyncViolation, _ isEncrypted: Bool
    ) async throws {
        let gate = Gate()
        var stage = Holds(.init())
        stage.atHello = gate
        let server = try await server(stage, violation, isEncrypted: isEncrypted)
        let client = try await server.client()
        if isEncrypted { try await client.startTLS() }
        _ = try await client.reply()
        try await client.send("EHLO client.test\r\n")
        #expect(await server.eventually { gate.isAwaited })
        try await client.send("MAIL FROM:<a@out.test>\r\n")
        #expect(
            await server.eventually { server.log.lines.contains { $0.contains("client did not wait for a reply") } })
        gate.open()
        let reply = try await client.reply()
        if violation == .refuse {
            #expect(reply.hasPrefix("554 5.5.0"))
            #expect(try await client.end() == "")
        } else {
            #expect(reply.hasPrefix("250-"))
            #expect(try await client.reply().hasPrefix("250"))
            _ = try await client.say("RSET")
            #expect(await server.eventually { server.traces.first?.session.pipelinedWrongly == true })
        }
        await server.stop()
    }

    @Test func `after HELO every answer is waited for`() async throws {
        let gate = Gate()
        var stage = Holds(.init())
        stage.atSender = gate
        let server = try await server(stage, .refuse)
        let client = try await server.client()
        _ = try await client.reply()
        _ = try await client.say("HELO client.test")
        try await client.send("MAIL FROM:<a@out.test>\r\n")
        #expect(await server.eventually { gate.isAwaited })
        try await client.send("RCPT TO:<anna@here.test>\r\n")
        gate.open()
        let reply = try await client.reply()
        #expect(reply.hasPrefix("554 5.5.0"))
        #expect(try await client.end() == "")
        // The trace says what we said, not that the client went away.
        #expect(await server.eventually { server.traces.first?.outcome == .rejected })
        let trace = try #require(server.traces.first)
        #expect(trace.replies.map(\.code) == [554])
        #expect(reply.hasSuffix("[\(trace.id)]"))
        await server.stop()
    }

    @Test func `who may pipeline is not held to it`() async throws {
        let gate = Gate()
        var stage = Holds(.init())
        stage.atSender = gate
        let server = try await server(stage, .refuse)
        let client = try await server.client()
        _ = try await client.reply()
        _ = try await client.say("EHLO client.test")
        try await client.send("MAIL FROM:<a@out.test>\r\n")
        #expect(await server.eventually { gate.isAwaited })
        try await client.send("RCPT TO:<anna@here.test>\r\nDATA\r\n")
        gate.open()
        for code in ["250", "250", "354"] { #expect(try await client.reply().hasPrefix(code)) }
        #expect(try await client.say("Subject: x\r\n\r\nx\r\n.").hasPrefix("250"))
        await server.stop()
    }

    @Test func `who goes while the answer is being found harms nobody`() async throws {
        let gate = Gate()
        var stage = Holds(.init())
        stage.atHello = gate
        let server = try await server(stage, .refuse)
        let client = try await server.client()
        _ = try await client.reply()
        try await client.send("EHLO client.test\r\n")
        #expect(await server.eventually { gate.isAwaited })
        try await client.close()
        gate.open()
        #expect(await server.eventually { server.frontend.openConnections == 0 })
        #expect(try await server.client().deliver().hasPrefix("250"))
        await server.stop()
    }
}
