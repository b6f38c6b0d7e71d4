import Foundation
import MailTypes
import Testing

@testable import Filters

/// The small readers that stages share.
@Suite struct GrammarTests {
    @Test(arguments: [
        (0, "Thu, 1 Jan 1970 00:00:00 +0000"), (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"), (1_795_230_000, "Sat, 21 Nov 2026 03:00:00 +0000"),
        (4_107_542_400, "Mon, 1 Mar 2100 00:00:00 +0000"), (-1, "Wed, 31 Dec 1969 23:59:59 +0000"),
        (-1e30, "Mon, 1 Jan 1900 00:00:00 +0000"), (1e30, "Fri, 31 Dec 9999 23:59:59 +0000"),
    ] as [(Double, String)])
    func `a date is written`(_ seconds: Double, _ text: String) {
        #expect(MessageDate.text(Date(timeIntervalSince1970: seconds)) == text)
        #expect(MessageDate.isReadable(text.utf8))
    }

    @Test(arguments: [
        "Fri, 21 Nov 1997 09:55:06 -0600", "21 Nov 97 09:55:06 GMT", "Thu,\r\n 13\r\n Feb 1969\r\n 23:32 -0330 (Newfoundland Time)",
        " fri, 21 nov 1997 09(comment):   55  :  06 -0600", "Fri 21 Nov 1997 9:55 UT", "1 Jan 2017 23:59:60 +0000",
    ])
    func `a date is read`(_ text: String) { #expect(MessageDate.isReadable(text.utf8)) }

    @Test(arguments: [
        "", "today", "2026-11-21T03:00:00Z", "32 Nov 1997 09:55 +0000", "21 Non 1997 09:55 +0000", "21 Nov 1997 24:00 +0000",
        "21 Nov 1997 09:60 +0000", "21 Nov 1997 09:55", "21 Nov 1997 09:55 +00000", "21 Nov 1997 09:55 +0060",
        "21 Nov 1997 09:55 +0000 x", "21 Nov 1997 09:55 (+0000", "21 Nov 99999 09:55 +0000", "0 Nov 1997 09:55 +0000",
        "Sat, 21 Nov 1997 09.55 +0000", "99999999999999999999 Nov 1997 09:55 +0000",
    ])
    func `what is no date is not`(_ text: String) { #expect(!MessageDate.isReadable(text.utf8)) }

    @Test(arguments: [
        ("a@x.example", ["a@x.example"]), ("A B <a@x.example>", ["a@x.example"]), ("\"A, B\" <a@x.example>", ["a@x.example"]),
        ("a@x.example, b@y.example", ["a@x.example", "b@y.example"]), (",a@x.example,,", ["a@x.example"]),
        ("<@r.example,@s.example:a@x.example>", ["a@x.example"]), ("a @ x . example", ["a@x.example"]),
        ("\"a b\"@x.example", ["\"a b\"@x.example"]), ("a@[192.0.2.1]", ["a@[192.0.2.1]"]), ("A.B <a@x.example>", ["a@x.example"]),
        ("G: a@x.example, B <b@y.example>; , c@z.example", ["a@x.example", "b@y.example", "c@z.example"]),
        ("(c) a@x.example (A)", ["a@x.example"]), ("a(\\))@x.example", ["a@x.example"]), ("", []), ("G:;", []),
        ("J\u{f6}rg <j\u{f6}rg@x.example>", ["j\u{f6}rg@x.example"]),
        ("<>", nil), ("a", nil), ("@x.example", nil), ("a@", nil), ("a@@x", nil), ("a..b@x", nil), ("a@x.", nil), ("a@x>", nil),
        ("<a@x", nil), ("<<a@x>>", nil), ("G: H: a@x;;", nil), ("a@x;", nil), ("G: a@x", nil), ("a@x \"", nil), ("a@[x", nil),
        ("a@x (", nil), (": a@x;", nil), ("a@b@x", nil),
    ] as [(String, [String]?)])
    func `addresses of a field`(_ value: String, _ expected: [String]?) {
        let field = HeaderField(name: "From", value: value)
        #expect(Authors.addresses(in: field)?.map(\.description) == expected)
    }

    @Test func `depth that a stranger chooses costs nothing`() {
        let deep = String(repeating: "(", count: 100_000) + String(repeating: ")", count: 100_000)
        #expect(Authors.addresses(in: HeaderField(name: "From", value: "a@x.example")) != nil)
        var lexer = FieldLexer((deep + "a").utf8)
        #expect(lexer.next() == .atom([0x61]))
        #expect(MessageDate.isReadable((deep + "1 Jan 2026 00:00 +0000").utf8))
    }

    @Test func `every octet and every cut is read to its end`() {
        let whole = Array("G: \"A\\\" B\" <@r.example:a@[192.0.2.1]> (c (d) \\)), b@x.example;; 21 Nov".utf8)
        for end in whole.indices {
            for octet in stride(from: UInt8(0), through: 255, by: 5) {
                let value = whole[..<end] + [octet]
                var lexer = FieldLexer(value)
                var count = 0
                while let token = lexer.next(), token != .broken { count += 1 }
                #expect(count <= value.count)
                _ = MessageDate.isReadable(value)
                _ = AuthservID.claims(value, oneOf: ["mx.here.example"])
            }
        }
    }
}
