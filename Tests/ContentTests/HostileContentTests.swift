import MailTypes
import SluiceTesting
import Testing

@testable import Content

/// Work is counted in steps and output, not in time.
@Suite struct HostileContentTests {
    static func times(_ count: Int, _ text: String) -> String { String(repeating: text, count: count) }

    static let bombs: [(name: String, html: String)] = [
        ("nested tags", times(100_000, "<div>")), ("nested formatting", times(100_000, "<b><i>")),
        ("nested tables", times(50_000, "<table><tr><td>")),
        ("open paragraphs with formatting", times(50_000, "<p><font color=red>x")),
        ("crossed formatting", times(50_000, "<b><div></b>")),
        ("end tags of nothing", times(100_000, "</div>")),
        ("end tags below a block", times(100, "<b>") + "<div>" + times(100_000, "</b></i>")),
        ("list items", times(50_000, "<li><ul>")), ("links", times(100_000, "<a href=x>")),
        ("tags", times(100_000, "<x>")),
        ("comments", times(100_000, "<!--")), ("an attribute", "<a href='" + times(1_000_000, "x") + "'>y"),
        ("attributes", "<a " + times(200_000, "b=c ") + ">"),
        ("styles", "<p style='" + times(100_000, "color:red;") + "'>x"),
        ("rules", "<style>" + times(50_000, ".a{display:none}") + "</style>" + times(5_000, "<p class=a>x</p>")),
        ("classes", "<style>.a{color:red}</style>" + times(200, "<p class='" + times(1_000, "a ") + "'>")),
        ("selectors", "<style>" + times(50_000, "a,") + "b{color:red}</style>x"),
        ("references", times(200_000, "&notin;")), ("unfinished references", times(300_000, "&")),
        ("numbers", "&#" + times(1_000_000, "9") + ";"),
        ("scripts", times(50_000, "<script><!--")), ("raw text", times(100_000, "<title></titl")),
        ("CDATA", "<svg>" + times(50_000, "<![CDATA[")),
        ("quotes", times(100_000, "<a b=\"'")), ("braces", "<style>" + times(300_000, "{") + "</style>"),
        ("parentheses", "<p style='color:" + times(300_000, "(") + "'>"),
        ("hidden and seen", times(50_000, "<b hidden>x</b>y")), ("foreign", times(50_000, "<svg><p>")),
        ("templates", times(50_000, "<template>")),
        ("escapes", "<p style='" + times(200_000, "\\61") + "'>x"),
        ("calls", "<p style='background:" + times(100_000, "rgb(") + "'>x"),
    ]

    @Test(arguments: bombs)
    func `work is bounded by the size`(name: String, html: String) {
        let limits = ContentLimits()
        let result = HTMLTests.render(html)
        #expect(result.work <= html.utf8.count * 70, "\(name): \(result.work) steps")
        #expect(result.visible.count + result.hidden.count <= html.utf8.count * 3, "\(name)")
        #expect(result.references.count <= limits.maxURIs)
        #expect(result.hiddenRuns.count <= limits.maxHiddenRuns)
        #expect(result.visible.isUTF8 && result.hidden.isUTF8)
    }

    static let texts: [(name: String, text: String)] = [
        ("one word", times(1_000_000, "a.")), ("colons", times(500_000, "http:")),
        ("addresses", times(100_000, "http://a.example/ ")),
        ("one address", "http://a.example/" + times(1_000_000, "x")), ("at signs", times(500_000, "a@")),
        ("brackets", times(500_000, "[.]")),
        ("invisible", "http://" + times(300_000, "\u{200B}") + "a.example"),
        ("labels", "http://" + times(300_000, "a.") + "com"), ("full width", times(200_000, "．ｃｏｍ")),
        ("redirects", times(2_000, "http://a.example/?u=")),
        ("percent signs", "http://a.example/" + times(100_000, "%25")),
        ("parentheses", "http://a.example/" + times(300_000, ")")),
        ("slashes", "http:" + times(300_000, "/")), ("marks", times(300_000, "a\u{301}")),
        ("international", "http://" + times(500, "ü") + ".example"),
    ]

