import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Synchronization
import Testing

@testable import Delivery

/// DANE against a signed zone: what DNS says of an exchanger is what its certificate is measured by. RFC 7672.
@Suite(.serialized) struct DANETests {
    /// A TLSA record, the certificate that is shown, and whether mail is delivered.
    struct Case: Sendable, CustomTestStringConvertible {
        var usage: UInt8
        var selector: UInt8
        var matching: UInt8
        var recorded = ExchangerCertificate.right
        var isAuthority = false
        var shown = ExchangerCertificate.right
        var word: String
        var testDescription: String {
            "\(usage) \(selector) \(matching) of \(recorded.rawValue), shown \(shown.rawValue): \(word)"
        }
    }

    static let cases = [
        Case(usage: 3, selector: 1, matching: 1, word: "relayed"),
        Case(usage: 3, selector: 0, matching: 1, word: "relayed"),
        Case(usage: 3, selector: 1, matching: 2, word: "relayed"),
        Case(usage: 3, selector: 0, matching: 2, word: "relayed"),
        Case(usage: 3, selector: 0, matching: 0, word: "relayed"),
        Case(usage: 3, selector: 1, matching: 0, word: "relayed"),
        // RFC 7672 §3.1.1: of a server's own certificate neither name nor dates matter.
        Case(usage: 3, selector: 0, matching: 1, recorded: .expired, shown: .expired, word: "relayed"),
        Case(usage: 3, selector: 0, matching: 1, recorded: .otherName, shown: .otherName, word: "relayed"),
        Case(usage: 3, selector: 0, matching: 1, recorded: .otherName, word: "deferred"),
        Case(usage: 3, selector: 1, matching: 1, isAuthority: true, word: "deferred"),
        // RFC 7672 §3.1.2: under an authority they do.
        Case(usage: 2, selector: 0, matching: 1, isAuthority: true, word: "relayed"),
        Case(usage: 2, selector: 1, matching: 1, isAuthority: true, word: "relayed"),
        Case(usage: 2, selector: 0, matching: 0, isAuthority: true, word: "relayed"),
        Case(usage: 2, selector: 0, matching: 1, isAuthority: true, shown: .otherName, word: "deferred"),
        Case(usage: 2, selector: 0, matching: 1, isAuthority: true, shown: .expired, word: "deferred"),
        Case(usage: 2, selector: 0, matching: 1, word: "deferred"),
        // RFC 7672 §3.1.3: usages 0 and 1 are of no use, and TLS is wanted all the same.
        Case(usage: 1, selector: 0, matching: 1, recorded: .otherName, word: "relayed"),
        Case(usage: 0, selector: 0, matching: 1, recorded: .otherName, word: "relayed"),
    ]

    @Test(arguments: cases)
    func `what TLSA records say decides`(_ one: Case) async throws {
        let world = try await SignedWorld.start { $0.certificate = one.shown }
        world.names.set(
            world.owner(),
            [try .tlsa(one.usage, one.selector, one.matching, one.recorded, authority: one.isAuthority)])
        let event = await world.deliver()
        #expect(event?.outcome.rawValue == one.word)
        if one.word == "relayed" {
            #expect(world.server.messages.count == 1)
            #expect(event?.host?.tls == true)
            #expect(event?.host?.policy?.contains("DANE") == true)
        } else {
            #expect(world.server.messages.isEmpty)
            #expect(event?.reply?.code == 451)
        }
    }

    @Test func `one record of several is enough, so that keys can be changed`() async throws {
        let world = try await SignedWorld.start()
        world.names.set(world.owner(), [try .tlsa(3, 0, 1, .otherName), try .tlsa(3, 1, 1, .right)])
        #expect(await world.deliver()?.outcome == .relayed)
    }

