import Foundation
import MailTypes
import Testing

@Suite struct AddressParserTests {
    typealias Reason = AddressParser.Malformed.Reason

    static let utf8 = AddressParser.Options(allowsUTF8: true)

    /// What is between the brackets, the canonical spelling, and the route.
    static let forwardPaths: [(String, String, [String])] = [
        ("<a@b>", "a@b", []),
        ("<Anna.Berg+tag@Example.ORG>", "Anna.Berg+tag@example.org", []),
        ("<a!b%c{}|~'`^/=?#$&*_-@x-y.example>", "a!b%c{}|~'`^/=?#$&*_-@x-y.example", []),
        (#"<"anna"@example.org>"#, "anna@example.org", []),
        (#"<"a b"@example.org>"#, #""a b"@example.org"#, []),
        (#"<"a\"b\\c\d"@example.org>"#, #""a\"b\\cd"@example.org"#, []),
        (#"<"u@T"@s.example>"#, #""u@T"@s.example"#, []),
        (#"<" "@example.org>"#, #"" "@example.org"#, []),
        ("<u@[192.0.2.1]>", "u@[192.0.2.1]", []),
        ("<u@[IPv6:2001:DB8:0::1]>", "u@[ipv6:2001:db8::1]", []),
        ("<u@[ipv6:::1]>", "u@[ipv6:::1]", []),
        ("<u@host_name.example>", "u@host_name.example", []),
        ("<u@xn--bcher-kva.example>", "u@xn--bcher-kva.example", []),
        ("<@a.example,@[192.0.2.1]:u@c.example>", "u@c.example", ["a.example", "[192.0.2.1]"]),
        ("<postmaster@example.org>", "postmaster@example.org", []),
        ("<=?utf-8?q?a=40b?=@c.example>", "=?utf-8?q?a=40b?=@c.example", []),
    ]

    @Test(arguments: forwardPaths)
    func `a path is read once and written canonically`(path: String, address: String, route: [String]) throws {
        let parsed = try AddressParser.wholePath(Array(path.utf8)[...], .forward)
        let mailbox = try #require(parsed.mailbox)
        #expect(mailbox.description == address)
        #expect(parsed.route == route)
        #expect(try AddressParser.mailbox(mailbox.description) == mailbox)
    }

    static let refused: [(String, Reason)] = [
        ("", .syntax), ("a@b", .syntax), ("<a@b", .syntax), ("<>", .syntax), ("<a>", .syntax), ("<@b>", .syntax),
        ("<a@>", .syntax), ("<a@b>x", .syntax), ("<a b@c>", .syntax), ("<.a@b>", .syntax), ("<a.@b>", .syntax),
        ("<a..b@c>", .syntax), (#"<""@b>"#, .syntax), (#"<"a@b>"#, .syntax), (#"<"a"b@c>"#, .syntax),
        ("<a@b.>", .syntax), ("<a@.b>", .syntax), ("<a@b..c>", .syntax), ("<a@-b.c>", .syntax), ("<a@b-.c>", .syntax),
        ("<u@T@S>", .syntax), ("<u@T@[192.0.2.1]>", .syntax), ("<a@b>@c", .syntax), ("<a@b@c>", .syntax),
        ("<a(comment)@b>", .syntax), ("<a@b(comment)>", .syntax), ("< a@b>", .syntax), ("<a@b >", .syntax),
        (#"<"x@y"[192.0.2.1]>"#, .syntax), ("<;for i in x;do true;>", .syntax), ("<T!u>", .syntax),
        (#"<"u@T">"#, .syntax), ("<@a:postmaster>", .syntax), ("<@a u@b>", .syntax), ("<@a,:u@b>", .syntax),
        ("<@a:@b:u@c>", .syntax), ("<a@[127.0.0.1>", .badLiteral), ("<a@[]>", .badLiteral),
        ("<a@[1.2.3]>", .badLiteral), ("<a@[1.2.3.4.5]>", .badLiteral), ("<a@[256.0.0.1]>", .badLiteral),
        ("<a@[::1]>", .badLiteral), ("<a@[IPv6:1.2.3.4]>", .badLiteral), ("<a@[IPv6:::g]>", .badLiteral),
        ("<a@[X400:c=de]>", .badLiteral), ("<a@[IPv6:fe80::1%eth0]>", .badLiteral),
        ("<a\u{0}@b>", .controlCharacter), ("<a@b\u{0}c>", .controlCharacter), ("<a\r\n@b>", .controlCharacter),
        ("<\"a\tb\"@c>", .controlCharacter), ("<\"a\\\u{1}\"@c>", .controlCharacter),
        ("<a\u{7F}@b>", .controlCharacter),
        ("<é@b>", .nonASCIINotAllowed), ("<a@é.example>", .nonASCIINotAllowed), ("<\"é\"@b>", .nonASCIINotAllowed),
        ("<a＠b>", .nonASCIINotAllowed),
    ]

    @Test(arguments: refused)
    func `what the grammar does not allow is refused`(path: String, reason: Reason) {
        let error = #expect(throws: AddressParser.Malformed.self) {
            try AddressParser.wholePath(Array(path.utf8)[...], .forward)
        }
        #expect(error?.reason == reason)
    }

    @Test func `the null path is a reverse-path only and Postmaster a forward-path only`() throws {
        let null = Array("<> BODY=8BITMIME".utf8)
        let (path, rest) = try AddressParser.path(null[...], .reverse)
        #expect(path.target == .null)
        #expect(Array(rest) == Array(" BODY=8BITMIME".utf8))
        let postmaster = Array("<POSTmaster>".utf8)
        #expect(try AddressParser.wholePath(postmaster[...], .forward).target == .postmaster)
        #expect(throws: AddressParser.Malformed.self) { try AddressParser.wholePath(postmaster[...], .reverse) }
    }

    @Test func `UTF-8 needs to be allowed and must be well-formed`() throws {
        let address = try AddressParser.mailbox(Array("δοκιμή@παράδειγμα.example".utf8)[...], options: Self.utf8)
        #expect(address.domain == "παράδειγμα.example")
        let invalid: [[UInt8]] = [
            [0x61, 0xFF, 0x40, 0x62], [0x61, 0x40, 0xC3], [0x61, 0x40, 0xC0, 0xAF], [0x61, 0x40, 0xED, 0xA0, 0x80],
        ]
        for octets in invalid {
            #expect(throws: AddressParser.Malformed.self) {
                try AddressParser.mailbox(octets[...], options: Self.utf8)
            }
        }
        for text in ["a@b。example", "a@b．example", "a\u{85}b@c", "a＠b.example"] {
            #expect(throws: AddressParser.Malformed.self) { try AddressParser.mailbox(text) }
        }
    }

    @Test func `two Unicode spellings are two addresses with one key`() throws {
        let composed = try AddressParser.mailbox("caf\u{E9}@example.org")
        let decomposed = try AddressParser.mailbox("cafe\u{301}@example.org")
        #expect(composed != decomposed)
        #expect(Array(composed.key.utf8) == Array(decomposed.key.utf8))
    }

    static let lengths: [(local: Int, label: Int, labels: Int, Reason?)] = [
        (64, 63, 1, nil), (65, 63, 1, .tooLong), (1, 64, 1, .tooLong),
        (64, 47, 4, .tooLong), (64, 45, 4, nil), (1, 49, 5, nil), (1, 50, 5, .tooLong), (1, 63, 4, .tooLong),
    ]

    @Test(arguments: lengths)
    func `lengths are those of RFC 5321`(local: Int, label: Int, labels: Int, reason: Reason?) {
        let domain = Array(repeating: String(repeating: "d", count: label), count: labels).joined(separator: ".")
        let path = "<" + String(repeating: "l", count: local) + "@" + domain + ">"
        do {
            _ = try AddressParser.wholePath(Array(path.utf8)[...], .forward)
            #expect(reason == nil)
        } catch {
            #expect(error.reason == reason)
        }
    }

    @Test func `a long local part passes where it is allowed`() throws {
        let path = Array("<\(String(repeating: "l", count: 86))@example.org>".utf8)
        let options = AddressParser.Options(maxLocalPart: 128)
        #expect(try AddressParser.wholePath(path[...], .reverse, options: options).mailbox?.localPart.count == 86)
    }

    static let routing: [(String, Bool)] = [
        ("u%T@s", true), ("T!u@s", true), (#""u@T"@s"#, true), (#""@a:u"@s"#, true), ("u+x@s", false), ("u@s", false),
    ]

    @Test(arguments: routing)
    func `a local part that smells of routing is known`(address: String, isRouting: Bool) throws {
        #expect(try AddressParser.mailbox(address).hasRoutingLocalPart == isRouting)
    }

    @Test func `an address survives JSON`() throws {
        for text in [#""a b\"c"@example.org"#, "u@[IPv6:::1]", "ü@example.org"] {
            let address = try AddressParser.mailbox(text)
            let data = try JSONEncoder().encode([address])
            #expect(try JSONDecoder().decode([EmailAddress].self, from: data) == [address])
        }
    }

    @Test func `domains are read alone as well`() throws {
        #expect(try AddressParser.domain("MX.Example.ORG") == "mx.example.org")
        #expect(try AddressParser.domain("[192.0.2.1]") == "[192.0.2.1]")
        for text in ["", "a b", "a.", "a@b", "-a", "[1.2.3.4", "a\n"] {
            #expect(throws: AddressParser.Malformed.self) { try AddressParser.domain(text) }
        }
    }
}
