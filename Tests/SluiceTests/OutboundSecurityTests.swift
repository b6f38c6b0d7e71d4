import Foundation
import SluiceTesting
import Testing

/// What the configuration says of TLS with exchangers, through the whole program. RFC 7672.
@Suite struct OutboundSecurityTests {
    @Test func `DANE stops mail to a server without TLS, and a line that is reloaded lets it go`() async throws {
        let sink = try await Sink.start(host: "127.0.0.2")
        let zone = try SignedZone("signed.test")
        let names = try await SignedNameServer.start(
            zone,
            [
                "signed.test": [.mx(10, "mx.signed.test")], "mx.signed.test": [.a("127.0.0.2")],
                "_\(sink.port)._tcp.mx.signed.test": [.tlsa(3, 1, 1, [UInt8](repeating: 7, count: 32))],
            ])
        let folder = try TemporaryFolder()
        try folder.write(zone.trustAnchor, to: "anchor.key")
        var setup = LiveServer.Setup()
        setup.more = """
            [dns]
            servers = ["127.0.0.1:\(names.port)"]
            dnssec = true
            trust_anchor = "\(folder.path)/anchor.key"

            [delivery]
            port = \(sink.port)
            family = "only-ipv4"
            refuse_private_exchangers = false
            keep_connection = "0s"

            """
        try await LiveServer.run(setup) { server in
            try await PeerServerTests.send(through: server, to: ["u@signed.test"])
            #expect(await Self.isTried(server))
            let entry = try #require(try await server.queue().first)
            #expect(entry.recipients.first?.lastReply?.contains("TLS is required") == true)
            let before = try await server.sluice("trace", entry.id).output
            #expect(before.contains("TLS proven by DANE (_\(sink.port)._tcp.mx.signed.test); default: tls"))
            #expect(sink.messages.isEmpty)

            let text = try server.folder.text("sluice.toml")
            let line = text.split(separator: "\n", omittingEmptySubsequences: false).count + 1
            let entries = "\n[[delivery.tls_policy]]\ndomain = \"signed.test\"\ntls = \"none\"\n"
            try server.folder.write(text + entries, to: "sluice.toml")
            let reload = try await server.sluice("reload")
            #expect(reload.code == 0, "\(reload)")
            #expect(!reload.output.contains("restart"))
            #expect(try await server.sluice("queue", "retry", entry.id).code == 0)
            #expect(try await sink.messages(count: 1)[0].recipients == ["u@signed.test"])
            #expect(try await server.queueIsEmpty())
            let decision = "sluice.toml:\(line + 1):10: signed.test, tls = \"none\""
            #expect(await Self.isTold(decision, of: entry.id, server))
        }
        await sink.stop()
        await names.stop()
    }

    private static func isTried(_ server: LiveServer) async -> Bool {
        await eventually { (try? await server.queue().first?.recipients.first?.attempts) == 1 }
    }

    private static func isTold(_ words: String, of id: String, _ server: LiveServer) async -> Bool {
        await eventually { (try? await server.sluice("trace", id))?.output.contains(words) == true }
    }
}
