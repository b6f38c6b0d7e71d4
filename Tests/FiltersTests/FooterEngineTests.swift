import Content
import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Where a footer stands, and how it is written there.
@Suite struct FooterEngineTests {
    typealias Sample = FooterSample

    static let words = "Acme Ltd, registered in Sample Town.\nThis message is confidential."

    @Test func `a digest of what the text was before goes, and the others stay`() throws {
        let text = "Content-Type: text/plain\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\n\nHello\n"
        let alone = try Sample.message("From: a@here.example\nMIME-Version: 1.0\n" + text)
        let new = try Sample.edited(alone, Sample.engine()).get()
        #expect(new.header["Content-MD5"] == nil && new.header["Content-Type"] != nil)
        let file = "Content-Type: application/pdf\nContent-MD5: AAAAAAAAAAAAAAAAAAAAAA==\n\nx\n"
        let mixed = try Sample.message(
            "From: a@here.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
                + "--b\n\(text)--b\n\(file)--b--\n")
        let body = String(decoding: try Sample.edited(mixed, Sample.engine()).get().body.array, as: UTF8.self)
        #expect(!body.contains("Q2hlY2sg") && body.contains("Content-MD5: AAAA") && body.contains("Sample Town"))
    }

    // MARK: Encodings and charsets

    /// A text, its charset's label and octets.
    static let texts: [(label: String?, octets: [UInt8], text: String)] = [
        (nil, Array("Hello\r\n".utf8), "Hello\n"),
        ("us-ascii", Array("Hello\r\n".utf8), "Hello\n"),
        ("utf-8", Array("Grüße, 株式\r\n".utf8), "Grüße, 株式\n"),
        ("UTF-8", Array("kein Zeilenende".utf8), "kein Zeilenende"),
        ("iso-8859-1", Array("Gr".utf8) + [0xFC, 0xDF] + Array("e\r\n".utf8), "Grüße\n"),
        ("iso-8859-15", [0xA4, 0x0D, 0x0A], "€\n"),
        ("windows-1252", [0x80, 0x20, 0xE4, 0x0D, 0x0A], "€ ä\n"),
        ("koi8-r", [0xF0, 0xD2, 0xC9, 0x0D, 0x0A], "При\n"),
        ("windows-1251", [0xCF, 0xF0, 0xE8, 0x0D, 0x0A], "При\n"),
        ("shift_jis", [0x93, 0xFA, 0x96, 0x7B, 0x0D, 0x0A], "日本\n"),
        ("iso-2022-jp", [0x1B, 0x24, 0x42, 0x46, 0x7C, 0x4B, 0x5C, 0x1B, 0x28, 0x42, 0x0D, 0x0A], "日本\n"),
        ("gb18030", [0xC4, 0xE3, 0xBA, 0xC3, 0x0D, 0x0A], "你好\n"),
        ("big5", [0xA7, 0x41, 0xA6, 0x6E, 0x0D, 0x0A], "你好\n"),
        ("euc-kr", [0xC7, 0xD1, 0x0D, 0x0A], "한\n"),
        ("utf-7", Array("+ZeVnLA-\r\n".utf8), "日本\n"),
        ("utf-16", [0xFE, 0xFF, 0x65, 0xE5, 0x67, 0x2C, 0x00, 0x0D, 0x00, 0x0A], "日本\n"),
        ("utf-16le", [0xE5, 0x65, 0x2C, 0x67, 0x0D, 0x00, 0x0A, 0x00], "日本\n"),
        (nil, [], ""),
        ("utf-8", [0x0A, 0x0A], "\n\n"),
    ]

    static let encodings = ["7bit", "8bit", "quoted-printable", "base64"]

    /// Every text in every encoding that can carry it, alone and as a part.
    static let cases: [(text: Int, encoding: String, isPart: Bool)] = texts.indices.flatMap { text in
        encodings.flatMap { encoding in [false, true].map { (text, encoding, $0) } }
    }.filter { one in
        let octets = texts[one.text].octets
        if one.encoding == "7bit" { return octets.allSatisfy { $0 > 0 && $0 < 0x80 } }
        return one.encoding != "8bit" || !octets.contains(0) && texts[one.text].label?.hasPrefix("utf-16") != true
    }

