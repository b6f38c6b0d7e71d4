import Foundation
import Testing

/// Who sends too much, or under others' names, is told so by a server that serves.
@Suite struct SendLimitServingTests {
    private static let mail = "From: anna@acme.test\r\n\r\nbody\r\n"

    @Test func `a mailbox that sends too much is blocked, listed, told and let go`() async throws {
        var setup = LiveServer.Setup()
        setup.filters["42-send-limits.toml"] = """
            stage = "send-limits"
            [send-limits]
            mailbox_messages = ["2/1h"]
            """
        try await LiveServer.run(setup) { server in
            let wire = try await server.submission()
            for _ in 0..<2 {
                let reply = try await wire.deliver(Self.mail, from: "anna@acme.test", to: ["bert@acme.test"])
                #expect(reply.hasPrefix("250"))
            }
            try await wire.expect("MAIL FROM:<anna@acme.test>", "250")
            let words = "550 5.7.1 Sending is blocked for anna@acme.test: 3 messages within 1h, 2 allowed"
            try await wire.expect("RCPT TO:<bert@acme.test>", words)
            try await wire.expect("RSET", "250")
            #expect(await eventually { server.log.contains("sender blocked") })
            try await wire.expect("MAIL FROM:<anna@acme.test>", words)
            let list = try await server.sluice("blocked", "list").output
            #expect(list.contains("anna@acme.test") && list.contains("stage:send-limits"))
            // Others send, and mail to her is taken.
            let other = try await server.submission(as: "bert@acme.test")
            let reply = try await other.deliver(
                "From: bert@acme.test\r\n\r\nx\r\n", from: "bert@acme.test", to: ["anna@acme.test"])
            #expect(reply.hasPrefix("250"))
            #expect(try await server.sluice("blocked", "unblock", "anna@acme.test").code == 0)
            let again = try await server.submission()
            let later = try await again.deliver(Self.mail, from: "anna@acme.test", to: ["bert@acme.test"])
            #expect(later.hasPrefix("250"))
            #expect(try await server.sluice("blocked", "unblock", "anna@acme.test").code == 1)
            #expect(try await server.sluice("blocked", "add", "acme", "--reason", "unpaid").code == 0)
            try await again.expect(
                "MAIL FROM:<anna@acme.test>", "550 5.7.1 Sending is blocked for your organization: unpaid")
        }
    }

    @Test func `a granted address is the user's own`() async throws {
        try await LiveServer.run { server in
            let wire = try await server.submission()
            try await wire.expect("MAIL FROM:<sales@acme.test>", "550 5.7.1 You may not send as sales@acme.test")
            let granted = try await server.sluice(
                "sender", "add", "sales@acme.test", "anna@acme.test", "bert@acme.test")
            #expect(granted.code == 0 && granted.errors.isEmpty, "\(granted)")
            let shared = "From: Sales <sales@acme.test>\r\n\r\nx\r\n"
            for user in ["anna", "bert"] {
                let wire = try await server.submission(as: "\(user)@acme.test")
                let reply = try await wire.deliver(shared, from: "sales@acme.test", to: ["carl@acme.test"])
                #expect(reply.hasPrefix("250"), "\(reply)")
            }
            let carl = try await server.submission(as: "carl@acme.test")
            let reply = try await carl.deliver(shared, from: "carl@acme.test", to: ["anna@acme.test"])
            #expect(reply.hasPrefix("550 5.7.1 You may not write as sales@acme.test, in the field From"), "\(reply)")
            let foreign = try await server.sluice("sender", "add", "x@far.test", "carl@acme.test")
            #expect(foreign.code == 0 && foreign.errors.contains("far.test is not hosted here"))
            #expect(try await server.sluice("sender", "remove", "sales@acme.test", "bert@acme.test").code == 0)
            let list = try await server.sluice("sender", "list", "--json").output
            #expect(list.contains("anna@acme.test") && !list.contains("bert@acme.test"))
        }
    }
}
