import Foundation
import MailTypes
import Pipeline
import Protocols
import Synchronization
import Testing

@testable import Delivery
@testable import Queue

@Suite struct RemoteDeliveryTests {
    let fixture = AgentFixture()

    func server(_ change: (inout FakeServer.Script) -> Void = { _ in }) async throws -> FakeServer {
        try await FakeServer.start(group: fixture.group, change)
    }

    @Test func `a message reaches the host that its route names`() async throws {
        let server = try await server()
        let id = fixture.submit(to: [("bob@there.test", .host(.local(server)))], "Subject: Hi\r\n\r\n.dot\r\n")
        await fixture.run {
            #expect(await fixture.settled(id)[0]?.word == "relayed")
        }
        #expect(server.messages.map(\.wire) == ["Subject: Hi\r\n\r\n..dot\r\n"])
        #expect(server.messages.first?.sender == "anna@here.test")
        let event = fixture.events.withLock { $0.first }
        #expect(event?.outcome == .relayed && event?.host?.port == server.port)
    }

    @Test func `messages to one place share a connection`() async throws {
        let server = try await server()
        let oneForLong: (inout DeliveryOptions) -> Void = {
            $0.maxConnectionsPerDestination = 1
            $0.idleTime = "10m"
        }
        await fixture.run(oneForLong) {
            for _ in 0..<5 {
                let id = fixture.submit(to: [("bob@there.test", .host(.local(server)))])
                #expect(await fixture.settled(id)[0]?.word == "relayed")
            }
        }
        #expect(server.messages.count == 5)
        #expect(server.log.withLock { $0.connections } == 1)
    }

    @Test func `recipients of one message travel together and fare each for itself`() async throws {
        let server = try await server { $0["RCPT"] = ["250 Ok", "550 5.1.1 No such user", "451 4.2.0 Later"] }
        let route = Route.host(.local(server))
        let id = fixture.submit(to: [("a@t.test", route), ("b@t.test", route), ("c@t.test", route)])
        await fixture.run {
            let outcomes = await fixture.settled(id)
            #expect([0, 1, 2].map { outcomes[$0]?.word } == ["relayed", "failed", "deferred"])
        }
        #expect(server.messages.map(\.recipients) == [["a@t.test"]])
    }

    /// THREATS R26.
    @Test func `a next server's novel is not kept for each recipient`() async throws {
        let novel =
            String(repeating: "550-5.1.1 \(String(repeating: "x", count: 3900))\r\n", count: 100) + "550 5.1.1 y"
        let server = try await server { $0["RCPT"] = [novel] }
        let id = fixture.submit(to: [("a@t.test", .host(.local(server))), ("b@t.test", .host(.local(server)))])
        await fixture.run { _ = await fixture.settled(id) }
        let replies = fixture.events.withLock { $0.compactMap(\.reply) }
        #expect(replies.count == 2)
        #expect(replies.allSatisfy { $0.status?.description == "5.1.1" && $0.text.utf8.count <= 512 })
    }

    @Test func `LMTP hands over with a reply for each recipient`() async throws {
        let server = try await server {
            $0.isLMTP = true
            $0["."] = ["250 2.1.5 Ok", "552 5.2.2 Full"]
        }
        let route = Route.host(.local(server, .lmtp))
        let id = fixture.submit(to: [("a@t.test", route), ("b@t.test", route)])
        await fixture.run {
            let outcomes = await fixture.settled(id)
            #expect([0, 1].map { outcomes[$0]?.word } == ["relayed", "failed"])
        }
    }

    @Test func `a mail exchanger is found by DNS and the next one tried`() async throws {
        let server = try await server()
        fixture.zone.withLock { zone in
            zone[DNSQuestion("there.test", .mx)] = .success(
                .records(
                    [.exchanger(preference: 10, host: "dead.test"), .exchanger(preference: 20, host: "mx.test")],
                    isSecure: false))
            zone[DNSQuestion("dead.test", .a)] = .success(.records([.address("127.0.0.2")], isSecure: false))
            zone[DNSQuestion("mx.test", .a)] = .success(.records([.address("127.0.0.1")], isSecure: false))
        }
        let id = fixture.submit(to: [("bob@there.test", .exchanger(domain: "there.test"))])
        await fixture.run({ $0.exchangerPort = server.port }) {
            #expect(await fixture.settled(id)[0]?.word == "relayed")
        }
        #expect(server.messages.count == 1)
    }

