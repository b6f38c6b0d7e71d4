import Adapters
import Directory
import Foundation
import MailTypes
import Pipeline
import Protocols
import Testing

@testable import Sluice

/// Servers that mail is handed to, with and without a login.
@Suite struct SmarthostTests {
    private static let mail = "From: anna@acme.test\r\nSubject: onward\r\n\r\nbody\r\n"

    private static func send(_ server: LiveServer, to recipient: String) async throws {
        let wire = try await server.submission()
        let reply = try await wire.deliver(mail, from: "anna@acme.test", to: [recipient])
        #expect(reply.hasPrefix("250"), "\(reply)")
    }

    @Test func `a real Postfix takes mail with a login, in verified TLS`() async throws {
        let place = try await Place()
        let ports = try Ports.free(1)
        let dovecot = try DovecotLogins()
        defer { dovecot.child.kill() }
        let postfix = try PostfixPeer(port: ports[0], tls: place.folder.path + "/tls", logins: dovecot.socket)
        defer { postfix.child.kill() }
        // The certificate is for this name.
        let names = try await NameServer.start(["mx.acme.test": [.a("127.0.0.1")]])
        var setup = LiveServer.Setup()
        setup.hostname = "out.acme.test"
        setup.more = .outbound(names, port: ports[0], more: "trust_roots = \"\(place.folder.path)/tls/cert.pem\"")
        try await LiveServer.run(setup) { server in
            #expect(await eventually { (try? await Wire.connect(port: ports[0])) != nil })
            let host = "mx.acme.test:\(ports[0])"
            let set = try await server.sluice(
                "smarthost", "set", host, "--login", "anna@isp.test", "--password-stdin", input: "open sesame\n")
            #expect(set.code == 0, "\(set)")
            try await Self.send(server, to: "user@far.test")
            #expect(try await server.queueIsEmpty(), "\(postfix.log) \(dovecot.log)")
            let arrived = await PeerServerTests.file(in: postfix.mail, containing: "Subject: onward")
            #expect(arrived?.contains("using TLSv1.3") == true, "\(arrived ?? postfix.log)")
            #expect(postfix.log.contains("sasl_method=PLAIN, sasl_username=anna@isp.test"))

            // A wrong password: it waits, and does not go another way.
            let wrong = try await server.sluice(
                "smarthost", "set", host, "--login", "anna@isp.test", "--password-stdin", input: "wrong\n")
            #expect(wrong.code == 0)
            try await Self.send(server, to: "user@far.test")
            #expect(await eventually { (try? await server.queue().first?.recipients[0].attempts) == 1 })
            #expect(try await server.queue().first?.recipients[0].lastReply?.contains("535") == true)
            // The password is nowhere to be read.
            for file in FileManager.default.enumerator(atPath: server.data)?.compactMap({ $0 as? String }) ?? [] {
                let octets = FileManager.default.contents(atPath: "\(server.data)/\(file)") ?? Data()
                #expect(octets.range(of: Data("open sesame".utf8)) == nil, "\(file)")
            }
            #expect(!server.log.contains("open sesame") && !server.log.contains("wrong\n"))
        }
        await postfix.child.stop()
        await dovecot.child.stop()
    }

