import Foundation
import MailTypes
import Protocols
import Synchronization
import Testing

/// The built server as the milter of other people's mail servers: a real Postfix, and Debian's miltertest.
@Suite struct MilterFrontendTests {
    /// Two that ask: over TCP, and at a socket in the file system.
    static func listener(_ port: Int, _ folder: String) -> String {
        """
        [[listener]]
        protocol = "milter"
        bind     = ["127.0.0.1:\(port)", "unix:\(folder)/milter.sock"]
        """
    }

    static func message(_ subject: String, _ body: String = "See you.") -> String {
        """
        From: anna@acme.test\r
        To: user@far.test\r
        X-Old: one\r
        X-Old: two\r
        Subject: \(subject)\r
        Date: \(MailDate(Date()))\r
        Message-ID: <\(subject).1@acme.test>\r
        \r
        \(body)\r

        """
    }

    /// A milter of Sluice's own chain that does what a message's subject says.
    static func changer() async throws -> FakeMilter {
        let subject = Subject()
        return try await FakeMilter.start(
            FakeMilter.saying { command in
                switch command {
                case .recipient("<refused@far.test>", _):
                    return [.refuse(Reply(550, .badDestinationMailbox, "100% no"))]
                case .header(let name, let value):
                    if name == Array("Subject".utf8) { subject.text = String(decoding: value, as: UTF8.self) }
                    return []
                case .endOfMessage: return changes(for: subject.text)
                default: return []
                }
            })
    }

    /// Of the message that has come last.
    private final class Subject: Sendable {
        private let kept = Mutex("")
        var text: String {
            get { kept.withLock { $0 } }
            set { kept.withLock { $0 = newValue } }
        }
    }

    static func changes(for subject: String) -> [MilterReply] {
        let changes: [MilterChange] =
            switch subject.trimmingCharacters(in: .whitespaces) {
            case "body": [.replaceBody(Array("Other.\r\n.dot\r\n".utf8) + [UInt8](repeating: 0x61, count: 70_000))]
            case "fields":
                [
                    .changeField(number: 2, name: "X-Old", value: " changed\n\tfolded"),
                    .insertField(at: 5, name: "X-Middle", value: " here"),
                ]
            case "others":
                [
                    .deleteRecipient("<user@far.test>"), .addRecipient("<second@far.test>", parameters: nil),
                    .changeSender("<list@acme.test>", parameters: nil),
                ]
            case "hold": [.quarantine("a person must look")]
            default: []
            }
        return changes.map(MilterReply.change) + [subject.contains("drop") ? .discard : .continue]
    }

    /// A place that signs for acme.test, and its public key.
    static func place() async throws -> (Place, key: String) {
        let place = try await SigningTests.place()
        try place.folder.write(
            """
            stage = "dkim-sign"
            [dkim-sign]
            networks = ["127.0.0.1/32"]
            [dkim-sign.domains."acme.test"]
            active = ["s1"]

            """, to: "filters.d/90-dkim-sign.toml")
        let file = place.folder.path + "/data/keys/dkim/acme.test/s1.pem"
        let pem = try await Programs.run("openssl", ["pkey", "-in", file, "-pubout"])
        guard pem.code == 0 else { throw Timeout("openssl: \(pem)") }
        return (place, pem.output.split(separator: "\n").filter { !$0.hasPrefix("-") }.joined())
    }

    /// A server that is asked on `port`, until `body` has ended.
    static func run(
        _ port: Int, in place: Place, filters: [String: String] = [:], _ body: (LiveServer) async throws -> Void
    ) async throws {
        var setup = SpamServingTests.setup
        setup.more = listener(port, place.folder.path)
        setup.filters.merge(filters) { $1 }
        try await Turnstile.servers.pass {
            let server = try await LiveServer.start(setup, in: place)
            do { try await body(server) } catch {
                server.child.kill()
                Issue.record("\(error); the log ends:\n\(server.log.suffix(3000))")
                throw error
            }
            await server.stop()
            try await server.replay()
        }
    }

    @Test func `a real Postfix has the whole chain without being replaced`() async throws {
        let (place, key) = try await Self.place()
        let ports = try Ports.free(2)
        let milter = try await Self.changer()
        let postfix = try PostfixPeer(
            port: ports[0], tls: nil,
            settings: """
                smtpd_milters = inet:127.0.0.1:\(ports[1])
                milter_default_action = tempfail
                relay_domains = acme.test

                """)
        defer { postfix.child.kill() }
        let stage = "stage = \"milter\"\n[milter]\nsocket = \"127.0.0.1:\(milter.port)\"\n"
        try await Self.run(ports[1], in: place, filters: ["48-milter.toml": stage]) { server in
            try await converse(postfix, at: ports[0], key)
            #expect(await Self.isTraced(server))
            #expect(try await server.queueIsEmpty(), "nothing is Sluice's to deliver")
        }
        await postfix.child.stop()
        await milter.stop()
    }

