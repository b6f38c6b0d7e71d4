import MailTypes

/// A text as it is compared with a footer: its words, and nothing of how they are set.
///
/// Letters and digits count; line ends, marks of quotation and punctuation part words, whatever their number. So a
/// footer is found again where a reply has quoted it, folded it or lost its emphasis.
struct FooterWords: Sendable, Hashable {
    /// The words, each with a space before it, and one at the end.
    private let octets: [UInt8]
    let isEmpty: Bool

    init(_ text: String) {
        var builder = Builder()
        for scalar in text.unicodeScalars { builder.read(scalar) }
        builder.part()
        isEmpty = builder.octets.count == 1
        octets = builder.octets
    }

    /// - Parameter text: UTF-8; what is malformed parts words.
    init(_ text: [UInt8]) { self.init(String(decoding: text, as: UTF8.self)) }

    /// How often the words of `other` stand here, one after the other.
    func count(of other: FooterWords) -> Int {
        guard !other.isEmpty, octets.count >= other.octets.count else { return 0 }
        let wanted = other.octets
        // The second octet is the first letter: more telling than the space before it.
        let (first, width) = (wanted[1], wanted.count)
        var count = 0
        var place = 0
        while place + width <= octets.count {
            guard octets[place + 1] == first, octets[place..<place + width].elementsEqual(wanted) else {
                place += 1
                continue
            }
            count += 1
            // The space at the end may begin the next one.
            place += width - 1
        }
        return count
    }

    private struct Builder {
        private(set) var octets: [UInt8] = [.space]
        private var isInWord = false

        mutating func part() {
            if isInWord { octets.append(.space) }
            isInWord = false
        }

        mutating func read(_ scalar: Unicode.Scalar) {
            if scalar.value < 0x80 {
                let octet = UInt8(scalar.value)
                guard octet.isLetter || octet.isDigit else { return part() }
                octets.append(octet.asciiLowercased)
                isInWord = true
                return
            }
            // What takes no room is no end of a word: soft hyphens, joiners.
            if scalar.properties.isDefaultIgnorableCodePoint { return }
            guard scalar.properties.isAlphabetic || scalar.properties.numericType != nil else { return part() }
            // Lines of Chinese and Japanese end anywhere, so each character is a word.
            let isIdeograph = scalar.value >= 0x2E80 && scalar.properties.isIdeographic
            if isIdeograph { part() }
            octets += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
            isInWord = true
            if isIdeograph { part() }
        }
    }
}
