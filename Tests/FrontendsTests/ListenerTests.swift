import Foundation
import Frontends
import Logging
import MailTypes
import NIOCore
import NIOPosix
import Pipeline
import Protocols
import Synchronization
import Testing

@Suite struct ListenerTests {
    @Test func `a stop lets transactions finish and sends the idle away`() async throws {
        let server = try await LiveServer { $0.limits.stopTimeout = "10m" }
        let idle = try await server.client()
        _ = try await idle.reply()
        let busy = try await server.client()
        _ = try await busy.reply()
        for line in ["EHLO c.test", "MAIL FROM:<a@out.test>", "RCPT TO:<anna@here.test>", "DATA"] {
            _ = try await busy.say(line)
        }
        let stopping = Task { await server.stop() }
        #expect(try await idle.reply().hasPrefix("421 4.3.2"))
        #expect(try await idle.end() == "")
        #expect(try await busy.say("Subject: x\r\n\r\nx\r\n.").hasPrefix("250 2.0.0 Taken"))
        #expect(try await busy.reply().hasPrefix("421 4.3.2"))
        await stopping.value
        #expect(server.acceptor.taken.count == 1)
        await #expect(throws: (any Error).self) { try await TestClient.connect(port: server.port) }
    }

    @Test func `a stop does not wait for ever`() async throws {
        let server = try await LiveServer { $0.limits.stopTimeout = "200ms" }
        let busy = try await server.client()
        _ = try await busy.reply()
        for line in ["EHLO c.test", "MAIL FROM:<a@out.test>", "RCPT TO:<anna@here.test>", "DATA"] {
            _ = try await busy.say(line)
        }
        await server.stop()
        // On a busy machine the loop may come to the close only after the stop has given up waiting for it.
        #expect(await server.eventually { server.frontend.openConnections == 0 })
        #expect(try await busy.end().hasPrefix("421 4.3.2"))
        #expect(server.acceptor.taken.isEmpty)
    }

    @Test func `listeners change while connections stay`() async throws {
        let server = try await LiveServer()
        let port = server.port
        let old = try await server.client()
        _ = try await old.reply()
        var changed = server.options
        changed.machine.maxMessageSize = 12345
        var second = server.options
        second.name = "second"
        second.machine.language = .lmtp
        second.bind = [.ip("127.0.0.2", port: 0)]
        try await server.frontend.listen([changed, second])
        #expect(server.port == port, "the socket stayed open")
        #expect(try await old.say("EHLO c.test").contains("SIZE 8388608"))
        let new = try await server.client()
        _ = try await new.reply()
        #expect(try await new.say("EHLO c.test").contains("SIZE 12345"))
        let other = try #require(server.frontend.addresses(of: "second").first?.port)
        #expect(other > 0)

        var impossible = second
        impossible.bind = [.ip("127.0.0.1", port: port)]
        await #expect(throws: (any Error).self) { try await server.frontend.listen([changed, impossible]) }
        #expect(server.frontend.addresses(of: "second").first?.port == other, "nothing has changed")

        try await server.frontend.listen([changed])
        #expect(server.frontend.addresses(of: "second").isEmpty)
        #expect(try await old.say("NOOP").hasPrefix("250"))
        await server.stop()
    }

