import Testing

@testable import Content

@Suite struct URITests {
    static let addresses: [(text: String, result: String?, tricks: Set<URITrick>)] = [
        ("http://example.com/a?b#c", "http://example.com/a?b#c", []),
        ("HTTPS://EXAMPLE.com", "https://example.com", []),
        ("  http://example.com/ ", "http://example.com/", []),
        ("ht\ntp://exa\tmple.com/", "http://example.com/", [.controls]),
        ("http:\\\\example.com\\a", "http://example.com\\a", [.backslash]),
        ("http:/example.com", "http://example.com", [.oddSlashes]),
        ("http:example.com", "http://example.com", [.oddSlashes]),
        ("http:////example.com", "http://example.com", [.oddSlashes]),
        ("//example.com/x", "https://example.com/x", []),
        ("https://bank.example@evil.example/", "https://evil.example/", [.userInfo]),
        ("https://a:b@c@evil.example", "https://evil.example", [.userInfo]),
        ("http://example.com:8080/", "http://example.com:8080/", [.port]),
        ("http://example.com:80/", "http://example.com:80/", []),
        ("http://example.com:99999/", "http:/", [.invalidHost]),
        ("http://0x7f.1/", "http://127.0.0.1/", [.numericHost]),
        ("http://2130706433/", "http://127.0.0.1/", [.numericHost]),
        ("http://0177.0.0.01/", "http://127.0.0.1/", [.numericHost]), ("http://192.0.2.1/", "http://192.0.2.1/", []),
        ("http://192.0.2.256/", "http:/", [.invalidHost]), ("http://1.2.3.4.5/", "http:/", [.invalidHost]),
        ("http://a.1/", "http:/", [.invalidHost]), ("http://[2001:db8::1]:8/", "http://[2001:db8::1]:8/", [.port]),
        ("http://[nonsense]/", "http:/", [.invalidHost]), ("http://[::1\0x]/", "http:/", [.invalidHost]),
        ("http://[::ffff:192.0.2.1]/", "http://192.0.2.1/", []), ("http://[192.0.2.1]/", "http:/", [.invalidHost]),

        ("http://%65xample.com/", "http://example.com/", [.encodedHost]),
        ("http://exa%2Fmple.com/", "http:/", [.invalidHost]),
        ("http://ｅｘａｍｐｌｅ。com/", "http://example.com/", [.oddCharacters]),
        ("http://exam\u{200B}ple.com/", "http://example.com/", [.invisibleCharacters]),
        ("http://ⓔxample.com/", "http://example.com/", [.oddCharacters]),
        ("http://bücher.example/", "http://xn--bcher-kva.example/", [.international]),
        ("http://xn--bcher-kva.example", "http://xn--bcher-kva.example", [.international]),
        ("http://pаypal.com/", "http://xn--pypal-4ve.com/", [.international, .mixedScripts, .lookalike]),
        ("http://BÜCHER.example/", "http://xn--bcher-kva.example/", [.international]),
        ("http://xn--99999999/", "http://xn--99999999/", [.international]),
        ("hxxps://example.com/", "https://example.com/", [.defanged]),
        ("http://example.com./", "http://example.com/", []), ("http:///", "http:", [.oddSlashes, .invalidHost]),
        ("mailto:a@example.com?subject=x", "mailto:a@example.com?subject=x", []), ("tel:+123", "tel:+123", []),
        ("#top", nil, []),
        ("page.html", nil, []), ("", nil, []), ("javascript:alert(1)", "javascript:alert(1)", []),
    ]

    @Test(arguments: addresses)
    func `an address is read as browsers do`(text: String, result: String?, tricks: Set<URITrick>) {
        let address = WebAddress(Array(text.utf8))
        #expect(address?.description == result)
        #expect(address?.tricks ?? [] == tricks)
    }

    static let texts: [(text: String, found: [String])] = [
        ("see http://example.com/a, and (https://example.org).", ["http://example.com/a", "https://example.org"]),
        ("www.example.com and www.example.nosuch!", ["http://www.example.com", "http://www.example.nosuch"]),
        ("go to example.com now; example.de/x?y", ["http://example.com", "http://example.de/x?y"]),
        ("mail a.b@example.org.", ["mailto:a.b@example.org"]),
        ("<http://example.com/>", ["http://example.com/"]), ("\"http://example.com\"x", ["http://example.com"]),
        ("(http://example.com/a_(b))", ["http://example.com/a_(b)"]),
        ("hxxp://example[.]com/ and example(dot)com", ["http://example.com/", "http://example.com"]),
        ("ｈｔｔｐ：／／ｅｘａｍｐｌｅ．ｃｏｍ", ["http://example.com"]), ("exam\u{200B}ple.com", ["http://example.com"]),
        ("call tel:+123", ["tel:+123"]),
        ("end.It is. e.g. 1.2.3 and a.b file.txt readme.md main.py 3.14", []),
        ("version 1.0.com? no.", ["http://1.0.com"]), ("http:// nothing http:", []),
        ("a:b.c:d http://x", ["http://x"]), ("例えばhttp://example.jpです", ["http://example.jp"]),
        ("user@[192.0.2.1] @example.com", ["http://example.com"]),
        ("https://a.example/?u=1\nhttps://b.example", ["https://a.example/?u=1", "https://b.example"]),
        ("mailto:x@y.example", ["mailto:x@y.example"]),
        ("MYSITE.COM/LOGIN", ["http://mysite.com/LOGIN"]), ("install main.py/x", ["http://main.py/x"]),
        ("http://0x7f000001/", ["http://127.0.0.1/"]),
    ]

