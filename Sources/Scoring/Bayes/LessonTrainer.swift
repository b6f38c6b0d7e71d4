/// Finds what lessons teach: the weights with which good mail and spam lie furthest apart.
///
/// It is a linear support vector machine with squared hinge loss, solved in its dual by coordinate descent (Hsieh,
/// Chang, Lin, Keerthi and Sundararajan, "A Dual Coordinate Descent Method for Large-scale Linear SVM", ICML 2008).
/// Each lesson has a share in the weights of its tokens: none if it is judged rightly with room to spare, the more
/// the worse it is judged. Counting, as naive Bayes does, believes a token anew for each word that always comes with
/// it, and newsletters and long texts are then misjudged with great confidence; here their tokens share one weight.
///
/// The same lessons in the same order make the same weights.
public struct LessonTrainer: Sendable {
    public struct Options: Sendable {
        /// How much an error costs against simpler weights.
        public var cost = 10.0
        /// Times that all lessons are gone through, unless nothing changes before.
        public var mostRounds = 25
        /// A round in which no lesson's share changes by more is the last.
        public var precision = 0.01

        public init() {}
    }

    /// Something that was taught.
    public struct Lesson: Sendable {
        public var tokens: [UInt64]
        public var isSpam: Bool
        /// What wider scopes make of it: only what they get wrong remains to be learnt.
        public var offset: Double
        /// It is of a wider scope, and here only so that one's own lessons don't spoil what is right already.
        public var isAnchor: Bool

        public init(tokens: [UInt64], isSpam: Bool, offset: Double = 0, isAnchor: Bool = false) {
            self.tokens = tokens
            self.isSpam = isSpam
            self.offset = offset
            self.isAnchor = isAnchor
        }
    }

    private let options: Options

    public init(_ options: Options = Options()) { self.options = options }

    /// Tokens of fewer lessons are left out: what was seen once says nothing of the next message, and takes the
    /// blame from what does. With few lessons everything is rare.
    static func rareness(lessons: Int) -> Int { lessons < 100 ? 1 : lessons < 1_000 ? 2 : 3 }

    /// What is known of each token, in order of their hashes.
    public func weights(of lessons: [Lesson]) -> [LessonModel.Token] {
        var vocabulary = Vocabulary(capacity: lessons.reduce(0) { $0 + $1.tokens.count } / 2)
        for lesson in lessons { vocabulary.count(lesson) }
        let rareness = Self.rareness(lessons: lessons.count)
        let squares = vocabulary.squares(among: lessons.count { !$0.isAnchor })
        let rows = lessons.map { Row($0, vocabulary, squares: squares, rareness: rareness) }
        let weights = solved(rows, squares)
        return vocabulary.tokens(from: rareness, weights).sorted { $0.hash < $1.hash }
    }

    /// A lesson as a vector of length 1: the numbers of its tokens, block after block.
    private struct Row {
        var indices: [UInt32] = []
        /// Where each block ends, and what its tokens are multiplied by.
        var ends: [Int] = []
        var scales: [Double]
        var sign: Double
        var offset: Double

        init(_ lesson: Lesson, _ vocabulary: Vocabulary, squares: [Double], rareness: Int) {
            var blocks = [[UInt32]](repeating: [], count: TokenVector.blocks)
            var sums = [Double](repeating: 0, count: TokenVector.blocks)
            for hash in lesson.tokens {
                guard let index = vocabulary.index(of: hash), vocabulary.lessons(with: index) >= rareness else {
                    continue
                }
                let block = TokenVector.block(of: hash)
                blocks[block].append(index)
                sums[block] += squares[Int(index)]
            }
            for block in blocks {
                indices += block
                ends.append(indices.count)
            }
            scales = TokenVector.scales(sums)
            sign = lesson.isSpam ? 1 : -1
            offset = lesson.offset
        }
    }