    static func message(_ one: (text: Int, encoding: String, isPart: Bool)) throws -> Message {
        let text = texts[one.text]
        let type = "Content-Type: text/plain" + (text.label.map { "; charset=\($0)" } ?? "")
        let fields = "\(type)\nContent-Transfer-Encoding: \(one.encoding)\n"
        let body = Sample.encoded(text.octets, one.encoding)
        guard one.isPart else {
            return try Sample.message("From: a@here.example\nMIME-Version: 1.0\n\(fields)\n\(body)")
        }
        return try Sample.message(
            "From: a@here.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
                + "preamble\n--b\n\(fields)\n\(body)\n--b\nContent-Type: application/pdf; name=x.pdf\n"
                + "Content-Transfer-Encoding: base64\n\nJVBERi0xLjQK\n--b--\nepilogue\n")
    }

    @Test(arguments: cases.indices)
    func `the footer is right in every encoding and charset`(_ place: Int) throws {
        let one = Self.cases[place]
        let message = try Self.message(one)
        let text = Self.texts[one.text].text
        for footer in [Sample.ascii, Sample.umlauts, Sample.kanji] {
            let engine = try Sample.engine([footer])
            let edited = try Sample.edited(message, engine).get()
            let seen = try #require(Sample.seen(edited).first)
            let own = text.allSatisfy(\.isWhitespace) ? text : text + (text.hasSuffix("\n") ? "\n" : "\n\n")
            let expected = own + engine.blocks[0].lines.joined(separator: "\n")
            #expect(seen.trimmingSuffix == expected.trimmingSuffix, "\(one) \(text)")
            #expect(Sample.rest(edited) == Sample.rest(message))
            let isASCII = edited.body.array.allSatisfy { $0 < 0x80 }
            #expect(isASCII || message.body.array.contains { $0 >= 0x80 } || one.encoding == "8bit")
            // A second time there is nothing to add.
            #expect(Sample.edited(edited, engine) == .failure(FooterObstacle("it stands there already")))
        }
    }

    @Test func `a charset is changed only where the footer cannot be written in it`() throws {
        func label(_ charset: String, _ footer: Footer) throws -> String? {
            let message = try Sample.message("Content-Type: text/plain; charset=\(charset); format=fixed\n\nHi\n")
            let edited = try Sample.edited(message, try Sample.engine([footer])).get()
            return MIMEStructure(of: edited).parts[0].contentType.charset
        }
        #expect(try label("iso-8859-15", Footer(text: "Grüße, 5 €")) == "iso-8859-15")
        #expect(try label("iso-8859-1", Footer(text: "Grüße")) == "iso-8859-1")
        // What the web reads as windows-1252 has no euro sign for others.
        #expect(try label("iso-8859-1", Footer(text: "Grüße, 5 €")) == "utf-8")
        #expect(try label("windows-1252", Footer(text: "Grüße, 5 €")) == "windows-1252")
        #expect(try label("us-ascii", Footer(text: "Grüße")) == "utf-8")
        #expect(try label("us-ascii", Footer(text: "Greetings")) == "us-ascii")
        #expect(try label("koi8-r", Footer(text: "Привет")) == "koi8-r")
        #expect(try label("shift_jis", Footer(text: "Greetings")) == "shift_jis")
        #expect(try label("shift_jis", Footer(text: "株式")) == "utf-8")
        #expect(try label("x-unheard-of", Footer(text: "Greetings")) == "x-unheard-of")
        #expect(try label("x-unheard-of", Footer(text: "Grüße")) == "utf-8")
    }

