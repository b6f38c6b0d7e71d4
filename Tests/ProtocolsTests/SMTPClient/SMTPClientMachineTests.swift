import MailTypes
import NIOCore
import Protocols
import Testing

@Suite struct SMTPClientMachineTests {
    func outcomes(_ end: ClientDialog.End) throws -> [SMTPTransactionResult.Outcome] {
        guard case .finished(let result) = end else {
            Issue.record("not finished: \(end)")
            return []
        }
        return result.outcomes
    }

    @Test func `a message goes out in one group of commands`() throws {
        var dialog = ClientDialog()
        #expect(dialog.connect() == .ready)
        let end = dialog.deliver(.sample(to: ["bob@there.test", "carl@there.test"]))
        let yes = SMTPTransactionResult.Outcome.accepted(Reply(250, .other, "queued"))
        #expect(try outcomes(end) == [yes, yes])
        #expect(
            dialog.sent == [
                "EHLO client.test", "MAIL FROM:<anna@here.test> SIZE=100", "RCPT TO:<bob@there.test>",
                "RCPT TO:<carl@there.test>", "DATA", "(content)",
            ])
    }

    @Test func `without PIPELINING each command waits for its reply`() throws {
        var dialog = ClientDialog(["EHLO": ["250 mx.test\r\n"]])
        #expect(dialog.connect() == .ready)
        let end = dialog.deliver(.sample(to: ["bob@there.test", "carl@there.test"]))
        #expect(try outcomes(end).count == 2)
        #expect(dialog.sent.contains("MAIL FROM:<anna@here.test>"))
        #expect(dialog.sent.last == "(content)")
    }

    @Test func `a server without EHLO is greeted with HELO`() {
        var dialog = ClientDialog(["EHLO": ["502 5.5.1 What?\r\n"]])
        #expect(dialog.connect() == .ready)
        #expect(dialog.sent == ["EHLO client.test", "HELO client.test"])
    }

    @Test func `each recipient has its own outcome`() throws {
        var dialog = ClientDialog(["RCPT": ["250 Ok\r\n", "550 5.1.1 No such user\r\n", "450 4.2.0 Later\r\n"]])
        #expect(dialog.connect() == .ready)
        let end = dialog.deliver(.sample(to: ["a@t.test", "b@t.test", "c@t.test"]))
        #expect(
            try outcomes(end) == [
                .accepted(Reply(250, .other, "queued")),
                .refused(Reply(550, .badDestinationMailbox, "No such user"), .recipient),
                .refused(Reply(450, .init(2, 0), "Later"), .recipient),
            ])
    }

    /// RFC 2920 §3.1.
    @Test func `content for nobody is an empty message, and the session goes on`() throws {
        var dialog = ClientDialog([
            "RCPT": ["550 5.1.1 No\r\n", "250 Ok\r\n"], ".": ["554 5.5.1 No valid recipients\r\n", "250 Ok\r\n"],
        ])
        #expect(dialog.connect() == .ready)
        let first = dialog.deliver(.sample())
        #expect(try outcomes(first) == [.refused(Reply(550, .badDestinationMailbox, "No"), .recipient)])
        #expect(dialog.sent.last == ".")
        #expect(try outcomes(dialog.deliver(.sample())) == [.accepted(Reply(250, nil, "Ok"))])
    }

    @Test func `a refused transaction is reset before the next one`() throws {
        var dialog = ClientDialog([
            "MAIL": ["550 5.7.1 Not you\r\n", "250 Ok\r\n"], "DATA": ["503 5.5.1 No\r\n", "354 Go\r\n"],
        ])
        #expect(dialog.connect() == .ready)
        let refusal = Reply(550, .deliveryNotAuthorized, "Not you")
        #expect(try outcomes(dialog.deliver(.sample())) == [.refused(refusal, .mail)])
        #expect(try outcomes(dialog.deliver(.sample())).count == 1)
        #expect(dialog.sent.contains("RSET"))
        #expect(dialog.sent.last == "(content)")
    }

    @Test func `a probe ends with the replies to RCPT, and sends nothing`() throws {
        var dialog = ClientDialog(["RCPT": ["250 Ok\r\n", "550 5.1.1 No\r\n"]])
        #expect(dialog.connect() == .ready)
        let probe = SMTPTransaction(
            probing: Envelope(
                sender: nil, recipients: [EnvelopeRecipient("a@t.test"), EnvelopeRecipient("b@t.test")]))
        #expect(
            try outcomes(dialog.deliver(probe)) == [
                .accepted(Reply(250, nil, "Ok")), .refused(Reply(550, .badDestinationMailbox, "No"), .recipient),
            ])
        #expect(
            dialog.sent == ["EHLO client.test", "MAIL FROM:<>", "RCPT TO:<a@t.test>", "RCPT TO:<b@t.test>"])
        #expect(try outcomes(dialog.deliver(.sample())).count == 1)
        #expect(dialog.sent.contains("RSET"))
    }

    @Test func `LMTP answers for each recipient`() throws {
        var dialog = ClientDialog([".": ["250 2.1.5 a is fine\r\n452 4.2.2 b is full\r\n"]]) { $0.language = .lmtp }
        #expect(dialog.connect() == .ready)
        let end = dialog.deliver(.sample(to: ["a@t.test", "b@t.test"]))
        #expect(dialog.sent.first == "LHLO client.test")
        #expect(
            try outcomes(end) == [
                .accepted(Reply(250, .destinationValid, "a is fine")),
                .refused(Reply(452, .mailboxFull, "b is full"), .final),
            ])
    }

    // MARK: TLS and login

    static let withTLS = ["EHLO": ["250-mx.test\r\n250 STARTTLS\r\n", "250-mx.test\r\n250 AUTH PLAIN LOGIN\r\n"]]

    @Test func `after STARTTLS the client greets again`() {
        var dialog = ClientDialog(Self.withTLS) { $0.encryption = .opportunistic }
        #expect(dialog.connect() == .ready)
        #expect(dialog.sent == ["EHLO client.test", "STARTTLS", "(TLS)", "EHLO client.test"])
        #expect(dialog.machine.isEncrypted)
    }

    /// VU#555316: what a man in the middle adds behind the reply must not be taken for said inside TLS.
    @Test(arguments: ["220 Go\r\n250-evil\r\n", "220 Go\r\nx", "220-a\r\n220 b\r\n250 evil\r\n"])
    func `plaintext behind the reply to STARTTLS ends the session`(reply: String) {
        var dialog = ClientDialog(Self.withTLS.merging(["STARTTLS": [reply]]) { _, new in new }) {
            $0.encryption = .opportunistic
        }
        #expect(dialog.connect() == .failed(SMTPClientFailure(.startTLS, .injectedPlaintext)))
    }

    @Test func `required TLS that is not offered ends the session`() {
        var dialog = ClientDialog { $0.encryption = .required }
        #expect(dialog.connect() == .failed(SMTPClientFailure(.hello, .noTLS)))
    }

    @Test func `a refused STARTTLS is no obstacle to opportunistic TLS`() {
        var dialog = ClientDialog(["EHLO": Self.withTLS["EHLO"] ?? [], "STARTTLS": ["454 4.7.0 No\r\n"]]) {
            $0.encryption = .opportunistic
        }
        #expect(dialog.connect() == .ready)
        #expect(!dialog.machine.isEncrypted)
    }

    @Test func `a login is made with PLAIN`() {
        var dialog = ClientDialog(Self.withTLS) {
            $0.encryption = .required
            $0.login = .init(name: "anna", password: "secret")
        }
        #expect(dialog.connect() == .ready)
        #expect(dialog.sent.last == "AUTH PLAIN AGFubmEAc2VjcmV0")
    }

    @Test func `a login is made with LOGIN where there is nothing else`() {
        var dialog = ClientDialog([
            "EHLO": ["250-mx\r\n250 AUTH=LOGIN\r\n"], "AUTH": ["334 VXNlcm5hbWU6\r\n"],
            "YW5uYQ==": ["334 UGFzc3dvcmQ6\r\n"],
            "c2VjcmV0": ["235 2.7.0 Ok\r\n"],
        ]) {
            $0.login = .init(name: "anna", password: "secret")
            $0.loginWithoutTLS = true
        }
        #expect(dialog.connect() == .ready)
        #expect(dialog.sent.suffix(3) == ["AUTH LOGIN", "YW5uYQ==", "c2VjcmV0"])
    }

    @Test func `a password is never sent without TLS`() {
        var dialog = ClientDialog(["EHLO": ["250-mx\r\n250 AUTH PLAIN\r\n"]]) {
            $0.login = .init(name: "anna", password: "secret")
        }
        #expect(dialog.connect() == .failed(SMTPClientFailure(.auth, .noLogin)))
        #expect(dialog.sent == ["EHLO client.test"])
    }

    // MARK: Parameters

    @Test func `DSN parameters are passed on`() throws {
        var dialog = ClientDialog()
        #expect(dialog.connect() == .ready)
        var transaction = SMTPTransaction.sample()
        transaction.envelope.parameters.ret = .headers
        transaction.envelope.parameters.envelopeID = "a+b c"
        transaction.envelope.parameters.body = .eightBitMIME
        transaction.envelope.recipients[0].parameters.notify = [.success, .delay]
        transaction.envelope.recipients[0].parameters.originalRecipient = "rfc822;o+x@here.test"
        guard case .finished(let result) = dialog.deliver(transaction) else { return }
        #expect(result.passedDSN)
        #expect(dialog.sent[1] == "MAIL FROM:<anna@here.test> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=a+2Bb+20c")
        #expect(dialog.sent[2] == "RCPT TO:<bob@there.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o+2Bx@here.test")
    }

    /// RFC 6533 §3: xtext of UTF-8 is none of the forms.
    @Test(arguments: [
        ("utf-8;jürgen@x.test", "utf-8;j\\x{FC}rgen@x.test"),
        ("utf-8;j\\x{FC}rgen@x.test", "utf-8;j\\x{FC}rgen@x.test"),
        ("UTF-8;a+b=ж@x.test", "UTF-8;a\\x{2B}b\\x{3D}\\x{436}@x.test"),
        ("utf-8;\u{1F4E7} @x", "utf-8;\\x{1F4E7}\\x{20}@x"),
        ("x400;a=b", "x400;a+3Db"),
    ])
    func `an original recipient in UTF-8 goes on in ASCII`(_ kept: String, _ sent: String) {
        var dialog = ClientDialog()
        #expect(dialog.connect() == .ready)
        var transaction = SMTPTransaction.sample()
        transaction.envelope.recipients[0].parameters.originalRecipient = kept
        _ = dialog.deliver(transaction)
        #expect(dialog.sent[2] == "RCPT TO:<bob@there.test> ORCPT=\(sent)")
    }

    @Test func `NOTIFY=NEVER is passed on`() {
        var dialog = ClientDialog()
        #expect(dialog.connect() == .ready)
        var transaction = SMTPTransaction.sample()
        transaction.envelope.recipients[0].parameters.notify = .never
        _ = dialog.deliver(transaction)
        #expect(dialog.sent[2] == "RCPT TO:<bob@there.test> NOTIFY=NEVER")
    }

    @Test func `what the server cannot take is not tried`() throws {
        var dialog = ClientDialog()
        #expect(dialog.connect() == .ready)
        var utf8 = SMTPTransaction.sample()
        utf8.needsUTF8 = true
        var large = SMTPTransaction.sample(size: 1001)
        large.envelope.parameters.ret = nil
        var tls = SMTPTransaction.sample()
        tls.envelope.parameters.requireTLS = true
        for (transaction, condition) in [
            (utf8, EnhancedStatusCode.Condition.nonASCIIAddress), (large, .messageTooBig), (tls, .requireTLSNeeded),
        ] {
            guard case .refused(let reply, _)? = try outcomes(dialog.deliver(transaction)).first else {
                Issue.record("not refused")
                continue
            }
            #expect(reply.condition == condition && reply.isPermanent)
        }
        #expect(dialog.sent == ["EHLO client.test"])
    }

    @Test(arguments: ["a\r\nRSET@there.test", "a\n@there.test", "a\u{0}@there.test"] as [EmailAddress])
    func `no control character gets into a command`(address: EmailAddress) throws {
        var dialog = ClientDialog()
        #expect(dialog.connect() == .ready)
        guard case .refused(let reply, .recipient)? = try outcomes(dialog.deliver(.sample(to: [address]))).first else {
            Issue.record("not refused")
            return
        }
        #expect(reply.condition == .badDestinationSyntax)
        #expect(!dialog.sent.contains { $0.hasPrefix("RCPT") || $0 == "RSET" })
    }

    // MARK: Misbehaviour. THREATS R26

    struct Misbehaviour: Sendable, CustomTestStringConvertible {
        var verb: String
        var reply: String
        var testDescription: String { "\(verb): \(reply.prefix(24).debugDescription)" }
    }

    static let misbehaviours: [Misbehaviour] = {
        let nonsense = [
            "000 zero\r\n", "999 nine\r\n", "199 one\r\n", "600 six\r\n", "25 short\r\n", "2500 long\r\n", "abc\r\n",
            "\r\n",
            "250-a\r\n550 b\r\n", "250_a\r\n", "\0\0\0\0\r\n", "HTTP/1.1 400 Bad Request\r\n", ClientDialog.close,
            "250-half" + ClientDialog.close, String(repeating: "x", count: 5000),
            "250-" + String(repeating: "y", count: 5000),
            String(repeating: "250-more\r\n", count: 1000), "２５０ ok\r\n", "-50 a\r\n", "+50 a\r\n",
        ]
        return ["", "EHLO", "MAIL", "RCPT", "DATA", "."].flatMap { verb in
            nonsense.map { Misbehaviour(verb: verb, reply: $0) }
        }
    }()

    @Test(arguments: misbehaviours)
    func `nonsense is never a success and never final`(_ bad: Misbehaviour) throws {
        var dialog = ClientDialog([bad.verb: [bad.reply]])
        let opened = dialog.connect()
        if bad.verb == "" || bad.verb == "EHLO" {
            guard case .failed(let failure) = opened else {
                Issue.record("\(opened)")
                return
            }
            if case .refused = failure.reason { Issue.record("\(failure)") }
            return
        }
        for outcome in try outcomes(dialog.deliver(.sample())) {
            guard case .broken = outcome else {
                Issue.record("\(outcome)")
                continue
            }
        }
    }

    @Test func `a goodbye in the middle ends the session for now`() throws {
        for verb in ["MAIL", "RCPT", "DATA"] {
            var dialog = ClientDialog([verb: ["421 4.3.2 Going down\r\n" + ClientDialog.close]])
            #expect(dialog.connect() == .ready)
            guard case .finished(let result) = dialog.deliver(.sample()) else { return }
            guard case .refused(let reply, _) = result.outcomes[0] else { return }
            #expect(reply.code == 421 && !result.isReusable)
        }
    }

    @Test func `the end after the final dot is told apart`() throws {
        var dialog = ClientDialog([".": [ClientDialog.close]])
        #expect(dialog.connect() == .ready)
        guard case .broken(let failure)? = try outcomes(dialog.deliver(.sample())).first else {
            Issue.record("not broken")
            return
        }
        #expect(failure.phase == .final || failure.phase == .content)
    }

    @Test func `a reply's text can be shown to a person`() throws {
        var parser = SMTPReplyParser()
        var input = ByteBuffer(
            bytes: Array("550-5.7.1 a\u{1b}[31m\u{7}\r\n550 5.7.1 ".utf8) + [0xFF, 0x80] + Array("\r\n".utf8))
        let reply = try #require(try parser.next(&input))
        #expect(reply.lines == ["a?[31m?", "\u{FFFD}\u{FFFD}"])
        #expect(reply.status?.description == "5.7.1")
    }

    /// THREATS R26: each recipient's reply is kept, so a long one is kept in part.
    @Test func `of a novel the beginning is kept, and its end is found`() throws {
        var parser = SMTPReplyParser()
        let chapter = "550-5.1.1 " + String(repeating: "x", count: 3900) + "\r\n"
        var input = ByteBuffer(string: String(repeating: chapter, count: 250) + "550 5.1.1 end\r\n250 next\r\n")
        let reply = try #require(try parser.next(&input))
        #expect(reply.code == 550 && reply.status?.description == "5.1.1")
        #expect(reply.lines.map(\.utf8.count).reduce(0, +) == 8192)
        #expect(try parser.next(&input) == Reply(250, nil, lines: ["next"]))
    }

    @Test func `a reply may come octet by octet`() throws {
        var parser = SMTPReplyParser()
        var input = ByteBuffer()
        var reply: Reply?
        for octet in "250-one\r\n250 2.1.5 two\r\n".utf8 {
            #expect(reply == nil)
            input.writeInteger(octet)
            reply = try parser.next(&input)
        }
        #expect(reply == Reply(250, nil, lines: ["one", "two"]))
    }
}
