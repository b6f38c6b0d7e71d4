import MailTypes

/// Takes a text in UTF-8 apart into words, in lower case.
///
/// A word is a run of letters and digits, with single marks inside: `don't`, `e-mail`, `example.com`. Numbers of
/// more than three digits count by their length. Scripts that put no blanks between words are cut into pairs of
/// characters. Characters that take no room are passed over, so that they hide nothing.
struct WordReader {
    private let text: [UInt8]
    private let maxOctets: Int
    private var position = 0
    /// The last character of a script without blanks, until another one follows.
    private var pending: [UInt8] = []

    init(_ text: [UInt8], maxOctets: Int) {
        self.text = text
        self.maxOctets = maxOctets
    }

    /// The next word; `nil` at the end.
    mutating func next() -> [UInt8]? {
        while position < text.count {
            let octet = text[position]
            if octet.isLetter || octet.isDigit || octet >= 0x80 {
                if let word = readWord() { return word }
            } else if Self.isTelling(octet) {
                return readMarks(octet)
            } else {
                pending = []
                position += 1
            }
        }
        return nil
    }

    /// Marks that say something by themselves.
    private static func isTelling(_ octet: UInt8) -> Bool {
        octet == UInt8(ascii: "!") || octet == UInt8(ascii: "$") || octet == UInt8(ascii: "%")
            || octet == UInt8(ascii: "?")
    }

    /// Marks that may stand inside a word.
    private static func isInner(_ octet: UInt8) -> Bool {
        octet == UInt8(ascii: "'") || octet == UInt8(ascii: "-") || octet == UInt8(ascii: ".")
            || octet == UInt8(ascii: "_") || octet == UInt8(ascii: "@")
    }

    /// At most three of a run.
    private mutating func readMarks(_ mark: UInt8) -> [UInt8] {
        pending = []
        var count = 0
        while position < text.count, text[position] == mark {
            position += 1
            count += 1
        }
        return Array(repeating: mark, count: Swift.min(count, 3))
    }

    private mutating func readWord() -> [UInt8]? {
        var word: [UInt8] = []
        var digits = 0
        var others = 0
        while position < text.count {
            let octet = text[position]
            if octet < 0x80 {
                guard octet.isLetter || octet.isDigit || isInside(word) else { break }
                pending = []
                if octet.isDigit { digits += 1 } else { others += 1 }
                word.append(octet.asciiLowercased)
                position += 1
                continue
            }
            let character = Self.character(text, at: position)
            if character.isWithoutBlanks {
                if !word.isEmpty { break }
                return pair(character)
            }
            position += character.count
            if character.isInvisible { continue }
            guard character.isLetter else {
                if word.isEmpty { return nil }
                break
            }
            pending = []
            others += 1
            character.appendLowercased(to: &word)
        }
        guard !word.isEmpty else { return nil }
        if others == 0, digits > 3 { return Array("#\(Swift.min(digits, 20))".utf8) }
        if word.count > maxOctets { return Array("long \(Swift.min(word.count / 10, 20))".utf8) }
        return word
    }

    /// Whether the mark here has a letter or digit on both sides.
    private func isInside(_ word: [UInt8]) -> Bool {
        guard !word.isEmpty, Self.isInner(text[position]), position + 1 < text.count else { return false }
        let next = text[position + 1]
        return next.isLetter || next.isDigit || next >= 0xC2
    }

    private mutating func pair(_ character: Character8) -> [UInt8]? {
        let octets = Array(text[position..<(position + character.count)])
        position += character.count
        defer { pending = octets }
        return pending.isEmpty ? nil : pending + octets
    }
}

extension WordReader {
    /// A character beyond ASCII.
    struct Character8 {
        let scalar: UInt32
        let count: Int

        /// Characters that take no room, and marks drawn through others.
        var isInvisible: Bool {
            scalar == 0xAD || scalar == 0x34F || 0x200B...0x200F ~= scalar || 0x202A...0x202E ~= scalar
                || 0x2060...0x206F ~= scalar || 0xFE00...0xFE0F ~= scalar || scalar == 0xFEFF
                || 0x334...0x338 ~= scalar || 0x20D0...0x20F0 ~= scalar
        }

        /// Whether its script puts no blanks between words: Thai to Khmer, kana, Han, Hangul with it.
        var isWithoutBlanks: Bool {
            0xE00...0xEFF ~= scalar || 0x1000...0x109F ~= scalar || 0x1780...0x17FF ~= scalar
                || 0x3040...0x30FF ~= scalar || 0x3400...0x9FFF ~= scalar || 0xAC00...0xD7A3 ~= scalar
                || 0xF900...0xFAFF ~= scalar || 0x20000...0x3FFFF ~= scalar
        }

        /// Everything but blanks and punctuation.
        var isLetter: Bool {
            !(scalar < 0xC0 && scalar != 0xAA && scalar != 0xB5 && scalar != 0xBA) && scalar != 0xD7 && scalar != 0xF7
                && !(0x2000...0x206F ~= scalar) && !(0x3000...0x303F ~= scalar) && scalar != 0xFFFD
        }

        /// Lower case as far as it is a matter of adding: Latin-1, Greek, Cyrillic.
        func appendLowercased(to word: inout [UInt8]) {
            var value = scalar
            switch scalar {
            case 0xC0...0xDE, 0x391...0x3A9, 0x410...0x42F: value += 0x20
            case 0x400...0x40F: value += 0x50
            default: break
            }
            guard let scalar = Unicode.Scalar(value) else { return }
            word.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        }
    }

    /// The character there; what is no UTF-8 is U+FFFD.
    static func character(_ text: [UInt8], at position: Int) -> Character8 {
        let lead = text[position]
        let count = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
        guard lead >= 0xC2, lead < 0xF5, position + count <= text.count else {
            return Character8(scalar: 0xFFFD, count: 1)
        }
        var value = UInt32(lead) & (count == 2 ? 0x1F : count == 3 ? 0x0F : 0x07)
        for offset in 1..<count {
            guard text[position + offset] & 0xC0 == 0x80 else { return Character8(scalar: 0xFFFD, count: 1) }
            value = value << 6 | UInt32(text[position + offset] & 0x3F)
        }
        return Character8(scalar: value, count: count)
    }
}