    @Test func `the other parameters of a changed field stay`() throws {
        let message = try Sample.message(
            "Content-Type: text/plain; charset=us-ascii; format=flowed;\n delsp=yes; x-a=\"b; c\\\"d\"\n"
                + "X-Other: 1\n\nHi\n"
        )
        let edited = try Sample.edited(message, try Sample.engine([Sample.umlauts])).get()
        let parameters = MIMEStructure(of: edited).parts[0].contentType.parameters
        #expect(parameters.list.map(\.name).sorted() == ["charset", "delsp", "format", "x-a"])
        #expect(parameters["x-a"]?.value == "b; c\"d" && parameters["charset"]?.value == "utf-8")
        #expect(edited.header["MIME-Version"]?.value == "1.0" && edited.header["X-Other"] != nil)
        #expect(edited.header.fields(named: "Content-Type").count == 1)
        #expect(edited.header["Content-Transfer-Encoding"]?.value == "quoted-printable")
    }

    @Test(arguments: [
        ("text/plain", "7bit", "caf\u{E9}", "its text is not ASCII, and names no other charset"),
        ("text/plain; charset=x-unheard-of", "8bit", "caf\u{E9}", "nobody knows the charset \"x-unheard-of\""),
        ("text/plain; charset=shift_jis", "8bit", "\u{81}", "its text is not of the charset shift_jis that it names"),
        ("text/plain", "x-uuencode", "abc", "programs may read the message in different ways (unknown-encoding)"),
        ("text/plain", "base64", "SGVs*G8=", "its base64 is damaged"),
        (
            "text/html; charset=iso-2022-jp", "7bit", "<p>\u{1B}$X",
            "its text is not of the charset iso-2022-jp that it names"
        ),
    ])
    func `what cannot be read without doubt stays as it is`(
        _ type: String, _ encoding: String, _ body: String, _ reason: String
    ) throws {
        let message = try Sample.message(
            "Content-Type: \(type)\nContent-Transfer-Encoding: \(encoding)\n\n\(body)\n")
        #expect(Sample.edited(message, try Sample.engine([Sample.umlauts])) == .failure(FooterObstacle(reason)))
    }

    // MARK: Plain text

