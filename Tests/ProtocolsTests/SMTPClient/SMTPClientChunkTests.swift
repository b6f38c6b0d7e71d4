import MailTypes
import Protocols
import Testing

/// Content that need not be lines. RFC 3030.
@Suite struct SMTPClientChunkTests {
    static let hello = "250-mx.test\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n"

    func transaction(to recipients: [EmailAddress] = ["bob@there.test"]) -> SMTPTransaction {
        var transaction = SMTPTransaction.sample(to: recipients)
        transaction.envelope.parameters.body = .binaryMIME
        return transaction
    }

    func outcomes(_ end: ClientDialog.End) -> [SMTPTransactionResult.Outcome] {
        guard case .finished(let result) = end else {
            Issue.record("\(end)")
            return []
        }
        return result.outcomes
    }

    @Test(arguments: [hello, "250-mx.test\r\n250-CHUNKING\r\n250 BINARYMIME\r\n"])
    func `binary content goes as one chunk, once somebody takes it`(hello: String) {
        var dialog = ClientDialog(["EHLO": [hello], "RCPT": ["550 5.1.1 No\r\n", "250 2.1.5 Ok\r\n"]])
        #expect(dialog.connect() == .ready)
        let outcomes = outcomes(dialog.deliver(transaction(to: ["a@t.test", "b@t.test"])))
        #expect(
            outcomes == [
                .refused(Reply(550, .badDestinationMailbox, "No"), .recipient), .accepted(Reply(250, .other, "queued")),
            ])
        #expect(
            dialog.sent == [
                "EHLO client.test", "MAIL FROM:<anna@here.test> BODY=BINARYMIME", "RCPT TO:<a@t.test>",
                "RCPT TO:<b@t.test>", "BDAT 100 LAST",
            ])
    }

    @Test(arguments: ["MAIL", "RCPT"])
    func `no chunk is announced for nobody`(verb: String) {
        var dialog = ClientDialog(["EHLO": [Self.hello], verb: ["550 5.7.1 No\r\n"]])
        #expect(dialog.connect() == .ready)
        guard case .refused(let reply, _) = outcomes(dialog.deliver(transaction())).first else {
            Issue.record("not refused")
            return
        }
        #expect(reply.code == 550)
        #expect(!dialog.sent.contains { $0.hasPrefix("BDAT") })
    }

    @Test(arguments: ["CHUNKING", "BINARYMIME", "8BITMIME"])
    func `a server without both extensions gets none`(keyword: String) {
        var dialog = ClientDialog(["EHLO": ["250-mx.test\r\n250 \(keyword)\r\n"]])
        #expect(dialog.connect() == .ready)
        let refusal = Reply(554, .conversionRequired, "The next server does not support BINARYMIME")
        #expect(outcomes(dialog.deliver(transaction())) == [.refused(refusal, .mail)])
        #expect(dialog.sent == ["EHLO client.test"])
    }

    @Test func `after a refused chunk the next transaction begins with RSET`() {
        var dialog = ClientDialog(["EHLO": [Self.hello], "BDAT": ["554 5.6.0 No\r\n"]])
        #expect(dialog.connect() == .ready)
        let refused = SMTPTransactionResult.Outcome.refused(Reply(554, .contentOther, "No"), .final)
        #expect(outcomes(dialog.deliver(transaction())) == [refused])
        _ = dialog.deliver(.sample())
        #expect(dialog.sent.contains("RSET"))
    }

    @Test func `in LMTP each recipient has its reply to the chunk`() {
        var dialog = ClientDialog([
            "LHLO": [Self.hello], "BDAT": ["250 2.0.0 queued\r\n552 5.2.2 Full\r\n"],
        ]) { $0.language = .lmtp }
        #expect(dialog.connect() == .ready)
        #expect(
            outcomes(dialog.deliver(transaction(to: ["a@t.test", "b@t.test"]))) == [
                .accepted(Reply(250, .other, "queued")), .refused(Reply(552, .mailboxFull, "Full"), .final),
            ])
    }

    @Test func `a reply before the chunk is not the answer to it`() {
        for replies in [["RCPT": ["250 Ok\r\n250 queued\r\n"]], ["(content)": ["250 queued\r\n"]]] {
            var dialog = ClientDialog(replies.merging(["EHLO": [Self.hello]]) { $1 })
            #expect(dialog.connect() == .ready)
            guard case .broken(let failure) = outcomes(dialog.deliver(transaction())).first else {
                Issue.record("not broken")
                return
            }
            #expect(failure.phase == .content)
        }
    }
}
