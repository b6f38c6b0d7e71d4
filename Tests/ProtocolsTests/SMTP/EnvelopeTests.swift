import MailTypes
import NIOCore
import Protocols
import SluiceTesting
import Testing

/// What of the commands reaches the pipeline's questions.
@Suite struct EnvelopeTests {
    static func asked(
        _ lines: [String], _ configuration: SMTPServerMachine.Configuration = .init(hostname: "mx.here.example")
    ) -> SMTPMachineTransport {
        var transport = SMTPMachineTransport(configuration, isEncrypted: true)
        for line in ["EHLO client.example"] + lines { transport.send(Array((line + "\r\n").utf8)) }
        return transport
    }

    @Test func `MAIL's parameters are in the envelope`() {
        let line =
            "MAIL FROM:<jürgen@Sender.Example> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B1 REQUIRETLS PRDR"
        let transport = Self.asked([line])
        var parameters = MailParameters()
        parameters.size = 1000
        parameters.body = .eightBitMIME
        parameters.smtpUTF8 = true
        parameters.ret = .headers
        parameters.envelopeID = "QQ+1"
        parameters.requireTLS = true
        let envelope = Envelope(sender: "jürgen@sender.example", parameters: parameters)
        #expect(transport.questions.last == .sender(envelope))
        #expect(transport.machine.isInTransaction)
        #expect(transport.machine.usesPRDR)
        #expect(transport.machine.repliesPerRecipient)
    }

    @Test func `the null path is no sender`() {
        #expect(Self.asked(["MAIL FROM:<>"]).questions.last == .sender(Envelope(sender: nil)))
    }

    @Test func `RCPT's parameters are with the recipient`() {
        let line = "RCPT TO:<\"a b\"@Here.Example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@here.example"
        var parameters = RecipientParameters()
        parameters.notify = [.success, .delay]
        parameters.originalRecipient = "rfc822;Bob+x@here.example"
        let recipient = EnvelopeRecipient(
            EmailAddress(localPart: "a b", domain: "here.example"), parameters: parameters)
        #expect(Self.asked(["MAIL FROM:<>", line]).questions.last == .recipient(recipient))
    }

    // RFC 6533 §3.
    @Test(arguments: [
        ("utf-8;j\\x{FC}rgen@x.example", "utf-8;j\\x{FC}rgen@x.example"),
        ("utf-8;jürgen@x.example", "utf-8;jürgen@x.example"),
    ])
    func `an original recipient may be UTF-8`(_ value: String, _ kept: String) {
        let transport = Self.asked(["MAIL FROM:<> SMTPUTF8", "RCPT TO:<bob@here.example> ORCPT=\(value)"])
        guard case .recipient(let recipient) = transport.questions.last else {
            Issue.record("not asked: \(String(describing: transport.questions.last))")
            return
        }
        #expect(recipient.parameters.originalRecipient == kept)
    }

    @Test(arguments: [
        ("<Postmaster>", "postmaster@mx.here.example"), ("<@a.example,@b.example:c@d.example>", "c@d.example"),
        ("<c%d.example@here.example>", "c%d.example@here.example"),
    ])
    func `one reading of an address, and no other`(_ path: String, _ address: String) {
        let transport = Self.asked(["MAIL FROM:<>", "RCPT TO:\(path)"])
        guard case .recipient(let recipient) = transport.questions.last else {
            Issue.record("not asked")
            return
        }
        #expect(recipient.address.description == address)
    }

