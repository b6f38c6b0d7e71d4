import Foundation
import Protocols
import Testing

/// What scanners answer, whole and in pieces, good and bad.
@Suite struct ScannerReplyTests {
    /// The progress after all octets, however they are cut, and after the end of the connection.
    static func read<Reader: ScannerReplyReader>(
        _ text: String, _ reader: () -> Reader
    ) -> [ScannerProgress<Reader.Reply>] {
        let octets = Array(text.utf8)
        return [octets.count, 1, 7].map { size in
            var reader = reader()
            var progress = ScannerProgress<Reader.Reply>.unfinished
            for start in stride(from: 0, to: octets.count, by: max(size, 1)) {
                progress = reader.read(octets[start..<min(start + size, octets.count)])
            }
            if case .unfinished = progress { return reader.end() }
            return progress
        }
    }

    // MARK: HTTP

    static let mostBody = 100

    @Test(
        arguments: [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellomore", 200, "hello"),
            ("HTTP/1.0 404 No\r\nServer: x\r\n\r\nuntil the end", 404, "until the end"),
            ("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, "ok"),
            ("HTTP/1.1 204\r\ncontent-length:0\r\n\r\n", 204, ""),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nX: y\r\n\r\n",
                200,
                "hello!"
            ),
        ])
    func `an answer in HTTP is read as it was meant`(_ text: String, _ status: Int, _ body: String) {
        for progress in Self.read(text, { HTTPReplyReader(mostBody: Self.mostBody) }) {
            guard case .finished(let reply) = progress else {
                Issue.record("\(progress)")
                continue
            }
            #expect(reply.status == status && String(decoding: reply.body, as: UTF8.self) == body)
        }
    }

    @Test(
        arguments: [
            "", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "220 mx.example ESMTP\r\n", "HTTP/1.1 99 x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + String(repeating: "x", count: 101),
            "HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 101),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + String(repeating: "x", count: 101),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\nX: " + String(repeating: "y", count: 20_000) + "\r\n\r\n",
        ])
    func `what is no answer in HTTP is broken, not believed`(_ text: String) {
        for progress in Self.read(text, { HTTPReplyReader(mostBody: Self.mostBody) }) {
            guard case .broken = progress else {
                Issue.record("\(progress)")
                continue
            }
        }
    }

    // MARK: rspamd

    static func reply(_ json: String, status: Int = 200) -> ScannerVerdict? {
        Rspamd.verdict(.init(status: status, body: Array(json.utf8)))
    }

