import Foundation
import Testing

/// Other people's clients deliver through the server.
@Suite struct PeerClientTests {
    /// How swaks speaks, and to which port.
    struct Call: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let port: @Sendable (LiveServer) -> Int
        var arguments: [String] = []
        /// What the conversation must contain.
        var said: [String] = []
        var from = "a@out.test"
    }

    static let login = ["--auth-user", "anna@acme.test", "--auth-password", LiveServer.password]

    static let calls = [
        Call(testDescription: "plain", port: { $0.ports.smtp }),
        Call(
            testDescription: "STARTTLS", port: { $0.ports.smtp }, arguments: ["--tls"],
            said: ["TLS started with cipher TLSv1.3"]),
        Call(
            testDescription: "pipelining", port: { $0.ports.smtp }, arguments: ["--pipeline"],
            said: ["DATA\n<-  250 2.0.0 Sender accepted\n<-  250 2.1.5"]),
        Call(
            testDescription: "AUTH PLAIN", port: { $0.ports.submission },
            arguments: ["--tls", "--auth", "PLAIN"] + login,
            said: ["<~  235 "], from: "anna@acme.test"),
        Call(
            testDescription: "AUTH LOGIN", port: { $0.ports.submission },
            arguments: ["--tls", "--auth", "LOGIN"] + login,
            said: ["<~  235 "], from: "anna@acme.test"),
        Call(
            testDescription: "TLS from the first octet", port: { $0.ports.submissions },
            arguments: ["--tls-on-connect", "--auth", "PLAIN"] + login, said: ["<~  235 "], from: "anna@acme.test"),
        Call(testDescription: "LMTP", port: { $0.ports.lmtp }, arguments: ["--protocol", "LMTP"], said: ["LHLO"]),
    ]

    @Test func `swaks delivers in each of its ways`() async throws {
        try await LiveServer.run { server in
            for call in Self.calls {
                let ran = try await Programs.run(
                    "swaks",
                    [
                        "--server", "127.0.0.1:\(call.port(server))", "--to", "bert@acme.test", "--from", call.from,
                        "--helo", "client.test", "--h-Subject", call.testDescription,
                    ] + call.arguments)
                #expect(ran.code == 0, "\(call.testDescription): \(ran)")
                for text in call.said { #expect(ran.output.contains(text), "\(call.testDescription): \(ran)") }
                #expect(ran.output.contains("250 2.0.0 Taken as"), "\(call.testDescription): \(ran)")
            }
            let mail = try await server.mail(of: "bert@acme.test", count: Self.calls.count)
            for call in Self.calls {
                #expect(
                    mail.contains { $0.contains("Subject: \(call.testDescription)\r\n") }, "\(call.testDescription)")
            }
            let wrong = try await Programs.run(
                "swaks",
                [
                    "--server", "127.0.0.1:\(server.ports.submission)", "--to", "bert@acme.test", "--from",
                    "anna@acme.test",
                    "--tls", "--auth", "PLAIN", "--auth-user", "anna@acme.test", "--auth-password", "wrong",
                ])
            #expect(wrong.code == 28, "\(wrong)")
            #expect(wrong.output.contains("535 5.7.8"))
        }
    }

    @Test func `curl delivers over smtp and smtps`() async throws {
        try await LiveServer.run { server in
            try server.folder.write("From: anna@acme.test\r\nSubject: curl\r\n\r\n.dot\r\nbody\r\n", to: "message")
            let common = [
                "--silent", "--show-error", "--mail-from", "anna@acme.test", "--mail-rcpt", "carl@acme.test",
                "--mail-rcpt", "bert@acme.test", "--upload-file", server.folder.path + "/message", "--cacert",
                server.folder.path + "/tls/cert.pem",
            ]
            let login = ["--user", "anna@acme.test:\(LiveServer.password)"]
            for arguments in [
                ["smtp://127.0.0.1:\(server.ports.smtp)/client.test"],
                ["smtp://127.0.0.1:\(server.ports.submission)/client.test", "--ssl-reqd"] + login,
                ["smtps://127.0.0.1:\(server.ports.submissions)/client.test"] + login,
            ] {
                let ran = try await Programs.run("curl", common + arguments)
                #expect(ran.code == 0, "\(arguments): \(ran)")
            }
            let mail = try await server.mail(of: "carl@acme.test", count: 3)
            #expect(mail.allSatisfy { $0.hasSuffix("\r\n\r\n.dot\r\nbody\r\n") })
            _ = try await server.mail(of: "bert@acme.test", count: 3)
        }
    }

    static let script = """
        import base64, hashlib, os, smtplib, ssl, sys
        from email.message import EmailMessage
        port, submission, password = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]

        with smtplib.SMTP('127.0.0.1', port, local_hostname='client.test') as s:
            s.ehlo()
            s.sendmail('a@out.test', ['bert@acme.test'],
                       'From: a@out.test\\r\\nSubject: eight\\r\\n\\r\\nGr\\u00fc\\u00dfe\\r\\n'.encode('latin-1'),
                       mail_options=['BODY=8BITMIME'])
            text = 'From: J\\u00fcrgen <j\\u00fcrgen@out.test>\\r\\nSubject: Gr\\u00fc\\u00dfe\\r\\n\\r\\n\\u20ac\\r\\n'
            s.sendmail('j\\u00fcrgen@out.test', ['bert@acme.test'], text.encode(),
                       mail_options=['SMTPUTF8', 'BODY=8BITMIME'])
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with smtplib.SMTP('127.0.0.1', submission, local_hostname='client.test') as s:
            s.starttls(context=context)
            s.login('anna@acme.test', password)
            message = EmailMessage()
            message['From'], message['To'], message['Subject'] = 'anna@acme.test', 'bert@acme.test', 'large'
            message.set_content('with an attachment')
            data = os.urandom(5 << 20)
            message.add_attachment(data, maintype='application', subtype='octet-stream', filename='data.bin')
            s.send_message(message)
            print(hashlib.sha256(data).hexdigest())
            try:
                s.sendmail('anna@acme.test', ['nobody@acme.test'], 'From: anna@acme.test\\r\\n\\r\\nx')
            except smtplib.SMTPRecipientsRefused as refused:
                print(refused.recipients['nobody@acme.test'][0])
        """

    static let attachment = """
        import email, email.policy, glob, hashlib, sys
        for name in glob.glob(sys.argv[1] + '/*'):
            message = email.message_from_binary_file(open(name, 'rb'), policy=email.policy.default)
            for part in message.iter_attachments():
                print(part.get_filename(), hashlib.sha256(part.get_content()).hexdigest())
        """

    @Test func `Python's smtplib sends eight bits, UTF-8 addresses and a large attachment`() async throws {
        try await LiveServer.run { server in
            let ran = try await Programs.run(
                "python3",
                ["-c", Self.script, "\(server.ports.smtp)", "\(server.ports.submission)", LiveServer.password])
            #expect(ran.code == 0, "\(ran)")
            let lines = ran.output.split(separator: "\n")
            #expect(lines.last == "550")
            #expect(await eventually { server.mail(of: "bert@acme.test").count == 3 })
            let mail = server.mail(of: "bert@acme.test")
            let greeting: [UInt8] = [0x47, 0x72, 0xFC, 0xDF, 0x65, 0x0D, 0x0A]
            #expect(mail.contains { $0.suffix(7).elementsEqual(greeting) })
            #expect(mail.contains { $0.suffix(5).elementsEqual("€\r\n".utf8) })
            let found = try await Programs.run(
                "python3", ["-c", Self.attachment, "\(server.data)/mailboxes/acme.test/bert/Maildir/new"])
            #expect(found.output.contains("data.bin \(lines.first ?? "?")"), "\(found)")
        }
    }

    @Test func `Postfix's smtp-source delivers two hundred messages over twenty sessions`() async throws {
        var setup = LiveServer.Setup()
        setup.smtp = "max_connections_per_address = 100"
        // It sends no From field worth the name.
        setup.filters["30-header.toml"] = "stage = \"header\"\n[header]\nfrom = \"ignore\"\n"
        try await LiveServer.run(setup) { server in
            let ran = try await Programs.run(
                "smtp-source",
                [
                    "-s", "20", "-m", "200", "-l", "4096", "-f", "a@out.test", "-t", "anna@acme.test", "-M",
                    "client.test",
                    "127.0.0.1:\(server.ports.smtp)",
                ])
            #expect(ran.code == 0, "\(ran)")
            let mail = try await server.mail(of: "anna@acme.test", count: 200)
            #expect(mail.count == 200)
            #expect(try await server.queueIsEmpty())
        }
    }

    @Test func `msmtp delivers a body octet by octet as it was`() async throws {
        try await LiveServer.run { server in
            let settings = """
                account default
                host 127.0.0.1
                port \(server.ports.submission)
                from anna@acme.test
                tls on
                tls_starttls on
                tls_certcheck off
                auth plain
                user anna@acme.test
                passwordeval echo \(LiveServer.password)
                domain client.test

                """
            let file = server.folder.path + "/msmtprc"
            _ = FileManager.default.createFile(
                atPath: file, contents: Data(settings.utf8), attributes: [.posixPermissions: 0o600])
            let body =
                (["", ".", "..", ".dot", "From here", "\ttab ", String(repeating: "long ", count: 300), "ü", "-- "]
                + (0..<500).map { "line \($0)" }).joined(separator: "\n") + "\n"
            let ran = try await Programs.run(
                "msmtp", ["--file", file, "carl@acme.test"],
                input: Array("From: anna@acme.test\nTo: carl@acme.test\nSubject: bodies\n\n\(body)".utf8))
            #expect(ran.code == 0, "\(ran)")
            let mail = try await server.mail(of: "carl@acme.test", count: 1)[0]
            let wanted = Array(body.replacingOccurrences(of: "\n", with: "\r\n").utf8)
            #expect(Array(mail.utf8).suffix(wanted.count + 4) == Array("\r\n\r\n".utf8) + wanted)
        }
    }
}
