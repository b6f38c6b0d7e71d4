import MailTypes

/// Characters of a text that are not what they look like.
public struct TextObservations: Sendable, Hashable {
    /// Characters that take no room, inside of words.
    public var invisibleInWords = 0
    /// All characters that take no room.
    public var invisible = 0
    /// Characters that turn the direction of writing.
    public var bidirectionalControls = 0
    /// Full-width, circled and mathematical letters.
    public var oddLetters = 0
    /// Words with letters of scripts that are not written together.
    public var mixedWords = 0
    /// Words of Latin letters and others that look like Latin ones.
    public var lookalikeWords = 0
    /// Marks above marks: more than two on one letter.
    public var stackedMarks = 0
    /// ASCII letters with a mark through or around them.
    public var struckLetters = 0
    /// Characters for private use, and U+FFFD.
    public var unreadable = 0
    /// Characters beyond ASCII.
    public var foreign = 0

    public init() {}

    /// Looks at a text in UTF-8.
    public init(of text: [UInt8]) {
        var position = 0
        while let start = Self.nextForeign(in: text, from: position) {
            // The word around it, as far as it is ASCII; more than a few letters of it say nothing new.
            var first = start
            while first > position, start - first < 64, text[first - 1].isLetter { first -= 1 }
            position = readWord(text, from: first)
        }
    }

    private static func nextForeign(in text: [UInt8], from position: Int) -> Int? {
        var place = position
        while place < text.count, text[place] < 0x80 { place += 1 }
        return place < text.count ? place : nil
    }

    /// Reads letters of any script and what takes no room; returns where the word ends.
    private mutating func readWord(_ text: [UInt8], from start: Int) -> Int {
        var scripts = Homoglyphs.Scripts()
        var position = start
        var marks = 0
        var invisibleHere = 0
        var letters = 0
        var foreignLetters = 0
        var lookalikes = 0
        var isBehindLetter = false
        while position < text.count {
            let octet = text[position]
            if octet < 0x80 {
                guard octet.isLetter else { break }
                scripts.insert(.latin)
                letters += 1
                marks = 0
                isBehindLetter = true
                position += 1
                continue
            }
            let (scalar, count) = Self.scalar(text, at: position)
            position += count
            foreign += 1
            note(scalar, &marks)
            if Homoglyphs.isOverlay(scalar) {
                if isBehindLetter { struckLetters += 1 }
                isBehindLetter = false
                continue
            }
            isBehindLetter = false
            if Homoglyphs.isInvisible(scalar) {
                invisibleHere += 1
                continue
            }
            guard let script = Homoglyphs.script(of: scalar) else {
                if 0x300...0x36F ~= scalar { continue }
                break
            }
            letters += 1
            scripts.insert(script)
            if script != .latin {
                foreignLetters += 1
                if Homoglyphs.latin(scalar) != nil { lookalikes += 1 }
            }
        }
        invisible += invisibleHere
        // A mark that ends a text is none; one between letters is.
        if invisibleHere > 0, letters > 1 { invisibleInWords += invisibleHere }
        if scripts.isOddMix {
            mixedWords += 1
            if scripts.contains(.latin), lookalikes == foreignLetters { lookalikeWords += 1 }
        }
        return Swift.max(position, start + 1)
    }

    private mutating func note(_ scalar: UInt32, _ marks: inout Int) {
        if Homoglyphs.isBidirectionalControl(scalar) { bidirectionalControls += 1 }
        if scalar == 0xFFFD || 0xE000...0xF8FF ~= scalar { unreadable += 1 }
        if 0xFF21...0xFF5A ~= scalar || 0x1D400...0x1D7FF ~= scalar || 0x24B6...0x24E9 ~= scalar { oddLetters += 1 }
        if 0x300...0x36F ~= scalar {
            marks += 1
            if marks == 3 { stackedMarks += 1 }
        } else {
            marks = 0
        }
    }

    /// The code point there, of text that is UTF-8; what is none counts as U+FFFD.
    static func scalar(_ text: [UInt8], at position: Int) -> (UInt32, Int) {
        let lead = text[position]
        let count = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
        guard lead >= 0xC2, lead < 0xF5, position + count <= text.count else { return (0xFFFD, 1) }
        var value = UInt32(lead) & (count == 2 ? 0x1F : count == 3 ? 0x0F : 0x07)
        for offset in 1..<count {
            guard text[position + offset] & 0xC0 == 0x80 else { return (0xFFFD, 1) }
            value = value << 6 | UInt32(text[position + offset] & 0x3F)
        }
        return (value, count)
    }
}
