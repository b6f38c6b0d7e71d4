import MailTypes
import NIOCore
import Protocols
import SluiceTesting
import Testing

/// THREATS R1: what looks like the end of a message and is not. RFC 5321 §2.3.8, §4.1.1.4.
@Suite struct EndOfDataTests {
    static let forms = [
        "\n.\n", "\n.\r", "\r.\n", "\r.\r", "\n.\r\n", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\r\n.\r\r\n",
        "\r\r\n.\r\r\n", "\r\n\0.\r\n", "\r\n.\0\r\n",
    ]
    static let smuggled =
        "MAIL FROM:<evil@sender.example>\r\nRCPT TO:<bob@here.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"

    struct Case: Sendable, CustomTestStringConvertible {
        let form: String
        let language: SMTPServerMachine.Language
        let lineEnds: SMTPServerMachine.LineEnds
        var testDescription: String { "\(form.debugDescription) \(language) \(lineEnds)" }
    }

    static let cases = forms.flatMap { form in
        SMTPServerMachine.Language.allCases.flatMap { language in
            SMTPServerMachine.LineEnds.allCases.map { Case(form: form, language: language, lineEnds: $0) }
        }
    }

    static func beginning(_ one: Case) -> SMTPMachineTransport {
        var configuration = SMTPServerMachine.Configuration(hostname: "mx.here.example", language: one.language)
        configuration.lineEnds = one.lineEnds
        var transport = SMTPMachineTransport(configuration)
        transport.send(Array("\(one.language == .lmtp ? "LHLO" : "EHLO") client.example\r\n".utf8))
        for line in ["MAIL FROM:<a@sender.example>", "RCPT TO:<bob@here.example>", "DATA"] {
            transport.send(Array((line + "\r\n").utf8))
        }
        _ = transport.receive()
        return transport
    }

    @Test(arguments: cases)
    func `a false end ends no message, wherever it is cut`(_ one: Case) {
        let octets = Array(("Subject: one\r\n\r\nbody" + one.form + Self.smuggled).utf8)
        for cut in 0..<octets.count {
            var transport = Self.beginning(one)
            transport.send(Array(octets[..<cut]))
            transport.send(Array(octets[cut...]))
            let replies = String(decoding: transport.receive(), as: UTF8.self)
            let hasNUL = one.form.utf8.contains(0)
            let isTaken = one.lineEnds == .clean && !hasNUL
            #expect(transport.taken.count == (isTaken ? 1 : 0))
            #expect(replies.hasPrefix(isTaken ? "250 2.0.0 " : "550 5.6.0 "))
            #expect(replies.utf8.count { $0 == .lf } == 1)
            for message in transport.taken {
                #expect(message.envelope.sender == "a@sender.example")
                #expect(Self.hasWholeLineEnds(message.content))
            }
        }
    }

    @Test(arguments: cases)
    func `nor octet by octet`(_ one: Case) {
        var transport = Self.beginning(one)
        for octet in Array(("body" + one.form + Self.smuggled).utf8) { transport.send([octet]) }
        #expect(transport.receive().count { $0 == .lf } == 1)
        #expect(transport.taken.count <= 1)
    }

    static func hasWholeLineEnds(_ content: [UInt8]) -> Bool {
        content.indices.allSatisfy { place in
            switch content[place] {
            case .cr: place + 1 < content.count && content[place + 1] == .lf
            case .lf: place > 0 && content[place - 1] == .cr
            default: true
            }
        }
    }

    // THREATS R12, R16: nothing in the machine grows with what comes.
    @Test func `what is too big is thrown away, and the rest is not kept`() {
        var configuration = SMTPServerMachine.Configuration(hostname: "mx.here.example")
        configuration.maxMessageSize = 10_000
        var transport = SMTPMachineTransport(configuration)
        for line in ["EHLO c.example", "MAIL FROM:<a@b.example>", "RCPT TO:<b@here.example>", "DATA"] {
            transport.send(Array((line + "\r\n").utf8))
        }
        _ = transport.receive()
        let block = [UInt8](repeating: UInt8(ascii: "x"), count: 64 * 1024)
        for _ in 0..<100 {
            transport.send(block)
            #expect(transport.unread == 0)
        }
        transport.send(Array("\r\n.\r\n".utf8))
        #expect(String(decoding: transport.receive(), as: UTF8.self).hasPrefix("552 5.3.4 "))
        // And what never ends is given up.
        for line in ["MAIL FROM:<a@b.example>", "RCPT TO:<b@here.example>", "DATA"] {
            transport.send(Array((line + "\r\n").utf8))
        }
        for _ in 0..<1100 where !transport.isOver { transport.send(block) }
        #expect(transport.isOver)
        #expect(transport.taken.isEmpty)
    }

    // THREATS R11.
    @Test func `an endless line is thrown away and costs the connection`() {
        var transport = SMTPMachineTransport(SMTPServerMachine.Configuration(hostname: "mx.here.example"))
        for _ in 0..<100 where !transport.isOver {
            transport.send([UInt8](repeating: UInt8(ascii: "x"), count: 1000))
            #expect(transport.unread < 4096)
        }
        #expect(transport.isOver)
        #expect(String(decoding: transport.receive(), as: UTF8.self).contains("500 5.5.2 "))
    }
}
