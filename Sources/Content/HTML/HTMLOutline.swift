import MailTypes

/// Where in HTML something can be put so that it is seen behind the text, or above what the text quotes.
///
/// Places are counted in octets, and lie between tags: never in a comment, a script or a tag.
public struct HTMLOutline: Sendable, Hashable {
    /// Before the last `</body>`, else before the last `</html>`, else the end.
    public let end: Int
    /// Before the first element in which mail programs put what they quote; `nil` where there is none, or nothing but
    /// blanks stands before it.
    public let quotation: Int?

    /// Octets of any charset in which ASCII is ASCII wherever it stands.
    public init(_ octets: [UInt8], limits: ContentLimits = ContentLimits()) {
        var reader = OutlineReader(octets, limits: limits)
        reader.read()
        let end = reader.bodyEnd ?? reader.htmlEnd ?? octets.count
        self.end = end
        quotation = reader.quotation.flatMap { $0 <= end ? $0 : nil }
    }
}

private struct OutlineReader {
    private(set) var bodyEnd: Int?
    private(set) var htmlEnd: Int?
    private(set) var quotation: Int?
    private var tokenizer: HTMLTokenizer
    private var hasText = false
    /// The names of `<svg>` or `<math>` that are open: there `<style>` and its like hold markup.
    private var foreign: HTMLElement?

    init(_ octets: [UInt8], limits: ContentLimits) {
        tokenizer = HTMLTokenizer(octets, maxAttributes: limits.maxAttributes)
    }

    mutating func read() {
        while true {
            switch tokenizer.next() {
            case .text(let range):
                if !hasText { hasText = tokenizer.octets[range].contains { !$0.isHTMLSpace } }
            case .startTag(let name): startTag(name)
            case .endTag(let name): endTag(HTMLElement.names[name] ?? .unknown)
            case .rawText, .comment, .doctype: break
            case .end: return
            }
        }
    }

    private mutating func startTag(_ name: PackedName) {
        let element = HTMLElement.names[name] ?? .unknown
        if quotation == nil, hasText, isQuotation(element) { quotation = tokenizer.tokenStart }
        guard foreign == nil else { return }
        switch element {
        case .title, .textarea: tokenizer.mode = .rcdata(name)
        case .style, .xmp, .iframe, .noembed, .noframes: tokenizer.mode = .rawText(name)
        case .script: tokenizer.mode = .script
        case .plaintext: tokenizer.mode = .plainText
        case .svg, .math:
            guard !tokenizer.isSelfClosing else { return }
            foreign = element
            tokenizer.allowsCDATA = true
        default: break
        }
    }

    private mutating func endTag(_ element: HTMLElement) {
        if element == foreign {
            foreign = nil
            tokenizer.allowsCDATA = false
        }
        if element == .body { bodyEnd = tokenizer.tokenStart }
        if element == .html { htmlEnd = tokenizer.tokenStart }
    }

    // MARK: - Quotations

    /// Classes of the element around a quotation: Gmail, Yahoo, Thunderbird, Proton.
    private static let classes: Set<String> = [
        "gmail_quote", "gmail_quote_container", "yahoo_quoted", "moz-cite-prefix", "moz-forward-container",
        "protonmail_quote",
    ]
    /// Its ids: Outlook on the web and on phones.
    private static let ids: Set<String> = [
        "divrplyfwdmsg", "appendonsend", "mail-editor-reference-message-container", "isreplycontent",
        "olk_src_body_section",
    ]
    /// What Outlook draws above what it quotes.
    private static let rule = "border:none;border-top:solid"

    private func isQuotation(_ element: HTMLElement) -> Bool {
        if element == .blockquote, value(of: "type") == "cite" { return true }
        if let names = value(of: "class"),
            names.split(separator: " ").contains(where: { Self.classes.contains("\($0)") })
        {
            return true
        }
        if let id = value(of: "id"), Self.ids.contains(id) { return true }
        guard element == .div, let style = value(of: "style") else { return false }
        return style.filter { $0 != " " }.hasPrefix(Self.rule)
    }

    /// In lower case.
    private func value(of name: String) -> String? {
        let octets = tokenizer.octets
        let attribute = tokenizer.attributes.first { octets[$0.name].equalsIgnoringCase(name.utf8) }
        return attribute.map { String(decoding: octets[$0.value].map(\.asciiLowercased), as: UTF8.self) }
    }
}
