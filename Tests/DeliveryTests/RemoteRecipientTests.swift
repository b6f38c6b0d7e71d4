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

    private static let text = "Subject: Hi\r\n\r\nHello\r\n"

    private static func forwarded(_ pairs: [(said: EmailAddress, end: EmailAddress)], _ route: Route)
        -> (inout Submission) -> Void
    {
        return { submission in
            submission.recipients = pairs.map { pair in
                QueueRecipient(pair.end, said: EnvelopeRecipient(pair.said), route: route)
            }
        }
    }

    @Test func `each copy that is forwarded bears the name of its own address here and of no other`() async throws {
        let server = try await server()
        let route = Route.host(.local(server))
        let id = fixture.submit(
            to: [], Self.text,
            Self.forwarded(
                [
                    ("list@here.test", "a@t.test"), ("fwd@here.test", "b@t.test"), ("c@t.test", "c@t.test"),
                    ("list@here.test", "d@t.test"),
                ], route))
        await fixture.run { _ = await fixture.settled(id) }
        #expect(server.messages.map(\.recipients) == [["a@t.test", "d@t.test"], ["b@t.test"], ["c@t.test"]])
        let marks = server.messages.map { $0.wire.prefix { $0 != "\r\n" } }
        #expect(marks == ["Delivered-To: list@here.test", "Delivered-To: fwd@here.test", "Subject: Hi"])
        #expect(server.messages.allSatisfy { $0.wire.hasSuffix("\r\n\r\nHello\r\n") })
    }

    @Test func `a mark keeps no message from a server without SMTPUTF8, and counts for SIZE`() async throws {
        let server = try await server { $0["EHLO"] = ["250-fake.test\r\n250 SIZE"] }
        let pairs: [(said: EmailAddress, end: EmailAddress)] = [
            ("bücher@here.test", "a@t.test"), ("books@here.test", "b@t.test"),
        ]
        let text = Self.text
        let id = fixture.submit(to: [], text, Self.forwarded(pairs, .host(.local(server))))
        await fixture.run { _ = await fixture.settled(id) }
        let mark = "Delivered-To: books@here.test\r\n"
        #expect(server.messages.map(\.wire) == [text, mark + text])
        let sizes = [text, mark + text].map { "MAIL FROM:<anna@here.test> SIZE=\($0.utf8.count)" }
        #expect(server.log.withLock { log in log.commands.filter { $0.hasPrefix("MAIL") } } == sizes)
    }

    @Test func `copies of one message are no more than a connection may have`() async throws {
        let server = try await server { $0["RCPT"] = ["250 Ok", "450 4.2.1 Busy", "250 Ok"] }
        let pairs: [(said: EmailAddress, end: EmailAddress)] = [
            ("a@here.test", "a@t.test"), ("b@here.test", "b@t.test"), ("c@here.test", "c@t.test"),
        ]
        let id = fixture.submit(to: [], Self.text, Self.forwarded(pairs, .host(.local(server))))
        await fixture.run({ $0.maxMessagesPerConnection = 2 }) {
            let outcomes = await fixture.settled(id)
            #expect([0, 1, 2].map { outcomes[$0]?.word } == ["relayed", "deferred", "relayed"])
        }
        #expect(server.messages.map(\.recipients) == [["a@t.test"], ["c@t.test"]])
        #expect(server.messages.map(\.connection) == [1, 2])
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