    @Test func `a post office's mail leaves through its own server, reports through everybody's`() async throws {
        let own = try await Sink.start { $0.contains("nobody@far.test") ? "550 5.1.1 no such user" : nil }
        let all = try await Sink.start()
        try await LiveServer.run { server in
            let first = try await server.sluice("smarthost", "set", "127.0.0.1:\(all.port)")
            #expect(first.code == 0, "\(first)")
            let second = try await server.sluice(
                "smarthost", "set", "127.0.0.1:\(own.port)", "--postoffice", "acme", "--tls", "none")
            #expect(second.code == 0, "\(second)")
            try await Self.send(server, to: "user@far.test")
            #expect(try await own.messages(count: 1)[0].recipients == ["user@far.test"])
            // Local mail is not affected.
            try await Self.send(server, to: "bert@acme.test")
            _ = try await server.mail(of: "bert@acme.test", count: 1)
            // A stranger's mail that is forwarded, and the report on it.
            let added = try await server.sluice("alias", "add", "away@acme.test", "nobody@far.test")
            #expect(added.code == 0)
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver("From: a@out.test\r\n\r\nx\r\n", to: ["away@acme.test"]).hasPrefix("250"))
            let report = try await all.messages(count: 1)[0]
            #expect(report.sender.isEmpty && report.recipients == ["a@out.test"])
            #expect(own.messages.count == 1)
            let list = try await server.sluice("smarthost", "list").output
            #expect(list.contains("everybody") && list.contains("127.0.0.1:\(own.port)"))
        }
        await own.stop()
        await all.stop()
    }

    @Test func `it is never this server itself, and a login never without TLS`() async throws {
        try await LiveServer.run { server in
            for host in ["127.0.0.1:\(server.ports.smtp)", "mx.acme.test:\(server.ports.smtp)"] {
                let refused = try await server.sluice("smarthost", "set", host)
                #expect(refused.code == 1 && refused.errors.contains("is this server itself"), "\(refused)")
                let domain = try await server.sluice("relay-domain", "add", "far.test", "--to", host)
                #expect(domain.code == 1 && domain.errors.contains("is this server itself"), "\(domain)")
            }
            let refused = ["", "a b", "[::1", "192.0.2.1:0", "host:x", "host:70000", "127.1:\(server.ports.smtp)"]
            let itself = ["[0.0.0.0]", "[::]", "[::ffff:0.0.0.0]"].map { "\($0):\(server.ports.smtp)" }
            for host in refused + itself {
                #expect(try await server.sluice("smarthost", "set", host).code == 1)
            }
            let bare = try await server.sluice(
                "smarthost", "set", "smart.test", "--tls", "none", "--login", "a", "--password-stdin", input: "b\n")
            #expect(bare.code == 1 && bare.errors.contains("would show the password"), "\(bare)")
            #expect(try await server.sluice("smarthost", "set", "smart.test", "--login", "a").code == 2)
            #expect(try await server.sluice("smarthost", "list").output.isEmpty)
        }
    }

    @Test func `all mail for a domain goes to another server`() async throws {
        let sink = try await Sink.start()
        try await LiveServer.run { server in
            let to = "127.0.0.1:\(sink.port)"
            for command in [
                ["relay-domain", "add", "partner.test", "--to", to],
                ["relay-domain", "add", "aol.test", "--to", to, "--only-authenticated"],
                ["relay-domain", "add", "beta.test", "--to", to],
            ] {
                let ran = try await server.sluice(command)
                #expect(ran.code == 0, "\(ran)")
            }
            let wire = try await server.smtp()
            try await wire.greet()
            // One that is not hosted here, and one that is.
            let reply = try await wire.deliver(Self.mail, to: ["x@partner.test", "nobody@beta.test"])
            #expect(reply.hasPrefix("250"))
            #expect(try await sink.messages(count: 1)[0].recipients == ["x@partner.test", "nobody@beta.test"])
            try await wire.expect("MAIL FROM:<a@out.test>", "250")
            try await wire.expect("RCPT TO:<x@aol.test>", "550 5.7.1")
            try await wire.expect("RSET", "250")
            try await Self.send(server, to: "x@aol.test")
            #expect(try await sink.messages(count: 2)[1].recipients == ["x@aol.test"])
            // No mailbox of a relayed domain gets anything by another way, and who makes one is told.
            let box = try await server.sluice("mailbox", "add", "m@beta.test", "--password-stdin", input: "sesame\n")
            #expect(box.code == 0 && box.errors.contains("warning: all mail for beta.test goes to \(to)"), "\(box)")
            #expect(try await server.sluice("domain", "alias", "add", "new.test", "beta.test").code == 0)
            #expect(try await server.sluice("alias", "add", "info@acme.test", "m@beta.test").code == 0)
            for (number, address) in ["info@acme.test", "m@new.test"].enumerated() {
                #expect(try await wire.deliver(Self.mail, to: [address]).hasPrefix("250"))
                #expect(try await sink.messages(count: 3 + number)[2 + number].recipients == ["m@beta.test"])
            }
            #expect(try await server.queueIsEmpty() && server.mail(of: "m@beta.test").isEmpty)
            #expect(try await server.sluice("relay-domain", "remove", "partner.test").code == 0)
            try await wire.expect("MAIL FROM:<a@out.test>", "250")
            try await wire.expect("RCPT TO:<x@partner.test>", "550 5.7.1")
        }
        await sink.stop()
    }

    // MARK: Sealing

    @Test func `a sealed password opens for its own server alone`() throws {
        let folder = try TemporaryFolder()
        let seal = LoginSeal(path: folder.path + "/seal.key")
        let sealed = try seal.seal("sesame", name: "anna", host: "Smart.test", port: 587)
        #expect(sealed.sealedPassword.count == 6 + 12 + 16)
        #expect(try seal.open(sealed, host: "smart.test", port: 587).password == "sesame")
        #expect(try seal.seal("sesame", name: "anna", host: "smart.test", port: 587) != sealed)
        var other = sealed
        other.name = "bert"
        for (login, host, port) in [(sealed, "evil.test", 587), (sealed, "smart.test", 25), (other, "smart.test", 587)]
        {
            #expect(throws: StageFailure.self) { try seal.open(login, host: host, port: port) }
        }
        for place in sealed.sealedPassword.indices {
            var damaged = sealed
            damaged.sealedPassword[place] ^= 1
            #expect(throws: StageFailure.self) { try seal.open(damaged, host: "smart.test", port: 587) }
        }
        var short = sealed
        short.sealedPassword = Array(sealed.sealedPassword.prefix(28))
        #expect(throws: StageFailure.self) { try seal.open(short, host: "smart.test", port: 587) }
        let elsewhere = LoginSeal(path: folder.path + "/other.key")
        #expect(throws: StageFailure.self) { try elsewhere.open(sealed, host: "smart.test", port: 587) }
        #expect(!FileManager.default.fileExists(atPath: elsewhere.path))
        _ = try elsewhere.seal("x", name: "y", host: "z", port: 1)
        #expect(throws: StageFailure.self) { try elsewhere.open(sealed, host: "smart.test", port: 587) }
    }
}

