/// Text beyond ASCII in a header: `=?utf-8?Q?caf=C3=A9?=`. RFC 2047, RFC 2231 §5.
///
/// For showing and judging text only. Addresses are never decoded: what they are is decided by
/// their octets. RFC 2047 §5 (3).
public enum EncodedWord {
    /// The RFC allows 75 characters; longer ones are sent, up to a line.
    private static let longest = 998

    /// The text with its encoded words decoded; what is no encoded word stays.
    public static func decode(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "=")) else { return text }
        let octets = Array(text.utf8)
        var writer = Writer()
        var position = 0
        while position < octets.count {
            if let word = word(at: position, in: octets) {
                writer.add(word)
                position = word.end
            } else {
                writer.add(octets[position])
                position += 1
            }
        }
        return writer.finish()
    }

    private struct Word {
        var charset: String
        var octets: [UInt8]
        var end: Int
    }

    // encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?="
    private static func word(at start: Int, in octets: [UInt8]) -> Word? {
        let mark = UInt8(ascii: "?")
        guard start + 8 <= octets.count, octets[start] == UInt8(ascii: "="), octets[start + 1] == mark else {
            return nil
        }
        let limit = Swift.min(octets.count, start + longest)
        guard let charsetEnd = octets[start + 2..<limit].firstIndex(of: mark), charsetEnd + 2 < limit,
            octets[charsetEnd + 2] == mark
        else { return nil }
        let charset = octets[start + 2..<charsetEnd].prefix { $0 != UInt8(ascii: "*") }
        guard !charset.isEmpty, charset.allSatisfy(\.isMIMEToken) else { return nil }
        let textStart = charsetEnd + 3
        guard let textEnd = octets[textStart..<limit].firstIndex(of: mark), textEnd + 1 < octets.count,
            octets[textEnd + 1] == UInt8(ascii: "="),
            let content = content(
                octets[textStart..<textEnd], encoding: octets[charsetEnd + 1])
        else { return nil }
        return Word(charset: String(decoding: charset, as: UTF8.self), octets: content, end: textEnd + 2)
    }

    private static func content(_ text: ArraySlice<UInt8>, encoding: UInt8) -> [UInt8]? {
        var output: [UInt8] = []
        switch encoding | 0x20 {
        case UInt8(ascii: "b"):
            var decoder = Base64Decoder()
            text.withUnsafeBytes { decoder.decode($0, into: &output) }
            decoder.finish(into: &output)
        case UInt8(ascii: "q"):
            var rest = text
            while let octet = rest.popFirst() {
                if octet == UInt8(ascii: "="), let high = rest.first?.hexValue,
                    let low = rest.dropFirst().first?.hexValue
                {
                    output.append(high << 4 | low)
                    rest = rest.dropFirst(2)
                } else {
                    output.append(octet == UInt8(ascii: "_") ? .space : octet)
                }
            }
        default:
            return nil
        }
        return output
    }

    /// Joins words and text. Blanks between two encoded words are not text, and a character may be
    /// cut in two by senders that count octets, so words of one charset are decoded together.
    private struct Writer {
        private var text: [UInt8] = []
        private var charset: String?
        private var pending: [UInt8] = []
        private var blanks: [UInt8] = []

        mutating func add(_ word: Word) {
            if charset != word.charset { flush() }
            blanks = []
            charset = word.charset
            pending += word.octets
        }

        mutating func add(_ octet: UInt8) {
            if charset != nil, octet.isBlank || octet == .cr || octet == .lf {
                blanks.append(octet)
                return
            }
            flush()
            text += blanks
            blanks = []
            text.append(octet)
        }

        private mutating func flush() {
            guard let charset else { return }
            text += Array(Charset.text(pending, charset: charset).utf8)
            self.charset = nil
            pending = []
        }

        mutating func finish() -> String {
            flush()
            return String(decoding: text + blanks, as: UTF8.self)
        }
    }

    // MARK: - Encoding

    /// The text as it may stand in an unstructured field or a display name: itself if it is ASCII,
    /// else encoded words of at most 75 characters, one space between them.
    public static func encode(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { $0.isVisible || $0.isBlank } && !text.contains("=?")
        if isPlain { return text }
        var words: [String] = []
        var chunk: [UInt8] = []
        for scalar in text.unicodeScalars {
            let octets = Array(UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            // 45 octets are 60 characters of base64, and 12 are around them.
            if chunk.count + octets.count > 45 {
                words.append(word(chunk))
                chunk = []
            }
            chunk += octets
        }
        words.append(word(chunk))
        return words.joined(separator: " ")
    }

    private static func word(_ octets: [UInt8]) -> String {
        "=?utf-8?B?\(String(decoding: Base64.encode(octets), as: UTF8.self))?="
    }
}
