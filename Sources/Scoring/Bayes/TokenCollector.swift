import MailTypes

/// Gathers the tokens of a message: their hashes, and their spellings where somebody wants to read them.
struct TokenCollector {
    private(set) var hashes: [UInt64] = []
    /// By hash; `nil` where nobody wants them.
    private(set) var spellings: [UInt64: String]?
    private let limit: Int

    init(limit: Int, isSpelled: Bool) {
        self.limit = limit
        spellings = isSpelled ? [:] : nil
    }

    /// Each once, in order.
    var sorted: [UInt64] {
        var result = hashes
        result.sort()
        var kept = 0
        for hash in result where kept == 0 || result[kept - 1] != hash {
            result[kept] = hash
            kept += 1
        }
        result.removeLast(result.count - kept)
        return result
    }

    @discardableResult
    mutating func add(_ place: StaticString, _ octets: some Sequence<UInt8>) -> UInt64 {
        var hash = TokenHash(place)
        hash.add(octets)
        let token = hash.token(TokenKind(place))
        // Whoever reads it has it in a terminal: no control characters.
        insert(token) {
            let legible = octets.map { $0 < .space || $0 == 0x7F ? UInt8(ascii: "^") : $0 }
            return "\(place)\(String(decoding: legible, as: UTF8.self))"
        }
        return token
    }

    @discardableResult
    mutating func add(_ place: StaticString, _ text: String) -> UInt64 { add(place, text.utf8) }

    /// Two tokens that follow each other.
    mutating func addPair(_ first: UInt64, _ second: UInt64) {
        var hash = TokenHash()
        hash.add(first)
        hash.add(second)
        let value = hash.token(.pair)
        hashes.append(value)
        guard spellings != nil, let one = spellings?[first], let other = spellings?[second] else { return }
        spellings?[value] = "\(one) \(Self.bare(other))"
    }

    /// How many more there is room for.
    var room: Int { Swift.max(0, limit - hashes.count) }

    private mutating func insert(_ hash: UInt64, _ spelling: () -> String) {
        hashes.append(hash)
        if spellings != nil, spellings?[hash] == nil { spellings?[hash] = spelling() }
    }

    private static func bare(_ spelling: String) -> Substring {
        spelling.firstIndex(of: ":").map { spelling[spelling.index(after: $0)...] } ?? spelling[...]
    }
}