    @Test func `a hosted domain's mail does not leave by its MX`() async throws {
        fixture.zone.withLock {
            $0[DNSQuestion("there.test", .mx)] = .success(
                .records([.exchanger(preference: 1, host: "x.test")], isSecure: false))
        }
        let id = fixture.submit(to: [("bob@there.test", .exchanger(domain: "there.test"))])
        await fixture.run(hooks: { $0.isHosted = { _ throws(StageFailure) in true } }) {
            let outcome = await fixture.settled(id)[0]
            #expect(outcome?.word == "deferred" && outcome?.reply?.text.contains("hosted here") == true)
        }
    }

    static let routingFailures: [(Result<DNSAnswer, StageFailure>, String, String)] = [
        (.success(.noName), "failed", "5.1.2"),
        (.success(.records([.exchanger(preference: 0, host: "")], isSecure: false)), "failed", "5.1.10"),
        (.success(.records([.exchanger(preference: 0, host: "mx.here.test")], isSecure: false)), "failed", "5.4.6"),
        (.success(.records([.exchanger(preference: 0, host: "loop.test")], isSecure: false)), "failed", "5.4.4"),
        (.failure(StageFailure("SERVFAIL")), "deferred", "4.4.3"),
    ]

    /// THREATS R35, R156, R162.
    @Test(arguments: routingFailures)
    func `what DNS says decides`(answer: Result<DNSAnswer, StageFailure>, word: String, status: String) async throws {
        fixture.zone.withLock { zone in
            zone[DNSQuestion("there.test", .mx)] = answer
            zone[DNSQuestion("loop.test", .a)] = .success(.records([.address("127.0.0.1")], isSecure: false))
            zone[DNSQuestion("loop.test", .aaaa)] = .success(.records([.address("fe80::1")], isSecure: false))
        }
        let id = fixture.submit(to: [("bob@there.test", .exchanger(domain: "there.test"))])
        await fixture.run({ $0.refusesPrivateExchangers = true }) {
            let outcome = await fixture.settled(id)[0]
            #expect(outcome?.word == word)
            #expect(outcome?.reply?.status?.description == status)
        }
    }

    /// Over the open connection one recipient is told that his box is full; for the other a new connection is needed,
    /// and nobody is there any more.
    @Test(.timeLimit(.minutes(10)))
    func `whose time is over while nobody can be reached is told that, and not another's trouble`() async throws {
        let server = try await server {
            $0[""] = ["220 fake.test ESMTP", "421 4.3.2 Down\r\n" + FakeServer.close]
            $0["RCPT"] = ["250 Ok", "250 Ok", "450 4.2.1 Later"]
            $0["."] = ["250 2.0.0 queued", "451 4.2.2 Full"]
        }
        let route = Route.exchanger(domain: "there.test")
        let two = fixture.submit(to: [("bob@there.test", route), ("cleo@there.test", route)]) {
            $0.holdReason = "not yet"
        }
        let overdue = fixture.submit(to: [("eve@there.test", route)]) { $0.holdReason = "not yet" }
        fixture.queue.set(overdue, Work.Recipient(number: 0, attempts: 9, age: "31h", warned: true))
        let first = fixture.submit(to: [("bob@there.test", route)])
        try await fixture.run(
            {
                $0.exchangerPort = server.port
                $0.maxConnectionsPerDestination = 1
                $0.idleTime = "10m"
            },
            hooks: {
                $0.resolve = { [queue = fixture.queue] question in
                    // The second time not before the last one waits for the answer.
                    await queue.until { $0[overdue]?.heldFor != nil || $0[overdue]?.due.isEmpty == true }
                    return switch question.type {
                    case .mx: .records([.exchanger(preference: 1, host: "fake.test")], isSecure: false)
                    case .a: .records([.address("127.0.0.1")], isSecure: false)
                    default: .noName
                    }
                }
            }
        ) {
            #expect(await fixture.settled(first)[0]?.word == "relayed")
            try await fixture.queue.release(two, now: Date())
            try await fixture.queue.release(overdue, now: Date())
            let outcomes = await fixture.settled(two)
            #expect(outcomes[0]?.reply?.text.contains("Full") == true)
            #expect(outcomes[1]?.reply?.text.contains("Down") == true)
            let last = await fixture.settled(overdue)[0]
            #expect(last?.word == "failed")
            #expect(last?.reply?.text.contains("Down") == true)
        }
    }

