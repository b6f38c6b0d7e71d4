import MailTypes
import Testing

@testable import Content

@Suite struct MessageContentTests {
    static func content(_ text: String, limits: ContentLimits = ContentLimits()) throws -> MessageContent {
        let octets = Array(text.replacing("\n", with: "\r\n").utf8)
        return MessageContent(of: try Message(parsing: Bytes(octets)), limits: limits)
    }

    static let alternative = """
        From: "Bank <service@bank.com>" <x@evil.example>
        Subject: =?utf-8?Q?Ver=C4=B1fy_at_www.evil.example?=
        Content-Type: multipart/alternative; boundary=b

        --b
        Content-Type: text/plain; charset=iso-8859-1
        Content-Transfer-Encoding: quoted-printable

        Visit http://one.example/caf=E9 today friends
        --b
        Content-Type: text/html; charset=utf-8
        Content-Transfer-Encoding: base64

        PHA+VmlzaXQgPGEgaHJlZj0iaHR0cDovL3R3by5leGFtcGxlLyI+b25lLmV4YW1wbGU8L2E+PC9wPg==
        --b--
        """

    @Test func `of alternatives the last is shown`() throws {
        let content = try Self.content(Self.alternative)
        #expect(content.texts.map(\.isShown) == [false, true])
        #expect(content.texts.map(\.string) == ["Visit http://one.example/café today friends", "Visit one.example"])
        #expect(String(decoding: content.shownText, as: UTF8.self) == "Visit one.example")
        #expect(content.alternatives.map(\.part) == [0])
        #expect(content.attachments.isEmpty)
        #expect(content.excess.isEmpty)
    }

    @Test func `subject, text and attributes have addresses`() throws {
        let uris = try Self.content(Self.alternative).uris.map { "\($0.part) \($0.source.rawValue) \($0.address)" }
        #expect(
            uris == [
                "0 subject http://www.evil.example", "1 text http://one.example/café", "2 link http://two.example/",
            ])
    }

    @Test func `a name that is another's address pretends`() throws {
        let content = try Self.content(Self.alternative)
        #expect(content.subject == "Verıfy at www.evil.example")
        let person = try #require(content.people.first)
        #expect(person.name == "Bank <service@bank.com>")
        #expect(person.namedAddress == "service@bank.com")
        #expect(person.isPretending)
        let honest = try Self.content("From: \"a@b.com\" <a@b.com>\n\n").people
        #expect(honest.map(\.isPretending) == [false])
    }

    static let shown: [(message: String, shown: [Bool], nesting: [Int])] = [
        ("\nx", [true], [0]), ("Content-Disposition: attachment\n\nx", [true], [0]),
        (
            """
            Content-Type: multipart/mixed; boundary=b

            --b

            one
            --b
            Content-Type: text/html
            Content-Disposition: attachment; filename=a.html

            two
            --b
            Content-Type: message/rfc822

            Content-Type: text/plain

            three
            --b--
            """, [true, false, true], [0, 0, 1]
        ),
        (
            """
            Content-Type: multipart/alternative; boundary=b

            --b
            Content-Type: text/plain

            one
            --b
            Content-Type: multipart/related; boundary=c

            --c
            Content-Type: text/html

            two
            --c
            Content-Type: image/png

            three
            --c--
            --b
            Content-Type: text/calendar

            four
            --b--
            """, [false, true, false], [0, 0, 0]
        ),
    ]

    /// The parts of a multipart/alternative in order, and which of them are shown.
    static let orders: [(types: [String], shown: [Bool])] = [
        (["plain", "html"], [false, true]), (["html", "plain"], [true, true]), (["html", "enriched"], [true, false]),
        (["plain", "enriched"], [true, false]), (["enriched"], [true]), (["html", "html"], [false, true]),
        (["html", "plain", "html"], [false, false, true]), (["html", "calendar", "plain"], [true, false, true]),
    ]

    @Test(arguments: orders)
    func `HTML is shown wherever it stands`(types: [String], shown: [Bool]) throws {
        let parts = types.map { "--b\nContent-Type: text/\($0)\n\nsome words of it\n" }.joined()
        let message = "Content-Type: multipart/alternative; boundary=b\n\n\(parts)--b--\n"
        let content = try Self.content(message)
        #expect(content.texts.map(\.isShown) == shown)
        if types == ["html", "plain"] { #expect(content.alternatives.map(\.similarity) == [100]) }
    }

    @Test func `HTML inside of a multipart/related is shown wherever that stands`() throws {
        let message =
            "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: multipart/related; "
            + "boundary=c\n\n--c\nContent-Type: text/html\n\nthree\n--c--\n--b\n\nplain\n--b--\n"
        #expect(try Self.content(message).texts.map(\.isShown) == [true, true])
    }

    @Test(arguments: shown)
    func `programs show these texts`(message: String, shown: [Bool], nesting: [Int]) throws {
        let content = try Self.content(message)
        #expect(content.texts.map(\.isShown) == shown)
        #expect(content.texts.map(\.nesting) == nesting)
    }

    @Test func `texts that stand for each other are compared`() throws {
        func message(_ plain: String, _ html: String) -> String {
            """
            Content-Type: multipart/alternative; boundary=b

            --b

            \(plain)
            --b
            Content-Type: text/html

            \(html)
            --b--
            """
        }
        let same = try Self.content(message("Hello dear friends", "<p>Hello <b>dear</b> friends"))
        #expect(same.alternatives.map(\.similarity) == [100])
        let other = try Self.content(message("Minutes of the meeting", "<p>Cheap pills, order now"))
        #expect(other.alternatives.map(\.similarity) == [0])
    }

    @Test func `limits are kept, and what is beyond is said`() throws {
        var limits = ContentLimits()
        limits.maxURIs = 3
        limits.maxTextParts = 1
        limits.maxPartOctets = 100
        let links = String(repeating: "http://a.example/ ", count: 100)
        let text = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n\(links)\n--b\n\nx\n--b--\n"
        let content = try Self.content(text, limits: limits)
        #expect(content.uris.count == 3)
        #expect(content.texts.count == 1)
        #expect(content.texts[0].visible.count == 100)
        #expect(content.excess == [.uris, .texts, .textOctets])
    }

    /// Messages around a text, each encoded in base64.
    static func wrapped(_ text: String, times: Int) -> String {
        var message = text
        for _ in 0..<times {
            let octets = Array(message.replacing("\n", with: "\r\n").utf8)
            let encoded = String(decoding: Base64.encode(octets), as: UTF8.self)
            message = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n\(encoded)\n"
        }
        return message
    }

    @Test(arguments: [1, 2, 3])
    func `a message that is encoded as a whole is read`(times: Int) throws {
        let content = try Self.content(Self.wrapped("Subject: x\n\nsee http://a.example/\n", times: times))
        #expect(content.texts.map(\.nesting) == [times])
        #expect(content.texts.map(\.part) == [0])
        #expect(content.uris.map(\.address.description) == ["http://a.example/"])
        #expect(content.excess.isEmpty)
    }

    @Test func `messages in messages in messages end at the limit`() throws {
        let content = try Self.content(Self.wrapped("Subject: x\n\ntext\n", times: 5))
        #expect(content.texts.isEmpty)
        #expect(content.excess == [.messages])
    }
}
