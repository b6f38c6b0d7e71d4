import Foundation
import Frontends
import MailTypes
import Pipeline
import Protocols
import Testing

@Suite struct TLSTests {
    private func server(_ mode: ListenerOptions.TLSMode, names: [String] = ["mx.here.test"]) async throws
        -> (LiveServer, CertificateStore)
    {
        let store = try TestCertificates().store(names)
        let server = try await LiveServer { setup in
            setup.listener.tls = mode
            setup.listener.machine.authMechanisms = ["PLAIN", "LOGIN"]
            setup.certificates = store
        }
        return (server, store)
    }

    @Test func `STARTTLS begins the session anew`() async throws {
        let (server, _) = try await server(.starttls)
        let client = try await server.client()
        _ = try await client.reply()
        let clear = try await client.say("EHLO client.test")
        #expect(clear.contains("STARTTLS"))
        #expect(!clear.contains("AUTH"))
        #expect(try await client.say("STARTTLS").hasPrefix("220 "))
        try await client.startTLS()
        #expect(try await client.say("MAIL FROM:<a@out.test>").hasPrefix("503"), "EHLO is forgotten")
        let secure = try await client.say("EHLO client.test")
        #expect(secure.contains("AUTH PLAIN LOGIN"))
        #expect(!secure.contains("STARTTLS"))
        #expect(try await client.deliver(greeted: true).hasPrefix("250"))
        #expect(await server.eventually { !server.traces.isEmpty })
        let tls = try #require(server.traces.first?.session.tls)
        #expect(tls.version == "TLSv1.3")
        #expect(tls.cipher.hasPrefix("TLS_"))
        await server.stop()
    }

    @Test(arguments: ["NOOP\r\n", "EHLO evil.test\r\nMAIL FROM:<evil@out.test>\r\n", "x"])
    func `what is sent after STARTTLS in the clear is not read inside TLS`(_ injected: String) async throws {
        let (server, _) = try await server(.starttls)
        let client = try await server.client()
        _ = try await client.reply()
        _ = try await client.say("EHLO client.test")
        try await client.send("STARTTLS\r\n" + injected)
        #expect(try await client.reply().hasPrefix("220 "))
        try await client.startTLS()
        #expect(try await client.say("HELP").hasPrefix("214"))
        #expect(client.unread == "", "there is no reply to what was injected")
        let line = server.log.lines.first { $0.contains("octets after STARTTLS thrown away") }
        #expect(line?.contains("octets=\(injected.utf8.count)") == true)
        #expect(try await client.say("EHLO client.test").hasPrefix("250-"))
        await server.stop()
    }

    @Test func `TLS may come first`() async throws {
        let (server, _) = try await server(.implicit)
        let client = try await server.client()
        #expect(client.unread == "")
        try await client.startTLS(name: "mx.here.test")
        #expect(try await client.deliver().hasPrefix("250"))
        #expect(await server.eventually { server.traces.first?.session.tls?.serverName == "mx.here.test" })
        await server.stop()
    }

