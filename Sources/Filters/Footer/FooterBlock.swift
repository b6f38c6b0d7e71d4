import Content
import MailTypes
import Pipeline

/// Why something cannot be a footer: words that go on from its name.
public struct FooterMistake: Error, Hashable, CustomStringConvertible {
    /// `text` or `html`.
    public let key: String
    public let reason: String
    public var description: String { "`\(key)` \(reason)" }
}

/// A footer made ready: both forms, and the words by which it is found again.
struct FooterBlock: Sendable, Hashable {
    /// The plain form, without line ends.
    let lines: [String]
    /// The HTML form in ASCII: other characters are references.
    let html: [UInt8]
    let textWords: FooterWords
    let htmlWords: FooterWords

    init(_ footer: Footer) throws(FooterMistake) {
        for (key, form) in [("text", footer.text), ("html", footer.html)] {
            guard (form?.utf8.count ?? 0) <= Footer.mostOctets else {
                throw FooterMistake(key: key, reason: "is longer than \(Footer.mostOctets) octets")
            }
        }
        let page = try footer.html.map { form throws(FooterMistake) in try Self.rendered(form) }
        lines = Self.lines(of: footer.text ?? page ?? "")
        textWords = FooterWords(lines.joined(separator: "\n"))
        guard !textWords.isEmpty else {
            throw FooterMistake(key: footer.text == nil ? "html" : "text", reason: "has no word in it")
        }
        html = Self.ascii(footer.html.map(Self.trimmed) ?? Self.page(of: lines))
        htmlWords = FooterWords(page ?? lines.joined(separator: "\n"))
    }

    private static func lines(of text: String) -> [String] {
        let octets = LineEnds.canonical(Array(text.utf8))
        var lines = octets.split(separator: .lf, omittingEmptySubsequences: false).map { line in
            var line = line.filter { $0 >= 0x20 && $0 != 0x7F || $0 == .tab }
            let isSeparator = line.elementsEqual("-- ".utf8)
            while !isSeparator, line.last?.isBlank == true { line.removeLast() }
            return String(decoding: line, as: UTF8.self)
        }
        while lines.last?.isEmpty == true { lines.removeLast() }
        return Array(lines.drop(while: \.isEmpty))
    }

    private static func trimmed(_ html: String) -> String {
        lines(of: html).joined(separator: "\r\n")
    }

    /// Plain text as HTML.
    private static func page(of lines: [String]) -> String {
        let escaped = lines.map { line in
            line.unicodeScalars.reduce(into: "") { result, scalar in
                switch scalar {
                case "&": result += "&amp;"
                case "<": result += "&lt;"
                case ">": result += "&gt;"
                default: result.unicodeScalars.append(scalar)
                }
            }
        }
        return escaped.joined(separator: "<br>\r\n")
    }

    /// So that it is right in every charset that has ASCII.
    private static func ascii(_ html: String) -> [UInt8] {
        html.unicodeScalars.reduce(into: [UInt8]()) { result, scalar in
            result += scalar.value < 0x80 ? [UInt8(scalar.value)] : Array("&#\(scalar.value);".utf8)
        }
    }

    /// What a reader sees of it.
    private static func rendered(_ html: String) throws(FooterMistake) -> String {
        let header = Header(fields: [HeaderField(name: "Content-Type", value: "text/html; charset=utf-8")])
        let content = MessageContent(of: Message(header: header, body: Bytes(Array(html.utf8))))
        guard let text = content.texts.first, let page = text.html else {
            throw FooterMistake(key: "html", reason: "cannot be read as HTML")
        }
        let seen = page.observations
        func mistake(_ reason: String) -> FooterMistake { FooterMistake(key: "html", reason: reason) }
        let lowered = html.asciiLowercased
        for name in ["html", "head", "body", "script", "style", "title", "plaintext", "textarea"] {
            guard !lowered.hasTag(name) else {
                throw mistake("has <\(name)>: only what stands inside of <body> belongs here, styles as attributes")
            }
        }
        guard !seen.isUnterminated else { throw mistake("ends inside of a tag or comment") }
        guard seen.unclosedElements == 0 else { throw mistake("leaves an element open") }
        guard seen.unmatchedEndTags == 0, seen.misnestedTags == 0 else {
            throw mistake("has an end tag where its element is not the open one")
        }
        guard !FooterWords(text.visible).isEmpty else { throw mistake("shows no word to a reader") }
        return text.string
    }
}

extension String {
    /// Whether a start or end tag of that name stands here, or something that one may take for it.
    fileprivate func hasTag(_ name: String) -> Bool {
        ["<", "</"].flatMap { ranges(of: $0 + name) }.contains { range in
            self[range.upperBound...].utf8.first.map { !$0.isLetter && !$0.isDigit } ?? true
        }
    }
}