    @Test func `what waits for a domain that does not exist fails with the first`() async throws {
        let looks = Mutex(0)
        let ids = (0..<50).map { _ in fixture.submit(to: [("bob@there.test", .exchanger(domain: "there.test"))]) }
        await fixture.run(
            { $0.maxConnectionsPerDestination = 1 },
            hooks: { hooks in
                hooks.resolve = { [queue = fixture.queue] _ throws(StageFailure) in
                    looks.withLock { $0 += 1 }
                    // The answer comes when the whole queue waits for it.
                    await queue.untilGivenOut()
                    return .noName
                }
            }
        ) {
            for id in ids {
                let reply = await fixture.settled(id)[0]?.reply
                #expect(reply == Reply(550, .badDestinationSystem, "The domain there.test does not exist"))
            }
        }
        #expect(looks.withLock { $0 } == 1)
    }

    /// THREATS R26: never lost, never taken for delivered, and nobody waits for ever.
    static let misbehaviours: [(String, String)] = [
        ("", FakeServer.close), ("", "554 5.7.1 Go away"), ("", "000 zero"), ("EHLO", "421 4.3.2 Down"),
        ("EHLO", "nonsense"),
        ("MAIL", FakeServer.close), ("MAIL", "452 4.3.1 Full"), ("RCPT", "999 nine"), ("DATA", FakeServer.close),
        ("DATA", "250 2.0.0 Fine?"), (".", FakeServer.close), (".", "451 4.3.0 Later"), (".", "250-half\r\nx"),
        ("", FakeServer.hang),
        ("EHLO", FakeServer.hang), ("MAIL", FakeServer.hang), (".", FakeServer.hang),
        ("", FakeServer.trickle), ("EHLO", FakeServer.trickle), ("MAIL", FakeServer.trickle), (".", FakeServer.trickle),
    ]

    @Test(.timeLimit(.minutes(10)), arguments: misbehaviours)
    func `a server that misbehaves defers the message`(verb: String, reply: String) async throws {
        let server = try await server { $0[verb] = [reply] }
        let id = fixture.submit(to: [("bob@there.test", .host(.local(server)))])
        await fixture.run({ options in
            for path in [
                \DeliveryOptions.greetingTimeout, \.helloTimeout, \.mailTimeout, \.recipientTimeout, \.dataTimeout,
                \.finalTimeout,
            ] { options[keyPath: path] = "100ms" }
        }) {
            let outcome = await fixture.settled(id)[0]
            #expect(outcome?.word == "deferred", "\(String(describing: outcome))")
            #expect(outcome?.reply?.isTemporary == true)
        }
    }

    @Test func `a server that is not there defers the message`() async throws {
        let server = try await server()
        let route = Route.host(.local(server))
        await server.stop()
        let id = fixture.submit(to: [("bob@there.test", route)])
        await fixture.run {
            let outcome = await fixture.settled(id)[0]
            #expect(outcome?.word == "deferred")
            #expect(outcome?.reply?.description == "451 4.4.1 Connection refused (connect)")
        }
    }

    @Test func `opportunistic TLS that fails is followed by plaintext, required TLS is not`() async throws {
        for (security, word) in [(RelayHost.Security.opportunistic, "relayed"), (.required, "deferred")] {
            let server = try await server {
                $0["EHLO"] = ["250-fake.test\r\n250 STARTTLS"]
                $0.breaksTLS = true
            }
            let id = fixture.submit(to: [("bob@there.test", .host(.local(server, .smtp, security)))])
            await fixture.run({ $0.handshakeTimeout = "300ms" }) {
                #expect(await fixture.settled(id)[0]?.word == word)
            }
        }
    }

