import Content
import MailTypes

/// A text part with the footer in it: what stands there afterwards, and how it is written.
struct FooterTextPart {
    /// Its place in the structure.
    let index: Int
    let isHTML: Bool
    /// The text as it was, in the charset that it has now.
    private(set) var before: [UInt8] = []
    /// Where in ``before`` the footer stands.
    private(set) var place = 0
    /// The footer with the line ends around it.
    private(set) var inserted: [UInt8] = []
    private(set) var isConverted = false
    /// Still encoded, as it stands in the message.
    private(set) var content: [UInt8] = []
    /// Of the fields of the part's header those that change.
    private(set) var fields: [(name: String, value: String)] = []

    /// Its own header, where it is not the message's, has a digest of what was there before.
    private(set) var hasDigest = false

    /// The field that tells the digest of a part's content; it goes, since it would be wrong. RFC 1864.
    static let digest = "Content-MD5"

    /// The text with the footer, without its transfer encoding.
    var after: [UInt8] {
        var text = Array(before[..<place])
        text += inserted
        text += before[place...]
        return text
    }

    init(
        _ index: Int, of part: MIMEPart, in body: Bytes, blocks: [FooterBlock], at wanted: FooterPlace
    ) throws(FooterObstacle) {
        self.index = index
        isHTML = part.contentType.subtype == "html"
        guard part.content.count <= Self.mostOctets else {
            throw FooterObstacle("its text is longer than \(Self.mostOctets) octets")
        }
        try read(part, body, blocks)
        settle(wanted)
        write(part, body)
        hasDigest = index > 0 && PartFields(body[part.header].array).value(of: Self.digest) != nil
    }

    /// A longer text is left alone: no person reads it, and it would be read several times here.
    static let mostOctets = 4 << 20

    /// Longest line, without CR LF. RFC 5322 §2.1.1.
    private static let longestLine = 998

    // MARK: - Reading

    private mutating func read(
        _ part: MIMEPart, _ body: Bytes, _ blocks: [FooterBlock]
    ) throws(FooterObstacle) {
        guard part.encoding != .unknown else { throw FooterObstacle("its transfer encoding is not known") }
        guard let octets = part.soundlyDecoded(from: body) else { throw FooterObstacle("its base64 is damaged") }
        let footer = isHTML ? page(blocks) : lines(blocks, of: part)
        let text = try FooterCharset(octets, declared: part.contentType.charset, footer: footer)
        before = text.octets
        inserted = text.footer
        isConverted = text.isConverted
        guard let label = text.label else { return }
        guard let value = part.contentType.value(charset: label), !part.defects.contains(.malformedField) else {
            throw FooterObstacle("its Content-Type cannot be written again for another charset")
        }
        fields.append(("Content-Type", value))
    }

    private func page(_ blocks: [FooterBlock]) -> String {
        blocks.map { "<div>\n\(String(decoding: $0.html, as: UTF8.self))\n</div>" }.joined(separator: "\n")
    }

    private func lines(_ blocks: [FooterBlock], of part: MIMEPart) -> String {
        let isFlowed = part.contentType.parameters["format"]?.value.asciiLowercased == "flowed"
        let texts = blocks.map { block in
            block.lines.map { isFlowed ? Self.stuffed($0) : $0 }.joined(separator: "\n")
        }
        return texts.joined(separator: "\n\n")
    }

    /// A line that nobody takes for a quotation or an envelope. RFC 3676 §4.4.
    private static func stuffed(_ line: String) -> String {
        line.hasPrefix(" ") || line.hasPrefix(">") || line.hasPrefix("From ") ? " " + line : line
    }

    // MARK: - Placing

    private mutating func settle(_ wanted: FooterPlace) {
        let lineEnd = Self.lineEnd(of: before)
        let footer = Self.with(lineEnd, inserted)
        if isHTML {
            let outline = HTMLOutline(before)
            place = wanted == .aboveQuotation ? outline.quotation ?? outline.end : outline.end
            inserted = lineEnd + footer + lineEnd
            return
        }
        let quotation = wanted == .aboveQuotation ? PlainQuotation.start(in: before) : nil
        place = quotation ?? before.count
        let above = before[..<place]
        inserted = Self.gap(below: above, lineEnd) + footer
        if quotation != nil {
            inserted += lineEnd + lineEnd
        } else if above.isEmpty || above.last == .lf {
            inserted += lineEnd
        }
    }

    /// What the text ends its lines with; what is encoded may do so in the way of its writer's machine.
    private static func lineEnd(of text: [UInt8]) -> [UInt8] {
        guard let first = text.firstIndex(of: .lf) else { return [.cr, .lf] }
        return first > 0 && text[first - 1] == .cr ? [.cr, .lf] : [.lf]
    }

    private static func with(_ lineEnd: [UInt8], _ footer: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        for octet in footer where octet != .cr { result += octet == .lf ? lineEnd : [octet] }
        return result
    }

    /// Line ends up to an empty line.
    private static func gap(below text: ArraySlice<UInt8>, _ lineEnd: [UInt8]) -> [UInt8] {
        guard text.contains(where: { !$0.isBlank && $0 != .cr && $0 != .lf }) else { return [] }
        let trailing = text.reversed().prefix { $0 == .lf || $0 == .cr }.count { $0 == .lf }
        return Array(repeatElement(lineEnd, count: Swift.max(0, 2 - trailing)).joined())
    }

    // MARK: - Writing

    private mutating func write(_ part: MIMEPart, _ body: Bytes) {
        let text = after
        var encoding = part.encoding
        if encoding == .sevenBit || encoding == .eightBit {
            let isFit = encoding == .eightBit || !(isConverted ? text : inserted).contains { $0 >= 0x80 }
            let isShort = inserted.split(separator: .lf).allSatisfy { $0.count <= Self.longestLine }
            if !isFit || !isShort || isConverted {
                encoding = Self.isMostlyForeign(text) ? .base64 : .quotedPrintable
                fields.append(
                    ("Content-Transfer-Encoding", encoding == .base64 ? "base64" : "quoted-printable"))
            }
        }
        switch encoding {
        case .quotedPrintable: content = QuotedPrintable.encode(text)
        case .base64:
            content = Base64.encode(text, lineLength: 76)
            let old = body[part.content]
            let endsLine = old.withUnsafeBytes { $0.last == .lf } || part.parent == nil
            if endsLine { content += [.cr, .lf] }
        case .sevenBit, .eightBit, .binary, .unknown: content = text
        }
    }

    /// Hardly anything of it could be read in quoted-printable.
    private static func isMostlyForeign(_ text: [UInt8]) -> Bool { text.count { $0 >= 0x80 } * 2 > text.count }
}

extension MIMEPart {
    /// The part's content decoded; `nil` where its base64 has something in it that is none, or lacks something: not
    /// every program reads on there.
    func soundlyDecoded(from body: Bytes) -> [UInt8]? {
        guard encoding == .base64 else { return decoded(from: body) }
        var decoder = Base64Decoder()
        var octets: [UInt8] = []
        body[content].withUnsafeBytes { decoder.decode($0, into: &octets) }
        decoder.finish(into: &octets)
        return decoder.isDamaged ? nil : octets
    }
}
