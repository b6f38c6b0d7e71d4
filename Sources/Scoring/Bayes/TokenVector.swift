import Foundation

/// How the tokens of a message make a vector of length 1.
///
/// What a message says, how it is made, and the octets of its header are three blocks. Each block is brought to its
/// own length first, so that a long text does not drown what the header says, nor a short one leave everything to it.
/// Within a block a token counts by how rare it is: the root of ln(1 + lessons / (1 + lessons with it)), half of that
/// if it is a pair, since pairs are many, and say in part what their words say already.
enum TokenVector {
    /// The blocks, by number: texts, form, grams.
    static let blocks = 3
    private static let squares = [1.0, 1.0, 0.49]
    private static let pair = 0.25

    static func block(of token: UInt64) -> Int {
        switch TokenKind(of: token) {
        case .word, .pair: 0
        case .form: 1
        case .gram: 2
        }
    }

    /// The square of what a token counts within its block.
    static func square(of token: UInt64, lessons count: Int, among all: Int) -> Double {
        let rarity = log(1 + Double(all) / Double(1 + count))
        return TokenKind(of: token) == .pair ? rarity * pair : rarity
    }

    /// What each block's tokens are multiplied by, of the sums of their squares; 0 for a block without any.
    static func scales(_ sums: [Double]) -> [Double] {
        var whole = 0.0
        for block in 0..<blocks where sums[block] > 0 { whole += squares[block] }
        return (0..<blocks).map { sums[$0] > 0 ? (squares[$0] / sums[$0] / whole).squareRoot() : 0 }
    }
}