    @Test func `a server that has lost its STARTTLS gets nothing in clear`() async throws {
        let world = try await SignedWorld.start { $0["EHLO"] = ["250 fake.test"] }
        world.names.set(world.owner(), [try .tlsa(3, 1, 1, .right)])
        let event = await world.deliver()
        #expect(event?.outcome == .deferred)
        #expect(event?.reply?.text.contains("TLS is required") == true)
        #expect(world.server.messages.isEmpty)
        // Records that cannot be used want TLS, too. RFC 7672 §2.2.
        world.names.set(world.owner(), [try .tlsa(1, 0, 1, .right)])
        let other = try await SignedWorld.start { $0["EHLO"] = ["250 fake.test"] }
        other.names.set(other.owner(), [try .tlsa(1, 0, 1, .right)])
        #expect(await other.deliver()?.outcome == .deferred)
    }

    @Test func `a server that breaks TLS off gets nothing in clear`() async throws {
        let world = try await SignedWorld.start { $0.breaksTLS = true }
        world.names.set(world.owner(), [try .tlsa(3, 1, 1, .right)])
        #expect(await world.deliver()?.outcome == .deferred)
        #expect(world.server.messages.isEmpty)
        #expect(world.server.log.withLock { $0.connections } == 1, "there is no second try without TLS")
    }

    @Test func `without TLSA records TLS is as good as it can be had`() async throws {
        let world = try await SignedWorld.start { $0.certificate = .otherName }
        let event = await world.deliver()
        #expect(event?.outcome == .relayed)
        #expect(event?.host?.tls == true)
        #expect(event?.host?.policy == "TLS if offered; default")
    }

    /// RFC 7672 §2.1.2: who cannot see the records does not know that there are none.
    @Test(arguments: [SignedZone.Spoiling.forged, .stripped, .failing])
    func `TLSA records that are spoilt on their way stop the mail`(_ how: SignedZone.Spoiling) async throws {
        let world = try await SignedWorld.start()
        world.names.set(world.owner(), [try .tlsa(3, 1, 1, .right)])
        world.names.spoil(world.owner(), how)
        let event = await world.deliver()
        #expect(event?.outcome == .deferred)
        #expect(event?.reply?.text.contains("The TLSA records of mx.signed.test cannot be had") == true)
        #expect(world.server.log.withLock { $0.connections } == 0)
    }

    @Test(arguments: [SignedZone.Spoiling.forged, .stripped])
    func `so do addresses and MX records`(_ how: SignedZone.Spoiling) async throws {
        for name in ["signed.test", "mx.signed.test"] {
            let world = try await SignedWorld.start()
            world.names.set(world.owner(), [try .tlsa(3, 1, 1, .right)])
            world.names.spoil(name, how)
            #expect(await world.deliver()?.outcome == .deferred)
            #expect(world.server.log.withLock { $0.connections } == 0)
        }
    }

    @Test func `where addresses are not signed nobody asks for TLSA records`() async throws {
        let world = try await SignedWorld.start()
        world.names.set(world.owner("mx.plain.test"), [try .tlsa(3, 1, 1, .otherName)])
        let event = await world.deliver(to: "plain.test")
        #expect(event?.outcome == .relayed)
        #expect(!world.names.asked.contains(world.owner("mx.plain.test")))
    }

    /// RFC 7672 §2.2.1: better than nothing, and said so.
    @Test func `of an exchanger in an unsigned MX record the certificate is checked as well`() async throws {
        let world = try await SignedWorld.start()
        world.names.set(world.owner(), [try .tlsa(3, 1, 1, .right)])
        let event = await world.deliver(to: "half.test")
        #expect(event?.outcome == .relayed)
        #expect(event?.host?.policy?.contains("the MX records are not signed") == true)
        world.names.set(world.owner(), [try .tlsa(3, 0, 1, .otherName)])
        let other = try await SignedWorld.start()
        other.names.set(other.owner(), [try .tlsa(3, 0, 1, .otherName)])
        #expect(await other.deliver(to: "half.test")?.outcome == .deferred)
    }