    @Test(arguments: texts)
    func `addresses are bounded`(name: String, text: String) throws {
        let limits = ContentLimits()
        let message = try Message(parsing: Bytes(Array("\r\n\(text)".utf8)))
        let content = MessageContent(of: message, limits: limits)
        #expect(content.uris.count <= limits.maxURIs, "\(name)")
        #expect(content.uris.allSatisfy { $0.address.rest.utf8.count <= 3 * limits.maxURIOctets })
    }

    @Test func `a chain of sectors that turns back ends`() {
        var octets = SampleCompoundFile.octets(["a", "b", "c", "d", "e", "f"])
        octets.replaceSubrange(512 + 8..<512 + 12, with: SampleZip.long(1))
        let file = CompoundFile(octets, limits: ContentLimits())
        #expect(file.isDamaged)
        #expect(file.names.count == 6)
    }

    static let seeds: [String] = [
        """
        <html><style>.a{display:none} #b{color:#fff}</style><p class=a style='font:1px x'>x\
        <a href=\"http://a.example/?u=http%3A//b.example\">c.example</a>&amp;&#x41;
        """,
        """
        <table bgcolor=red><tr><td><font color=red>x</table><!--[if mso]>--><svg><![CDATA[x]]></svg>\
        <script><!--<script></script>--></script><title>t</title>
        """,
        """
        see hxxp://ex[.]com/, ｅｘ．com http://0x7f.1/ http://xn--bcher-kva.example:80/a@b?c=//d \
        www.x.example (mailto:a@b.example) \u{200B}\u{202E}
        """,
    ]

    @Test func `3,000 mutations break nothing`() {
        var chance = SeededRandom(2047)
        let tokens = [
            "<", ">", "</", "'", "\"", "=", "&", ";", "<!--", "-->", "{", "}", ":", "/", "\0", "é", "http://", ".", "@",
            "%", "[", "]", "xn--",
        ]
        let limits = ContentLimits()
        for round in 0..<3_000 {
            var octets = Array(Self.seeds[round % Self.seeds.count].utf8)
            for _ in 0..<Int.random(in: 1...8, using: &chance) {
                let place = Int.random(in: 0...octets.count, using: &chance)
                switch Int.random(in: 0..<4, using: &chance) {
                case 0: octets.insert(contentsOf: Array((tokens.randomElement(using: &chance) ?? "").utf8), at: place)
                case 1: octets.removeSubrange(place..<min(octets.count, place + Int.random(in: 0..<12, using: &chance)))
                case 2: if place < octets.count { octets[place] = UInt8.random(in: 0...255, using: &chance) }
                default: octets.removeSubrange(place...)
                }
            }
            ContentInvariants.check(octets, limits: limits)
        }
    }
}

/// What holds for any octets at all.
enum ContentInvariants {
    static func check(_ octets: [UInt8], limits: ContentLimits, _ comment: Comment? = nil) {
        let text = TextDecoder.decode(octets, declared: nil, isHTML: true).octets
        #expect(text.isUTF8, comment)
        let html = HTMLRenderer.render(text, limits: limits)
        #expect(html.visible.isUTF8 && html.hidden.isUTF8, comment)
        for reference in html.references where reference.text != nil {
            #expect((reference.text?.upperBound ?? 0) <= html.visible.count, comment)
        }
        for uri in URIFinder.find(in: text, source: .text, limits: limits) { check(uri.address, comment) }
        var inspector = AttachmentInspector(octets, limits: limits)
        inspector.inspect()
        if let message = try? Message(parsing: Bytes(octets)) {
            check(MessageContent(of: message, limits: limits), comment)
        }
    }

    static func check(_ content: MessageContent, _ comment: Comment? = nil) {
        for text in content.texts {
            #expect(text.visible.isUTF8, comment)
            #expect(content.structure.parts.indices.contains(text.part), comment)
        }
        for uri in content.uris { check(uri.address, comment) }
    }

    /// A host is read as the same host again.
    static func check(_ address: WebAddress, _ comment: Comment? = nil) {
        guard let host = address.host, address.scheme.hasPrefix("http") else { return }
        #expect(WebAddress(Array("http://\(host)/".utf8))?.host == host, comment)
        #expect(host.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, comment)
    }
}

extension [UInt8] {
    fileprivate var isUTF8: Bool { UTF8Text.isValid(span) }
}
