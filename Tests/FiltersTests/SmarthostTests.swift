import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct SmarthostTests {
    let world = MemoryServices()
    static let all = RelayHost(name: "all.example", port: 25)
    static let own = RelayHost(name: "own.example", port: 587, security: .verified, credential: "relay/7")

    private static func leaving(_ address: EmailAddress, said: EmailAddress? = nil) -> Recipient {
        Recipient(
            EnvelopeRecipient(said ?? address),
            destinations: [Destination(address: address, route: .exchanger(domain: address.domain))])
    }

    private func routes(
        _ stage: some MessageStage, _ recipient: Recipient, user: EmailAddress? = nil
    ) async throws -> [Route] {
        let transaction = Transaction.sample(
            session: .sample(language: .submission, user: user), recipients: [recipient], services: world)
        let finding = try await stage.message(.sample(), in: transaction)
        guard case .resolve(_, let destinations)? = finding.edits.first else {
            return recipient.destinations.map(\.route)
        }
        return destinations.map(\.route)
    }

    @Test func `mail leaves through the post office's server, or everybody's`() async throws {
        let stage = Smarthost(Smarthost.Configuration())
        let mail = Self.leaving("eve@far.example")
        #expect(try await routes(stage, mail, user: "bob@here.example") == [.exchanger(domain: "far.example")])
        world.directory.smarthosts[""] = Self.all
        #expect(try await routes(stage, mail, user: "bob@here.example") == [.host(Self.all)])
        world.directory.smarthosts["sample"] = Self.own
        #expect(try await routes(stage, mail, user: "bob@here.example") == [.host(Self.own)])
        // A network that relays is no post office's; a forward is its address's.
        #expect(try await routes(stage, mail) == [.host(Self.all)])
        #expect(
            try await routes(stage, Self.leaving("eve@far.example", said: "info@here.example")) == [.host(Self.own)])
    }

    @Test func `what stays, and what has a route, is left alone`() async throws {
        world.directory.smarthosts[""] = Self.all
        let stage = Smarthost(Smarthost.Configuration())
        var recipient = Recipient.local("bob@here.example")
        let fixed = Route.host(RelayHost(name: "fixed.example"))
        recipient.destinations += [
            Destination(address: "a@far.example", route: fixed), Destination(address: "b@far.example", route: .discard),
            Destination(
                address: "c@far.example", route: .exchanger(domain: "far.example"), reversePath: "SRS0=a@here.example"),
        ]
        let expected = [.mailbox("bob@here.example"), fixed, .discard, Route.host(Self.all)]
        #expect(try await routes(stage, recipient) == expected)
        let finding = try await stage.message(.sample(), in: .sample(recipients: [recipient], services: world))
        guard case .resolve(_, let destinations)? = finding.edits.first else {
            Issue.record("nothing was routed")
            return
        }
        #expect(destinations.last?.reversePath == "SRS0=a@here.example")
        #expect(try await routes(stage, .local("bob@here.example")) == [.mailbox("bob@here.example")])
    }

    @Test(arguments: [
        ("far.example", true), ("sub.near.example", true), ("a.sub.near.example", true), ("near.example", false),
        ("xfar.example", false),
    ])
    func `some domains are reached directly`(_ domain: String, _ isDirect: Bool) async throws {
        world.directory.smarthosts[""] = Self.all
        var policy = Smarthost.Configuration()
        policy.direct = ["Far.example", ".near.example"]
        let route = try await routes(Smarthost(policy), Self.leaving(EmailAddress(localPart: "a", domain: domain)))
        #expect(route == [isDirect ? .exchanger(domain: domain) : .host(Self.all)])
    }
}
