import Foundation
import Testing

/// Mail to other domains, by what a name server says of them.
@Suite struct ExchangerTests {
    static let zone: [String: [NameServer.Record]] = [
        "far.test": [.mx(20, "good.far.test"), .mx(10, "dead.far.test")],
        "dead.far.test": [.a("127.0.0.3")], "good.far.test": [.a("127.0.0.2")],
        "plain.test": [.a("127.0.0.2")],
        "null.test": [.mx(0, "")],
        "busy.test": [.mx(10, "good.far.test")],
    ]

    @Test func `exchangers are taken in their order, and none is a reason to say so`() async throws {
        let sink = try await Sink.start(host: "127.0.0.2")
        let names = try await NameServer.start(Self.zone)
        var setup = LiveServer.Setup()
        setup.more = .outbound(names, port: sink.port)
        try await LiveServer.run(setup) { server in
            try await PeerServerTests.send(through: server, to: ["u@far.test"])
            let first = try await sink.messages(count: 1)
            #expect(first[0].recipients == ["u@far.test"])
            #expect(first[0].sender == "anna@acme.test")
            #expect(first[0].text.hasSuffix("\r\n\r\n..dot\r\n...\r\nbody\r\n"))
            // Without an MX, the domain's own address. RFC 5321 §5.1.
            try await PeerServerTests.send(through: server, to: ["u@plain.test"])
            #expect(try await sink.messages(count: 2)[1].recipients == ["u@plain.test"])
            // A domain that takes no mail. RFC 7505.
            try await PeerServerTests.send(through: server, to: ["u@null.test"])
            let report = try await server.mail(of: "anna@acme.test", count: 1)[0]
            try await Reports.check(report, recipient: "u@null.test", status: "5.1.10")
            // And one that does not exist.
            try await PeerServerTests.send(through: server, to: ["u@nowhere.test"])
            _ = try await server.mail(of: "anna@acme.test", count: 2)
            let second = server.mail(of: "anna@acme.test").map { String(decoding: $0, as: UTF8.self) }
                .first { $0.contains("u@nowhere.test") }
            try await Reports.check(second ?? "", recipient: "u@nowhere.test", status: "5.1.2")
            #expect(try await server.queueIsEmpty())
        }
        await sink.stop()
        await names.stop()
    }

    @Test func `a stop does not wait for a name server that is silent`() async throws {
        let names = try await NameServer.start(["silent.test": [.silence]])
        var setup = LiveServer.Setup()
        setup.more = .outbound(names, port: 25)
        try await LiveServer.run(setup) { server in
            try await PeerServerTests.send(through: server, to: ["u@silent.test"])
            #expect(await eventually { (try? await server.queue().first?.recipients.first?.status) == "claimed" })
            #expect(await server.stop() == 0)
            // Without that it would have been the silence that ended the attempt, or the stop's own limit.
            #expect(server.log.contains("the resolver has stopped"))
            let left = try await server.queue()
            #expect(left.first?.recipients.first?.status == "waiting", "it is tried again by the next server")
        }
        await names.stop()
    }

    @Test func `who removes or bounces what is being delivered hears what came of it`() async throws {
        let sink = try await Sink.start(host: "127.0.0.2")
        let names = try await NameServer.start(Self.zone)
        var setup = LiveServer.Setup()
        setup.more = .outbound(names, port: sink.port)
        try await LiveServer.run(setup) { server in
            let cases: [(command: String, answer: String?, words: String, end: String)] = [
                ("remove", nil, "Removed", "delivered meanwhile"),
                ("remove", "451 4.3.0 later", "Removed", "removed"),
                ("bounce", nil, "Bounced", "delivered meanwhile"),
                ("bounce", "451 4.3.0 later", "Bounced", "bounced"),
            ]
            for (number, one) in cases.enumerated() {
                sink.pause()
                sink.answers { $0 == "." ? one.answer : nil }
                try await PeerServerTests.send(through: server, to: ["u@plain.test"])
                #expect(await eventually { sink.waiting == 1 })
                let id = try #require(try await server.queue().first).id
                async let ran = server.sluice("queue", one.command, id)
                let isGiven = await eventually {
                    server.log.components(separatedBy: "queue changed").count == number + 2
                }
                #expect(isGiven)
                sink.resume()
                #expect(try await ran.output == "\(one.words) 1 message.\n  \(id)  u@plain.test  \(one.end)\n")
                #expect(try await server.queueIsEmpty())
            }
            // Only the last one was to be told.
            let report = try await server.mail(of: "anna@acme.test", count: 1)[0]
            #expect(report.contains("Given up by the postmaster"))
            #expect(server.mail(of: "anna@acme.test").count == 1)
            #expect(sink.messages.count == 2)
        }
        await sink.stop()
        await names.stop()
    }

