import Content
import MailTypes

/// In which charset a text part and its footer can stand together.
///
/// The part's own, where the footer can be written in it and where octets of ASCII are ASCII wherever they stand; else
/// the whole part in UTF-8, if it can be read without doubt.
struct FooterCharset {
    /// The part's text, in UTF-8 where it has been converted.
    private(set) var octets: [UInt8]
    /// The charset that the part's header must name now; `nil`: as before.
    private(set) var label: String?
    /// The footer.
    private(set) var footer: [UInt8]
    /// The text was written in another charset, and its octets have changed.
    private(set) var isConverted = false

    /// - Parameters:
    ///   - octets: The part's text, without its transfer encoding.
    ///   - declared: What the part's header says, if anything.
    ///   - footer: In ASCII for HTML, which needs no more.
    init(_ octets: [UInt8], declared: String?, footer: String) throws(FooterObstacle) {
        self.octets = octets
        self.footer = Array(footer.utf8)
        let isASCII = footer.utf8.allSatisfy { $0 < 0x80 }
        guard let declared, !Self.isASCII(declared) else {
            guard !octets.contains(Self.escape) else {
                throw FooterObstacle("its text has escape sequences, and names no charset")
            }
            if isASCII { return }
            guard String(validating: octets, as: UTF8.self) != nil else {
                throw FooterObstacle("its text is not ASCII, and names no other charset")
            }
            label = Charset.utf8.name
            return
        }
        guard let charset = Charset(label: declared) else {
            guard Self.isPlain(octets) else { throw FooterObstacle("nobody knows the charset \(declared.shown)") }
            if !isASCII { label = Charset.utf8.name }
            return
        }
        if charset.isStateless, let encoded = charset.encode(footer, label: declared) {
            self.footer = encoded
            return
        }
        try convert(from: charset)
    }

    private static let escape: UInt8 = 0x1B

    private static func isASCII(_ label: String) -> Bool {
        let label = label.asciiLowercased
        return label.contains("ascii") || label.contains("ansi_x3.4") || label == "us" || label == "iso646-us"
    }

    /// Nothing but printable ASCII, and nothing that looks like the escapes of a charset made of it.
    private static func isPlain(_ octets: [UInt8]) -> Bool {
        var last: UInt8 = 0
        for octet in octets {
            guard octet.isVisible || octet.isBlank || octet == .cr || octet == .lf || octet == 0x0C else {
                return false
            }
            // HZ, RFC 1843.
            if last == UInt8(ascii: "~"), octet == UInt8(ascii: "{") { return false }
            last = octet
        }
        return true
    }

    private mutating func convert(from charset: Charset) throws(FooterObstacle) {
        var charset = charset
        if !charset.extendsASCII {
            // A byte-order mark says more than the header.
            if octets.starts(with: [0xFE, 0xFF]) { charset = Charset(label: "utf-16be") ?? charset }
            if octets.starts(with: [0xFF, 0xFE]) { charset = Charset(label: "utf-16le") ?? charset }
        }
        var text: [UInt8] = []
        guard charset.decode(octets.span, into: &text) == 0 else {
            throw FooterObstacle("its text is not of the charset \(charset) that it names")
        }
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { text.removeFirst(3) }
        octets = text
        label = Charset.utf8.name
        isConverted = true
    }
}

extension String {
    /// A stranger's word for a trace.
    fileprivate var shown: String {
        "\"" + String(unicodeScalars.prefix(40).filter { $0.value >= 0x20 && $0.value < 0x7F }.map(Character.init))
            + "\""
    }
}
