import MailTypes
import NIOCore
import Pipeline
import Protocols
import Testing

@testable import Frontends

@Suite struct ContentBudgetTests {
    private static let one: IPAddress = "192.0.2.1"
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private static let step = ContentCharge.step

    /// A message of so many steps that is sent whole or broken off; whether all of it was taken.
    private static func send(
        _ steps: Int, _ budget: ContentBudget, from address: IPAddress = one, isComplete: Bool = false,
        at now: NIODeadline = start
    ) -> Bool {
        guard let charge = ContentCharge(budget, address, at: now) else { return false }
        defer { charge.end(isComplete: isComplete, at: now) }
        return (0..<steps).allSatisfy { _ in charge.received(step, at: now) }
    }

    @Test func `complete messages cost nothing`() {
        let budget = ContentBudget(limit: 10 * Self.step)
        for _ in 0..<100 { #expect(Self.send(10, budget, isComplete: true)) }
    }

    @Test func `what is on its way is counted together, whatever the connection`() {
        let budget = ContentBudget(limit: 10 * Self.step)
        let charges = (0..<5).compactMap { _ in ContentCharge(budget, Self.one, at: Self.start) }
        for charge in charges { #expect(charge.received(2 * Self.step, at: Self.start)) }
        #expect(!charges[0].received(Self.step, at: Self.start))
        charges[0].end(isComplete: true, at: Self.start)
        #expect(charges[1].received(Self.step, at: Self.start), "one is complete, and its octets are free")
    }

    @Test func `what was broken off is forgiven with time`() {
        let budget = ContentBudget(limit: 10 * Self.step)
        #expect(Self.send(6, budget))
        #expect(!Self.send(6, budget))
        #expect(!Self.send(1, budget), "there are eleven, and ten are allowed")
        let half = Self.start + .nanoseconds(budget.forgiveness.nanoseconds / 2)
        #expect(Self.send(3, budget, isComplete: true, at: half))
        #expect(!Self.send(5, budget, isComplete: true, at: half))
        #expect(Self.send(10, budget, at: half + budget.forgiveness))
    }

    @Test func `small messages are counted when they are broken off`() {
        let budget = ContentBudget(limit: 2 * Self.step)
        for _ in 0..<5 {
            let charge = ContentCharge(budget, Self.one, at: Self.start)
            #expect(charge?.received(Self.step / 2, at: Self.start) == true)
            charge?.end(isComplete: false, at: Self.start)
            charge?.end(isComplete: false, at: Self.start)
        }
        #expect(ContentCharge(budget, Self.one, at: Self.start) == nil)
    }

    @Test(
        arguments: [
            ("192.0.2.2", "192.0.2.1", true), ("2001:db8::1", "2001:db8::2", false),
            ("2001:db8:0:1::1", "2001:db8::2", true),
        ] as [(IPAddress, IPAddress, Bool)])
    func `each address has a budget of its own, each IPv6 network of 64 bits one`(
        _ first: IPAddress, _ second: IPAddress, _ isFree: Bool
    ) {
        let budget = ContentBudget(limit: Self.step)
        #expect(!Self.send(2, budget, from: first))
        #expect(Self.send(1, budget, from: second) == isFree)
    }

    @Test func `without a limit nothing is counted`() {
        let budget = ContentBudget(limit: 0)
        for _ in 0..<10 { #expect(Self.send(100, budget)) }
    }

    // MARK: - The server

    private func begin(_ server: LiveServer, from source: String = "127.0.0.1") async throws -> (TestClient, String) {
        let client = try await TestClient.connect(port: server.port, from: source)
        _ = try await client.reply()
        for line in ["EHLO c.test", "MAIL FROM:<a@out.test>", "RCPT TO:<anna@here.test>"] {
            _ = try await client.say(line)
        }
        return (client, try await client.say("DATA"))
    }

    @Test func `R133: who breaks off large messages again and again is put off`() async throws {
        let server = try await LiveServer {
            $0.limits.maxUnfinishedPerAddress = 1 << 20
            $0.limits.unfinishedForgiven = "1d"
        }
        let piece = Array(String(repeating: "0123456789abcdef0123456789abcd\r\n", count: 20_000).utf8)
        let (first, go) = try await begin(server)
        #expect(go.hasPrefix("354"))
        try await first.send(piece)
        try await first.close()
        #expect(await server.eventually { server.frontend.openConnections == 0 })

        // The second gets over the limit in the middle of its message.
        let (second, _) = try await begin(server)
        // Little more than is left, or the end of the connection could overtake its reply.
        try await second.send(Array(piece[..<460_800]))
        #expect(try await second.reply().hasPrefix("421 4.7.0"))
        #expect(await server.eventually { server.frontend.openConnections == 0 })
        #expect(await server.eventually { server.traces.contains { $0.replies.first?.code == 421 } })
        let closed = "sluice_smtp_closed_connections_total"
        #expect(server.metrics.value(closed, [("listener", "test"), ("reason", "budget")]) == 1)

        // The third may not begin; another address may.
        let (third, refusal) = try await begin(server)
        #expect(refusal.hasPrefix("451 4.7.1"))
        #expect(await server.eventually { server.traces.contains { refusal.hasSuffix("[\($0.id)]") } })
        #expect(server.traces.last?.replies.map(\.description) == [refusal])
        #expect(try await third.say("NOOP").hasPrefix("250"))
        // Of a chunk the octets come first, and the refusal is the same.
        for line in ["MAIL FROM:<a@out.test>", "RCPT TO:<anna@here.test>"] { _ = try await third.say(line) }
        let late = try await third.say("BDAT 3 LAST\r\nx")
        #expect(late.hasPrefix("451 4.7.1"))
        #expect(await server.eventually { server.traces.last.map { late.hasSuffix("[\($0.id)]") } == true })
        #expect(server.traces.last?.replies.map(\.description) == [late])
        let (other, fine) = try await begin(server, from: "127.0.0.2")
        #expect(fine.hasPrefix("354"))
        #expect(try await other.say("Subject: x\r\n\r\nx\r\n.").hasPrefix("250"))
        #expect(server.acceptor.taken.count == 1)
        #expect(server.folder.files.isEmpty)
        await server.stop()
    }

    @Test func `what is complete is not held against its sender`() async throws {
        let server = try await LiveServer { $0.limits.maxUnfinishedPerAddress = 1 << 20 }
        let piece = "Subject: x\r\n\r\n" + String(repeating: "0123456789abcdef0123456789abcd\r\n", count: 20_000) + "."
        for ending in ["", "\rx\r\n."] {
            for _ in 0..<3 {
                let (client, go) = try await begin(server)
                #expect(go.hasPrefix("354"))
                let reply = try await client.say(ending.isEmpty ? piece : piece + ending)
                #expect(reply.hasPrefix(ending.isEmpty ? "250" : "550"), "taken or refused, it is over")
            }
        }
        await server.stop()
    }
}