    @Test func `XCLIENT's attributes are handed on`() {
        var configuration = SMTPServerMachine.Configuration(hostname: "mx.here.example")
        configuration.extensions.insert(.xclient)
        var machine = SMTPServerMachine(configuration: configuration)
        _ = machine.start()
        _ = machine.answered(Reply(220, "mx.here.example"))
        var input = ByteBuffer(
            string:
                "XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 PORT=1025 PROTO=esmtp HELO=a+2Bb LOGIN=[TEMPUNAVAIL]"
                + " DESTADDR=192.0.2.1 DESTPORT=25\r\n")
        let told = SMTPServerMachine.XClient([
            .name(nil), .address("2001:db8::1"), .port(1025), .proto("ESMTP"), .hello("a+b"), .login(nil),
            .destinationAddress("192.0.2.1"), .destinationPort(25),
        ])
        #expect(machine.next(&input) == .xclient(told))
        #expect(machine.helloName == "a+b")
        #expect(machine.next(&input) == .wait)
        #expect(machine.answered(Reply(220, "mx")) == .send(Reply(220, "mx")))
    }

    @Test func `what came too early is known to the driver`() {
        var configuration = SMTPServerMachine.Configuration(hostname: "mx.here.example")
        configuration.syncViolation = .note
        var transport = SMTPMachineTransport(configuration, early: Array("EHLO a.example\r\n".utf8))
        #expect(transport.machine.spokeEarly)
        #expect(!transport.machine.pipelinedWrongly)
        transport.send(Array("NOOP\r\nNOOP\r\n".utf8))
        #expect(transport.machine.pipelinedWrongly)
    }

    // RFC 5321 §3.8: a 421 is the end, whoever says it.
    @Test func `a 421 of the pipeline closes`() {
        var machine = SMTPServerMachine(configuration: .init(hostname: "mx.here.example"))
        _ = machine.start()
        let reply = Reply(421, .notAccepting, "Too busy")
        #expect(machine.answered(reply) == .close(reply))
        var input = ByteBuffer(string: "EHLO a.example\r\n")
        #expect(machine.next(&input) == .close(nil))
        #expect(input.readableBytes == 0)
    }

    // RFC 2033 §4.2.
    @Test(arguments: [0, 1, 2, 3, 5])
    func `LMTP answers once per recipient, however many replies the driver brings`(_ count: Int) {
        var configuration = SMTPServerMachine.Configuration(hostname: "mx.here.example", language: .lmtp)
        configuration.syncViolation = .note
        var machine = SMTPServerMachine(configuration: configuration)
        _ = machine.start()
        _ = machine.answered(Reply(220, "mx.here.example"))
        var input = ByteBuffer(
            string: "LHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nRCPT TO:<c@b.example>\r\nBDAT 2 LAST\r\n\r\n")
        for _ in 0..<5 {
            var action = machine.next(&input)
            while case .send = action { action = machine.next(&input) }
            _ = machine.answered(Reply(250, .other, "Yes"))
            if input.readableBytes == 2 { break }
        }
        #expect(machine.next(&input) == .content(ByteBuffer(string: "\r\n")))
        guard case .ask(.message) = machine.next(&input) else {
            Issue.record("not asked")
            return
        }
        let replies = (0..<count).map { Reply(250, .other, "\($0)") }
        guard case .sendEach(let sent) = machine.answeredEach(replies) else {
            Issue.record("not sent")
            return
        }
        #expect(sent.count == 2)
        #expect(sent.prefix(count).elementsEqual(replies.prefix(2)))
        #expect(sent.dropFirst(count).allSatisfy { $0.isTemporary })
    }

    @Test func `no octets make the machine trap`() throws {
        var random = SeededRandom(13)
        let dialogs = DialogTests.dialogs
        for _ in 0..<2000 {
            guard let dialog = dialogs.randomElement(using: &random) else { return }
            var octets = dialog.lines.flatMap { line -> [UInt8] in
                if case .client(let octets) = line.event { octets } else { [] }
            }
            for _ in 0..<4 where !octets.isEmpty {
                let place = Int.random(in: 0..<octets.count, using: &random)
                octets[place] = UInt8.random(in: .min ... .max, using: &random)
            }
            var configuration = try SMTPServerMachine.Configuration.sample(for: dialog)
            configuration.syncViolation = .note
            var transport = SMTPMachineTransport(configuration, isEncrypted: true)
            transport.send(octets)
            for message in transport.taken { #expect(!message.envelope.recipients.isEmpty) }
        }
    }
}