    @Test func `what is bound accepts nobody before it has a front-end`() async throws {
        let other = try await LiveServer()
        var options = other.options
        options.bind = [.ip("127.0.0.3", port: other.port), .ip("127.0.0.4", port: other.port)]
        let sockets = try await BoundSockets([options], on: LiveServer.group)
        let early = try await TestClient.connect(port: other.port, to: "127.0.0.3")
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let environment = SMTPEnvironment(
            hostname: "mx.here.test", chain: { Chain([]) }, services: FakeServices(), acceptor: FakeAcceptor(),
            authenticator: FakeAuthenticator(), temporaryDirectory: other.folder.path, logger: logger)
        let frontend = SMTPFrontend(group: LiveServer.group, environment: environment, sockets: sockets)
        #expect(frontend.openConnections == 0)
        #expect(early.unread == "" && !early.isClosed)
        let isBound = Mutex(false)
        options.bind.removeLast()
        try await frontend.listen([options]) { isBound.withLock { $0 = true } }
        #expect(isBound.withLock { $0 })
        #expect(try await early.reply().hasPrefix("220"), "who was early is served")
        await #expect(throws: (any Error).self, "a socket that no listener wants is closed") {
            try await TestClient.connect(port: other.port, to: "127.0.0.4")
        }
        await frontend.stop()
        await other.stop()
    }

    @Test func `changes of the listeners take turns, and none comes after the stop`() async throws {
        let server = try await LiveServer()
        let port = server.port
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                var options = server.options
                options.bind = [.ip("127.0.0.\(number + 10)", port: port)]
                group.addTask { [options] in try await server.frontend.listen([options]) }
            }
            try await group.waitForAll()
        }
        let open = server.frontend.addresses(of: "test")
        #expect(open.count == 1)
        var listening = 0
        for number in 0..<20 {
            let client = try? await TestClient.connect(port: port, to: "127.0.0.\(number + 10)")
            if client != nil { listening += 1 }
        }
        #expect(listening == 1, "what one change has opened, the next has closed")
        await server.stop()
        await #expect(throws: FrontendStopped.self) { try await server.frontend.listen([server.options]) }
        #expect(server.frontend.addresses(of: "test").isEmpty)
    }

    @Test func `a certificate is shown from when all sockets are bound`() async throws {
        let made = try TestCertificates()
        let store = try made.store(["old.test"])
        let readied = try CertificateStore.ready([try made.make("new.test")])
        let server = try await LiveServer { setup in
            setup.certificates = store
            setup.listener.tls = .starttls
            setup.listener.machine.offersStartTLS = true
        }
        var impossible = server.options
        impossible.bind.append(.ip("192.0.2.1", port: 0))
        await #expect(throws: (any Error).self) {
            try await server.frontend.listen([impossible]) { store.use(readied) }
        }
        #expect(try await Self.shown(by: server).contains("old.test"))
        try await server.frontend.listen([server.options]) { store.use(readied) }
        #expect(try await Self.shown(by: server).contains("new.test"))
        await server.stop()
    }

    private static func shown(by server: LiveServer) async throws -> String {
        let client = try await server.client()
        _ = try await client.reply()
        _ = try await client.say("EHLO c.test")
        _ = try await client.say("STARTTLS")
        try await client.startTLS()
        return try await client.certificateName()
    }

    @Test func `a socket of the file system is not taken from a living server`() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/lmtp"
        let change = { @Sendable (setup: inout LiveServer.Setup) in
            setup.listener.machine.language = .lmtp
            setup.listener.bind = [.unix(path: path)]
        }
        let server = try await LiveServer(change)
        await #expect(throws: (any Error).self) { try await LiveServer(change) }
        let client = try await TestClient.connect(path: path)
        #expect(try await client.reply().hasPrefix("220"))
        await server.stop()
        let next = try await LiveServer(change)
        #expect(try await TestClient.connect(path: path).reply().hasPrefix("220"))
        await next.stop()
    }

    @Test func `a socket of the file system is not taken from a server that is too busy to answer`() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/lmtp"
        let busy = try await ServerBootstrap(group: LiveServer.group)
            .serverChannelOption(.backlog, value: 1).serverChannelOption(.autoRead, value: false)
            .bind(unixDomainSocketPath: path).get()
        func place() throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
        }
        let before = try #require(try place())
        var waiting: [TestClient] = []
        while waiting.count < 100, let client = try? await TestClient.connect(path: path) { waiting.append(client) }
        #expect(waiting.count < 100, "its queue is full")
        await #expect(throws: BindFailure.self) {
            try await LiveServer { setup in
                setup.listener.machine.language = .lmtp
                setup.listener.bind = [.unix(path: path)]
            }
        }
        #expect(try place() == before)
        for client in waiting { try await client.close() }
        try await busy.close()
    }

    @Test func `LMTP listens on a socket of the file system`() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/lmtp"
        let server = try await LiveServer { setup in
            setup.listener.machine.language = .lmtp
            setup.listener.bind = [.unix(path: path)]
        }
        let client = try await TestClient.connect(path: path)
        #expect(try await client.reply().hasPrefix("220"))
        #expect(try await client.say("LHLO c.test").hasPrefix("250-"))
        await server.stop()
    }

    @Test(arguments: [
        ("127.0.0.1:25", "127.0.0.1:25"), ("[::]:25", "[::]:25"), ("unix:/run/lmtp", "unix:/run/lmtp"),
        ("0.0.0.0:65536", nil), ("localhost:25", nil), ("unix:relative", nil), ("127.0.0.1", nil), ("", nil),
    ])
    func `addresses are read strictly`(_ text: String, _ wanted: String?) {
        #expect(BindAddress(text)?.description == wanted)
    }

    // MARK: - Proxies

    private func proxied(_ change: (inout ListenerOptions) -> Void = { _ in }) async throws -> LiveServer {
        try await LiveServer { setup in
            setup.listener.proxyFrom = ["127.0.0.2"]
            setup.listener.xclientFrom = ["127.0.0.3"]
            change(&setup.listener)
        }
    }

    @Test func `a listed proxy tells who the client is`() async throws {
        let server = try await proxied()
        let client = try await TestClient.connect(port: server.port, from: "127.0.0.2")
        #expect(client.unread == "")
        try await client.send("PROXY TCP4 192.0.2.7 127.0.0.1 4321 25\r\n")
        #expect(try await client.deliver().hasPrefix("250"))
        #expect(await server.eventually { server.traces.first?.session.client == "192.0.2.7" })
        #expect(server.traces.first?.session.clientPort == 4321)

        let bad = try await TestClient.connect(port: server.port, from: "127.0.0.2")
        try await bad.send("PROXY TCP4 203.0.113.9 127.0.0.1 4321 25\r\n")
        #expect(try await bad.reply().hasPrefix("554 5.7.1 Go away"), "the chain judges the client, not the proxy")
        await server.stop()
    }

    @Test func `version 2 of the PROXY protocol`() async throws {
        let server = try await proxied()
        let client = try await TestClient.connect(port: server.port, from: "127.0.0.2")
        let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
        for octet in signature + [0x21, 0x11, 0, 12, 192, 0, 2, 8, 127, 0, 0, 1, 0x10, 0, 0, 25] {
            try await client.send([octet])
        }
        #expect(try await client.deliver().hasPrefix("250"))
        #expect(await server.eventually { server.traces.first?.session.client == "192.0.2.8" })
        await server.stop()
    }

    @Test func `a listed proxy must speak, and nobody else may`() async throws {
        let server = try await proxied { $0.proxyTimeout = "300ms" }
        let silent = try await TestClient.connect(port: server.port, from: "127.0.0.2")
        #expect(try await silent.end() == "")
        let odd = try await TestClient.connect(port: server.port, from: "127.0.0.2")
        try? await odd.send("EHLO client.test\r\n")
        #expect(try await odd.end() == "")
        let stranger = try await server.client()
        _ = try await stranger.reply()
        #expect(try await stranger.say("PROXY TCP4 192.0.2.7 127.0.0.1 4321 25").hasPrefix("5"))
        #expect(try await stranger.say("EHLO c.test").contains("XCLIENT") == false)
        #expect(try await stranger.say("XCLIENT ADDR=192.0.2.9").hasPrefix("5"))
        await server.stop()
    }

    @Test func `who speaks right behind the PROXY header speaks too early`() async throws {
        let server = try await proxied()
        let client = try await TestClient.connect(port: server.port, from: "127.0.0.2")
        try await client.send("PROXY TCP4 192.0.2.7 127.0.0.1 4321 25\r\nEHLO client.test\r\n")
        #expect(try await client.reply().hasPrefix("554"))
        await server.stop()
    }

    @Test func `XCLIENT begins the session anew for somebody else`() async throws {
        let server = try await proxied()
        let client = try await TestClient.connect(port: server.port, from: "127.0.0.3")
        _ = try await client.reply()
        #expect(try await client.say("EHLO proxy.test").contains("XCLIENT"))
        #expect(try await client.say("XCLIENT ADDR=192.0.2.9 PORT=99").hasPrefix("220"))
        _ = try await client.say("EHLO client.test")
        #expect(try await client.deliver(greeted: true).hasPrefix("250"))
        #expect(await server.eventually { server.traces.first?.session.client == "192.0.2.9" })
        #expect(try await client.say("XCLIENT ADDR=203.0.113.9").hasPrefix("554"))
        await server.stop()
    }

    @Test func `all that XCLIENT tells is known of the session`() async throws {
        let server = try await proxied()
        let client = try await TestClient.connect(port: server.port, from: "127.0.0.3")
        _ = try await client.reply()
        let attributes =
            "NAME=spike.test REVERSE_NAME=pool.test ADDR=IPV6:2001:db8::9 PORT=99 PROTO=SMTP HELO=mx.spike.test "
            + "LOGIN=anna@here.test DESTADDR=192.0.2.25 DESTPORT=25"
        #expect(try await client.say("XCLIENT " + attributes).hasPrefix("220"))
        #expect(try await client.deliver(greeted: true).hasPrefix("250"))
        #expect(await server.eventually { server.traces.count == 1 })
        let told = try #require(server.traces.first?.session)
        #expect(told.clientName == "spike.test" && told.clientReverseName == "pool.test")
        #expect(told.client == "2001:db8::9" && told.clientPort == 99)
        #expect(told.hello == "mx.spike.test" && told.helloVerb == .helo)
        #expect(told.user?.mailbox == "anna@here.test")
        #expect(told.serverAddress == "192.0.2.25" && told.serverPort == 25)
        await server.stop()
    }

    @Test func `a client without an address does not pass for its proxy`() async throws {
        let server = try await proxied()
        let client = try await TestClient.connect(port: server.port, from: "127.0.0.3")
        _ = try await client.reply()
        _ = try await client.say("XCLIENT NAME=spike.test LOGIN=anna@here.test ADDR=192.0.2.9")
        #expect(try await client.say("XCLIENT ADDR=[UNAVAILABLE]").hasPrefix("220"))
        _ = try await client.say("EHLO client.test")
        #expect(try await client.deliver(greeted: true).hasPrefix("250"))
        #expect(await server.eventually { server.traces.count == 1 })
        let told = try #require(server.traces.first?.session)
        #expect(told.client == "0.0.0.0")
        #expect(told.user == nil && told.clientName == nil, "nothing is left of the client before")
        await server.stop()
    }

    @Test func `the chain is asked about a hello that a proxy tells`() async throws {
        let server = try await proxied()
        let client = try await TestClient.connect(port: server.port, from: "127.0.0.3")
        _ = try await client.reply()
        #expect(try await client.say("XCLIENT HELO=bad.test").hasPrefix("550"))
        #expect(try await client.end() == "")
        await server.stop()
    }

    @Test func `whoever is cut short as he speaks hears why`() async throws {
        let server = try await LiveServer()
        let client = try await server.client()
        _ = try await client.reply()
        _ = try await client.say("EHLO c.test")
        #expect(try await client.say("BDAT 99999999999").hasPrefix("552"))
        // A socket that is closed would answer the first with a reset, which the last cannot survive.
        for _ in 0..<3 {
            try await client.send([UInt8](repeating: UInt8(ascii: "x"), count: 4096))
            try await Task.sleep(for: .milliseconds(50))
        }
        #expect(client.channel.isActive)
        await server.stop()
    }

    @Test func `how the client said hello is kept`() async throws {
        let server = try await LiveServer()
        for (line, verb) in [("HELO c.test", .helo), ("EHLO c.test", .ehlo)] as [(String, Session.HelloVerb)] {
            let client = try await server.client()
            _ = try await client.reply()
            _ = try await client.say(line)
            #expect(try await client.deliver(greeted: true).hasPrefix("250"))
            #expect(await server.eventually { server.traces.contains { $0.session.helloVerb == verb } })
        }
        await server.stop()
    }

    // MARK: - Numbers

    @Test func `connections and transactions are counted`() async throws {
        let server = try await LiveServer()
        let client = try await server.client()
        _ = try await client.deliver()
        _ = try await client.deliver(subject: "spam", greeted: true)
        #expect(await server.eventually { server.traces.count == 2 })
        let own = ("listener", "test")
        #expect(server.metrics.value("sluice_smtp_open_connections", [own]) == 1)
        #expect(server.metrics.value("sluice_smtp_transactions_total", [own, ("result", "accepted")]) == 1)
        #expect(server.metrics.value("sluice_smtp_transactions_total", [own, ("result", "rejected")]) == 1)
        #expect(server.metrics.value("sluice_smtp_commit_seconds", [own]) == 1)
        _ = try await client.say("QUIT")
        #expect(await server.eventually { server.metrics.value("sluice_smtp_open_connections", [own]) == 0 })
        await server.stop()
    }
}
