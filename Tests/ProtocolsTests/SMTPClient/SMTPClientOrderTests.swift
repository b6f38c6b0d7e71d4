import MailTypes
import NIOCore
import Protocols
import Testing

/// Replies that come before they are asked for. THREATS R26.
@Suite struct SMTPClientOrderTests {
    func result(_ end: ClientDialog.End) throws -> SMTPTransactionResult {
        guard case .finished(let result) = end else { throw Unfinished(end: end) }
        return result
    }

    struct Unfinished: Error {
        var end: ClientDialog.End
    }

    static let ahead = SMTPClientFailure.Reason.malformed("a reply before the command that it answers")

    @Test(arguments: ["250 taken\r\n250 extra\r\n", "250 taken\r\n25", "250 taken\r\n250-more\r\n"])
    func `a session with a reply too many takes no second message`(reply: String) throws {
        var dialog = ClientDialog([".": [reply]])
        #expect(dialog.connect() == .ready)
        let first = try result(dialog.deliver(.sample()))
        #expect(first.outcomes == [.accepted(Reply(250, nil, "taken"))])
        #expect(!first.isReusable)
        let second = try result(dialog.deliver(.sample()))
        guard case .broken = second.outcomes[0] else {
            Issue.record("\(second)")
            return
        }
    }

    @Test(arguments: ["25", "250-more\r\n"])
    func `half a reply in an idle session makes it stale`(octets: String) throws {
        var dialog = ClientDialog()
        #expect(dialog.connect() == .ready)
        var input = ByteBuffer(string: octets)
        #expect(dialog.machine.next(&input) == .wait)
        let end = try result(dialog.deliver(.sample()))
        #expect(end.outcomes == [.broken(SMTPClientFailure(.mail, Self.ahead))])
        #expect(!end.isReusable)
        #expect(dialog.sent == ["EHLO client.test"])
    }

    @Test(arguments: ["", "EHLO"])
    func `a session with a reply too many is never ready`(verb: String) {
        let reply = verb == "" ? "220 mx.test\r\n250 mx.test\r\n" : "250 mx.test\r\n250 mx.test\r\n"
        var dialog = ClientDialog([verb: [reply]])
        guard case .failed(let failure) = dialog.connect() else {
            Issue.record("not failed")
            return
        }
        #expect(failure.reason == Self.ahead)
    }

    @Test func `without PIPELINING nobody gets the next recipient's reply`() throws {
        var dialog = ClientDialog([
            "EHLO": ["250 mx.test\r\n"], "RCPT": ["250 Ok\r\n550 5.1.1 No\r\n", "250 Ok\r\n"],
        ])
        #expect(dialog.connect() == .ready)
        let end = try result(dialog.deliver(.sample(to: ["a@t.test", "b@t.test"])))
        #expect(end.outcomes.allSatisfy { if case .broken = $0 { true } else { false } })
    }

    @Test func `where a reply was too many nobody is refused for it`() throws {
        var dialog = ClientDialog([
            "MAIL": ["250 Stray\r\n250 Ok\r\n"], "RCPT": ["250 Ok\r\n", "550 5.1.1 No such user\r\n"],
        ])
        #expect(dialog.connect() == .ready)
        let end = try result(dialog.deliver(.sample(to: ["a@t.test", "b@t.test"])))
        let broken = SMTPTransactionResult.Outcome.broken(SMTPClientFailure(.data, Self.ahead))
        #expect(end.outcomes == [broken, broken])
        #expect(!end.isReusable)
    }

    @Test func `what follows a goodbye does not matter`() throws {
        var dialog = ClientDialog(["MAIL": ["421 4.3.2 Bye\r\n"], "RCPT": ["503 What?\r\n"]])
        #expect(dialog.connect() == .ready)
        let end = try result(dialog.deliver(.sample()))
        #expect(end.outcomes == [.refused(Reply(421, .notAccepting, "Bye"), .mail)])
    }

    struct Early: Sendable, CustomTestStringConvertible {
        var replies: [String: [String]]
        var testDescription: String { "\(replies)" }
    }

    static let yeses = [
        Early(replies: ["DATA": ["354 Go\r\n250 2.0.0 queued\r\n"]]),
        Early(replies: ["DATA": ["354 Go\r\n250 2.0.0 que"], ".": ["ued\r\n"]]),
        Early(replies: ["DATA": ["354 Go\r\n250-2.0.0 a\r\n"], ".": ["250 2.0.0 queued\r\n"]]),
        Early(replies: ["(content)": ["250 2.0.0 queued\r\n"]]),
        Early(replies: ["(content)": ["250 2.0.0 que"], ".": ["ued\r\n"]]),
        Early(replies: ["(content)": ["250-2.0.0 a\r\n"], ".": ["250 2.0.0 queued\r\n"]]),
        Early(replies: ["(content)": ["354 Go on\r\n"]]),
    ]

    @Test(arguments: yeses)
    func `a yes before the end of the content is none`(_ early: Early) throws {
        var dialog = ClientDialog(early.replies)
        #expect(dialog.connect() == .ready)
        let end = try result(dialog.deliver(.sample()))
        #expect(end.outcomes == [.broken(SMTPClientFailure(.content, Self.ahead))])
        #expect(!end.isReusable)
    }

    static let refusals = [
        Early(replies: ["DATA": ["354 Go\r\n552 5.3.4 Too big\r\n"]]),
        Early(replies: ["DATA": ["354 Go\r\n552 5.3"], "(content)": [".4 Too big\r\n"]]),
        Early(replies: ["(content)": ["552 5.3.4 Too big\r\n"]]),
        Early(replies: ["(content)": ["552 5.3.4 Too big\r\n" + ClientDialog.close]]),
    ]

    @Test(arguments: refusals)
    func `a refusal in the middle of the content is the answer`(_ early: Early) throws {
        var dialog = ClientDialog(early.replies)
        #expect(dialog.connect() == .ready)
        let end = try result(dialog.deliver(.sample(to: ["a@t.test", "b@t.test"])))
        let refused = SMTPTransactionResult.Outcome.refused(Reply(552, .messageTooBig, "Too big"), .content)
        #expect(end.outcomes == [refused, refused])
        #expect(!end.isReusable)
    }

    @Test func `in LMTP a goodbye is the answer for all`() throws {
        var dialog = ClientDialog(["(content)": ["421 4.3.2 Bye\r\n"]]) { $0.language = .lmtp }
        #expect(dialog.connect() == .ready)
        let end = try result(dialog.deliver(.sample(to: ["a@t.test", "b@t.test"])))
        let refused = SMTPTransactionResult.Outcome.refused(Reply(421, .notAccepting, "Bye"), .content)
        #expect(end.outcomes == [refused, refused])
    }

    @Test func `in LMTP it is the answer for one recipient`() throws {
        var dialog = ClientDialog(["(content)": ["552 5.2.2 Full\r\n"]]) { $0.language = .lmtp }
        #expect(dialog.connect() == .ready)
        let end = try result(dialog.deliver(.sample(to: ["a@t.test", "b@t.test"])))
        #expect(end.outcomes[0] == .refused(Reply(552, .mailboxFull, "Full"), .content))
        guard case .broken(let failure) = end.outcomes[1] else {
            Issue.record("\(end)")
            return
        }
        #expect(failure.phase == .content)
    }
}
