public import MailTypes

/// A text of a message in UTF-8.
public struct DecodedText: Sendable, Hashable {
    public enum Observation: String, Sendable, Hashable, CaseIterable {
        /// No charset is named, and there is more than ASCII.
        case undeclaredCharset = "undeclared-charset"
        /// The charset is one that nobody knows.
        case unknownCharset = "unknown-charset"
        /// The text is not of the charset that is named; it was read as another.
        case wrongCharset = "wrong-charset"
        /// `<meta>` names another charset than the part's header.
        case otherCharsetInMeta = "other-charset-in-meta"
        /// A byte-order mark says something else than the header.
        case otherByteOrderMark = "other-byte-order-mark"
        case malformed
        case truncated
    }

    public var octets: [UInt8]
    public var charset: Charset
    public var declared: String?
    public var observations: Set<Observation>
    /// How many times something was malformed.
    public var malformed: Int
}

/// Chooses the charset as most readers' programs do: byte-order mark, header, `<meta>`, UTF-8 if it is valid, else
/// windows-1252.
enum TextDecoder {
    /// How far `<meta>` is looked for. WHATWG HTML §13.2.3.2.
    private static let metaWindow = 1024

    static func decode(_ octets: [UInt8], declared: String?, isHTML: Bool) -> DecodedText {
        var observations: Set<DecodedText.Observation> = []
        let named = declared.flatMap { Charset(label: $0) }
        if declared != nil, named == nil { observations.insert(.unknownCharset) }
        let meta = isHTML ? metaCharset(octets) : nil
        if let meta, let named, meta != named, named.extendsASCII { observations.insert(.otherCharsetInMeta) }
        let isASCII = octets.allSatisfy { $0 < 0x80 }
        var charset = named ?? meta
        if let mark = byteOrderMark(octets) {
            if let named, named != mark { observations.insert(.otherByteOrderMark) }
            charset = mark
        }
        if charset == nil, !isASCII { observations.insert(.undeclaredCharset) }
        let isUTF8 = isASCII || UTF8Text.isValid(octets.span)
        if let known = charset {
            if known == .utf8, !isUTF8 {
                observations.insert(.wrongCharset)
                // A few bad octets are damage; where most are, it is another charset.
                if !isMostlyUTF8(octets) { charset = .windows1252 }
            } else if known == .windows1252, isUTF8, !isASCII {
                // Nobody writes `Ã©` on purpose; declared is often what a program always declares.
                observations.insert(.wrongCharset)
                if declared?.asciiLowercased.contains("ascii") == true { charset = .utf8 }
            }
        }
        let used = charset ?? (isUTF8 ? .utf8 : .windows1252)
        var text: [UInt8] = []
        var malformed = 0
        if isUTF8, used == .utf8 || isASCII && used.extendsASCII && used.name != "utf-7" && used.name != "iso-2022-jp" {
            text = octets
        } else {
            malformed = used.decode(octets.span, into: &text)
        }
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { text.removeFirst(3) }
        if malformed > 0 { observations.insert(.malformed) }
        return DecodedText(
            octets: text, charset: used, declared: declared, observations: observations, malformed: malformed)
    }

    private static func byteOrderMark(_ octets: [UInt8]) -> Charset? {
        if octets.starts(with: [0xEF, 0xBB, 0xBF]) { return .utf8 }
        if octets.starts(with: [0xFF, 0xFE]) { return Charset(label: "utf-16le") }
        return octets.starts(with: [0xFE, 0xFF]) ? Charset(label: "utf-16be") : nil
    }

    private static func isMostlyUTF8(_ octets: [UInt8]) -> Bool {
        var text: [UInt8] = []
        let malformed = Charset.utf8.decode(octets.span, into: &text)
        let high = octets.count { $0 >= 0x80 }
        return malformed * 4 < high
    }

    /// What `<meta charset=…>` or `<meta … content="text/html; charset=…">` says.
    static func metaCharset(_ octets: [UInt8]) -> Charset? {
        let window = octets.prefix(metaWindow).map(\.asciiLowercased)
        var place = 0
        while let less = window[place...].firstIndex(of: UInt8(ascii: "<")) {
            place = less + 1
            guard window[place...].starts(with: "meta".utf8) else { continue }
            let end = window[place...].firstIndex(of: UInt8(ascii: ">")) ?? window.endIndex
            if let charset = charset(in: window[place..<end]) { return charset }
        }
        return nil
    }

    private static func charset(in tag: ArraySlice<UInt8>) -> Charset? {
        let wanted = Array("charset".utf8)
        var rest = tag
        while let start = rest.firstIndex(of: wanted[0]) {
            rest = rest[start...]
            guard rest.starts(with: wanted) else {
                rest = rest.dropFirst()
                continue
            }
            rest = rest.dropFirst(wanted.count).drop(while: \.isHTMLSpace)
            guard rest.first == UInt8(ascii: "=") else { continue }
            let value = rest.dropFirst().drop { $0.isHTMLSpace || $0 == 0x22 || $0 == 0x27 }
                .prefix { !$0.isHTMLSpace && $0 != 0x22 && $0 != 0x27 && $0 != 0x3B && $0 != 0x2F && $0 != 0x3E }
            guard let found = Charset(label: String(decoding: value, as: UTF8.self)) else { return nil }
            // A tag that could be read as ASCII is in no UTF-16.
            return found.extendsASCII ? found : .utf8
        }
        return nil
    }
}