/// A Dovecot of the tests that knows logins, and nothing else.
final class DovecotLogins: Sendable {
    let folder: TemporaryFolder
    let child: Child
    var socket: String { folder.path + "/run/logins" }
    var log: String { (try? folder.text("log")) ?? "no log: \((try? folder.text("err")) ?? "")" }

    init() throws {
        guard getuid() == 0 else { throw MissingPeer(name: "root (for Dovecot's master)") }
        folder = try TemporaryFolder()
        let root = folder.path
        for name in ["run", "state"] {
            try FileManager.default.createDirectory(atPath: "\(root)/\(name)", withIntermediateDirectories: true)
        }
        chmod(root, 0o755)
        try folder.write("anna@isp.test:{PLAIN}open sesame\n", to: "users")
        try folder.write(
            """
            base_dir = \(root)/run
            state_dir = \(root)/state
            log_path = \(root)/log
            protocols =
            ssl = no
            first_valid_uid = 1
            auth_mechanisms = plain login
            service auth {
              unix_listener logins {
                mode = 0666
              }
            }
            passdb {
              driver = passwd-file
              args = \(root)/users
            }
            userdb {
              driver = static
              args = uid=65534 gid=65534 home=/tmp
            }

            """, to: "dovecot.conf")
        child = try Child("dovecot", ["-F", "-c", root + "/dovecot.conf"], place: root)
    }
}
