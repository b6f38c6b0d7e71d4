/// What a token is of a message. A message's kinds are weighed against each other, however many tokens each has.
public enum TokenKind: UInt64, Sendable, Hashable, CaseIterable {
    /// How the message is made: its fields, people, links, parts, files.
    case form = 0
    /// Two words that follow each other.
    case pair = 1
    /// A word that somebody reads.
    case word = 2
    /// Four octets of a field.
    case gram = 3

    /// Of a token by its number.
    init(of token: UInt64) {
        switch token & 3 {
        case 0: self = .form
        case 1: self = .pair
        case 2: self = .word
        default: self = .gram
        }
    }

    /// Of single tokens that were found there.
    init(_ place: StaticString) {
        switch place.utf8Start.pointee {
        case UInt8(ascii: "w"), UInt8(ascii: "x"), UInt8(ascii: "s"): self = .word
        case UInt8(ascii: "g"): self = .gram
        default: self = .form
        }
    }
}