    private func converse(_ postfix: PostfixPeer, at port: Int, _ key: String) async throws {
        #expect(await eventually { (try? await Wire.connect(port: port)) != nil })
        let wire = try await Wire.connect(port: port)
        try await wire.greet()
        try await refusals(wire, postfix)
        try await edits(wire, postfix, key)
        try await envelope(wire, postfix)
        await wire.close()
    }

    private static func isTraced(_ server: LiveServer) async -> Bool {
        await eventually {
            let output = try? await server.sluice("trace", "--outcome", "passed").output
            return output?.contains("user@far.test") == true
        }
    }

    /// What is refused is refused by Postfix, in Sluice's words, at its time.
    private func refusals(_ wire: Wire, _ postfix: PostfixPeer) async throws {
        let spam = try await wire.deliver(
            Self.message("zzworst"), from: "anna@acme.test", to: ["user@far.test"])
        #expect(spam.hasPrefix("550 5.7.1 This message looks like spam"), "\(spam)\n\(postfix.log)")
        try await wire.expect("MAIL FROM:<anna@acme.test>", "250")
        try await wire.expect("RCPT TO:<nobody@acme.test>", "550 5.1.1")
        try await wire.expect("RCPT TO:<refused@far.test>", "550 5.1.1 100% no")
        try await wire.expect("RSET", "250")
    }

    private func send(_ wire: Wire, _ subject: String, _ body: String = "See you.") async throws {
        let reply = try await wire.deliver(
            Self.message(subject, body), from: "anna@acme.test", to: ["user@far.test"])
        #expect(reply.hasPrefix("250"), "\(subject): \(reply)")
    }

    private func edits(_ wire: Wire, _ postfix: PostfixPeer, _ key: String) async throws {
        try await send(wire, "minutes")
        let mail = try #require(
            await PeerServerTests.file(in: postfix.mail + "/user", containing: "Subject: minutes"), "\(postfix.log)")
        #expect(mail.contains("X-Spam-Status: No") && !mail.contains("(Sluice)"), "\(mail)")
        #expect(mail.contains("DKIM-Signature:") && mail.hasSuffix("\n\nSee you.\n"), "\(mail)")
        #expect(try await MilterPeerTests.isSound(Self.asSent(mail), key), "\(mail)")

