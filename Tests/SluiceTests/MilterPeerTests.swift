import Foundation
import MailTypes
import Protocols
import Testing

/// Debian's milters as stages of the built server: OpenDKIM signs, clamav-milter and rspamd refuse.
@Suite struct MilterPeerTests {
    struct Sockets {
        let opendkim: String
        let clamav: String
        let rspamd: String
        /// The public key of what OpenDKIM signs with, in base64.
        let key: String
    }

    // MARK: The milters

    static func opendkim(in folder: TemporaryFolder, port: Int) async throws -> Child {
        let key = folder.path + "/s1.pem"
        let made = try await Programs.run(
            "openssl", ["genpkey", "-out", key, "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        guard made.code == 0 else { throw Timeout("openssl: \(made)") }
        try folder.write(
            """
            Mode s
            Socket inet:\(port)@127.0.0.1
            Domain acme.test
            Selector s1
            KeyFile \(key)
            RequireSafeKeys no
            Canonicalization simple/simple
            Syslog no

            """, to: "opendkim.conf")
        return try Child("opendkim", ["-f", "-x", folder.path + "/opendkim.conf"], place: folder.path)
    }

    static func clamav(in folder: TemporaryFolder) async throws -> [Child] {
        try folder.write(ScanningTests.signature, to: "database/eicar.ndb")
        try folder.write(
            """
            LocalSocket \(folder.path)/clamd.sock
            Foreground true
            DatabaseDirectory \(folder.path)/database
            TemporaryDirectory \(folder.path)

            """, to: "clamd.conf")
        try folder.write(
            """
            MilterSocket unix:\(folder.path)/milter.sock
            Foreground true
            ClamdSocket unix:\(folder.path)/clamd.sock
            OnInfected Reject
            RejectMsg Found %v
            AddHeader Replace
            TemporaryDirectory \(folder.path)

            """, to: "milter.conf")
        let places = [try TemporaryFolder(), try TemporaryFolder()]
        let daemon = try Child("clamd", ["-c", folder.path + "/clamd.conf"], place: places[0].path)
        let isThere = await eventually(within: .seconds(60)) {
            FileManager.default.fileExists(atPath: folder.path + "/clamd.sock")
        }
        guard isThere else { throw Timeout("no clamd: \((try? places[0].text("err")) ?? "")") }
        return [daemon, try Child("clamav-milter", ["-c", folder.path + "/milter.conf"], place: places[1].path)]
    }

    static func rspamd(in folder: TemporaryFolder, port: Int) async throws -> Child {
        try ScannerTests.files(folder, (port, 1))
        var conf = try folder.text("rspamd.conf")
        conf = conf.replacing(
            "worker \"normal\" { bind_socket = \"127.0.0.1:\(port)\"; count = 1; }",
            with: """
                worker "rspamd_proxy" {
                  bind_socket = "127.0.0.1:\(port)"; count = 1; milter = yes; timeout = 20s;
                  upstream "local" { default = yes; self_scan = yes; }
                }
                """)
        conf = conf.replacing("reject = 15", with: "reject = 3").replacing("greylist = 4;", with: "")
            .replacing("add_header = 6;", with: "")
        try folder.write(conf, to: "rspamd.conf")
        return try Child(
            await ScannerTests.rspamd(), ["-f", "-i", "-c", folder.path + "/rspamd.conf"],
            environment: ["DBDIR": folder.path, "RUNDIR": folder.path], place: folder.path)
    }

    static func withMilters<Result>(_ body: (Sockets) async throws -> Result) async throws -> Result {
        let folders = [try TemporaryFolder(), try TemporaryFolder(), try TemporaryFolder()]
        let ports = try Ports.free(2)
        var children = [try await opendkim(in: folders[0], port: ports[0])]
        defer { for child in children { child.kill() } }
        children += try await clamav(in: folders[1])
        children.append(try await rspamd(in: folders[2], port: ports[1]))
        for port in ports {
            let isThere = await eventually(within: .seconds(60)) { (try? await Wire.connect(port: port)) != nil }
            guard isThere else { throw Timeout("no milter: \(folders.map { (try? $0.text("err")) ?? "" })") }
        }
        let isThere = await eventually(within: .seconds(60)) {
            FileManager.default.fileExists(atPath: folders[1].path + "/milter.sock")
        }
        guard isThere else { throw Timeout("no clamav-milter") }
        let pem = try await Programs.run("openssl", ["pkey", "-in", folders[0].path + "/s1.pem", "-pubout"])
        guard pem.code == 0 else { throw Timeout("openssl: \(pem)") }
        let base64 = pem.output.split(separator: "\n").filter { !$0.hasPrefix("-") }.joined()
        let result = try await body(
            Sockets(
                opendkim: "inet:\(ports[0])@127.0.0.1", clamav: "unix:\(folders[1].path)/milter.sock",
                rspamd: "inet:127.0.0.1:\(ports[1])", key: base64))
        for child in children.reversed() { await child.stop() }
        return result
    }

    /// What another implementation says of the signature.
    static func isSound(_ mail: String, _ key: String) async throws -> Bool {
        let script = """
            import dkim, sys
            mail = sys.stdin.buffer.read().replace(b"\\r\\n", b"\\n").replace(b"\\n", b"\\r\\n")
            record = b"v=DKIM1; k=rsa; p=" + sys.argv[1].encode()
            print(dkim.verify(mail, dnsfunc=lambda name, timeout=5: record))
            """
        let ran = try await Programs.run("python3", ["-c", script, key], input: Array(mail.utf8))
        return ran.code == 0 && ran.output.contains("True")
    }

    static func message(_ subject: String, _ body: String) -> String {
        "From: anna@acme.test\r\nTo: bert@acme.test\r\nSubject: \(subject)\r\n"
            + "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@acme.test>\r\n\r\n\(body)\r\n"
    }

    @Test func `each at its place, with what the ones before have done`() async throws {
        try await Self.withMilters { sockets in
            var setup = LiveServer.Setup()
            let places = [
                ("35-clamav-milter", sockets.clamav), ("45-rspamd-milter", sockets.rspamd),
                ("91-opendkim", sockets.opendkim),
            ]
            for (file, socket) in places {
                setup.filters["\(file).toml"] = "stage = \"milter\"\n[milter]\nsocket = \"\(socket)\"\n"
            }
            try await LiveServer.run(setup) { server in
                let user = try await server.submission()
                let virus = try await user.deliver(
                    Self.message("x", ScanningTests.eicar), from: "anna@acme.test", to: ["bert@acme.test"])
                #expect(virus.hasPrefix("550 5.7.1 Found Eicar-Test-Signature"), "\(virus)")
                let spam = try await user.deliver(
                    Self.message("Pills", "Hello."), from: "anna@acme.test", to: ["bert@acme.test"])
                #expect(spam.hasPrefix("554 5.7.1"), "\(spam)")
                let good = try await user.deliver(
                    Self.message("Hello", "Good morning."), from: "anna@acme.test", to: ["bert@acme.test"])
                #expect(good.hasPrefix("250"), "\(good)")
                let mail = try await server.mail(of: "bert@acme.test", count: 1)[0]
                #expect(mail.contains("X-Virus-Status: Clean") && mail.contains("DKIM-Signature: "), "\(mail)")
                // What OpenDKIM has signed is what the milters before it have left, to the octet.
                #expect(try await Self.isSound(mail, sockets.key), "\(mail)")
                let id = String(good.suffix(16))
                #expect(await eventually { (try? await server.sluice("trace", id).code) == 0 })
                let trace = try await server.sluice("trace", id, "--json").output
                for (file, _) in places { #expect(trace.contains(file), "\(trace)") }
                await user.close()
            }
        }
    }

    @Test func `one that is gone is what on_failure says`() async throws {
        var setup = LiveServer.Setup()
        let port = try Ports.free(1)[0]
        setup.filters["33-gone.toml"] =
            "stage = \"milter\"\non_failure = \"continue\"\n[milter]\nsocket = \"127.0.0.1:\(port)\"\n"
        try await LiveServer.run(setup) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(Self.message("x", "y")).hasPrefix("250"))
            let mail = try await server.mail(of: "anna@acme.test", count: 1)[0]
            #expect(mail.contains("X-Sluice-Unchecked: milter (could not decide)"), "\(mail)")
            await wire.close()
        }
        setup.filters["33-gone.toml"] = "stage = \"milter\"\n[milter]\nsocket = \"127.0.0.1:\(port)\"\n"
        try await LiveServer.run(setup) { server in
            let wire = try await server.smtp()
            #expect(try await wire.reply().hasPrefix("451"))
            await wire.close()
        }
    }

    @Test func `what a milter does to the envelope is done to the mail`() async throws {
        let milter = try await FakeMilter.start(
            FakeMilter.saying { command in
                switch command {
                case .recipient("<carl@acme.test>", _): [.refuse(Reply(550, .badDestinationMailbox, "Not carl"))]
                case .endOfMessage:
                    [
                        .change(.changeSender("<list@acme.test>", parameters: nil)),
                        .change(.deleteRecipient("<anna@acme.test>")),
                        .change(.addRecipient("<bert@acme.test>", parameters: nil)),
                        .change(.insertField(at: 0, name: "X-By", value: " milter\n\tfolded")),
                        .change(.replaceBody(Array("Other.\r\n".utf8))), .continue,
                    ]
                default: []
                }
            })
        var setup = LiveServer.Setup()
        setup.filters["48-milter.toml"] = "stage = \"milter\"\n[milter]\nsocket = \"127.0.0.1:\(milter.port)\"\n"
        try await LiveServer.run(setup) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            try await wire.expect("MAIL FROM:<a@out.test>", "250")
            try await wire.expect("RCPT TO:<carl@acme.test>", "550 5.1.1 Not carl")
            try await wire.expect("RCPT TO:<anna@acme.test>", "250")
            try await wire.expect("DATA", "354")
            try await wire.expect(Self.message("x", "Hello.") + ".", "250")
            let mail = try await server.mail(of: "bert@acme.test", count: 1)[0]
            #expect(mail.contains("X-By: milter") && mail.contains("\tfolded") && mail.contains("Other."), "\(mail)")
            #expect(mail.contains("Return-Path: <list@acme.test>") && !mail.contains("Hello."), "\(mail)")
            #expect(server.mail(of: "anna@acme.test").isEmpty)
            await wire.close()
            #expect(await eventually { milter.connections == 0 })
        }
        await milter.stop()
    }
}