    @Test func `what rspamd found is read, the heaviest first`() throws {
        let verdict = try #require(
            Self.reply(
                """
                {"is_skipped": false, "score": 7.25, "required_score": 15.0, "action": "add header",
                 "symbols": {"MIME_GOOD": {"name": "MIME_GOOD", "score": -0.1, "metric_score": -0.1,
                     "description": "Known content-type", "options": ["text/plain"]},
                   "BAD": {"name": "BAD", "score": 7.35, "options": [["odd"]]}, "ZERO": {}},
                 "message-id": "1@x", "time_real": 0.01}
                """))
        #expect(verdict.score == 7.25)
        #expect(
            verdict.rules == [
                .init(name: "BAD", points: 7.35, description: ""),
                .init(name: "MIME_GOOD", points: -0.1, description: "Known content-type (text/plain)"),
                .init(name: "ZERO", points: 0, description: ""),
            ])
    }

    @Test(
        arguments: [
            "", "{}", "[1]", "{\"score\": \"7\"}", "{\"error\": \"no\"}", "{\"score\": 1, \"symbols\": [1]}",
            String(repeating: "[", count: 100_000),
        ])
    func `what is no verdict of rspamd is none`(_ json: String) { #expect(Self.reply(json) == nil) }

    @Test func `a verdict is cut to what can be kept`() throws {
        let many = (0..<500).map {
            "\"S\($0)\": {\"score\": \($0), \"description\": \"\(String(repeating: "d\\n", count: 300))\"}"
        }
        let verdict = try #require(Self.reply("{\"score\": 1e300, \"symbols\": {\(many.joined(separator: ","))}}"))
        #expect(verdict.score == 1000 && verdict.rules.count == ScannerVerdict.mostRules)
        #expect(verdict.rules[0].name == "S499")
        #expect(verdict.rules.allSatisfy { $0.description.count == 200 && !$0.description.contains("\n") })
        #expect(Self.reply("{\"score\": 1}", status: 403) == nil)
    }

    @Test func `rspamd is told who sends what to whom, and nothing can be slipped in`() {
        var envelope = Rspamd.Envelope()
        envelope.client = "192.0.2.7"
        envelope.hello = "mx\r\nX: y"
        envelope.sender = "a@out.example"
        envelope.recipients = (1...200).map { "r\($0)@here.example" }
        envelope.user = "bob@here.example"
        envelope.id = "01J"
        let text = String(
            decoding: Rspamd.request(envelope, size: 12, host: "localhost", password: "se\ncret"), as: UTF8.self)
        let lines = text.components(separatedBy: "\r\n")
        #expect(
            lines.prefix(5) == [
                "POST /checkv2 HTTP/1.1", "Host: localhost", "Connection: close", "Content-Length: 12", "IP: 192.0.2.7",
            ])
        #expect(lines.contains("From: <a@out.example>") && lines.contains("User: bob@here.example"))
        #expect(lines.filter { $0.hasPrefix("Rcpt: ") }.count == 100)
        #expect(lines.suffix(2) == ["", ""] && !text.contains("X: y") && !text.contains("cret"))
        #expect(!lines.contains { $0.hasPrefix("Helo") })
    }

    // MARK: spamd

    static let report = """
        SPAMD/1.1 0 EX_OK\r
        Content-length: 400\r
        Spam: True ; 7.2 / 5.0\r
        \r
        Spam detection software, running on the system "x", has
        identified this incoming email as possible spam.

        Content analysis details:   (7.2 points, 5.0 required)

         pts rule name              description
        ---- ---------------------- --------------------------------------------------
         5.0 BAD_THINGS             BODY: Bad things, of which there
                                    are too many
        -0.0 NO_RELAYS              Informational: message was not relayed via SMTP
         2.2 OTHER

        The original message was not completely plain text.
         9.9 FORGED                 x
        """

    @Test func `what spamd found is read from its report's table`() {
        for progress in Self.read(Self.report, Spamd.reader) {
            guard case .finished(let verdict) = progress else {
                Issue.record("\(progress)")
                continue
            }
            #expect(verdict.score == 7.2)
            #expect(
                verdict.rules == [
                    .init(name: "BAD_THINGS", points: 5, description: "BODY: Bad things, of which there are too many"),
                    .init(name: "OTHER", points: 2.2, description: ""),
                    .init(
                        name: "NO_RELAYS", points: 0, description: "Informational: message was not relayed via SMTP"),
                ])
        }
    }

    /// Where the table begins: behind the last ruler, for the message may have one; or with the first rule.
    @Test(
        arguments: [
            ("words\n\n 2.5 A    one\n 0.1 B  two\n\n 7.0 C\n", ["A", "B"]),
            ("---- --------\n 9.9 FORGED  x\n\n---- ----------\n 2.5 A  one\n", ["A"]), ("no table\n", []),
            ("---- --------\n\n 2.5 A  one\n", []),
        ])
    func `a report of an admin's own is read, too`(_ report: String, _ names: [String]) {
        var reader = Spamd.reader()
        _ = reader.read(Array("SPAMD/1.1 0 EX_OK\r\nSpam: True ; 5 / 5\r\n\r\n\(report)".utf8))
        guard case .finished(let verdict) = reader.end() else {
            Issue.record("not read")
            return
        }
        #expect(verdict.score == 5 && verdict.rules.map(\.name) == names)
    }

    @Test(
        arguments: [
            "", "220 mx ESMTP\r\n", "SPAMD/1.1 76 EX_PROTOCOL\r\n\r\n", "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 7 / 5\r\n",
            "SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\n\r\n",
            "SPAMD/1.1 0 EX_OK\r\nContent-length: 50\r\nSpam: True ; 7 / 5\r\n\r\nthe first half",
            "SPAMD/1.1 0 EX_OK\r\nSpam: True\r\n\r\n",
            "SPAMD/1.1 0 EX_OK\r\nSpam: True ; x / 5\r\n\r\n", String(repeating: "x\r\n", count: 500_000),
        ])
    func `what is no verdict of spamd is broken`(_ text: String) {
        var reader = Spamd.reader()
        _ = reader.read(Array(text.utf8))
        guard case .broken = reader.end() else {
            Issue.record("believed")
            return
        }
    }

    @Test func `spamd is told the size and the account`() {
        let text = String(decoding: Spamd.request(size: 12, user: "bob"), as: UTF8.self)
        #expect(text == "REPORT SPAMC/1.5\r\nContent-length: 12\r\nUser: bob\r\n\r\n")
        #expect(String(decoding: Spamd.request(size: 1, user: "b\r\nob"), as: UTF8.self).hasSuffix("length: 1\r\n\r\n"))
    }
}