        try await send(wire, "body")
        let other = try #require(
            await PeerServerTests.file(in: postfix.mail + "/user", containing: "Subject: body"), "\(postfix.log)")
        #expect(other.contains("\n\nOther.\n.dot\naaaa") && !other.contains("See you."), "\(other.prefix(3000))")
        #expect(other.count { $0 == "a" } > 70_000)
        #expect(try await MilterPeerTests.isSound(Self.asSent(other), key), "\(other.prefix(3000))")

        try await send(wire, "fields")
        let fields = try #require(
            await PeerServerTests.file(in: postfix.mail + "/user", containing: "Subject: fields"), "\(postfix.log)")
        #expect(fields.contains("X-Old: one\nX-Old: changed\n\tfolded\n"), "\(fields)")
        #expect(fields.contains("\nX-Middle: here\n"), "\(fields)")
        #expect(try await MilterPeerTests.isSound(Self.asSent(fields), key), "\(fields)")
    }

    /// Without what a mailbox has put above it.
    static func asSent(_ mail: String) -> String {
        mail.split(separator: "\n", omittingEmptySubsequences: false)
            .drop { $0.hasPrefix("Return-Path:") || $0.hasPrefix("X-Original-To:") || $0.hasPrefix("Delivered-To:") }
            .joined(separator: "\n")
    }

    private func envelope(_ wire: Wire, _ postfix: PostfixPeer) async throws {
        try await send(wire, "others")
        let mail = try #require(
            await PeerServerTests.file(in: postfix.mail + "/second", containing: "Subject: others"), "\(postfix.log)")
        #expect(mail.contains("Return-Path: <list@acme.test>"), "\(mail)")
        try await send(wire, "hold")
        let held = await PeerServerTests.file(
            in: postfix.folder.path + "/spool/hold", containing: "Subject: hold")
        #expect(held != nil, "\(postfix.log)")
        try await send(wire, "drop")
        try await send(wire, "last")
        let last = await PeerServerTests.file(in: postfix.mail + "/user", containing: "Subject: last")
        #expect(last != nil, "\(postfix.log)")
        // What comes after it is there.
        let files = FileManager.default.enumerator(atPath: postfix.mail)?.compactMap { $0 as? String } ?? []
        let mails = files.compactMap { try? String(contentsOfFile: "\(postfix.mail)/\($0)", encoding: .utf8) }
        #expect(!mails.contains { $0.contains("Subject: drop") || $0.contains("Subject: hold") })
        #expect(mails.filter { $0.contains("Subject: others") }.count == 1)
    }

    @Test func `Debian's miltertest hears what it should, of old and new versions`() async throws {
        let place = try await Place()
        let port = try Ports.free(1)[0]
        try await Self.run(port, in: place) { server in
            try place.folder.write(Self.script, to: "test.lua")
            let sockets = ["inet:\(port)@127.0.0.1", "unix:\(place.folder.path)/milter.sock"]
            for socket in sockets {
                let ran = try await Programs.run(
                    "miltertest", ["-D", "socket=\(socket)", "-s", place.folder.path + "/test.lua"])
                #expect(ran.code == 0 && ran.output.contains("all is well"), "\(ran)\n\(server.log.suffix(2000))")
            }
        }
    }

    static let script = """
        function check(what, truth) if not truth then mt.echo("failed: " .. what) error(what) end end
        function said(what, failure) check(what .. ": " .. tostring(failure), failure == nil) end

        -- One message on a connection of its own; the reply to its end.
        function deliver(subject, version, actions, steps)
          conn = mt.connect(socket, 10, 1)
          check("connected", conn ~= nil)
          -- It sends its last two arguments the other way round.
          said("negotiate", mt.negotiate(conn, version, steps, actions))
          said("connect", mt.conninfo(conn, "mx.out.test", "127.0.0.1"))
          check("the client is taken", mt.getreply(conn) == SMFIR_CONTINUE)
          said("helo", mt.helo(conn, "mx.out.test"))
          check("the hello is taken", mt.getreply(conn) == SMFIR_CONTINUE)
          said("mail", mt.mailfrom(conn, "<alice@out.test>", "SIZE=100"))
          check("mail is taken", mt.getreply(conn) == SMFIR_CONTINUE)
          said("rcpt", mt.rcptto(conn, "<nobody@acme.test>"))
          check("nobody is refused", mt.getreply(conn) == SMFIR_REPLYCODE)
          said("rcpt", mt.rcptto(conn, "<user@far.test>"))
          check("a user is taken", mt.getreply(conn) == SMFIR_CONTINUE)
          said("data", mt.data(conn))
          said("from", mt.header(conn, "From", "Alice Archer <alice@out.test>"))
          said("to", mt.header(conn, "To", "user@far.test"))
          said("date", mt.header(conn, "Date", os.date("!%a, %d %b %Y %H:%M:%S +0000")))
          said("id", mt.header(conn, "Message-ID", "<minutes.1@out.test>"))
          said("subject", mt.header(conn, "Subject", subject))
          said("eoh", mt.eoh(conn))
          said("body", mt.bodystring(conn, "Good morning, here are the minutes of our meeting on Tuesday.\\r\\n"))
          said("eom", mt.eom(conn))
          return mt.getreply(conn)
        end

        mt.set_timeout(60)
        check("accepted", deliver("minutes") == SMFIR_ACCEPT)
        check("it wants to add fields", mt.test_action(conn, SMFIF_ADDHDRS))
        check("a field is put in", mt.eom_check(conn, MT_HDRINSERT, "X-Spam-Score"))
        check("no body", not mt.eom_check(conn, MT_BODYCHANGE))
        mt.disconnect(conn)

        check("refused", deliver("zzworst") == SMFIR_REPLYCODE)
        mt.disconnect(conn)

        -- Version 2, each step answered.
        check("accepted by 2", deliver("minutes", 2, 0x3F, 0x7F) == SMFIR_ACCEPT)
        check("a field for 2", mt.eom_check(conn, MT_HDRINSERT, "X-Spam-Score"))
        mt.disconnect(conn)

        -- A server that lets a milter quarantine and nothing else.
        check("tempfail", deliver("minutes", 6, 0x20, 0x1FFFFF) == SMFIR_REPLYCODE)
        mt.disconnect(conn)
        mt.echo("all is well")
        """
}