    @Test(arguments: texts)
    func `a text has the addresses that a reader would try`(text: String, found: [String]) {
        let all = URIFinder.find(in: Array(text.utf8), source: .text, limits: ContentLimits())
        #expect(all.map(\.address.description) == found)
    }

    static let references: [(html: String, found: [String])] = [
        ("<a href='http://a.example/'>x</a>", ["link http://a.example/"]),
        ("<img src=//i.example/x>", ["image https://i.example/x"]),
        ("<base href='http://b.example/'><a href=x>y</a>", ["base http://b.example/", "link http://b.examplex"]),
        (
            "<form action=http://f.example><button formaction=http://g.example>",
            ["form http://f.example", "form http://g.example"]
        ),
        ("<a href='http&#58;//a&#46;example'>x</a>", ["link http://a.example"]),
        ("<td background=http://i.example>", ["image http://i.example"]),
        ("<meta http-equiv=refresh content='5; URL=\"http://r.example/\"'>", ["refresh http://r.example/"]),
        (
            "<iframe src=http://f.example></iframe><script src=http://s.example></script>",
            ["frame http://f.example", "script http://s.example"]
        ),
        (
            "<link rel=stylesheet href=http://s.example><object data=http://o.example>",
            ["style http://s.example", "object http://o.example"]
        ),
        (
            "<a href=http://a.example>http://b.example</a> http://c.example",
            ["link http://a.example", "text http://c.example"]
        ),
        ("<p hidden>http://h.example</p>", ["hidden-text http://h.example"]),
        ("<svg><a xlink:href=http://x.example>", ["link http://x.example"]),
        ("<area href=http://m.example>", ["link http://m.example"]), ("<a href='#x'>y</a>", []),
    ]

    @Test(arguments: references)
    func `HTML has addresses in attributes and text`(html: String, found: [String]) {
        let limits = ContentLimits()
        let rendered = HTMLTests.render(html)
        let text = URIFinder.find(in: rendered.visible, source: .text, limits: limits)
        let all = HTMLURIs(html: rendered, limits: limits).uris(besides: text)
        #expect(all.map { "\($0.source.rawValue) \($0.address)" } == found)
    }

    @Test(arguments: [
        ("<a href='http://evil.example/'>https://bank.example/</a>", "bank.example", true),
        ("<a href='http://evil.example/'>Go to <b>bank.com</b> now</a>", "bank.com", true),
        ("<a href='http://www.bank.com/x'>bank.com</a>", "bank.com", false),
        ("<a href='http://mail.bank.com/x'>bank.com</a>", "bank.com", false),
        ("<a href='http://bank.com.evil.example/'>bank.com</a>", "bank.com", true),
        ("<a href='http://evil.example/'>click</a>", nil, false),
        ("a <a href='mailto:x@evil.example'>y@bank.com</a>", nil, false),
    ])
    func `a link that names another host is a mismatch`(html: String, host: String?, isMismatched: Bool) throws {
        let rendered = HTMLTests.render(html)
        let text = URIFinder.find(in: rendered.visible, source: .text, limits: ContentLimits())
        let link = try #require(HTMLURIs(html: rendered, limits: ContentLimits()).uris(besides: text).first)
        #expect(link.textHost == host)
        #expect(link.isMismatched == isMismatched)
    }

    @Test(arguments: [
        ("https://s.example/?url=https://evil.example/x&y", "https://evil.example/x"),
        ("https://s.example/?u=https%3A%2F%2Fevil.example%2Fx", "https://evil.example/x"),
        ("https://s.example/?u=https%253A%252F%252Fevil.example", "https://evil.example"),
        ("https://s.example/r?to=//evil.example", "https://evil.example"),
        ("https://s.example/http://evil.example", "http://evil.example"), ("https://s.example/?q=http", nil),
    ])
    func `a URI in a URI is found`(text: String, inner: String?) {
        let address = WebAddress(Array(text.utf8))
        #expect(address?.inner(limits: ContentLimits())?.description == inner)
    }

    @Test(arguments: [
        ("bcher-kva", "bücher"), ("e1afmkfd", "пример"), ("fiqs8s", "中国"), ("maana-pta", "mañana"),
        ("egbpdaj6bu4bxfgehfvwxn", "ليهمابتكلموشعربي؟"),
    ])
    func `labels are coded both ways`(coded: String, text: String) throws {
        let scalars = text.unicodeScalars.map(\.value)
        #expect(Punycode.encode(scalars) == Array(coded.utf8))
        #expect(Punycode.decode(Array(coded.utf8)[...]) == scalars)
    }

    @Test(arguments: ["", "-", "a-", "99999999", "zzzzzzzzzzzz", "é", "a_b"])
    func `a malformed label is none`(label: String) {
        if let scalars = Punycode.decode(Array(label.utf8)[...]) { #expect(scalars.allSatisfy { $0 < 0x110000 }) }
    }
}
