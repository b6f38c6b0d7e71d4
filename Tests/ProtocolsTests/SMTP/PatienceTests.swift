import MailTypes
import NIOCore
import Protocols
import Testing

/// Octets that come before the answer to a question is written. RFC 2920 §3.1.
@Suite struct PatienceTests {
    /// What is said up to a question, and whether its answer must be waited for.
    static let questions: [(lines: [String], mustWait: Bool)] = [
        (["EHLO a.example"], true),
        (["HELO a.example"], true),
        (["EHLO a.example", "EHLO a.example"], true),
        (["EHLO a.example", "AUTH PLAIN AGFubmEAc2VjcmV0"], true),
        (["EHLO a.example", "MAIL FROM:<a@out.example>"], false),
        (["HELO a.example", "MAIL FROM:<a@out.example>"], true),
        (["EHLO a.example", "MAIL FROM:<a@out.example>", "RCPT TO:<b@here.example>"], false),
        (["HELO a.example", "MAIL FROM:<a@out.example>", "RCPT TO:<b@here.example>"], true),
        (["EHLO a.example", "MAIL FROM:<a@out.example>", "RCPT TO:<b@here.example>", "DATA"], true),
        (["EHLO a.example", "MAIL FROM:<a@out.example>", "RCPT TO:<b@here.example>", "BDAT 2"], false),
        (["EHLO a.example", "MAIL FROM:<a@out.example>", "RCPT TO:<b@here.example>", "DATA", "x", "."], false),
        (["HELO a.example", "MAIL FROM:<a@out.example>", "RCPT TO:<b@here.example>", "DATA", "x", "."], false),
    ]

    /// A machine whose last question is open.
    private static func asked(
        _ lines: [String], _ violation: SMTPServerMachine.SyncViolation
    ) throws -> (SMTPServerMachine, SMTPServerMachine.Question) {
        var configuration = SMTPServerMachine.Configuration(hostname: "mx.here.example")
        configuration.authMechanisms = ["PLAIN"]
        configuration.authWithoutTLS = true
        configuration.syncViolation = violation
        var machine = SMTPServerMachine(configuration: configuration)
        _ = machine.start()
        _ = machine.answered(Reply(220, "mx.here.example"))
        var question: SMTPServerMachine.Question?
        for line in lines {
            if let asked = question { _ = answer(&machine, asked) }
            question = nil
            var input = ByteBuffer(string: line + "\r\n")
            while input.readableBytes > 0 {
                if case .ask(let asked) = machine.next(&input) { question = asked }
            }
        }
        return (machine, try #require(question))
    }

    private static func answer(
        _ machine: inout SMTPServerMachine, _ question: SMTPServerMachine.Question
    ) -> SMTPServerMachine.Action {
        switch question {
        case .login: machine.loggedIn(.success)
        case .contentBegins: machine.answered(Reply(354, "Go"))
        case .greeting, .hello, .sender, .recipient, .message: machine.answered(Reply(250, .other, "Yes"))
        }
    }

    private static func isEnd(_ action: SMTPServerMachine.Action) -> Bool {
        if case .close(let reply) = action { reply?.description.hasPrefix("554 5.5.0") == true } else { false }
    }

    @Test(arguments: questions)
    func `what comes before an answer costs what it costs in one piece`(
        _ lines: [String], _ mustWait: Bool
    ) throws {
        var (machine, question) = try Self.asked(lines, .refuse)
        #expect(machine.mustClientWait == mustWait)
        machine.inputBeforeReply(1)
        #expect(machine.pipelinedWrongly == mustWait)
        #expect(Self.isEnd(Self.answer(&machine, question)) == mustWait)
        #expect(!machine.isAuthenticated || !mustWait)
    }

    @Test(arguments: questions)
    func `where it costs nothing the chain is told`(_ lines: [String], _ mustWait: Bool) throws {
        var (machine, question) = try Self.asked(lines, .note)
        machine.inputBeforeReply(1)
        #expect(machine.pipelinedWrongly == mustWait)
        #expect(!Self.isEnd(Self.answer(&machine, question)))
    }

    @Test(arguments: questions)
    func `who waits is served`(_ lines: [String], _ mustWait: Bool) throws {
        var (machine, question) = try Self.asked(lines, .refuse)
        machine.inputBeforeReply(0)
        #expect(!Self.isEnd(Self.answer(&machine, question)))
        machine.inputBeforeReply(1)
        #expect(!machine.pipelinedWrongly, "no question is open")
    }

    @Test func `who has logged in is spared`() throws {
        var (machine, _) = try Self.asked(["EHLO a.example", "AUTH PLAIN AGFubmEAc2VjcmV0"], .refuse)
        _ = machine.loggedIn(.success)
        var input = ByteBuffer(string: "EHLO a.example\r\n")
        _ = machine.next(&input)
        machine.inputBeforeReply(1)
        #expect(machine.pipelinedWrongly)
        #expect(!Self.isEnd(machine.answered(Reply(250, "Yes"))))
    }

    @Test func `after XCLIENT the greeting is waited for again`() {
        var configuration = SMTPServerMachine.Configuration(hostname: "mx.here.example")
        configuration.extensions.insert(.xclient)
        var machine = SMTPServerMachine(configuration: configuration)
        _ = machine.start()
        _ = machine.answered(Reply(220, "mx.here.example"))
        var input = ByteBuffer(string: "XCLIENT ADDR=192.0.2.1\r\n")
        _ = machine.next(&input)
        machine.inputBeforeReply(1)
        #expect(machine.pipelinedWrongly && !machine.spokeEarly)
        #expect(Self.isEnd(machine.answered(Reply(220, "mx.here.example"))))
    }
}
