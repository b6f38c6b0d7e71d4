import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Who need not wait twice, or not at all.
@Suite struct GreylistPoolTests {
    let world = MemoryServices()

    static func policy(_ change: (inout Greylist.Configuration) -> Void = { _ in }) -> Greylist.Configuration {
        var policy = Greylist.Configuration()
        policy.knownAfter = 0
        change(&policy)
        return policy
    }

    /// What SPF has found of a sender.
    struct Found: Sendable {
        var result: AuthenticationResults.Result
        var sender = "alice@out.example"
        var reason: String?
    }

    func attempt(
        _ policy: Greylist.Configuration, from client: IPAddress, spf: Found? = Found(result: .pass),
        sender: EmailAddress? = "alice@out.example", to recipient: EmailAddress = "bob@here.example",
        points: Double = 0
    ) async throws -> Finding {
        var transaction = Transaction.sample(session: .sample(client: client), sender: sender, services: world)
        if let spf {
            transaction.authentication.entries.append(
                .init(
                    method: "spf", result: spf.result, reason: spf.reason,
                    properties: [.init("smtp.mailfrom", spf.sender)]))
        }
        if points != 0 { transaction.symbols = [Symbol("X", points: points, description: "")] }
        return try await Greylist(policy).recipient(.said(recipient), in: transaction)
    }

    // MARK: Pools

    @Test func `who comes back from another address that the domain permits is the same sender`() async throws {
        #expect(try await attempt(Self.policy(), from: "192.0.2.7").verdict != .continue)
        world.time.advance(by: "5m")
        let second = try await attempt(Self.policy(), from: "203.0.113.99")
        #expect(second.verdict == .continue && second.note == "came back after 300 s")
        #expect(try await attempt(Self.policy(), from: "2001:db8::1").note == "passed before")
    }

    /// What keeps two addresses from being one pool.
    @Test(
        arguments: [
            Found(result: .softfail), Found(result: .none), Found(result: .pass, sender: "carl@out.example"),
            Found(result: .pass, reason: "its record permits anybody"), nil,
        ] as [Found?])
    func `what the domain does not vouch for is no pool`(_ found: Found?) async throws {
        _ = try await attempt(Self.policy(), from: "192.0.2.7", spf: found)
        world.time.advance(by: "5m")
        #expect(try await attempt(Self.policy(), from: "203.0.113.99", spf: found).verdict != .continue)
        #expect(try await attempt(Self.policy(), from: "192.0.2.9", spf: found).verdict == .continue)
    }

    /// Records of SPF under which 192.0.2.7 passes, and whether nearly everybody does.
    @Test(
        arguments: [
            ("v=spf1 ip4:192.0.2.0/24 -all", false), ("v=spf1 +all", true), ("v=spf1 ip4:192.0.2.0/24 +all", false),
            ("v=spf1 ip4:198.51.100.1 all", true), ("v=spf1 ip4:0.0.0.0/0", true),
            ("v=spf1 ip4:192.0.0.0/7 -all", true),
            ("v=spf1 ip4:192.0.0.0/8 -all", false), ("v=spf1 a/0 -all", true), ("v=spf1 a/24 -all", false),
            ("v=spf1 include:open.example -all", true), ("v=spf1 include:closed.example ip4:192.0.2.7 -all", false),
            ("v=spf1 redirect=open.example", true),
        ])
    func `a record that permits anybody says so`(_ record: String, _ permitsAnybody: Bool) async {
        var zone = MemoryZone()
        zone.add("out.example", text: record)
        zone.add("out.example", .a, .address("192.0.2.99"))
        zone.add("open.example", text: "v=spf1 ?ip4:192.0.2.9 +all")
        zone.add("closed.example", text: "v=spf1 -all")
        let outcome = await SPFThreatTests.check("out.example", in: zone).outcome
        #expect(outcome.result == .pass && outcome.permitsAnybody == permitsAnybody)
        #expect((outcome.caveat == SPFOutcome.anybody) == permitsAnybody)
    }

    @Test func `pools can be switched off`() async throws {
        let policy = Self.policy { $0.pools = false }
        _ = try await attempt(policy, from: "192.0.2.7")
        world.time.advance(by: "5m")
        #expect(try await attempt(policy, from: "203.0.113.99").verdict != .continue)
    }

    @Test func `a pool that proved itself is known for its own mail only`() async throws {
        let policy = Self.policy {
            $0.knownAfter = 2
            $0.knownFor = .any
        }
        for recipient: EmailAddress in ["a@here.example", "b@here.example"] {
            _ = try await attempt(policy, from: "192.0.2.7", to: recipient)
            world.time.advance(by: "5m")
            _ = try await attempt(policy, from: "203.0.113.99", to: recipient)
        }
        #expect(try await attempt(policy, from: "198.51.100.1", to: "c@here.example").note == "the network is known")
        let other = Found(result: .pass, sender: "x@other.example")
        let stranger = try await attempt(
            policy, from: "198.51.100.1", spf: other, sender: "x@other.example", to: "c@here.example")
        #expect(stranger.verdict != .continue)
    }