    @Test func `each server name has its certificate, and new ones come without a restart`() async throws {
        let certificates = try TestCertificates()
        var second = try certificates.make("mail.two.test")
        second.name = "mail.two.test"
        var wild = try certificates.make("wild.three.test")
        wild.name = "*.three.test"
        let first = try certificates.make("mx.here.test")
        let store = try CertificateStore([first, second, wild])
        let server = try await LiveServer { setup in
            setup.listener.tls = .implicit
            setup.certificates = store
        }
        func shown(to name: String?) async throws -> String {
            let client = try await server.client()
            try await client.startTLS(name: name)
            return try await client.certificateName()
        }
        for (asked, name) in [
            ("mx.here.test", "mx.here.test"), ("MAIL.two.test", "mail.two.test"), ("any.three.test", "wild.three.test"),
            ("unknown.test", "mx.here.test"),
        ] {
            #expect(try await shown(to: asked).contains(name))
        }
        #expect(try await shown(to: nil).contains("mx.here.test"))

        let old = try await server.client()
        try await old.startTLS()
        let renewed = try certificates.make("renewed.here.test", file: "mx.here.test")
        try store.reload([renewed, second])
        #expect(try await shown(to: nil).contains("renewed.here.test"))
        #expect(try await old.deliver().hasPrefix("250"), "open connections go on")
        #expect(throws: CertificateError.self) {
            try store.reload([CertificateFiles(certificate: second.certificate, key: first.key)])
        }
        #expect(try await shown(to: nil).contains("renewed.here.test"), "a wrong pair changes nothing")
        await server.stop()
    }

    @Test func `who speaks together with the handshake speaks before the greeting`() async throws {
        let (server, _) = try await server(.implicit)
        let client = try await server.client()
        try await client.startTLS(saying: "EHLO client.test\r\n")
        #expect(try await client.reply().hasPrefix("554 5.5.0"))
        #expect(server.log.lines.contains { $0.contains("client spoke before the greeting") })
        await server.stop()
    }

    @Test(arguments: [ListenerOptions.TLSMode.implicit, .starttls])
    func `who offers other protocols is none of our clients`(_ mode: ListenerOptions.TLSMode) async throws {
        let (server, _) = try await server(mode)
        func connected() async throws -> TestClient {
            let client = try await server.client()
            guard mode == .starttls else { return client }
            _ = try await client.reply()
            _ = try await client.say("EHLO client.test")
            _ = try await client.say("STARTTLS")
            return client
        }
        for offered in [[], ["smtp"], ["http/1.1", "smtp"], ["esmtp"]] {
            let client = try await connected()
            try await client.startTLS(protocols: offered)
            if mode == .implicit { _ = try await client.reply() }
            _ = try await client.say("EHLO client.test")
            #expect(try await client.deliver(greeted: true).hasPrefix("250"), "\(offered)")
        }
        for offered in [["http/1.1"], ["h2", "http/1.1"], ["imap"], ["SMTP"]] {
            let client = try await connected()
            await #expect(throws: TestClient.Timeout.self) { try await client.startTLS(protocols: offered) }
            #expect(await server.eventually { client.isClosed })
            #expect(client.failure?.contains("NO_APPLICATION_PROTOCOL") == true, "\(client.failure ?? "")")
            let reason = "the client speaks \(offered.joined(separator: ","))"
            #expect(server.log.lines.contains { $0.contains("TLS handshake failed") && $0.contains(reason) })
        }
        await server.stop()
    }

    @Test func `a listener with a certificate of its own shows that to everybody`() async throws {
        let certificates = try TestCertificates()
        var own = try certificates.make("own.here.test")
        let usual = try certificates.make("mx.here.test")
        var server = try await LiveServer { setup in
            setup.listener.tls = .implicit
            own.listener = setup.listener.name
            setup.certificates = try CertificateStore([usual, own])
        }
        func shown(to name: String?) async throws -> String {
            let client = try await server.client()
            try await client.startTLS(name: name)
            return try await client.certificateName()
        }
        for name in [nil, "mx.here.test"] { #expect(try await shown(to: name).contains("own.here.test")) }
        await server.stop()
        server = try await LiveServer { setup in
            setup.listener.tls = .implicit
            own.listener = "another"
            setup.certificates = try CertificateStore([usual, own])
        }
        #expect(try await shown(to: "own.here.test").contains("mx.here.test"), "it is the other listener's")
        await server.stop()
    }

    @Test func `a handshake has its time, and nonsense is no handshake`() async throws {
        let store = try TestCertificates().store(["mx.here.test"])
        let server = try await LiveServer { setup in
            setup.listener.tls = .implicit
            setup.listener.handshakeTimeout = "200ms"
            setup.certificates = store
        }
        let silent = try await server.client()
        let odd = try await server.client()
        try? await odd.send("EHLO client.test\r\n")
        #expect(!(try await odd.end()).contains("250"))
        #expect(try await silent.end() == "")
        #expect(await server.eventually { server.frontend.openConnections == 0 })
        await server.stop()
    }

    @Test func `only so many handshakes at once`() async throws {
        let store = try TestCertificates().store(["mx.here.test"])
        let server = try await LiveServer { setup in
            setup.listener.tls = .implicit
            setup.limits.maxHandshakes = 2
            setup.certificates = store
        }
        let clients = [try await server.client(), try await server.client(), try await server.client()]
        #expect(await server.eventually { clients.count(where: \.isClosed) == 1 })
        let first = try #require(clients.first { !$0.isClosed })
        try await first.startTLS()
        #expect(try await first.reply().hasPrefix("220"), "the handshake is over on the server's side, too")
        let fourth = try await server.client()
        try await fourth.startTLS()
        #expect(try await fourth.reply().hasPrefix("220"))
        await server.stop()
    }
}
