import MailTypes
import Pipeline
import Protocols
import Queue
import Synchronization
import Testing

@testable import Delivery

/// How many recipients of a message go together.
@Suite struct RemoteRecipientTests {
    let fixture = AgentFixture()

    func server(_ change: (inout FakeServer.Script) -> Void = { _ in }) async throws -> FakeServer {
        try await FakeServer.start(group: fixture.group, change)
    }

    @Test func `who was one too many goes in a further transaction at once`() async throws {
        for (reply, count) in [("452 4.5.3 Too many recipients", 2), ("552 Too many", 2), ("452 4.2.2 Full", 1)] {
            let server = try await server { $0["RCPT"] = ["250 Ok", "250 Ok", reply, "250 Ok"] }
            let route = Route.host(.local(server))
            let id = fixture.submit(to: [("a@t.test", route), ("b@t.test", route), ("c@t.test", route)])
            await fixture.run {
                let outcomes = await fixture.settled(id)
                let last = count == 2 ? "relayed" : "deferred"
                #expect([0, 1, 2].map { outcomes[$0]?.word } == ["relayed", "relayed", last])
            }
            let groups = [["a@t.test", "b@t.test"], ["c@t.test"]]
            #expect(server.messages.map(\.recipients) == Array(groups.prefix(count)))
        }
    }

    @Test func `a server that takes nobody is not asked again at once`() async throws {
        let server = try await server { $0["RCPT"] = ["452 Too many"] }
        let route = Route.host(.local(server))
        let id = fixture.submit(to: [("a@t.test", route), ("b@t.test", route)])
        await fixture.run {
            let outcomes = await fixture.settled(id)
            #expect([0, 1].map { outcomes[$0]?.word } == ["deferred", "deferred"])
        }
        #expect(server.log.withLock { log in log.commands.count { $0.hasPrefix("MAIL") } } == 1)
    }

    static let limits = [
        ("LIMITS RCPTMAX=2", 100, [2, 2, 1]), ("LIMITS MAILMAX=1", 3, [3, 2]), ("LIMITS RCPTMAX=9", 3, [3, 2]),
    ]

    @Test(arguments: limits)
    func `no transaction has more recipients than both sides want`(line: String, own: Int, counts: [Int]) async throws {
        let server = try await server { $0["EHLO"] = ["250-fake.test\r\n250-PIPELINING\r\n250 \(line)"] }
        let route = Route.host(.local(server))
        let names: [EmailAddress] = ["a@t.test", "b@t.test", "c@t.test", "d@t.test", "e@t.test"]
        let id = fixture.submit(to: names.map { ($0, route) })
        await fixture.run({ $0.maxRecipients = own }) { _ = await fixture.settled(id) }
        #expect(server.messages.map(\.recipients.count) == counts)
    }
}
