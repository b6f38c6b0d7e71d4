public import MailTypes

/// What lessons have taught of each token: a table in octets, read where it lies.
///
/// A message's margin is the sum of its tokens' weights, each multiplied by what its block of tokens comes to (see
/// `TokenVector`): above zero it is like the spam that was taught, below like the good mail; lessons lie beyond 1 and
/// -1 where that was possible. See ``LessonTrainer`` for how the weights are found.
///
///     0  magic, version        octets 0..<8 and 8..<16
///     16 lessons of spam       32 bits, and of good mail, 32 bits
///     24 number of changes     64 bits: of the store, when this was made
///     32 tokens                64 bits
///     40 places                64 bits: a power of two, at most half of them taken
///     48 checksum              64 bits, of all places
///     56 length of the scope   64 bits
///     64 scope                 at most 448 octets, whose lessons these are
///     512 places               16 octets each: token, weight, lessons of spam and of good mail with it (16 bits each)
///
/// All numbers have their lowest octet first.
public struct LessonModel: Sendable {
    private static let magic: UInt64 = 0x4C4D_4543_5549_4C53  // "SLUICEML"
    private static let version: UInt64 = 2
    private static let headerSize = 512
    private static let placeSize = 16
    static let mostScopeOctets = 448
    /// How far a token may lie from where it belongs; a table that needs more is made larger.
    private static let mostSteps = 64

    public let octets: Bytes
    public let scope: String
    public let spam: Int
    public let ham: Int
    /// The number of changes in the store that this was made of.
    public let change: UInt64
    /// Tokens that are known.
    public let count: Int
    private let places: Int

    /// Lessons of a kind with a token; 65,535 are that many or more.
    static let mostCounted = Int(UInt16.max)

    /// What is known of a token.
    public struct Token: Sendable, Hashable {
        public let hash: UInt64
        /// Multiplied by how rare the token is.
        public let weight: Float
        /// Lessons with it; 65,535 are that many or more.
        public let spam: Int
        public let ham: Int

        public init(hash: UInt64, weight: Float, spam: Int, ham: Int) {
            self.hash = hash
            self.weight = weight
            self.spam = spam
            self.ham = ham
        }
    }

    /// Lessons of each kind without which a scope says nothing, unless a wider one does.
    public static let fewestLessons = 20

    /// Whether enough was taught to judge by it alone.
    public var isSufficient: Bool { spam >= Self.fewestLessons && ham >= Self.fewestLessons }

