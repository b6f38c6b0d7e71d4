import Content
import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Which parts of a message get the footer, and which messages do not.
@Suite struct FooterStructureTests {
    typealias Sample = FooterSample

    /// A tree as tests write it: a leaf is `type|more of its header|body`, a multipart `type(leaf,leaf)`.
    indirect enum Part {
        case leaf(String, String, fields: String = "")
        case multi(String, [Part])

        func text(_ boundary: String = "b") -> String {
            switch self {
            case .leaf(let type, let body, let fields): "Content-Type: \(type)\n\(fields)\n\(body)"
            case .multi(let type, let parts):
                "Content-Type: \(type); boundary=\"\(boundary)\"\n\npreamble\n"
                    + parts.enumerated().map { "--\(boundary)\n\($1.text("\(boundary)\($0)"))\n" }.joined()
                    + "--\(boundary)--\nepilogue\n"
            }
        }
    }

    static let plain = Part.leaf("text/plain", "Hello")
    static let html = Part.leaf("text/html", "<html><body><p>Hello</p></body></html>")
    static let image = Part.leaf(
        "image/png", "iVBORw0KGgo=", fields: "Content-Transfer-Encoding: base64\nContent-ID: <i>\n")
    static let pdf = Part.leaf("application/pdf; name=a.pdf", "JVBERi0=", fields: "Content-Transfer-Encoding: base64\n")
    static let note = Part.leaf("text/plain; name=a.txt", "A file\n")
    static let kept = Part.leaf("text/html", "<p>A file</p>\n", fields: "Content-Disposition: attachment\n")
    static let invitation = Part.leaf("text/calendar; method=REQUEST", "BEGIN:VCALENDAR\nEND:VCALENDAR\n")
    static let forwarded = Part.leaf("message/rfc822", "Subject: other\n\nA letter\n")
    static let alternative = Part.multi("multipart/alternative", [plain, html])

    /// A message, and how many of its texts have the footer afterwards, of all that are the message's own.
    static let trees: [(name: String, tree: Part, marks: [Bool])] = [
        ("plain", plain, [true]), ("html", html, [true]), ("alternative", alternative, [true, true]),
        ("mixed", .multi("multipart/mixed", [plain, pdf, note]), [true, false]),
        ("mixed of texts", .multi("multipart/mixed", [plain, html]), [true, false]),
        ("file first", .multi("multipart/mixed", [note, pdf, plain]), [false, true]),
        ("alternative in mixed", .multi("multipart/mixed", [alternative, pdf, kept]), [true, true, false]),
        (
            "related in alternative",
            .multi("multipart/alternative", [plain, .multi("multipart/related", [html, image])]), [true, true]
        ),
        ("related around", .multi("multipart/related", [alternative, image]), [true, true]),
        (
            "mixed in alternative",
            .multi("multipart/alternative", [plain, .multi("multipart/mixed", [html, pdf, html])]), [true, true, false]
        ),
        ("invitation", .multi("multipart/alternative", [plain, html, invitation]), [true, true, false]),
        ("forwarded", .multi("multipart/mixed", [plain, forwarded]), [true]),
        (
            "deep", .multi("multipart/mixed", [.multi("multipart/mixed", [.multi("multipart/x-odd", [alternative])])]),
            [true, true]
        ),
    ]

    static func message(_ tree: Part) throws -> Message {
        try Sample.message("From: a@here.example\nMIME-Version: 1.0\n" + tree.text())
    }

    @Test(arguments: trees.indices)
    func `the first text gets it, in each of its forms, and nothing else changes`(_ place: Int) throws {
        let (name, tree, marks) = Self.trees[place]
        let message = try Self.message(tree)
        let edited = try Sample.edited(message, try Sample.engine()).get()
        #expect(Sample.seen(edited).map { $0.contains("This message is confidential") } == marks, "\(name)")
        #expect(Sample.rest(edited) == Sample.rest(message))
        #expect(edited.header == message.header)
        #expect(Sample.edited(edited, try Sample.engine()) == .failure(FooterObstacle("it stands there already")))
    }

    @Test func `the root of related parts is the one that start names`() throws {
        let tree = Part.multi(
            "multipart/related; start=\"<main>\"",
            [Self.image, .leaf("text/html", "<p>Main</p>", fields: "Content-ID:\n <main>\n"), Self.html])
        let edited = try Sample.edited(try Self.message(tree), try Sample.engine()).get()
        #expect(Sample.seen(edited).map { $0.contains("Acme") } == [true, false])
    }