    @Test func `who was remembered by network is no stranger in the pool, and has waited since then`() async throws {
        _ = try await attempt(Self.policy(), from: "192.0.2.7", spf: nil)
        world.time.advance(by: "4m")
        #expect(try await attempt(Self.policy(), from: "192.0.2.7").note == "first seen 240 s ago")
        world.time.advance(by: "1m")
        #expect(try await attempt(Self.policy(), from: "192.0.2.7").note == "came back after 300 s")
        _ = try await attempt(Self.policy(), from: "192.0.2.7", spf: nil, to: "eve@here.example")
        world.time.advance(by: "5m")
        _ = try await attempt(Self.policy(), from: "192.0.2.7", spf: nil, to: "eve@here.example")
        #expect(try await attempt(Self.policy(), from: "192.0.2.7", to: "eve@here.example").note == "passed before")
    }

    // MARK: Bands

    @Test(arguments: [(-1.0, false), (0, false), (1, true), (3.9, true), (4, false)])
    func `only strangers with so many points wait`(_ points: Double, _ waits: Bool) async throws {
        let policy = Self.policy {
            $0.minScore = 1
            $0.maxScore = 4
        }
        let finding = try await attempt(policy, from: "192.0.2.7", points: points)
        #expect((finding.verdict != .continue) == waits)
        #expect(waits || finding.decidedBy == ["min_score", "max_score"])
        #expect(Greylist(policy).remarks == [])
        #expect(Greylist(Self.policy { $0.minScore = 999 }).remarks.count == 1)
    }

    // MARK: Correspondents

    func write(
        _ policy: Greylist.Configuration = policy(), as user: EmailAddress? = "bob@here.example",
        to recipients: [Recipient]
    ) async throws -> Finding {
        let session = Session.sample(language: .submission, user: user)
        var transaction = Transaction.sample(
            session: session, sender: "bob@here.example", recipients: recipients, services: world)
        transaction.message = .sample()
        return try await Greylist(policy).message(.sample(), in: transaction)
    }

    static func far(_ address: EmailAddress) -> Recipient {
        Recipient(
            EnvelopeRecipient(address),
            destinations: [Destination(address: address, route: .exchanger(domain: address.domain))])
    }

    @Test func `whom a user has written to need not wait, for everybody here, until it is forgotten`() async throws {
        #expect(try await write(to: [Self.far("alice@out.example")]).note == "a correspondent")
        for recipient: EmailAddress in ["bob@here.example", "eve@here.example"] {
            let answer = try await attempt(Self.policy(), from: "192.0.2.7", spf: nil, to: recipient)
            #expect(answer.verdict == .continue && answer.decidedBy == ["correspondents"])
        }
        let colleague = try await attempt(Self.policy(), from: "192.0.2.7", spf: nil, sender: "carl@out.example")
        #expect(colleague.verdict != .continue)
        world.time.advance(by: "60d")
        #expect(try await attempt(Self.policy(), from: "192.0.2.7", spf: nil).verdict != .continue)
    }

    @Test(arguments: [AuthenticationResults.Result.fail, .softfail])
    func `whose domain disowns the client does not pass for a correspondent`(
        _ result: AuthenticationResults.Result
    ) async throws {
        _ = try await write(to: [Self.far("alice@out.example")])
        let forged = try await attempt(Self.policy(), from: "192.0.2.7", spf: Found(result: result))
        #expect(forged.verdict != .continue)
    }

    @Test func `neither strangers nor mail among ourselves make correspondents`() async throws {
        #expect(try await write(as: nil, to: [Self.far("alice@out.example")]) == .none)
        #expect(try await write(to: [.local("carl@here.example")]) == .none)
        let policy = Self.policy { $0.correspondents = "0s" }
        #expect(try await write(policy, to: [Self.far("alice@out.example")]) == .none)
        #expect(world.asked == [])
        #expect(try await attempt(Self.policy(), from: "192.0.2.7", spf: nil).verdict != .continue)
    }

    @Test func `of a list of recipients the first are noted`() async throws {
        let many = (1...60).map { Self.far(EmailAddress(localPart: "r\($0)", domain: "out.example")) }
        #expect(try await write(to: many).note == "50 correspondents")
    }

    @Test func `a user never waits, and a chain that keeps it from being asked is remarked upon`() async throws {
        let session = Session.sample(language: .submission, user: "bob@here.example")
        let transaction = Transaction.sample(session: session, services: world)
        #expect(try await Greylist(Self.policy()).recipient(.said("x@out.example"), in: transaction) == .none)
        var words = Link.Words()
        #expect(Greylist(Self.policy()).remark(under: words) == nil)
        words.unless = [.plain(.authenticated)]
        #expect(Greylist(Self.policy()).remark(under: words) != nil)
        #expect(Greylist(Self.policy { $0.correspondents = "0s" }).remark(under: words) == nil)
    }
}