    /// `nil` unless the octets are a whole, undamaged model.
    public init?(_ octets: Bytes) {
        self.octets = octets
        guard octets.count >= Self.headerSize else { return nil }
        let head = octets[0..<Self.headerSize].array
        func number(_ place: Int) -> UInt64 {
            head[place..<place + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        let length = number(56)
        guard number(0) == Self.magic, number(8) == Self.version, length <= UInt64(Self.mostScopeOctets),
            let places = Int(exactly: number(40)), places > 0, places & (places - 1) == 0,
            places <= (Int.max - Self.headerSize) / Self.placeSize,
            octets.count == Self.headerSize + places * Self.placeSize, let count = Int(exactly: number(32)),
            count <= places / 2
        else { return nil }
        scope = String(decoding: head[64..<64 + Int(length)], as: UTF8.self)
        spam = Int(number(16) & 0xFFFF_FFFF)
        ham = Int(number(16) >> 32)
        change = number(24)
        self.places = places
        self.count = count
        guard Self.checksum(of: octets) == number(48) else { return nil }
    }

    /// Makes the octets of a model.
    public static func encoded(
        scope: String, spam: Int, ham: Int, change: UInt64, tokens: [Token]
    ) -> [UInt8] {
        var places = 64
        while places < tokens.count * 2 { places *= 2 }
        while true {
            if let table = table(of: tokens, places: places) {
                let name = Array(scope.utf8.prefix(mostScopeOctets))
                let lessons = UInt64(UInt32(clamping: spam)) | UInt64(UInt32(clamping: ham)) << 32
                let numbers = [
                    magic, version, lessons, change, UInt64(tokens.count), UInt64(places), checksum(of: table),
                    UInt64(name.count),
                ]
                var octets: [UInt8] = []
                octets.reserveCapacity(headerSize + places * placeSize)
                for number in numbers { octets += littleEndian(number) }
                octets += name + Array(repeating: 0, count: mostScopeOctets - name.count)
                for word in table { octets += littleEndian(word) }
                return octets
            }
            places *= 2
        }
    }

    /// Two words for each place: the token, and what is known of it.
    private static func table(of tokens: [Token], places: Int) -> [UInt64]? {
        var table = [UInt64](repeating: 0, count: places * 2)
        for token in tokens {
            var place = Int(token.hash >> 2) & (places - 1)
            var steps = 0
            while table[place * 2] != 0, table[place * 2] != token.hash {
                place = (place + 1) & (places - 1)
                steps += 1
                // With half of the places free that takes luck, or somebody's will.
                if steps == mostSteps { return nil }
            }
            table[place * 2] = token.hash
            table[place * 2 + 1] =
                UInt64(token.weight.bitPattern) | UInt64(UInt16(clamping: token.spam)) << 32
                | UInt64(UInt16(clamping: token.ham)) << 48
        }
        return table
    }

    private static func littleEndian(_ number: UInt64) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian, Array.init)
    }

    private static func mix(_ sum: UInt64, _ word: UInt64) -> UInt64 {
        let mixed = (sum ^ word) &* 0x9E37_79B9_7F4A_7C15
        return mixed ^ mixed >> 29
    }

    private static func checksum(of table: [UInt64]) -> UInt64 { table.reduce(0, mix) }

    private static func checksum(of octets: Bytes) -> UInt64 {
        octets.withUnsafeBytes { all in
            var sum: UInt64 = 0
            for place in stride(from: headerSize, to: all.count, by: 8) { sum = mix(sum, word(all, place)) }
            return sum
        }
    }

    private static func word(_ octets: UnsafeRawBufferPointer, _ place: Int) -> UInt64 {
        UInt64(littleEndian: octets.loadUnaligned(fromByteOffset: place, as: UInt64.self))
    }

    // MARK: - Asking

    /// What is known of those among `hashes` that are known, in their order.
    public func known(_ hashes: [UInt64]) -> [Token] {
        octets.withUnsafeBytes { all in
            hashes.compactMap { hash in
                var place = Int(hash >> 2) & (places - 1)
                for _ in 0...Self.mostSteps {
                    let offset = Self.headerSize + place * Self.placeSize
                    let found = Self.word(all, offset)
                    if found == 0 { return nil }
                    if found == hash {
                        let value = Self.word(all, offset + 8)
                        return Token(
                            hash: hash, weight: Float(bitPattern: UInt32(truncatingIfNeeded: value)),
                            spam: Int(value >> 32 & 0xFFFF), ham: Int(value >> 48))
                    }
                    place = (place + 1) & (places - 1)
                }
                return nil
            }
        }
    }

    /// How much a message of those tokens is like spam, and what each known token adds to that.
    public func margin(of hashes: [UInt64]) -> (sum: Double, shares: [(token: Token, share: Double)]) {
        let known = known(hashes)
        var sums = [Double](repeating: 0, count: TokenVector.blocks)
        for token in known {
            sums[TokenVector.block(of: token.hash)] += TokenVector.square(
                of: token.hash, lessons: token.spam + token.ham, among: spam + ham)
        }
        let scales = TokenVector.scales(sums)
        let shares = known.map { ($0, Double($0.weight) * scales[TokenVector.block(of: $0.hash)]) }
        return (shares.reduce(0) { $0 + $1.1 }, shares)
    }
}