    @Test func `a connection that went stale while idle is replaced`() async throws {
        let server = try await server { $0["RSET"] = ["421 4.4.2 Idle too long"] }
        let route = Route.host(.local(server))
        await fixture.run({ $0.maxConnectionsPerDestination = 1 }) {
            let first = fixture.submit(to: [("bob@there.test", route)])
            #expect(await fixture.settled(first)[0]?.word == "relayed")
            let second = fixture.submit(to: [("bob@there.test", route)])
            #expect(await fixture.settled(second)[0]?.word == "relayed")
        }
        #expect(server.messages.count == 2)
    }

    @Test func `a large message arrives whole`() async throws {
        let server = try await server()
        let line = String(repeating: "x", count: 70) + "\r\n"
        let text = "Subject: big\r\n\r\n" + String(repeating: line + ".\r\n", count: 12_000)
        let id = fixture.submit(to: [("bob@there.test", .host(.local(server)))], text)
        await fixture.run { #expect(await fixture.settled(id)[0]?.word == "relayed") }
        let wire = "Subject: big\r\n\r\n" + String(repeating: line + "..\r\n", count: 12_000)
        #expect(server.messages.first?.wire.utf8.elementsEqual(wire.utf8) == true)
    }

    @Test(.timeLimit(.minutes(10)), arguments: [0, 600_000])
    func `binary content arrives octet by octet`(size: Int) async throws {
        let server = try await server { $0["EHLO"] = ["250-fake.test\r\n250-CHUNKING\r\n250 BINARYMIME"] }
        let text = "Subject: x\r\n\r\n\0.\r.\n.\n" + String(repeating: "\0\n", count: size / 2)
        let id = fixture.submit(to: [("bob@there.test", .host(.local(server)))], text) {
            $0.parameters.body = .binaryMIME
        }
        await fixture.run { #expect(await fixture.settled(id)[0]?.word == "relayed") }
        #expect(server.messages.first?.wire.utf8.elementsEqual(text.utf8) == true)
        #expect(server.log.withLock { $0.commands }.contains("BDAT \(text.utf8.count) LAST"))
    }

    @Test func `binary content for a server that does not know it is returned`() async throws {
        let server = try await server()
        let id = fixture.submit(to: [("bob@there.test", .host(.local(server)))], "Subject: x\r\n\r\n\0") {
            $0.parameters.body = .binaryMIME
        }
        await fixture.run { #expect(await fixture.settled(id)[0]?.reply?.status?.description == "5.6.3") }
        #expect(server.messages.isEmpty)
    }

    @Test func `a message that has come round too often is refused`() async throws {
        let server = try await server()
        let text = String(repeating: "Received: from a by b\r\n", count: 101) + "\r\nx\r\n"
        let id = fixture.submit(to: [("bob@there.test", .host(.local(server)))], text)
        await fixture.run {
            let outcome = await fixture.settled(id)[0]
            #expect(outcome?.reply?.status?.description == "5.4.6")
        }
        #expect(server.log.withLock { $0.connections } == 0)
    }

    @Test func `many messages to many places all arrive`() async throws {
        let server = try await server()
        var ids: [QueueID] = []
        for number in 0..<200 {
            var host = RelayHost.local(server)
            // Other credentials make another destination.
            host.credential = number % 10 == 0 ? nil : "c\(number % 10)"
            ids.append(fixture.submit(to: [("bob@there.test", .host(host))]))
        }
        await fixture.run(
            {
                $0.maxConnections = 4
                $0.maxConnectionsPerDestination = 2
                $0.maxWaitingPerDestination = 5
                $0.idleTime = "50ms"
            }, hooks: { $0.login = { _, _, _ throws(StageFailure) in .init(name: "x", password: "y") } }
        ) {
            // Nine of ten places want a login that this server does not offer.
            for id in ids { _ = await fixture.settled(id) }
        }
        #expect(server.messages.count == 20)
    }
}
