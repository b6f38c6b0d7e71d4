import Foundation
import Testing

/// Judging again from recorded facts.
@Suite struct ReplayTests {
    static let message = "From: a@out.test\r\nSubject: x\r\n\r\nbody\r\n"

    @Test func `an unchanged chain finds the same, a changed one tells what it finds otherwise`() async throws {
        var setup = LiveServer.Setup()
        setup.smtp = "xclient_from = [\"127.0.0.1\"]"
        setup.isReplayed = false
        try await LiveServer.run(setup) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            try await wire.expect("XCLIENT ADDR=192.0.2.7", "220")
            try await wire.expect("EHLO mx.out.test", "250")
            // A stranger is asked to come back, and another recipient does not exist.
            try await wire.expect("MAIL FROM:<a@out.test>", "250")
            try await wire.expect("RCPT TO:<anna@acme.test>", "451")
            try await wire.expect("RCPT TO:<nobody@acme.test>", "550")
            try await wire.expect("RSET", "250")
            // Logged in, by LMTP, in two transactions of one connection, and with an alias.
            let lmtp = try await server.lmtp()
            try await lmtp.greet("LHLO")
            for _ in 0..<2 {
                try await lmtp.deliver(Self.message, to: ["both@acme.test", "carl@acme.test"], replies: 2)
            }
            let user = try await server.submission()
            let own = Self.message.replacingOccurrences(of: "a@out.test", with: "anna@acme.test")
            #expect(try await user.deliver(own, from: "anna@acme.test").hasPrefix("250"))
            let reply = try await user.deliver(Self.message, from: "anna@acme.test")
            #expect(reply.hasPrefix("5"), "another's name in From")
            await server.stop()
            // The directory has changed since; the record has not.
            #expect(try await server.sluice("mailbox", "remove", "carl@acme.test").code == 0)
            let same = try await server.sluice("replay", "--since", "1h")
            #expect(same.code == 0, "\(same)")
            #expect(same.output.contains("Judged 5 again: 0 found otherwise."))
            try server.folder.write("stage = \"size\"\n[size]\nmax = \"20\"\n", to: "filters.d/16-size.toml")
            let other = try await server.sluice("replay", "--since", "1h", "--json")
            #expect(other.code == 1)
            let reports = try #require(try other.json() as? [[String: Any]])
            let changed = reports.filter { ($0["differences"] as? [Any])?.isEmpty == false }
            #expect(changed.count == 4, "\(other)")
            let text = try await server.sluice("replay", String(reply.suffix(17).prefix(16)))
            #expect(text.code == 1)
            #expect(text.output.contains("was") && text.output.contains("now"))
        }
    }

    @Test func `a message that was not kept is not pretended to be judged`() async throws {
        var setup = LiveServer.Setup()
        setup.isReplayed = false
        try await LiveServer.run(setup) { server in
            let settings = try server.folder.text("sluice.toml")
            let header = settings.replacingOccurrences(
                of: "keep_messages = \"whole\"", with: "keep_messages = \"none\"")
            try server.folder.write(header, to: "sluice.toml")
            await server.stop()
            let again = try Child(
                Programs.sluice, ["serve", "--config", server.configuration], place: server.folder.path)
            #expect(await eventually { server.log.contains("msg=serving") })
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(Self.message).hasPrefix("250"))
            #expect(await again.stop() == 0)
            let replayed = try await server.sluice("replay", "--since", "1h")
            #expect(replayed.code == 0)
            #expect(replayed.output.contains("1 without their message"))
        }
    }
}
