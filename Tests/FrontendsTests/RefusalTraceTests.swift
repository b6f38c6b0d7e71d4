import MailTypes
import Pipeline
import Testing

@testable import Frontends

@Suite struct RefusalTraceTests {
    @Test func `one address has few traces of refusals, and all together have not many`() {
        let traces = RefusalTraces()
        func kept(_ client: IPAddress, at now: Double) -> Int { (0..<10).count { _ in traces.keeps(client, at: now) } }
        #expect(kept("192.0.2.1", at: 0) == 3)
        #expect(kept("192.0.2.1", at: 500) == 0)
        #expect(kept("192.0.2.1", at: 601) == 1)
        #expect(kept("2001:db8::1", at: 601) == 3)
        #expect(kept("2001:db8::2", at: 601) == 0)
        let crowd = (0..<200).compactMap { IPAddress("198.51.100.\($0)") }
        #expect(crowd.reduce(0) { $0 + kept($1, at: 601) } == 100 - 4)
        #expect(kept("203.0.113.1", at: 612) == 1)
        // A clock that goes back gives nothing away.
        #expect(kept("203.0.113.2", at: 0) == 0)
    }

    @Test(arguments: [("203.0.113.9", "", 554), ("192.0.2.9", "EHLO early.test\r\n", 554)])
    func `who is not greeted has a trace with the id of the reply`(
        _ client: String, _ early: String, _ code: Int
    ) async throws {
        let server = try await LiveServer { $0.listener.proxyFrom = ["127.0.0.2"] }
        for _ in 0..<5 {
            let wire = try await TestClient.connect(port: server.port, from: "127.0.0.2")
            try await wire.send("PROXY TCP4 \(client) 127.0.0.1 4321 25\r\n\(early)")
            let reply = try await wire.reply()
            #expect(reply.hasPrefix("\(code) "))
            guard let trace = server.traces.first(where: { reply.hasSuffix("[\($0.id)]") }) else { continue }
            #expect(trace.replies.map(\.description) == [reply])
            #expect(trace.session.client.description == client && trace.session.spokeEarly == !early.isEmpty)
            #expect(trace.outcome == .rejected && trace.openings.count == 1 && trace.envelope == nil)
            #expect(server.log.lines.contains { $0.contains("id=\(trace.id)") && $0.contains("reply=") })
        }
        #expect(server.traces.count == 3)
        await server.stop()
    }

    @Test func `a sender that is refused is in the log`() async throws {
        let server = try await LiveServer()
        let client = try await server.client()
        _ = try await client.reply()
        _ = try await client.say("EHLO c.test")
        let reply = try await client.say("MAIL FROM:<a@bad.test>")
        #expect(reply.hasPrefix("550 5.7.1"))
        let line = try #require(server.log.lines.first { $0.contains("msg=message ") })
        #expect(line.contains("from=a@bad.test") && line.contains("recipients=0"))
        #expect(line.contains("reply=\"\(reply)\""))
        await server.stop()
    }

    @Test func `a hello that is refused has one trace, and the transaction after it another`() async throws {
        let server = try await LiveServer()
        let client = try await server.client()
        _ = try await client.reply()
        let replies = [try await client.say("EHLO bad.test"), try await client.say("EHLO bad.test")]
        let id = try #require(server.traces.first?.id)
        #expect(replies.allSatisfy { $0.hasPrefix("550 5.7.1") && $0.hasSuffix("[\(id)]") })
        #expect(server.traces.first?.session.hello == "bad.test")
        _ = try await client.say("EHLO good.test")
        #expect(try await client.deliver(greeted: true).hasPrefix("250"))
        #expect(await server.eventually { server.traces.count == 2 })
        #expect(server.traces.last?.outcome == .accepted && server.traces.last?.id != id)
        await server.stop()
    }
}
