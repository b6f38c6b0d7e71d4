import MailTypes
import Pipeline
import Protocols
import Queue
import Synchronization
import Testing

@testable import Delivery

/// Servers that speak out of turn, over real connections. THREATS R26.
@Suite struct RemoteOrderTests {
    let fixture = AgentFixture()

    func server(_ change: (inout FakeServer.Script) -> Void = { _ in }) async throws -> FakeServer {
        try await FakeServer.start(group: fixture.group, change)
    }

    /// More than the sockets' buffers hold.
    static let large = String(repeating: String(repeating: "x", count: 998) + "\r\n", count: 8000)

    @Test func `a reply too many is not the next recipient's`() async throws {
        let server = try await server { $0["."] = ["250 2.0.0 taken\r\n250 2.0.0 extra"] }
        let route = Route.host(.local(server))
        await fixture.run({ $0.maxConnectionsPerDestination = 1 }) {
            for name in ["bob@there.test", "eve@there.test"] as [EmailAddress] {
                let id = fixture.submit(to: [(name, route)])
                #expect(await fixture.settled(id)[0]?.word == "relayed")
            }
        }
        #expect(server.messages.map(\.recipients) == [["bob@there.test"], ["eve@there.test"]])
        #expect(server.log.withLock { $0.connections } == 2)
    }

    @Test(arguments: ["DATA", "(content)"])
    func `a yes before the final dot delivers nothing`(verb: String) async throws {
        let server = try await server {
            $0[verb] = [verb == "DATA" ? "354 Go\r\n250 2.0.0 queued" : "250 2.0.0 queued"]
        }
        let id = fixture.submit(to: [("bob@there.test", .host(.local(server)))], "Subject: x\r\n\r\n" + Self.large)
        await fixture.run {
            let outcome = await fixture.settled(id)[0]
            #expect(outcome?.word == "deferred")
            #expect(outcome?.reply?.status?.description == "4.5.0")
        }
    }

    static let refusals: [(reply: String, isDeaf: Bool, word: String)] = [
        ("552 5.3.4 Too big", true, "failed"), ("552 5.3.4 Too big", false, "failed"),
        ("552 5.3.4 Too big\r\n" + FakeServer.close, false, "failed"),
        ("452 4.3.1 Full", true, "deferred"), ("421 4.3.2 Down\r\n" + FakeServer.close, false, "deferred"),
    ]

    @Test(.timeLimit(.minutes(10)), arguments: refusals)
    func `a refusal in the middle of the content is the answer`(
        reply: String, isDeaf: Bool, word: String
    ) async throws {
        let server = try await server {
            $0["(content)"] = [reply]
            $0.deafAfter = isDeaf ? "(content)" : nil
        }
        let id = fixture.submit(to: [("bob@there.test", .host(.local(server)))], "Subject: x\r\n\r\n" + Self.large)
        await fixture.run {
            let outcome = await fixture.settled(id)[0]
            #expect(outcome?.word == word)
            #expect(outcome?.reply?.description.hasPrefix(String(reply.prefix(9))) == true)
        }
        #expect(server.messages.isEmpty)
    }
}
