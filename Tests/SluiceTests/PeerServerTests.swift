import Foundation
import Testing

/// Other people's servers take what this one sends on.
@Suite struct PeerServerTests {
    static let message = "From: anna@acme.test\r\nSubject: onward\r\n\r\n.dot\r\n..\r\nbody\r\n"

    /// A file that the peer writes its mail to, once it contains `text`.
    static func file(in folder: String, containing text: String) async -> String? {
        var found: String?
        _ = await eventually {
            let files = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
            found = files.lazy.compactMap { FileManager.default.contents(atPath: "\(folder)/\($0)") }
                .map { String(decoding: $0, as: UTF8.self) }.first { $0.contains(text) }
            return found != nil
        }
        return found
    }

    static func send(_ count: Int = 1, through server: LiveServer, to recipients: [String]) async throws {
        let wire = try await server.submission()
        for _ in 0..<count {
            let reply = try await wire.deliver(message, from: "anna@acme.test", to: recipients)
            #expect(reply.hasPrefix("250"), "\(reply)")
        }
    }

    static func setup(_ route: String) -> LiveServer.Setup {
        var setup = LiveServer.Setup()
        setup.filters["20-transport.toml"] = .transport(["far.test": route])
        return setup
    }

    @Test(arguments: ["smtp", "lmtp"])
    func `Postfix's smtp-sink takes mail by SMTP and LMTP`(_ language: String) async throws {
        let folder = try TemporaryFolder()
        let port = try Ports.free(1)[0]
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: folder.path)
        try FileManager.default.createDirectory(
            atPath: folder.path + "/mail", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o777])
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: folder.path + "/mail")
        let user = getuid() == 0 ? ["-u", "nobody"] : []
        let sink = try Child(
            "smtp-sink",
            user + (language == "lmtp" ? ["-L"] : []) + [
                "-c", "-d", "\(folder.path)/mail/%M.", "inet:127.0.0.1:\(port)", "100",
            ],
            place: folder.path)
        defer { sink.kill() }
        try await LiveServer.run(Self.setup("\(language):[127.0.0.1]:\(port)")) { server in
            try await Self.send(5, through: server, to: ["u@far.test", "v@far.test"])
            let mail = await Self.file(in: folder.path + "/mail", containing: "Subject: onward")
            #expect(mail?.contains("u@far.test") == true && mail?.contains("v@far.test") == true)
            #expect(try await server.queueIsEmpty(), "\(sink.hasEnded) \((try? folder.text("err")) ?? "")")
            #expect(server.mail(of: "anna@acme.test").isEmpty, "no report")
        }
        await sink.stop()
    }

    @Test func `a real Postfix takes mail, with TLS`() async throws {
        let place = try await Place()
        let port = try Ports.free(1)[0]
        let postfix = try PostfixPeer(port: port, tls: place.folder.path + "/tls")
        defer { postfix.child.kill() }
        try await LiveServer.run(Self.setup("smtp:[127.0.0.1]:\(port)")) { server in
            #expect(await eventually { (try? await Wire.connect(port: port)) != nil })
            try await Self.send(3, through: server, to: ["user@far.test"])
            #expect(try await server.queueIsEmpty(), "\(postfix.log)")
            let mail = await Self.file(in: postfix.mail, containing: "Subject: onward")
            #expect(mail?.hasSuffix("\n\n.dot\n..\nbody\n") == true, "\(mail ?? postfix.log)")
            #expect(mail?.contains("using TLSv1.3") == true, "\(mail ?? "")")
            // What it refuses comes back as a report.
            try await Self.send(through: server, to: ["nobody@far.test"])
            let report = try await server.mail(of: "anna@acme.test", count: 1)[0]
            try await Reports.check(report, recipient: "nobody@far.test", status: "5.1.1")
        }
        await postfix.child.stop()
    }

    @Test func `Dovecot takes mail by LMTP, each recipient for itself`() async throws {
        let port = try Ports.free(1)[0]
        let dovecot = try DovecotPeer(port: port)
        defer { dovecot.child.kill() }
        try await LiveServer.run(Self.setup("lmtp:[127.0.0.1]:\(port)")) { server in
            #expect(await eventually { (try? await Wire.connect(port: port)) != nil }, "\(dovecot.log)")
            try await Self.send(2, through: server, to: ["erna@far.test", "fred@far.test"])
            #expect(try await server.queueIsEmpty(), "\(dovecot.log)")
            for user in ["erna", "fred"] {
                let inbox = "\(dovecot.folder.path)/mail/\(user)/Maildir/new"
                let mail = await Self.file(in: inbox, containing: "Subject: onward")?.replacingOccurrences(
                    of: "\r\n", with: "\n")
                #expect(mail?.hasSuffix("\n\n.dot\n..\nbody\n") == true, "\(mail ?? dovecot.log)")
            }
            // One exists, one does not.
            try await Self.send(through: server, to: ["erna@far.test", "nobody@far.test"])
            let report = try await server.mail(of: "anna@acme.test", count: 1)[0]
            try await Reports.check(report, recipient: "nobody@far.test", status: "5.1.1")
            #expect(try await server.queueIsEmpty())
        }
        await dovecot.child.stop()
    }
}

