import Content
import Testing

/// Where in HTML something can be put.
@Suite struct HTMLOutlineTests {
    /// The text up to the end of the body, and up to the quotation.
    static func outline(_ text: String) -> (end: String, quotation: String?) {
        let octets = Array(text.utf8)
        let outline = HTMLOutline(octets)
        func upTo(_ place: Int) -> String { String(decoding: octets[..<place], as: UTF8.self) }
        return (upTo(outline.end), outline.quotation.map(upTo))
    }

    @Test(arguments: [
        ("", ""), ("text", "text"), ("<p>text</p>", "<p>text</p>"), ("<body>a</body>", "<body>a"),
        ("<html>a</html>\n", "<html>a"), ("<BODY>a</BoDy ></HTML>", "<BODY>a"), ("a</body>b</body>c", "a</body>b"),
        ("a<!-- </body> -->b", "a<!-- </body> -->b"), ("<script>'</body>'</script>b", "<script>'</body>'</script>b"),
        ("<style></body></style>b", "<style></body></style>b"), ("<a title='</body>'>b", "<a title='</body>'>b"),
        ("<title></body></title>b</body>", "<title></body></title>b"),
        ("<svg><style></svg>b</body>c", "<svg><style></svg>b"),
        ("a</body", "a</body"), ("a<!-- ", "a<!-- "), ("<plaintext>a</body>", "<plaintext>a</body>"),
    ])
    func `the end is before the last end tag of the body`(_ text: String, _ end: String) {
        #expect(Self.outline(text).end == end)
    }

    @Test(arguments: [
        ("a<blockquote>b</blockquote>", nil), ("a<blockquote type=cite>b</blockquote>", "a"),
        ("<blockquote type=cite>b</blockquote>", nil), ("a<BLOCKQUOTE TYPE=\"CITE\">b", "a"),
        ("a<div class='gmail_quote x'>", "a"), ("a<div class='gmail_quoted'>", nil), ("a<p id=appendonsend>", "a"),
        ("a<!-- <blockquote type=cite> -->", nil), ("a</body><blockquote type=cite>", nil),
        ("a<div style='border:none; border-top: solid #ccc'>b", "a"), ("a<div style='border:none'>b", nil),
    ])
    func `a quotation begins with what mail programs put around it`(_ text: String, _ quotation: String?) {
        #expect(Self.outline(text).quotation == quotation)
    }
}