    @Test func `what is put off is listed with its reason and its time, and tried at once when asked`() async throws {
        let sink = try await Sink.start(host: "127.0.0.2") { $0.hasPrefix("RCPT") ? "450 4.2.1 mailbox busy" : nil }
        let names = try await NameServer.start(Self.zone)
        var setup = LiveServer.Setup()
        setup.more = .outbound(names, port: sink.port)
        try await LiveServer.run(setup) { server in
            try await PeerServerTests.send(through: server, to: ["u@busy.test"])
            #expect(await eventually { (try? await server.queue().first?.recipients.first?.attempts) == 1 })
            let entry = try #require(try await server.queue().first)
            let recipient = try #require(entry.recipients.first)
            #expect(entry.from == "anna@acme.test")
            #expect(recipient.address == "u@busy.test")
            #expect(recipient.status == "waiting")
            #expect(recipient.lastReply?.contains("450 4.2.1 mailbox busy") == true)
            #expect(recipient.nextRetry.map { $0 > Date() } == true)
            #expect(recipient.route == "mx busy.test")
            let show = try await server.sluice("queue", "show", entry.id)
            #expect(show.output.contains("450 4.2.1"))

            sink.answers { _ in nil }
            #expect(try await server.sluice("queue", "retry", entry.id).code == 0)
            #expect(try await sink.messages(count: 1)[0].recipients == ["u@busy.test"])
            #expect(try await server.queueIsEmpty())
            #expect(try await server.sluice("queue", "retry", entry.id).code == 1, "it is gone")

            // What is given up by hand is told to its sender; what is removed is not.
            sink.answers { $0.hasPrefix("MAIL") ? "421 4.3.2 going down" : nil }
            try await PeerServerTests.send(2, through: server, to: ["u@busy.test"])
            #expect(
                await eventually {
                    let entries = (try? await server.queue()) ?? []
                    return entries.count == 2 && entries.allSatisfy { $0.recipients[0].attempts > 0 }
                })
            let both = try await server.queue()
            let held = try await server.sluice("queue", "hold", both[1].id, "--json")
            let done = try held.json() as? [String: Any]
            #expect(done?["change"] as? String == "hold")
            #expect(done?["messages"] as? [String] == [both[1].id])
            #expect(try await server.queue()[1].held == "held by an operator")
            #expect(try await server.sluice("queue", "release", both[1].id).code == 0)
            #expect(try await server.queue()[1].held == nil)
            #expect(try await server.sluice("queue", "bounce", both[0].id).code == 0)
            #expect(try await server.sluice("queue", "remove", both[1].id).code == 0)
            #expect(
                await eventually {
                    let trace = try? await server.sluice("trace", both[1].id)
                    return trace?.output.contains("u@busy.test  removed: by an operator") == true
                })
            let report = try await server.mail(of: "anna@acme.test", count: 1)[0]
            #expect(report.contains("Action: failed"))
            #expect(try await server.queueIsEmpty())
            #expect(server.mail(of: "anna@acme.test").count == 1)
        }
        await sink.stop()
        await names.stop()
    }
}