/// A Dovecot of the tests that speaks LMTP alone.
private final class DovecotPeer: Sendable {
    let folder: TemporaryFolder
    let child: Child
    var log: String { (try? folder.text("log")) ?? "no log: \((try? folder.text("err")) ?? "")" }

    init(port: Int) throws {
        guard getuid() == 0 else { throw MissingPeer(name: "root (for Dovecot's master)") }
        folder = try TemporaryFolder()
        let root = folder.path
        guard let id = getpwnam("nobody").map({ ($0.pointee.pw_uid, $0.pointee.pw_gid) }) else {
            throw MissingPeer(name: "the user nobody")
        }
        for name in ["run", "state", "mail"] {
            try FileManager.default.createDirectory(atPath: "\(root)/\(name)", withIntermediateDirectories: true)
        }
        chown("\(root)/mail", id.0, id.1)
        chmod(root, 0o755)
        let users = ["erna", "fred"].map { "\($0)@far.test:::::\(root)/mail/\($0)::\n" }
        try folder.write(users.joined(), to: "users")
        try folder.write(
            """
            base_dir = \(root)/run
            state_dir = \(root)/state
            log_path = \(root)/log
            protocols = lmtp
            ssl = no
            mail_location = maildir:~/Maildir
            first_valid_uid = 1
            listen = 127.0.0.1
            service lmtp {
              inet_listener lmtp {
                address = 127.0.0.1
                port = \(port)
              }
            }
            passdb {
              driver = passwd-file
              args = \(root)/users
            }
            userdb {
              driver = passwd-file
              args = \(root)/users
              default_fields = uid=\(id.0) gid=\(id.1)
            }

            """, to: "dovecot.conf")
        child = try Child("dovecot", ["-F", "-c", root + "/dovecot.conf"], place: root)
    }
}

/// Delivery reports, read by somebody else's parser. RFC 3464.
enum Reports {
    static let script = """
        import email, email.policy, sys
        message = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.SMTP)
        assert message.get_content_type() == 'multipart/report', message.get_content_type()
        assert message.get_param('report-type') == 'delivery-status'
        assert message['Auto-Submitted'].startswith('auto-'), message['Auto-Submitted']
        assert not message.defects, message.defects
        parts = message.get_payload()
        kinds = [p.get_content_type() for p in parts]
        assert kinds[0] == 'text/plain' and kinds[1] == 'message/delivery-status', kinds
        assert kinds[2] in ('message/rfc822', 'text/rfc822-headers'), kinds
        fields = [dict(p.items()) for p in parts[1].get_payload()]
        assert fields[0]['Reporting-MTA'].startswith('dns;'), fields[0]
        for one in fields[1:]:
            print(one['Final-Recipient'].split(';')[1].strip(), one['Action'], one['Status'])
        """

    /// The report is for one failed recipient with that status.
    static func check(
        _ report: String, recipient: String, status: String, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let ran = try await Programs.run("python3", ["-c", script], input: Array(report.utf8))
        #expect(ran.code == 0, "\(ran)\n\(report)", sourceLocation: sourceLocation)
        #expect(ran.output == "\(recipient) failed \(status)\n", "\(report)", sourceLocation: sourceLocation)
        #expect(report.hasPrefix("Return-Path: <>\r\n"), sourceLocation: sourceLocation)
    }
}