    @Test func `in flowed text no line of the footer is taken for a quotation, and none flows on`() throws {
        let message = try Sample.message("Content-Type: text/plain; format=flowed\n\nOne \ntwo\n")
        let footer = Footer(text: "-- \n> mark  \nFrom here\n  indented")
        let edited = try Sample.edited(message, try Sample.engine([footer])).get()
        #expect(Sample.body(edited) == "One \ntwo\n\n-- \n > mark\n From here\n   indented\n")
        let fixed = try Sample.message("Content-Type: text/plain\n\nOne\n")
        #expect(
            Sample.body(try Sample.edited(fixed, try Sample.engine([footer])).get())
                == "One\n\n-- \n> mark\nFrom here\n  indented\n")
    }

    @Test func `the post office's comes first, and of two the one that is missing is put there`() throws {
        let engine = try Sample.engine([Footer(text: "First of all"), Footer(text: "Second to none")])
        let message = try Sample.message("Subject: a\n\nHello\n")
        let edited = try Sample.edited(message, engine).get()
        #expect(Sample.body(edited) == "Hello\n\nFirst of all\n\nSecond to none\n")
        let answer = try Sample.message("Subject: a\n\nYes.\n\n> Hello\n>\n> Second\n> to none\n")
        guard case .edited(let edit, let blocks) = engine.edit(answer, MessageContent(of: answer)) else {
            Issue.record("nothing was put there")
            return
        }
        #expect(blocks == [0])
        #expect(Sample.body(edit.applied(to: answer)).hasSuffix("> to none\n\nFirst of all\n"))
    }

    @Test func `a long line is folded into quoted-printable`() throws {
        let footer = Footer(text: String(repeating: "word ", count: 300))
        let message = try Sample.message("Subject: a\n\nHello\n")
        let edited = try Sample.edited(message, try Sample.engine([footer])).get()
        #expect(edited.header["Content-Transfer-Encoding"]?.value == "quoted-printable")
        #expect(Sample.body(edited).split(separator: "\n").allSatisfy { $0.utf8.count <= 76 })
    }

    // MARK: Above the quotation

    /// The text, with `@@` where the footer belongs.
    static let quotations = [
        "Yes.\n\n@@On Sat, 21 Nov 2026, Bob wrote:\n> Shall we?\n",
        "Yes.\n\n@@On Sat, 21 Nov 2026 at 10:00, Bob Example <bob@far.example>\nwrote:\n\n> Shall we?\n",
        "Yes.\nReally.\n@@Am 21.11.2026 schrieb Bob:\n> Shall we?\n> Or not?\n",
        "Yes.\n\n@@-----Original Message-----\nFrom: Bob\nSubject: a\n\nShall we?\n",
        "Ja.\n\n@@----- Ursprüngliche Nachricht -----\nVon: Bob\n\nShall we?\n",
        "Yes.\n\n@@________________________________\nFrom: Bob\nSent: today\n\nShall we?\n",
        "Yes.\n\n@@> Shall we?\n",
        // Nothing of one's own above it: the end.
        "> Shall we?\nYes.\n@@",
        "On Saturday Bob wrote:\n> Shall we?\n\nYes.\n@@",
        "A list:\n- one\n- two\n----\n@@",
        "-----BEGIN PUBLIC THING-----\nabc\n-----END PUBLIC THING-----\n@@",
    ]

    @Test(arguments: quotations)
    func `in plain text it stands above what is quoted below the own words`(_ text: String) throws {
        let parts = text.components(separatedBy: "@@")
        let message = try Sample.message(
            "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
                + String(decoding: (parts[0] + parts[1]).utf8, as: UTF8.self).latin1Form)
        let edited = try Sample.edited(message, try Sample.engine(at: .aboveQuotation)).get()
        let seen = try #require(Sample.seen(edited).first)
        let gap = parts[0].hasSuffix("\n\n") ? "" : "\n"
        let after = parts[1].isEmpty ? "\n" : "\n\n" + parts[1]
        #expect(seen == parts[0] + gap + Self.words + after)
    }

    @Test(arguments: [
        "<p>Yes.</p>@@<blockquote type=\"cite\">Shall we?</blockquote>",
        "<p>Yes.</p>@@<div class=\"gmail_quote\">On Saturday Bob wrote:<blockquote>Shall we?</blockquote></div>",
        "<p>Yes.</p>@@<div class=\"x moz-cite-prefix\">Bob:</div><blockquote type=cite>Shall we?</blockquote>",
        "<body><p>Yes.</p>@@<div id=\"divRplyFwdMsg\">From: Bob</div>Shall we?</body>",
        "<p>Yes.</p><div>@@<div style=\"border:none; border-top:solid #E1E1E1 1.0pt\">From: Bob</div></div>",
        "<html><body>Yes. <blockquote>A saying</blockquote>@@</body></html>\n",
        "<body><blockquote type=cite>Shall we?</blockquote>Yes.@@</body>",
        "<body>Yes.<!-- </body> --><script>'</body>'</script>@@</body>",
        "<p>Yes.@@",
        "<body>One</body><body>two@@</body></html>",
    ])
    func `in HTML likewise, and else before the end of the body`(_ page: String) throws {
        let parts = page.components(separatedBy: "@@")
        let message = try Sample.message("Content-Type: text/html\n\n\(parts[0])\(parts[1])\n")
        let edited = try Sample.edited(message, try Sample.engine(at: .aboveQuotation)).get()
        let footer = "\n<div>\n" + Self.words.replacingOccurrences(of: "\n", with: "<br>\n") + "\n</div>\n"
        let isAtEnd = parts[1].isEmpty
        #expect(Sample.body(edited) == parts[0] + (isAtEnd ? "\n" : "") + footer + parts[1] + (isAtEnd ? "" : "\n"))
    }
}

extension String {
    /// As ``FooterSample/message(_:)`` reads it: the octets of UTF-8, each a character.
    var latin1Form: String { String(String.UnicodeScalarView(utf8.map { Unicode.Scalar($0) })) }

    /// Without blanks and line ends at its end.
    fileprivate var trimmingSuffix: String {
        String(reversed().drop { $0.isWhitespace }.reversed())
    }
}
