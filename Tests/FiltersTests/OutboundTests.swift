import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Servers that mail is handed to: smarthosts, and domains that are relayed as a whole.
@Suite struct OutboundTests {
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

    // MARK: Smarthosts

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

    // MARK: Relay domains

    private func finding(
        on address: EmailAddress, _ session: Session = .sample(), networks: [Network] = []
    ) async throws -> Finding {
        var policy = RelayDomains.Configuration()
        policy.networks = networks
        return try await RelayDomains(policy).recipient(
            .said(address), in: .sample(session: session, services: world))
    }

    private static let denied = Verdict.reject(Reply(550, .deliveryNotAuthorized, "Relaying is not permitted"))

    @Test func `all mail for a domain goes to another server, hosted here or not`() async throws {
        let host = RelayHost(name: "192.0.2.9", port: 30)
        world.directory.relayDomains = [
            RelayDomain(name: "partner.example", host: host), RelayDomain(name: "here.example", host: host),
        ]
        for address: EmailAddress in ["x@partner.example", "bob@here.example", "nobody@here.example"] {
            let expected = Edit.resolve(address, to: [Destination(address: address, route: .host(host))])
            #expect(try await finding(on: address).edits == [expected])
        }
        #expect(try await finding(on: "x@far.example") == .none)
        #expect(try await finding(on: "x@sub.partner.example") == .none)
        let tricky = try await finding(on: "u%far.example@partner.example")
        #expect(tricky.verdict == .reject(Reply(550, .deliveryNotAuthorized, "Address is not accepted")))
        // Members of an alias.
        let member = Self.leaving("x@partner.example", said: "info@here.example")
        #expect(try await routes(RelayDomains(.init()), member) == [.host(host)])
    }

    @Test func `where it is for authenticated users only nobody else relays`() async throws {
        let host = RelayHost(name: "192.0.2.9", port: 30)
        world.directory.relayDomains = [
            RelayDomain(name: "aol.example", host: host, onlyAuthenticated: true),
            RelayDomain(name: "here.example", host: host, onlyAuthenticated: true),
        ]
        for address: EmailAddress in ["x@aol.example", "bob@here.example"] {
            #expect(try await finding(on: address).verdict == Self.denied)
            #expect(try await finding(on: address, .sample(user: "bob@here.example")).verdict == .continue)
            #expect(try await finding(on: address, .sample(language: .internal)).verdict == .continue)
            #expect(try await finding(on: address, networks: ["192.0.2.0/24"]).verdict == .continue)
            #expect(try await finding(on: address, networks: ["198.51.100.0/24"]).verdict == Self.denied)
        }
    }

    @Test func `a route that somebody has given stays`() async throws {
        world.directory.relayDomains = [RelayDomain(name: "here.example", host: Self.all)]
        let stage = RelayDomains(RelayDomains.Configuration())
        #expect(try await stage.recipient(.local("bob@here.example"), in: .sample(services: world)) == .none)
        #expect(try await routes(stage, .local("bob@here.example")) == [.mailbox("bob@here.example")])
    }

    @Test func `behind relay or recipients it is told`() {
        let stage = RelayDomains(RelayDomains.Configuration())
        #expect(stage.remark(behind: Relay(.init())) != nil && stage.remark(behind: Recipients(.init())) != nil)
        #expect(stage.remark(behind: Transport(.init())) == nil)
    }
}
