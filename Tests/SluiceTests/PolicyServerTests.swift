import Foundation
import Testing

/// Debian's postgrey as a stage of the built server.
@Suite struct PolicyServerTests {
    static func setup(_ port: Int, _ words: String = "") -> LiveServer.Setup {
        var setup = LiveServer.Setup()
        setup.smtp = "xclient_from = [\"127.0.0.1\"]"
        setup.filters["40-greylist.toml"] = ""
        setup.filters["43-policy.toml"] =
            "stage = \"policy\"\n\(words)\n[policy]\nservers = [\"inet:127.0.0.1:\(port)\"]\n"
        return setup
    }

    static func stranger(_ server: LiveServer) async throws -> Wire {
        let wire = try await server.smtp()
        try await wire.greet()
        try await wire.expect("XCLIENT ADDR=192.0.2.7 NAME=mx.out.test", "220")
        try await wire.expect("EHLO mx.out.test", "250")
        try await wire.expect("MAIL FROM:<a@out.test>", "250")
        return wire
    }

    @Test func `postgrey has a stranger wait, and says in the header how long`() async throws {
        let folder = try TemporaryFolder()
        let port = try Ports.free(1)[0]
        let child = try Child(
            "postgrey",
            [
                "--inet=127.0.0.1:\(port)", "--dbdir=\(folder.path)", "--delay=1", "--auto-whitelist-clients=0",
                "--user=\(NSUserName())", "--group=\(NSUserName())",
            ], place: folder.path)
        defer { child.kill() }
        guard await eventually(within: .seconds(60), { (try? await Wire.connect(port: port)) != nil }) else {
            throw Timeout("no postgrey: \((try? folder.text("err")) ?? "")")
        }
        try await LiveServer.run(Self.setup(port)) { server in
            let first = try await Self.stranger(server)
            try await first.expect("RCPT TO:<anna@acme.test>", "450 4.2.0")
            await first.close()
            // Until its second is over.
            let isLet = await eventually(within: .seconds(60)) {
                guard let wire = try? await Self.stranger(server) else { return false }
                guard let reply = try? await wire.say("RCPT TO:<anna@acme.test>"), reply.hasPrefix("250") else {
                    return false
                }
                _ = try? await wire.say("DATA")
                let taken = try? await wire.say("From: a@out.test\r\nSubject: x\r\n\r\nHello.\r\n.")
                return taken?.hasPrefix("250") == true
            }
            #expect(isLet)
            // A stranger's mail without a date may be junk, which is not what this is about.
            #expect(await eventually { server.everything().count == 1 })
            let mail = server.everything().first ?? ""
            #expect(mail.contains("X-Greylist: delayed"), "\(mail)")
        }
        await child.stop()
    }

    @Test func `one that is gone is what on_failure says`() async throws {
        let port = try Ports.free(1)[0]
        try await LiveServer.run(Self.setup(port)) { server in
            let wire = try await Self.stranger(server)
            try await wire.expect("RCPT TO:<anna@acme.test>", "451")
            await wire.close()
        }
        try await LiveServer.run(Self.setup(port, "on_failure = \"continue\"")) { server in
            let wire = try await Self.stranger(server)
            try await wire.expect("RCPT TO:<anna@acme.test>", "250")
            await wire.close()
        }
    }
}
