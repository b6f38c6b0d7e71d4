import MailTypes
import Pipeline
import Queue
import Testing

@testable import Delivery

/// A relay host that is this server itself would bring the mail back for ever.
@Suite struct OwnEndpointTests {
    private static func finder(_ addresses: [IPAddress] = []) -> HostFinder {
        var options = DeliveryOptions()
        options.ownEndpoints = [ServerEndpoint("192.0.2.1", 25), ServerEndpoint("2001:db8::1", 25)]
        let hooks = DeliveryHooks(
            resolve: { question in
                let wanted = addresses.filter { $0.isIPv6 == (question.type == .aaaa) }
                return wanted.isEmpty ? .noData : .records(wanted.map(DNSRecord.address), isSecure: false)
            }, routes: { _ in [] })
        return HostFinder(hostname: "mx.here.test", options: options, hooks: hooks)
    }

    @Test(arguments: ["192.0.2.1", "[192.0.2.1]", "2001:db8::1", "[IPv6:2001:db8::1]"])
    func `an address of its own is refused, on its own port`(_ name: String) async throws {
        await #expect(throws: RoutingFailure.relayHostIsOwn("\(name):25")) {
            try await Self.finder().targets(of: .host(RelayHost(name: name)))
        }
        #expect(try await Self.finder().targets(of: .host(RelayHost(name: name, port: 2525))).count == 1)
    }

    @Test(arguments: ["0.0.0.0", "::", "[::ffff:0.0.0.0]", "::ffff:0.0.0.0", "[IPv6:::]", "::ffff:192.0.2.1"])
    func `the unspecified address is this machine, in each spelling`(_ name: String) async throws {
        await #expect(throws: RoutingFailure.relayHostIsOwn("\(name):25")) {
            try await Self.finder().targets(of: .host(RelayHost(name: name)))
        }
        #expect(try await Self.finder().targets(of: .host(RelayHost(name: name, port: 2525))).count == 1)
    }

    @Test func `a server that listens everywhere has the whole loopback network`() {
        let everywhere: Set = [ServerEndpoint("0.0.0.0", 25)]
        #expect(everywhere.answers(at: "127.0.0.9", 25) && !everywhere.answers(at: "127.0.0.9", 26))
        let one: Set = [ServerEndpoint("127.0.0.1", 25)]
        #expect(one.answers(at: "127.0.0.1", 25) && !one.answers(at: "127.0.0.9", 25))
    }

    @Test func `a name that leads to it is refused, one that leads elsewhere too is not`() async throws {
        await #expect(throws: RoutingFailure.relayHostIsOwn("smart.test:25")) {
            try await Self.finder(["192.0.2.1", "2001:db8::1"]).targets(of: .host(RelayHost(name: "smart.test")))
        }
        let targets = try await Self.finder(["192.0.2.1", "192.0.2.2"]).targets(
            of: .host(RelayHost(name: "smart.test")))
        #expect(targets.map(\.endpoint) == [.address("192.0.2.2", port: 25)])
    }

    @Test func `of several hosts those are tried that can be found, in their order`() async throws {
        var host = RelayHost(name: "smart.test")
        host.fallbacks = [RelayHost(name: "192.0.2.9", port: 26), RelayHost(name: "192.0.2.1")]
        let found = try await Self.finder(["192.0.2.2"]).targets(of: .host(host))
        #expect(found.map(\.endpoint) == [.address("192.0.2.2", port: 25), .address("192.0.2.9", port: 26)])
        let rest = try await Self.finder().targets(of: .host(host))
        #expect(rest.map(\.endpoint) == [.address("192.0.2.9", port: 26)])
        host.fallbacks = [RelayHost(name: "192.0.2.1")]
        await #expect(throws: RoutingFailure.relayHostUnknown("smart.test")) {
            try await Self.finder().targets(of: .host(host))
        }
    }

    @Test func `the mail waits until that is put right`() {
        let reply = DeliveryFailurePolicy.reply(on: .relayHostIsOwn("smart.test:25"))
        #expect(reply == Reply(451, .routingLoop, "The relay host smart.test:25 is this server itself"))
    }
}
