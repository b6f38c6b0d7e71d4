import Foundation
import Testing

/// Reports go the ways that the chain gives to all other mail.
@Suite struct ReportRouteTests {
    private static let mail = "From: a@out.test\r\n\r\nbody\r\n"

    /// Routes of two domains that are not hosted here, to one server.
    private static func setup(_ sink: Sink) -> LiveServer.Setup {
        var setup = LiveServer.Setup()
        let route = "smtp:[127.0.0.1]:\(sink.port)"
        setup.filters["20-transport.toml"] = .transport(["far.test": route, "bad.test": route])
        return setup
    }

    @Test func `a report takes the route of its domain`() async throws {
        let sink = try await Sink.start { $0.contains("@bad.test") ? "550 5.1.1 no such user" : nil }
        try await LiveServer.run(Self.setup(sink)) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(Self.mail, from: "u@far.test", to: ["x@bad.test"]).hasPrefix("250"))
            let report = try await sink.messages(count: 1)[0]
            #expect(report.sender.isEmpty && report.recipients == ["u@far.test"])
            #expect(report.text.contains("Remote-MTA: dns; [127.0.0.1]\r\n"))
            #expect(try await server.queueIsEmpty())
        }
        await sink.stop()
    }

    @Test func `a report goes to the catch-all of its address, and to no crowd`() async throws {
        let sink = try await Sink.start { $0.contains("@bad.test") ? "550 5.1.1 no such user" : nil }
        try await LiveServer.run(Self.setup(sink)) { server in
            let members = (0...1000).map { "u\($0)@far.test\n" }.joined()
            let crowd = try await server.sluice(
                "group", "add", "crowd@acme.test", "--members-from", "-", input: members)
            #expect(crowd.code == 0, "\(crowd)")
            for words in [
                ["domain", "catch-all", "set", "acme.test", "bert@acme.test"],
                ["sender", "add", "sales@acme.test", "anna@acme.test"],
                ["sender", "add", "crowd@acme.test", "anna@acme.test"],
            ] {
                let ran = try await server.sluice(words)
                #expect(ran.code == 0, "\(ran)")
            }
            let user = try await server.submission()
            let mail = "From: anna@acme.test\r\n\r\nbody\r\n"
            #expect(try await user.deliver(mail, from: "sales@acme.test", to: ["x@bad.test"]).hasPrefix("250"))
            let report = try await server.mail(of: "bert@acme.test", count: 1)[0]
            #expect(report.contains("multipart/report") && report.contains("To: <sales@acme.test>"))
            #expect(try await server.queueIsEmpty())
            #expect(try await user.deliver(mail, from: "crowd@acme.test", to: ["x@bad.test"]).hasPrefix("250"))
            let reason = "no report can be sent to <crowd@acme.test>"
            #expect(await eventually { (try? await server.queue().first?.held)?.hasPrefix(reason) == true })
            #expect(sink.messages.isEmpty)
        }
        await sink.stop()
    }

    @Test func `a list of the queue counts the tries of those that wait`() async throws {
        let sink = try await Sink.start { $0.contains("@bad.test") ? "450 4.2.1 busy" : nil }
        try await LiveServer.run(Self.setup(sink)) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(Self.mail, to: ["u@far.test", "x@bad.test"]).hasPrefix("250"))
            _ = try await sink.messages(count: 1)
            #expect(await eventually { (try? await server.queue().first?.recipients.last?.attempts) == 1 })
            let list = try await server.sluice("queue", "list").output
            #expect(list.contains("u@far.test") && list.contains("after 1 attempt: 450 4.2.1 busy"))
            #expect(!list.contains("after 0"))
        }
        await sink.stop()
    }
}
