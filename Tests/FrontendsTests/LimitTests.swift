import Foundation
import Frontends
import MailTypes
import NIOCore
import NIOPosix
import Pipeline
import Protocols
import Testing

@Suite struct LimitTests {
    @Test func `connections have limits, in all and per address`() async throws {
        let server = try await LiveServer { setup in
            setup.listener.maxConnections = 4
            setup.listener.maxConnectionsPerAddress = 2
        }
        func greeting(_ source: String) async throws -> (TestClient, String) {
            let client = try await TestClient.connect(port: server.port, from: source)
            return (client, try await client.reply())
        }
        let (one, first) = try await greeting("127.0.0.2")
        let (two, second) = try await greeting("127.0.0.2")
        #expect(first.hasPrefix("220") && second.hasPrefix("220"))
        let (three, third) = try await greeting("127.0.0.2")
        #expect(third.hasPrefix("421 4.7.0"))
        #expect(try await three.end() == "")
        let (four, _) = try await greeting("127.0.0.3")
        let (five, _) = try await greeting("127.0.0.4")
        #expect(try await greeting("127.0.0.5").1.hasPrefix("421 4.3.2"))
        try await one.close()
        #expect(await server.eventually { server.frontend.openConnections == 3 })
        #expect(try await greeting("127.0.0.2").1.hasPrefix("220"))
        withExtendedLifetime((two, four, five)) {}
        await server.stop()
    }

    @Test(arguments: [(65_536, 20_000), (20_000, 19_744), (1_024, 768), (256, 128), (160, 80), (1, 1), (0, 1)])
    func `few descriptors leave room for queue and delivery`(_ descriptors: Int, _ connections: Int) {
        #expect(ServerLimits().mostConnections(of: descriptors) == connections)
    }

    @Test func `networks that are not served are told so`() async throws {
        let server = try await LiveServer { $0.listener.access = ["127.0.0.2"] }
        #expect(try await server.client().reply().hasPrefix("554 5.7.1"))
        #expect(try await TestClient.connect(port: server.port, from: "127.0.0.2").reply().hasPrefix("220"))
        await server.stop()
    }

