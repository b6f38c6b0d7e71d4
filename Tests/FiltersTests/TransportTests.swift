import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct TransportTests {
    static let transport = Transport(
        Transport.Configuration(routes: [
            "relay.test": "smtp:[192.0.2.1]:2525", ".relay.test": "lmtp:inner.example", "void.test": "discard",
            "backup.test": "mx", "host.relay.test": "smtp:other.example",
        ]))

    static func host(_ name: String, _ port: Int, _ language: RelayHost.Language = .smtp) -> Route {
        .host(RelayHost(name: name, port: port, language: language))
    }

    @Test(
        arguments: [
            ("relay.test", host("192.0.2.1", 2525)), ("a.relay.test", host("inner.example", 24, .lmtp)),
            ("b.a.relay.test", host("inner.example", 24, .lmtp)), ("host.relay.test", host("other.example", 25)),
            ("void.test", .discard), ("backup.test", .exchanger(domain: "backup.test")), ("xrelay.test", nil),
            ("test", nil), ("here.example", nil),
        ] as [(String, Route?)])
    func `a domain takes its route`(_ domain: String, _ route: Route?) async throws {
        let address = EmailAddress(localPart: "anna", domain: domain)
        let finding = try await Self.transport.recipient(.said(address), in: .sample())
        let edits = route.map { [Edit.resolve(address, to: [Destination(address: address, route: $0)])] }
        #expect(finding.edits == edits ?? [])
    }

    @Test func `who has a route keeps it`() async throws {
        let address: EmailAddress = "anna@relay.test"
        #expect(try await Self.transport.recipient(.local(address), in: .sample()) == .none)
    }

    @Test func `members of an alias take the route of their domain`() async throws {
        let member = Destination(address: "anna@relay.test", route: .exchanger(domain: "relay.test"))
        let local = Destination(address: "bob@here.example", route: .mailbox("bob@here.example"))
        let group = Recipient(EnvelopeRecipient("all@here.example"), destinations: [local, member])
        let transaction = Transaction.sample(recipients: [group, .local("eve@here.example")])
        let finding = try await Self.transport.message(.sample(), in: transaction)
        let routed = Destination(address: "anna@relay.test", route: Self.host("192.0.2.1", 2525))
        #expect(finding.edits == [.resolve("all@here.example", to: [local, routed])])
        #expect(finding.decidedBy == ["relay.test"])
    }

    @Test(arguments: [
        "smtp:[192.0.2.1]:2525", "smtp:[2001:db8::1]", "smtp:host", "smtp:[host.example]:26", "lmtp:a_b.example:1",
    ])
    func `routes are read`(_ text: String) throws { _ = try TransportRoute(parsing: text) }

    @Test(arguments: [
        "", "smtp", "smtp:", "smtp:host:", "smtp:host:0", "smtp:host:65536", "smtp:host:+1", "http:host", "SMTP:host",
        "smtp:[192.0.2.1", "smtp:[]", "smtp:2001:db8::1", "smtp:a..b", "smtp:a b", "mx:relay.test", "smtp:[::1]x",
        "smtp:127.1", "smtp:[2130706433]:25", "smtp:0x7f000001:25", "smtp:192.0.2.256",
    ])
    func `what is no route is refused`(_ text: String) {
        #expect(throws: MalformedTransportRoute.self) { try TransportRoute(parsing: text) }
    }

    @Test func `a table says what a word cannot`() throws {
        let json = #"{"Relay.TEST": {"to": "smtp:inner.example", "tls": "verified"}, "b.test": "mx"}"#
        let policy = try decode(Transport.Configuration.self, json)
        var host = RelayHost(name: "inner.example")
        host.security = .verified
        let address: EmailAddress = "anna@relay.test"
        #expect(policy.route(of: "relay.test")?.route.destination(of: address).route == .host(host))
        #expect(policy.route(of: "b.test") != nil)
    }

    @Test(arguments: [
        #"{"to": "mx", "tls": "verified"}"#, #"{"tls": "verified"}"#,
        #"{"to": 25}"#, "25",
    ])
    func `TLS needs a host`(_ json: String) {
        #expect(throws: DecodingError.self) { try decode(TransportRoute.self, json) }
    }
}
