import MailTypes

/// A text as patterns of words are held against it: what only tells machines apart is gone.
///
/// - Blanks of any kind and single line ends of plain text become one space; empty lines, and in HTML each line end,
///   become one line end.
/// - Characters that take no room, and marks through Latin letters, are left out;
///   typographic quotes and dashes become `'`, `"` and `-`.
/// - Full-width, circled and mathematical letters become ASCII, and so do letters of other scripts that look like Latin
///   ones where a word has Latin letters, too.
public struct ReadableText: Sendable {
    public private(set) var octets: [UInt8] = []
    private let breaksOfParagraph: Int
    private var breaks = 0
    private var hasBlank = false
    // Of the word that is being read.
    private var wordStart = 0
    private var hasLatin = false
    private var lookalikes: [(place: Int, count: Int, letter: UInt8)] = []
    private var hasOtherLetters = false

    /// - Parameters:
    ///   - text: UTF-8.
    ///   - limit: Octets that are read of it.
    public init(_ text: [UInt8], isHTML: Bool, limit: Int = .max) {
        breaksOfParagraph = isHTML ? 1 : 2
        octets.reserveCapacity(Swift.min(text.count, limit))
        read(text.prefix(limit))
        endWord()
    }

    private mutating func read(_ text: ArraySlice<UInt8>) {
        var place = text.startIndex
        while place < text.endIndex {
            let octet = text[place]
            if octet.isLetter {
                // The letters of a word in one go: most of a text.
                let end = text[place...].firstIndex { !$0.isLetter } ?? text.endIndex
                if breaks > 0 || hasBlank { space() }
                hasLatin = true
                octets += text[place..<end]
                place = end
                continue
            }
            if octet < 0x80 {
                place += 1
                readASCII(octet)
                continue
            }
            let (scalar, count) = Self.scalar(text, at: place)
            readForeign(scalar, text[place..<place + count])
            place += count
        }
    }

    @inline(__always)
    private mutating func readASCII(_ octet: UInt8) {
        if octet == .lf {
            breaks += 1
        } else if octet <= 0x20 || octet == 0x7F {
            hasBlank = true
        } else {
            if breaks > 0 || hasBlank { space() }
            if octet.isLetter { hasLatin = true } else { endWord() }
            octets.append(octet)
            if !octet.isLetter { wordStart = octets.count }
        }
    }

    private mutating func readForeign(_ scalar: UInt32, _ written: ArraySlice<UInt8>) {
        switch scalar {
        case 0xA0, 0x1680, 0x2000...0x200A, 0x202F, 0x205F, 0x3000: hasBlank = true
        case 0x85, 0x2028, 0x2029: breaks += 1
        case 0x2018...0x201B, 0x2032: readASCII(UInt8(ascii: "'"))
        case 0x201C...0x201F, 0x2033: readASCII(UInt8(ascii: "\""))
        case 0x2010...0x2015, 0x2212: readASCII(UInt8(ascii: "-"))
        case _ where Homoglyphs.isInvisible(scalar): break
        case _ where Homoglyphs.isOverlay(scalar) && breaks == 0 && !hasBlank && octets.last?.isLetter == true: break
        default:
            if let plain = Homoglyphs.plain(scalar) { return readASCII(plain) }
            if breaks > 0 || hasBlank { space() }
            if let letter = Homoglyphs.latin(scalar) {
                lookalikes.append((octets.count, written.count, letter))
            } else if Homoglyphs.script(of: scalar) != nil {
                hasOtherLetters = true
            } else {
                endWord()
                octets += written
                wordStart = octets.count
                return
            }
            octets += written
        }
    }

    private mutating func space() {
        endWord()
        if !octets.isEmpty { octets.append(breaks >= breaksOfParagraph ? .lf : .space) }
        (breaks, hasBlank, wordStart) = (0, false, octets.count)
    }

    /// A word of Latin letters and others that all look like such is written in Latin ones.
    private mutating func endWord() {
        if hasLatin, !hasOtherLetters, !lookalikes.isEmpty {
            var word: [UInt8] = []
            var place = wordStart
            for lookalike in lookalikes {
                word += octets[place..<lookalike.place]
                word.append(lookalike.letter)
                place = lookalike.place + lookalike.count
            }
            word += octets[place...]
            octets.replaceSubrange(wordStart..., with: word)
        }
        if !lookalikes.isEmpty { lookalikes = [] }
        (hasLatin, hasOtherLetters) = (false, false)
        wordStart = octets.count
    }

    private static func scalar(_ text: ArraySlice<UInt8>, at position: Int) -> (UInt32, Int) {
        let lead = text[position]
        let count = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
        guard lead >= 0xC2, lead < 0xF5, position + count <= text.endIndex else { return (0xFFFD, 1) }
        var value = UInt32(lead) & (count == 2 ? 0x1F : count == 3 ? 0x0F : 0x07)
        for offset in 1..<count {
            guard text[position + offset] & 0xC0 == 0x80 else { return (0xFFFD, 1) }
            value = value << 6 | UInt32(text[position + offset] & 0x3F)
        }
        return (value, count)
    }
}
