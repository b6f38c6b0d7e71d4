import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct GreylistTests {
    let world = MemoryServices()

    static func policy(knownAfter: Int = 0) -> Greylist.Configuration {
        var policy = Greylist.Configuration()
        policy.lifetime = "10d"
        policy.knownAfter = BoundedInt(knownAfter)
        return policy
    }

    /// The attempts of one triplet: how long after the one before, and whether it passes.
    struct History: CustomTestStringConvertible {
        let testDescription: String
        let attempts: [(after: Interval, passes: Bool)]
    }

    static let histories = [
        History(testDescription: "a stranger waits", attempts: [("0s", false), ("299s", false)]),
        History(testDescription: "patience pays", attempts: [("0s", false), ("5m", true), ("1s", true)]),
        History(testDescription: "impatience costs nothing", attempts: [("0s", false), ("1s", false), ("299s", true)]),
        History(testDescription: "the window is open to its end", attempts: [("0s", false), ("47h", true)]),
        History(
            testDescription: "who comes back too late begins anew",
            attempts: [("0s", false), ("2d", false), ("5m", true)]),
        History(
            testDescription: "a visit keeps the memory fresh",
            attempts: [("0s", false), ("5m", true), ("9d", true), ("9d", true)]),
        History(
            testDescription: "the forgotten are strangers",
            attempts: [("0s", false), ("5m", true), ("10d", false), ("1s", false)]),
    ]

    @Test(arguments: histories)
    func policy(_ history: History) async throws {
        let greylist = Greylist(Self.policy())
        for attempt in history.attempts {
            world.time.advance(by: attempt.after)
            let finding = try await greylist.recipient(.said("bob@here.example"), in: .sample(services: world))
            #expect((finding.verdict == .continue) == attempt.passes)
        }
    }

    @Test func `a stranger is told when to come back`() async throws {
        let greylist = Greylist(Self.policy())
        let transaction = Transaction.sample(services: world)
        let first = try await greylist.recipient(.said("bob@here.example"), in: transaction)
        #expect(first.verdict == .tempfail(Reply(451, .deliveryNotAuthorized, "Greylisted, try again in 300 seconds")))
        #expect(first.decidedBy == ["delay"])
        world.time.advance(by: "90s")
        let second = try await greylist.recipient(.said("bob@here.example"), in: transaction)
        #expect(second.verdict == .tempfail(Reply(451, .deliveryNotAuthorized, "Greylisted, try again in 210 seconds")))
    }

    /// What a second attempt changes against the first, and whether it is still the same triplet.
    @Test(
        arguments: [
            ("192.0.2.200", "alice@out.example", "bob@here.example", true),
            ("192.0.2.7", "ALICE@OUT.example", "BOB@here.example", true),
            ("192.0.3.7", "alice@out.example", "bob@here.example", false),
            ("192.0.2.7", "carl@out.example", "bob@here.example", false),
            ("192.0.2.7", nil, "bob@here.example", false),
            ("192.0.2.7", "alice@out.example", "eve@here.example", false),
        ] as [(IPAddress, EmailAddress?, EmailAddress, Bool)])
    func triplets(_ client: IPAddress, _ sender: EmailAddress?, _ recipient: EmailAddress, isSame: Bool) async throws {
        let greylist = Greylist(Self.policy())
        _ = try await greylist.recipient(.said("bob@here.example"), in: .sample(services: world))
        world.time.advance(by: "5m")
        let second = Transaction.sample(session: .sample(client: client), sender: sender, services: world)
        #expect((try await greylist.recipient(.said(recipient), in: second).verdict == .continue) == isSame)
    }

    @Test func `the networks of both kinds of addresses are settable`() {
        var policy = Self.policy()
        policy.ipv4Prefix = 32
        policy.ipv6Prefix = 48
        func triplet(_ client: IPAddress) -> Triplet? {
            let transaction = Transaction.sample(session: .sample(client: client), sender: nil, services: world)
            return policy.origins(of: transaction).first.map {
                Triplet(from: $0, sender: nil, recipient: "bob@here.example", policy)
            }
        }
        let four = triplet("192.0.2.7")
        #expect(four?.key == "192.0.2.7/32 <> <bob@here.example>")
        let six = triplet("2001:db8:1:2::3")
        #expect(six?.key == "2001:db8:1::/48 <> <bob@here.example>")
    }

    @Test(arguments: [Greylist.Configuration.Scope.domain, .any])
    func `a network that proved itself is known`(_ scope: Greylist.Configuration.Scope) async throws {
        var policy = Self.policy(knownAfter: 2)
        policy.knownFor = scope
        let greylist = Greylist(policy)
        let recipients: [EmailAddress] = ["a@here.example", "b@here.example"]
        for recipient in recipients { _ = try await greylist.recipient(.said(recipient), in: .sample(services: world)) }
        world.time.advance(by: "5m")
        for recipient in recipients { _ = try await greylist.recipient(.said(recipient), in: .sample(services: world)) }

        let known = try await greylist.recipient(.said("c@here.example"), in: .sample(services: world))
        #expect(known.verdict == .continue)
        #expect(known.note == "the network is known")
        let other = Transaction.sample(sender: "alice@elsewhere.example", services: world)
        #expect(
            (try await greylist.recipient(.said("c@here.example"), in: other).verdict == .continue) == (scope == .any))
    }

    @Test func `one triplet that comes again and again proves nothing new`() async throws {
        let greylist = Greylist(Self.policy(knownAfter: 2))
        for _ in 0..<5 {
            _ = try await greylist.recipient(.said("a@here.example"), in: .sample(services: world))
            world.time.advance(by: "5m")
        }
        let other = try await greylist.recipient(.said("b@here.example"), in: .sample(services: world))
        #expect(other.verdict != .continue)
    }

    @Test func `a clock that was set back makes nobody wait longer than a stranger`() {
        let now = ManualTime().now
        let finding = Self.policy().finding(onStranger: Visits(first: now + 9999, last: now, count: 1), at: now)
        #expect(
            finding.verdict == .tempfail(Reply(451, .deliveryNotAuthorized, "Greylisted, try again in 300 seconds")))
    }
}
