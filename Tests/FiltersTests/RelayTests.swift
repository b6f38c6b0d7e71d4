import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct RelayTests {
    let world = MemoryServices()
    let relay = Relay(Relay.Configuration())

    static let denied = Verdict.reject(Reply(550, .deliveryNotAuthorized, "Relaying is not permitted"))
    static let notAccepted = Verdict.reject(Reply(550, .deliveryNotAuthorized, "Address is not accepted"))
    static let abroad = Edit.resolve(
        "eve@far.example", to: [Destination(address: "eve@far.example", route: .exchanger(domain: "far.example"))])

    @Test func `a stranger may write to us and to nobody else`() async throws {
        let transaction = Transaction.sample(services: world)
        #expect(try await relay.recipient(.said("bob@here.example"), in: transaction) == .none)
        #expect(try await relay.recipient(.said("eve@far.example"), in: transaction).verdict == Self.denied)
    }

    @Test func `who has logged in may write to everybody`() async throws {
        let transaction = Transaction.sample(session: .sample(user: "bob@here.example"), services: world)
        #expect(try await relay.recipient(.said("eve@far.example"), in: transaction).edits == [Self.abroad])
    }

    @Test func `a listed network may write to everybody`() async throws {
        var policy = Relay.Configuration()
        policy.networks = ["192.0.2.0/24"]
        let relay = Relay(policy)
        let finding = try await relay.recipient(.said("eve@far.example"), in: .sample(services: world))
        #expect(finding.edits == [Self.abroad])
        #expect(finding.decidedBy == ["networks"])
        let outside = Transaction.sample(session: .sample(client: "198.51.100.1"), services: world)
        #expect(try await relay.recipient(.said("eve@far.example"), in: outside).verdict == Self.denied)
    }

    @Test func `loopback is no login`() async throws {
        let local = Transaction.sample(session: .sample(client: "127.0.0.1"), services: world)
        #expect(try await relay.recipient(.said("eve@far.example"), in: local).verdict == Self.denied)
    }

    @Test func `a recipient with a route is no relaying`() async throws {
        let routed = Recipient(
            EnvelopeRecipient("eve@far.example"),
            destinations: [Destination(address: "eve@far.example", route: .host(RelayHost(name: "inner.example")))])
        #expect(try await relay.recipient(routed, in: .sample(services: world)) == .none)
    }

    /// The recipients of the classic open relay tests, as they are once the parser has read them.
    @Test(arguments: [
        ("u%far.example", "here.example"), ("u%far.example", "[192.0.2.25]"), ("u@far.example", "here.example"),
        ("u@far.example", "[192.0.2.25]"), ("far.example!u", "here.example"), ("far.example!u", "[192.0.2.25]"),
        ("u%far.example", ""), ("far.example!u", ""), ("@here.example:u@far.example", "here.example"),
        ("u@far.example", ""), ("u%a%b", "here.example"), ("u", "[192.0.2.25]"), ("u", ""), ("", "far.example"),
        ("u", "far.example"), ("x@y", "[192.0.2.25]"), ("u", "here.example.far.example"), ("u", "xhere.example"),
    ])
    func `every old trick is refused`(_ localPart: String, _ domain: String) async throws {
        let address = EmailAddress(localPart: localPart, domain: domain)
        for client: IPAddress in ["192.0.2.7", "127.0.0.1", "::1"] {
            for language in [Session.Language.smtp, .submission, .lmtp] {
                let session = Session.sample(language: language, client: client)
                let transaction = Transaction.sample(session: session, sender: "a@here.example", services: world)
                let verdict = try await relay.recipient(.said(address), in: transaction).verdict
                #expect(verdict == Self.denied || verdict == Self.notAccepted)
            }
        }
    }

    @Test func `not even a user may have mail routed onwards, unless the option allows it`() async throws {
        let transaction = Transaction.sample(session: .sample(user: "bob@here.example"), services: world)
        let tricky: EmailAddress = "u%elsewhere@far.example"
        #expect(try await relay.recipient(.said(tricky), in: transaction).verdict == Self.notAccepted)
        var policy = Relay.Configuration()
        policy.refuseRouting = false
        #expect(try await Relay(policy).recipient(.said(tricky), in: transaction).verdict == .continue)
    }

    @Test func `postmaster of the server itself is nobody's relaying`() async throws {
        let transaction = Transaction.sample(services: world)
        for domain in ["", "mx.here.example"] {
            let postmaster = EmailAddress(localPart: "PostMaster", domain: domain)
            #expect(try await relay.recipient(.said(postmaster), in: transaction) == .none)
        }
    }
}
