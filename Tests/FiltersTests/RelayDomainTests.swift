import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct RelayDomainTests {
    let world = MemoryServices()

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

    @Test func `nothing gets into a mailbox of such a domain by another address`() async throws {
        let host = RelayHost(name: "192.0.2.9", port: 30)
        world.directory.domains.insert("other.example")
        world.directory.domainAliases = ["new.example": "here.example"]
        world.directory.relayDomains = [RelayDomain(name: "here.example", host: host)]
        let expected = Edit.resolve(
            "bob@new.example", to: [Destination(address: "bob@here.example", route: .host(host))])
        #expect(try await finding(on: "bob@new.example").edits == [expected])
        // An alias, a group or a redirection of a domain that is not relayed.
        let member = Recipient(
            EnvelopeRecipient("info@other.example"),
            destinations: [
                Destination(address: "bob@here.example", route: .mailbox("bob@here.example")),
                Destination(address: "eve@other.example", route: .mailbox("eve@other.example")),
            ])
        let routes = try await routes(RelayDomains(.init()), member)
        #expect(routes == [.host(host), .mailbox("eve@other.example")])
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
        world.directory.relayDomains = [RelayDomain(name: "here.example", host: RelayHost(name: "all.example"))]
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