    static let untouched: [(tree: Part, reason: String)] = [
        (
            .multi(
                "multipart/signed; protocol=\"application/pgp-signature\"",
                [plain, .leaf("application/pgp-signature", "x")]),
            "the message is signed or encrypted (multipart/signed)"
        ),
        (
            .multi(
                "multipart/mixed",
                [.multi("multipart/signed", [plain, .leaf("application/pkcs7-signature", "x")]), plain]),
            "the message is signed or encrypted (multipart/signed)"
        ),
        (
            .leaf("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", "MIAG"),
            "the message is signed or encrypted (application/pkcs7-mime)"
        ),
        (
            .multi(
                "multipart/encrypted",
                [.leaf("application/pgp-encrypted", "Version: 1"), .leaf("application/octet-stream", "x")]),
            "the message is signed or encrypted (multipart/encrypted)"
        ),
        (
            .leaf(
                "text/plain",
                "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nHi\n-----BEGIN PGP SIGNATURE-----\n"),
            "the text is signed or encrypted (PGP)"
        ),
        (
            .leaf("text/html", "<pre>\n-----BEGIN PGP MESSAGE-----\nabc\n</pre>"),
            "the text is signed or encrypted (PGP)"
        ),
        (
            .multi(
                "multipart/report; report-type=delivery-status",
                [plain, .leaf("message/delivery-status", "Status: 2.0.0")]),
            "the message is a report (multipart/report)"
        ),
        (
            .leaf("message/disposition-notification", "a: b"),
            "the message is a report (message/disposition-notification)"
        ),
        (invitation, "there is no text that it could stand in"),
        (.multi("multipart/mixed", [pdf, note]), "there is no text that it could stand in"),
        (.leaf("message/rfc822", "Subject: a\n\nA letter"), "there is no text that it could stand in"),
        (.multi("multipart/digest", [.leaf("text/plain", "Hello")]), "there is no text that it could stand in"),
        (
            .multi("multipart/mixed", [.leaf("text/plain", "Hello", fields: "Content-Type: text/html\n")]),
            "programs may read the message in different ways (duplicate-field)"
        ),
        (.leaf("text/html", "<p>Hello</p><!-- no end"), "dropped: a reader would not see it just once"),
        (
            .leaf("text/html", "<p>Hello</p><div style=\"display:none\">"),
            "dropped: a reader would not see it just once"
        ),
        (.leaf("text/html", "<p>Hello</p><a title=\""), "dropped: a reader would not see it just once"),
    ]

    @Test(arguments: untouched.indices)
    func `what would be harmed stays as it is`(_ place: Int) throws {
        let (tree, reason) = Self.untouched[place]
        #expect(Sample.edited(try Self.message(tree), try Sample.engine()) == .failure(FooterObstacle(reason)))
    }

    @Test func `a boundary that is a line of the footer does not take it apart`() throws {
        let message = try Sample.message(
            "Content-Type: multipart/mixed; boundary=legal\n\n--legal\n\nHello\n--legal--\n")
        let engine = try Sample.engine([Footer(text: "Notice\n--legal\nAll rights reserved")])
        #expect(Sample.edited(message, engine).isFailure)
    }

    // MARK: Not twice

    @Test(arguments: [
        "> Acme Ltd, registered in Sample\n> Town. This\n> message is confidential.",
        ">> Acme Ltd, *registered* in Sample Town.\n>> This message is confidential.\n> regards",
        "Acme Ltd, registered in Sample Town. This message is confidential. And more.",
    ])
    func `who reads it in a quotation needs it no second time`(_ quoted: String) throws {
        let message = try Sample.message("Subject: Re: a\n\nYes.\n\n\(quoted)\n")
        #expect(Sample.edited(message, try Sample.engine()) == .failure(FooterObstacle("it stands there already")))
        let again = try Sample.edited(message, try Sample.engine(repeats: true)).get()
        #expect(FooterWords(Sample.seen(again)[0]).count(of: FooterWords(Sample.ascii.text ?? "")) == 2)
    }

    @Test func `what nobody sees does not count as read`() throws {
        let page =
            "<p>Yes.</p><div style=\"display:none\">Acme Ltd, registered in Sample Town. "
            + "This message is confidential.</div>"
        let message = try Sample.message("Content-Type: text/html\n\n\(page)\n")
        #expect(!Sample.edited(message, try Sample.engine()).isFailure)
    }

    @Test func `an answer that quotes one form has it in both`() throws {
        let quoted =
            "<blockquote type=cite>Acme Ltd, <i>registered</i> in Sample Town.<br>This message is "
            + "confidential.</blockquote>"
        let tree = Part.multi("multipart/alternative", [Self.plain, .leaf("text/html", "<p>Yes</p>\(quoted)")])
        #expect(
            Sample.edited(try Self.message(tree), try Sample.engine())
                == .failure(FooterObstacle("it stands there already")))
    }
}

extension Result {
    var isFailure: Bool { if case .failure = self { true } else { false } }
}

extension Result where Success == Message, Failure == FooterObstacle {
    /// Messages are compared by their octets.
    static func == (left: Self, right: Self) -> Bool {
        switch (left, right) {
        case (.success(let one), .success(let other)): one.pieces == other.pieces
        case (.failure(let one), .failure(let other)): one == other
        case (.success, .failure), (.failure, .success): false
        }
    }
}
