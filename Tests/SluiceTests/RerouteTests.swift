import Foundation
import Testing

/// Queued mail whose way has changed: `sluice queue reroute`.
@Suite struct RerouteTests {
    private struct Report: Decodable {
        struct Recipient: Decodable {
            var address: String
            var before: String
            var after: [String]
            var outcome: String
            var reason: String?
        }

        var id: String
        var recipients: [Recipient]
    }

    private static func reports(_ ran: Ran) throws -> [Report] {
        try JSONDecoder().decode([Report].self, from: Data(ran.output.utf8))
    }

    /// Sends to these, and waits until all of it was put off once.
    private static func send(_ server: LiveServer, to groups: [[String]]) async throws {
        for recipients in groups { try await PeerServerTests.send(through: server, to: recipients) }
        let isPutOff = await eventually {
            let entries = (try? await server.queue()) ?? []
            return entries.count == groups.count
                && entries.allSatisfy { $0.recipients.allSatisfy { $0.status == "waiting" && $0.attempts > 0 } }
        }
        #expect(isPutOff)
    }

    @Test func `a smarthost that has moved, a domain that came here, and who is nobody any more`() async throws {
        let sink = try await Sink.start(host: "127.0.0.2")
        let closed = try Ports.free(1)[0]
        try await LiveServer.run { server in
            func command(_ words: String...) async throws -> Ran {
                let ran = try await server.sluice(words)
                #expect(ran.code == 0, "\(words): \(ran)")
                return ran
            }
            _ = try await command("smarthost", "set", "127.0.0.1:\(closed)", "--tls", "none")
            _ = try await command("relay-domain", "add", "next.test", "--to", "127.0.0.1:\(closed)", "--tls", "none")
            try await Self.send(server, to: [["u@far.test"], ["anna@later.test"], ["x@next.test"]])
            let before = try await server.queue()
            #expect(Set(before.map { $0.recipients[0].route }) == ["smtp 127.0.0.1:\(closed)"])
            let nothing = try await command("queue", "reroute", "--all")
            #expect(nothing.output.hasSuffix("Rerouted 0 recipients of 0 messages.\n"), "\(nothing)")
            #expect(nothing.output.contains("u@far.test  smtp 127.0.0.1:\(closed), as before"))

            _ = try await command("smarthost", "set", "127.0.0.2:\(sink.port)", "--tls", "none")
            _ = try await command("domain", "add", "later.test", "--postoffice", "acme")
            _ = try await command("mailbox", "add", "anna@later.test")
            // Shown, and nothing done.
            let trial = try Self.reports(try await command("queue", "reroute", "--all", "--dry-run", "--json"))
            #expect(trial.count == 3)
            let ways = trial.flatMap(\.recipients).map { "\($0.address) \($0.outcome) \($0.after.joined())" }.sorted()
            #expect(
                ways == [
                    "anna@later.test changed mailbox anna@later.test", "u@far.test changed smtp 127.0.0.2:\(sink.port)",
                    "x@next.test same ",
                ])
            #expect(try await server.queue().map { $0.recipients[0].route } == before.map { $0.recipients[0].route })

            let one = try await command("queue", "reroute", "--domain", "far.test")
            #expect(
                one.output.contains("u@far.test  smtp 127.0.0.1:\(closed) -> smtp 127.0.0.2:\(sink.port)"), "\(one)")
            #expect(one.output.hasSuffix("Rerouted 1 recipient of 1 message.\n"))
            #expect(try await sink.messages(count: 1)[0].recipients == ["u@far.test"])
            let id = try #require(try await server.queue().first { $0.recipients[0].address == "anna@later.test" }).id
            _ = try await command("queue", "reroute", id)
            #expect(try await server.mail(of: "anna@later.test", count: 1)[0].contains("body"))
            // A recipient who would be refused keeps his route: nothing is bounced for it.
            _ = try await command("relay-domain", "remove", "next.test")
            _ = try await command("domain", "add", "next.test", "--postoffice", "acme")
            let kept = try Self.reports(try await command("queue", "reroute", "--all", "--json"))
            #expect(kept.flatMap(\.recipients).map(\.outcome) == ["kept"])
            #expect(kept.first?.recipients.first?.reason?.hasPrefix("550 5.1.1") == true)
            #expect(try await server.queue().map { $0.recipients[0].address } == ["x@next.test"])
            let audit = try await command("audit", "--json")
            #expect(audit.output.contains("queue.reroute") && audit.output.contains(id))
            let unknown = try await server.sluice("queue", "reroute", id)
            #expect(unknown.code == 1, "it is gone")
            #expect(try await server.sluice("queue", "reroute").code == 2)
            #expect(try await server.sluice("queue", "reroute", "--all", "--domain", "x.test").code == 2)
        }
        await sink.stop()
    }

    @Test func `an alias made since divides a copy, and without a server the queue is changed where it lies`()
        async throws
    {
        let sink = try await Sink.start(host: "127.0.0.2")
        let closed = try Ports.free(1)[0]
        try await LiveServer.run { server in
            let route = ["relay-domain", "add", "next.test", "--to", "127.0.0.1:\(closed)", "--tls", "none"]
            #expect(try await server.sluice(route).code == 0)
            try await Self.send(server, to: [["crew@next.test"]])
            #expect(await server.stop() == 0)
            for words in [
                ["relay-domain", "remove", "next.test"], ["domain", "add", "next.test", "--postoffice", "acme"],
                ["alias", "add", "crew@next.test", "bert@acme.test", "carl@acme.test"],
            ] { #expect(try await server.sluice(words).code == 0, "\(words)") }
            let trial = try await server.sluice("queue", "reroute", "--all", "--dry-run")
            #expect(trial.output.hasSuffix("Would reroute 1 recipient of 1 message.\n"), "\(trial)")
            let done = try await server.sluice("queue", "reroute", "--all")
            #expect(done.code == 0 && done.output.contains("bert@acme.test by mailbox bert@acme.test, carl"), "\(done)")
            let routes = try await server.queue().flatMap(\.recipients).map(\.route)
            #expect(routes == ["mailbox bert@acme.test", "mailbox carl@acme.test"])
        }
        await sink.stop()
    }
}