    /// Each weight is that of its token multiplied by what the token counts, so nobody who asks need do that.
    private func solved(_ rows: [Row], _ squares: [Double]) -> [Double] {
        var weights = [Double](repeating: 0, count: squares.count)
        var shares = [Double](repeating: 0, count: rows.count)
        var order = Array(rows.indices)
        var lot: UInt64 = 0x9E37_79B9_7F4A_7C15
        let diagonal = 1 / (2 * options.cost)
        for _ in 0..<options.mostRounds {
            Self.shuffle(&order, &lot)
            var largest = 0.0
            for place in order {
                let row = rows[place]
                guard !row.indices.isEmpty else { continue }
                let margin = row.offset + Self.product(row, weights)
                let gradient = row.sign * margin - 1 + diagonal * shares[place]
                let share = Swift.max(0, shares[place] - gradient / (1 + diagonal))
                let change = share - shares[place]
                guard change != 0 else { continue }
                shares[place] = share
                largest = Swift.max(largest, abs(change))
                Self.add(change * row.sign, row, squares, to: &weights)
            }
            if largest < options.precision { break }
        }
        return weights
    }

    private static func product(_ row: Row, _ weights: [Double]) -> Double {
        var (whole, place) = (0.0, 0)
        for block in row.ends.indices {
            var sum = 0.0
            while place < row.ends[block] {
                sum += weights[Int(row.indices[place])]
                place += 1
            }
            whole += sum * row.scales[block]
        }
        return whole
    }

    private static func add(_ amount: Double, _ row: Row, _ squares: [Double], to weights: inout [Double]) {
        var place = 0
        for block in row.ends.indices {
            let share = amount * row.scales[block]
            while place < row.ends[block] {
                let index = Int(row.indices[place])
                weights[index] += share * squares[index]
                place += 1
            }
        }
    }

    /// The same order each time.
    private static func shuffle(_ order: inout [Int], _ lot: inout UInt64) {
        guard order.count > 1 else { return }
        for place in stride(from: order.count - 1, to: 0, by: -1) {
            lot ^= lot << 13
            lot ^= lot >> 7
            lot ^= lot << 17
            order.swapAt(place, Int(lot % UInt64(place + 1)))
        }
    }
}

/// The tokens of all lessons, numbered as they come.
private struct Vocabulary {
    /// Open addressing: the number of a token plus one, or 0.
    private var table: [UInt32]
    private var hashes: [UInt64] = []
    private var spam: [UInt32] = []
    private var ham: [UInt32] = []
    /// Lessons of any kind with it, anchors too.
    private var all: [UInt32] = []

    init(capacity: Int) {
        var size = 1_024
        while size < capacity * 2 { size *= 2 }
        table = Array(repeating: 0, count: size)
    }

    /// What each token counts, by its own scope's lessons: those are what a model knows.
    func squares(among all: Int) -> [Double] {
        hashes.indices.map { index in
            let lessons =
                Swift.min(Int(spam[index]), LessonModel.mostCounted)
                + Swift.min(Int(ham[index]), LessonModel.mostCounted)
            return TokenVector.square(of: hashes[index], lessons: lessons, among: all)
        }
    }

    func lessons(with index: UInt32) -> Int { Int(all[Int(index)]) }

    func index(of hash: UInt64) -> UInt32? {
        let entry = table[place(of: hash)]
        return entry == 0 ? nil : entry - 1
    }

    mutating func count(_ lesson: LessonTrainer.Lesson) {
        for hash in lesson.tokens {
            let index = Int(number(of: hash))
            all[index] += 1
            if lesson.isAnchor { continue }
            if lesson.isSpam { spam[index] += 1 } else { ham[index] += 1 }
        }
    }

    func tokens(from rareness: Int, _ weights: [Double]) -> [LessonModel.Token] {
        hashes.indices.compactMap { index in
            guard Int(all[index]) >= rareness else { return nil }
            return LessonModel.Token(
                hash: hashes[index], weight: Float(weights[index]), spam: Int(spam[index]), ham: Int(ham[index]))
        }
    }

    private mutating func number(of hash: UInt64) -> UInt32 {
        let place = place(of: hash)
        if table[place] != 0 { return table[place] - 1 }
        hashes.append(hash)
        spam.append(0)
        ham.append(0)
        all.append(0)
        let number = UInt32(hashes.count)
        table[place] = number
        if hashes.count * 2 > table.count { grow() }
        return number - 1
    }

    /// Where a token is, or would be.
    private func place(of hash: UInt64) -> Int {
        let mask = table.count - 1
        var place = Int(truncatingIfNeeded: hash >> 2) & mask
        while table[place] != 0, hashes[Int(table[place]) - 1] != hash { place = (place + 1) & mask }
        return place
    }

    private mutating func grow() {
        table = Array(repeating: 0, count: table.count * 2)
        for (index, hash) in hashes.enumerated() { table[place(of: hash)] = UInt32(index + 1) }
    }
}
