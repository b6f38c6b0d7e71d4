import MailTypes

/// Which words a text has, roughly: a bit for each word, of a set that does not grow.
struct WordSketch {
    private static let bits = 1 << 15
    private var words = [UInt64](repeating: 0, count: bits / 64)
    private(set) var count = 0

    /// Words are runs of at least three letters and digits; what lies beyond ASCII counts as letters.
    init(_ text: [UInt8]) {
        var hash: UInt32 = 2_166_136_261
        var length = 0
        for octet in text {
            if octet.isLetter || octet.isDigit || octet >= 0x80 {
                hash = (hash ^ UInt32(octet.asciiLowercased)) &* 16_777_619
                length += 1
            } else if length > 0 {
                if length >= 3 { insert(hash) }
                (hash, length) = (2_166_136_261, 0)
            }
        }
        if length >= 3 { insert(hash) }
    }

    private mutating func insert(_ hash: UInt32) {
        let bit = Int((hash ^ hash >> 15) & UInt32(Self.bits - 1))
        let mask = UInt64(1) << UInt64(bit & 63)
        if words[bit >> 6] & mask == 0 {
            words[bit >> 6] |= mask
            count += 1
        }
    }

    /// How many words of the two texts are common, in percent of both; 100 for two texts without words.
    func similarity(to other: WordSketch) -> Int {
        guard count + other.count > 0 else { return 100 }
        var common = 0
        for place in words.indices { common += (words[place] & other.words[place]).nonzeroBitCount }
        return 200 * common / (count + other.count)
    }
}