    /// RFC 7672 §2.2.2.
    @Test func `a domain without MX records is its own exchanger`() async throws {
        let world = try await SignedWorld.start()
        world.names.set("own.signed.test", [.a("127.0.0.1")])
        world.names.set(world.owner("own.signed.test"), [try .tlsa(3, 0, 1, .otherName)])
        #expect(await world.deliver(to: "own.signed.test")?.outcome == .deferred)
        #expect(world.server.messages.isEmpty)
    }

    /// RFC 7672 §2.2.3.
    @Test func `TLSA records are looked for where an alias leads, then at the alias`() async throws {
        let world = try await SignedWorld.start()
        world.names.set("aliased.signed.test", [.mx(10, "www.signed.test")])
        world.names.set("www.signed.test", [.alias("mx.signed.test")])
        world.names.set(world.owner(), [try .tlsa(2, 0, 1, .right, authority: true)])
        let event = await world.deliver(to: "aliased.signed.test")
        #expect(event?.outcome == .relayed)
        #expect(event?.host?.policy?.contains("DANE (\(world.owner())") == true)
        let other = try await SignedWorld.start { $0.certificate = .otherName }
        other.names.set("aliased.signed.test", [.mx(10, "www.signed.test")])
        other.names.set("www.signed.test", [.alias("mx.signed.test")])
        other.names.set(other.owner("www.signed.test"), [try .tlsa(3, 0, 1, .right)])
        #expect(await other.deliver(to: "aliased.signed.test")?.outcome == .deferred)
    }

    @Test func `an alias that leads out of the signed zone has its records itself`() async throws {
        let world = try await SignedWorld.start()
        world.names.set("aliased.signed.test", [.mx(10, "out.signed.test")])
        world.names.set("out.signed.test", [.alias("mx.plain.test")])
        world.names.set(world.owner("out.signed.test"), [try .tlsa(3, 0, 1, .otherName)])
        #expect(await world.deliver(to: "aliased.signed.test")?.outcome == .deferred)
        #expect(world.server.messages.isEmpty)
    }

    /// RFC 7672 §2.1.2: also there, who cannot see the records does not know that there are none.
    @Test func `its records that are spoilt on their way stop the mail as well`() async throws {
        let world = try await SignedWorld.start()
        world.names.set("aliased.signed.test", [.mx(10, "out.signed.test")])
        world.names.set("out.signed.test", [.alias("mx.plain.test")])
        world.names.set(world.owner("out.signed.test"), [try .tlsa(3, 0, 1, .otherName)])
        world.names.spoil(world.owner("out.signed.test"), .failing)
        #expect(await world.deliver(to: "aliased.signed.test")?.outcome == .deferred)
        #expect(world.server.log.withLock { $0.connections } == 0)
    }

    @Test func `an exchanger that cannot prove itself leaves the mail to the next one`() async throws {
        let world = try await SignedWorld.start()
        world.names.set("signed.test", [.mx(5, "bad.signed.test"), .mx(10, "mx.signed.test")])
        world.names.set("bad.signed.test", [.a("127.0.0.1")])
        world.names.set(world.owner("bad.signed.test"), [try .tlsa(3, 0, 1, .otherName)])
        world.names.set(world.owner(), [try .tlsa(3, 1, 1, .right)])
        let event = await world.deliver()
        #expect(event?.outcome == .relayed)
        #expect(event?.host?.name == "mx.signed.test")
        #expect(world.server.messages.count == 1)
    }

    @Test func `without a trust anchor nothing is asked`() async throws {
        let world = try await SignedWorld.start()
        world.names.set(world.owner(), [try .tlsa(3, 0, 1, .otherName)])
        var policy = TLSPolicyTable()
        policy.add(TLSPolicy(.opportunistic, keepsDANE: false, source: "line"), for: "signed.test")
        #expect(await world.deliver(policy: policy)?.outcome == .relayed)
        #expect(!world.names.asked.contains(world.owner()))
    }
}
