import MailTypes
import Queue
import SluiceTesting
import Synchronization
import Testing

@testable import Delivery

/// Mail that must not leave without TLS, and mail that may. RFC 8689.
@Suite(.serialized) struct RequireTLSTests {
    @Test func `REQUIRETLS goes on to an exchanger that DNSSEC names and DANE proves`() async throws {
        let world = try await SignedWorld.start()
        world.names.set(world.owner(), [try .tlsa(3, 1, 1, .right)])
        #expect(await world.deliver(requireTLS: true)?.outcome == .relayed)
        let mail = world.server.log.withLock { $0.commands }.first { $0.hasPrefix("MAIL") }
        #expect(mail?.hasSuffix(" REQUIRETLS") == true)
    }

    @Test func `or that DNSSEC names and an authority proves, whatever the usual policy is`() async throws {
        let world = try await SignedWorld.start()
        #expect(await world.deliver(trusted: true, requireTLS: true)?.outcome == .relayed)
        let other = try await SignedWorld.start()
        #expect(await other.deliver(trusted: false, requireTLS: true)?.outcome == .deferred)
        #expect(other.server.messages.isEmpty)
    }

    @Test func `or that an MTA-STS policy names`() async throws {
        let world = try await SignedWorld.start()
        for mode in ["enforce", "testing"] {
            let text = "version: STSv1\nmode: \(mode)\nmx: mx.plain.test\nmax_age: 100\n"
            let policy = MTASTSFinding.policy(try MTASTSPolicy(Array(text.utf8), id: "1"))
            let event = await world.deliver(to: "plain.test", trusted: true, sts: policy, requireTLS: true)
            #expect(event?.outcome == .relayed)
        }
    }

    @Test func `an exchanger that nobody vouches for does not get it`() async throws {
        let world = try await SignedWorld.start()
        let event = await world.deliver(to: "plain.test", trusted: true, requireTLS: true)
        #expect(event?.outcome == .failed)
        #expect(event?.reply?.status?.description == "5.7.30")
        #expect(world.server.log.withLock { $0.connections } == 0)
    }

    @Test func `a server without REQUIRETLS, or without TLS, is a reason to return it`() async throws {
        let world = try await SignedWorld.start { $0["EHLO in TLS"] = ["250 fake.test"] }
        let event = await world.deliver(trusted: true, requireTLS: true)
        #expect(event?.outcome == .failed)
        #expect(event?.reply?.status?.description == "5.7.30")
        let clear = try await SignedWorld.start { $0["EHLO"] = ["250 fake.test"] }
        let second = await clear.deliver(trusted: true, requireTLS: true)
        #expect(second?.outcome == .failed)
        #expect(second?.reply?.status?.description == "5.7.10")
        #expect(world.server.messages.isEmpty && clear.server.messages.isEmpty)
    }

    @Test func `the next exchanger may have what the first one lacks`() async throws {
        let world = try await SignedWorld.start { $0["EHLO in TLS"].insert("250 fake.test", at: 0) }
        world.names.set("signed.test", [.mx(5, "one.wild.test"), .mx(10, "mx.signed.test")])
        world.names.set("one.wild.test", [.a("127.0.0.1")])
        let event = await world.deliver(trusted: true, requireTLS: true)
        #expect(event?.outcome == .relayed)
        #expect(event?.host?.name == "mx.signed.test")
    }

    @Test func `a connection from before a change of the policy is used no more`() async throws {
        let world = try await SignedWorld.start { $0["EHLO"] = ["250 fake.test"] }
        let policies = Mutex(TLSPolicyTable())
        let route = Route.exchanger(domain: "signed.test")
        var words: [String?] = []
        await world.run(policies: { policies.withLock { $0 } }) {
            for level in [TLSPolicy.Level.opportunistic, .opportunistic, .required] {
                policies.withLock { $0 = TLSPolicyTable(standard: TLSPolicy(level, source: "line")) }
                let id = world.fixture.submit(to: [("u@signed.test", route)])
                words.append(await world.fixture.settled(id)[0]?.word)
            }
        }
        #expect(words == ["relayed", "relayed", "deferred"])
        #expect(world.server.messages.count == 2)
        // The second message took the first one's; the third opened its own, and said nothing in clear.
        #expect(world.server.log.withLock { $0.connections } == 2)
    }

    @Test func `it never shares a connection that was good enough for others`() async throws {
        let world = try await SignedWorld.start()
        world.names.set(world.owner(), [try .tlsa(3, 1, 1, .right)])
        let route = Route.exchanger(domain: "signed.test")
        await world.run {
            for isRequired in [false, true, false] {
                let id = world.fixture.submit(to: [("u@signed.test", route)]) {
                    $0.parameters.requireTLS = isRequired
                }
                #expect(await world.fixture.settled(id)[0]?.word == "relayed")
            }
        }
        // The second opens its own; what comes after it may use that one.
        #expect(world.server.log.withLock { $0.connections } == 2)
    }

    static let careless = "TLS-Required: No\r\nSubject: Hi\r\n\r\nHello\r\n"

    @Test func `a sender may put delivery before what the domain publishes`() async throws {
        let world = try await SignedWorld.start()
        world.names.set(world.owner(), [try .tlsa(3, 0, 1, .otherName)])
        #expect(await world.deliver()?.outcome == .deferred)
        let event = await world.deliver(Self.careless)
        #expect(event?.outcome == .relayed)
        #expect(event?.host?.policy?.hasSuffix("TLS-Required: No") == true)
    }

    @Test(arguments: [
        "TLS-Required: No\r\nTLS-Required: No\r\nSubject: Hi\r\n\r\nHello\r\n",
        "TLS-Required: maybe\r\nSubject: Hi\r\n\r\nHello\r\n",
        "Subject: Hi\r\n\r\nTLS-Required: No\r\n",
    ])
    func `a field that is there twice, or says something else, says nothing`(_ text: String) async throws {
        let world = try await SignedWorld.start()
        world.names.set(world.owner(), [try .tlsa(3, 0, 1, .otherName)])
        #expect(await world.deliver(text)?.outcome == .deferred)
    }

    @Test func `neither REQUIRETLS nor the admin's line is outweighed by the field`() async throws {
        let world = try await SignedWorld.start()
        world.names.set(world.owner(), [try .tlsa(3, 0, 1, .otherName)])
        #expect(await world.deliver(Self.careless, requireTLS: true)?.outcome == .deferred)
        var policy = TLSPolicyTable()
        policy.add(TLSPolicy(.dane, source: "line"), for: "signed.test")
        #expect(await world.deliver(policy: policy, Self.careless)?.outcome == .deferred)
        #expect(world.server.messages.isEmpty)
    }
}