    @Test func `the clock of a command does not start again with each octet`() async throws {
        let server = try await LiveServer { $0.listener.commandTimeout = "300ms" }
        let client = try await server.client()
        _ = try await client.reply()
        let dribble = Task {
            for _ in 0..<200 {
                try await client.send("N")
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        #expect(try await client.reply().hasPrefix("421 4.4.2"))
        dribble.cancel()
        await server.stop()
    }

    @Test func `a message must come at the least rate`() async throws {
        let server = try await LiveServer { setup in
            setup.listener.rateGrace = "200ms"
            setup.listener.minimumRate = 10_000
        }
        let client = try await server.client()
        _ = try await client.reply()
        for line in ["EHLO c.test", "MAIL FROM:<a@out.test>", "RCPT TO:<anna@here.test>", "DATA"] {
            _ = try await client.say(line)
        }
        let dribble = Task {
            for _ in 0..<200 {
                try await client.send("x\r\n")
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        let reply = try await client.reply()
        #expect(reply.hasPrefix("421 4.4.2"))
        dribble.cancel()
        #expect(server.acceptor.taken.isEmpty)
        #expect(await server.eventually { server.traces.first?.outcome == .deferred })
        #expect(server.traces.first.map { "\($0.replies)" }?.contains("too slowly") == true)
        #expect(server.traces.first.map { reply.hasSuffix("[\($0.id)]") } == true)
        await server.stop()
    }

    @Test func `a pause in a message has a limit of its own`() async throws {
        let server = try await LiveServer { $0.listener.dataTimeout = "200ms" }
        let client = try await server.client()
        _ = try await client.reply()
        for line in ["EHLO c.test", "MAIL FROM:<a@out.test>", "RCPT TO:<anna@here.test>", "DATA"] {
            _ = try await client.say(line)
        }
        #expect(try await client.reply().hasPrefix("421 4.4.2"))
        await server.stop()
    }

    @Test func `a client that reads no replies is given up, and fills nothing`() async throws {
        let server = try await LiveServer { setup in
            setup.listener.writeTimeout = "300ms"
            setup.listener.machine.maxJunkCommands = 100_000_000
            setup.listener.machine.syncViolation = .note
        }
        let client = try await TestClient.connect(port: server.port, receiveBuffer: 4096)
        _ = try await client.reply()
        _ = try await client.say("EHLO client.test")
        try await client.channel.setOption(.autoRead, value: false).get()
        let noops = String(repeating: "EHLO c.test\r\n", count: 10_000)
        // Neither side can hold all of the replies: the server must stop reading, and then give up.
        let flood = Task { for _ in 0..<200 { try await client.send(noops) } }
        #expect(await server.eventually { server.frontend.openConnections == 0 })
        #expect(server.log.lines.contains { $0.contains("reason=unread") })
        flood.cancel()
        await server.stop()
    }

    @Test func `many slow clients do not hinder a good one`() async throws {
        let server = try await LiveServer { setup in
            setup.listener.maxConnectionsPerAddress = 2000
            setup.limits.maxConnectionsPerAddress = 2000
        }
        var slow: [TestClient] = []
        for _ in 0..<200 { slow.append(try await server.client()) }
        for client in slow { try await client.send("E") }
        let good = try await server.client()
        #expect(try await good.deliver().hasPrefix("250"))
        withExtendedLifetime(slow) {}
        await server.stop()
    }

    /// A client that has said this before the server's loop, which stands still until then, could greet it.
    private static func early(
        _ octets: [UInt8], to server: LiveServer, on group: MultiThreadedEventLoopGroup
    ) async throws -> TestClient {
        let gate = DispatchSemaphore(value: 0)
        group.next().execute { gate.wait() }
        defer { gate.signal() }
        let client = try await server.client()
        try await client.send(octets)
        return client
    }

    @Test(arguments: [("refuse", "0s"), ("refuse", "50ms"), ("note", "0s"), ("note", "50ms")])
    func `who speaks before the greeting is noticed`(_ policy: String, _ delay: String) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let violation = try #require(SMTPServerMachine.SyncViolation(rawValue: policy))
        let server = try await LiveServer { setup in
            setup.group = group
            setup.listener.greetDelay = try Interval(parsing: delay)
            setup.listener.machine.syncViolation = violation
        }
        let client = try await Self.early(Array("EHLO client.test\r\n".utf8), to: server, on: group)
        let reply = try await client.reply()
        #expect(reply.hasPrefix(violation == .refuse ? "554" : "220"))
        if violation == .note {
            _ = try await client.reply()
            _ = try await client.say("MAIL FROM:<a@out.test>")
            _ = try await client.say("RSET")
            #expect(await server.eventually { server.traces.first?.session.spokeEarly == true })
        }
        await server.stop()
        try await group.shutdownGracefully()
    }

    @Test func `who spoke much before the greeting reads the whole refusal and a clean end`() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = try await LiveServer { $0.group = group }
        let client = try await Self.early([UInt8](repeating: UInt8(ascii: "x"), count: 50_000), to: server, on: group)
        let said = try await client.end()
        #expect(said.wholeMatch(of: /554 5\.5\.0 You spoke before the greeting; wait for it \[\w{16}\]/) != nil)
        #expect(client.failure == nil)
        try await client.close()
        await server.stop()
        try await group.shutdownGracefully()
    }

    @Test(arguments: [
        ("DATA", "Subject: x\r\n\r\na\rb\r\n.", "550 5.6.0"),
        ("DATA", String(repeating: "x", count: 2000) + "\r\n.", "552 5.3.4"),
        ("NOOP", "RCPT TO:<bert@here.test>", "452 4.5.3"),
        ("NOOP", "MAIL FROM:<b@out.test>", "503 5.5.1"),
        ("NOOP", "BDAT x", "501 5.5.4"),
    ])
    func `a refusal within a transaction names it`(_ first: String, _ second: String, _ code: String) async throws {
        let server = try await LiveServer { setup in
            setup.listener.machine.maxRecipients = 1
            setup.listener.machine.maxMessageSize = 1000
        }
        let client = try await server.client()
        _ = try await client.reply()
        for line in ["EHLO c.test", "MAIL FROM:<a@out.test>", "RCPT TO:<anna@here.test>", first] {
            _ = try await client.say(line)
        }
        let reply = try await client.say(second)
        #expect(reply.hasPrefix(code))
        try await client.close()
        #expect(await server.eventually { server.traces.count == 1 })
        let trace = try #require(server.traces.first)
        #expect(reply.hasSuffix("[\(trace.id)]"))
        // Those that do not end it are no part of its end.
        let isEnd = !["452", "503"].contains(code.prefix(3))
        #expect(trace.replies.map(\.code.description) == (isEnd ? [String(code.prefix(3))] : []))
        let line = server.log.lines.first { $0.contains("msg=message ") && $0.contains("id=\(trace.id)") }
        #expect((line != nil) == isEnd)
        if let line { #expect(line.contains("to=anna@here.test") && line.contains("reply=\"\(reply)\""), "\(line)") }
        await server.stop()
    }
}
