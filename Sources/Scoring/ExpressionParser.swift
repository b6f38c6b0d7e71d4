import MailTypes

extension Expression {
    /// Why a text is no expression, and where, in octets.
    public struct Mistake: Error, Sendable, Hashable {
        public var offset: Int
        public var message: String
    }

    /// A word of an expression, for those who know which words there are.
    public struct Word: Sendable, Hashable {
        public enum Kind: Sendable, Hashable {
            case rule, fact
        }

        public var text: String
        public var kind: Kind
        public var offset: Int

        public init(text: String, kind: Kind, offset: Int) {
            self.text = text
            self.kind = kind
            self.offset = offset
        }
    }

    /// Octets of an expression.
    public static let longest = 4000
    /// Parentheses and `not`, one in the other.
    static let deepest = 32

    /// Reads an expression, and says which words are in it.
    public static func read(_ text: String) throws(Mistake) -> (expression: Expression, words: [Word]) {
        var parser = try ExpressionParser(text)
        let expression = try parser.disjunction(depth: 0)
        try parser.end()
        return (expression, parser.words)
    }
}

/// Reads an expression, token by token.
private struct ExpressionParser {
    private enum Token: Hashable {
        case word(String)
        case quoted(String)
        case number(Double)
        case relation(Expression.Relation)
        case open, close, comma
    }

    private let tokens: [(token: Token, offset: Int)]
    private let length: Int
    private var place = 0
    private(set) var words: [Expression.Word] = []

    init(_ text: String) throws(Expression.Mistake) {
        let octets = Array(text.utf8)
        guard octets.count <= Expression.longest else {
            throw Expression.Mistake(offset: 0, message: "is longer than \(Expression.longest) octets")
        }
        length = octets.count
        tokens = try Self.tokens(octets)
    }

    // MARK: Tokens

    private static func tokens(_ octets: [UInt8]) throws(Expression.Mistake) -> [(token: Token, offset: Int)] {
        var tokens: [(token: Token, offset: Int)] = []
        var place = 0
        while place < octets.count {
            if octets[place].isBlank || octets[place] == .lf || octets[place] == .cr {
                place += 1
                continue
            }
            let start = place
            tokens.append((try token(octets, &place), start))
        }
        return tokens
    }

    private static func token(_ octets: [UInt8], _ place: inout Int) throws(Expression.Mistake) -> Token {
        let start = place
        let octet = octets[place]
        place += 1
        switch octet {
        case UInt8(ascii: "("): return .open
        case UInt8(ascii: ")"): return .close
        case UInt8(ascii: ","): return .comma
        case UInt8(ascii: "\""):
            guard let end = octets[place...].firstIndex(of: octet) else {
                throw Expression.Mistake(offset: start, message: "the text in quotes has no end")
            }
            defer { place = end + 1 }
            return .quoted(String(decoding: octets[place..<end], as: UTF8.self))
        case _ where octet.isLetter || octet == UInt8(ascii: "_"):
            while place < octets.count, octets[place].isExpressionWord { place += 1 }
            return .word(String(decoding: octets[start..<place], as: UTF8.self))
        case _ where octet.isDigit || octet == UInt8(ascii: "-"):
            while place < octets.count, octets[place].isDigit || octets[place] == UInt8(ascii: ".") { place += 1 }
            let text = String(decoding: octets[start..<place], as: UTF8.self)
            guard let number = Double(text), number.magnitude <= 1e12 else {
                throw Expression.Mistake(offset: start, message: "`\(text)` is not a number")
            }
            return .number(number)
        default:
            let rest = octets[start...].prefix(2)
            for count in [2, 1] {
                let sign = String(decoding: rest.prefix(count), as: UTF8.self)
                guard let relation = Expression.Relation(rawValue: sign) else { continue }
                place = start + count
                return .relation(relation)
            }
            let sign = String(decoding: octets[start...].prefix(4), as: UTF8.self).first.map(String.init) ?? ""
            let hint = sign == "=" ? "; equal is `==`" : ""
            throw Expression.Mistake(offset: start, message: "`\(sign)` does not belong into a condition\(hint)")
        }
    }

    private var next: Token? { place < tokens.count ? tokens[place].token : nil }
    private var offset: Int { place < tokens.count ? tokens[place].offset : length }

    private mutating func skip(_ token: Token) -> Bool {
        guard next == token else { return false }
        place += 1
        return true
    }

    private func mistake(_ message: String) -> Expression.Mistake {
        Expression.Mistake(offset: offset, message: message)
    }

    private mutating func expect(_ token: Token, _ text: String) throws(Expression.Mistake) {
        guard skip(token) else { throw mistake("here `\(text)` is missing") }
    }

    mutating func end() throws(Expression.Mistake) {
        guard next == nil else { throw mistake("here `and`, `or` or the end should be") }
    }

    // MARK: Grammar

    mutating func disjunction(depth: Int) throws(Expression.Mistake) -> Expression {
        guard depth <= Expression.deepest else { throw mistake("is nested too deep") }
        var parts = [try conjunction(depth: depth)]
        while skip(.word("or")) { parts.append(try conjunction(depth: depth)) }
        return parts.count == 1 ? parts[0] : .or(parts)
    }

    private mutating func conjunction(depth: Int) throws(Expression.Mistake) -> Expression {
        var parts = [try negation(depth: depth)]
        while skip(.word("and")) { parts.append(try negation(depth: depth)) }
        return parts.count == 1 ? parts[0] : .and(parts)
    }

    private mutating func negation(depth: Int) throws(Expression.Mistake) -> Expression {
        guard depth <= Expression.deepest else { throw mistake("is nested too deep") }
        if skip(.word("not")) { return .not(try negation(depth: depth + 1)) }
        if skip(.open) {
            let inner = try disjunction(depth: depth + 1)
            try expect(.close, ")")
            return inner
        }
        let term = try term()
        guard case .relation(let relation) = next else { return .term(term) }
        place += 1
        guard case .number(let number) = next else { throw mistake("here a number is missing") }
        place += 1
        return .compare(term, relation, number)
    }

    private mutating func term() throws(Expression.Mistake) -> Expression.Term {
        guard case .word(let word) = next, !["and", "or", "not"].contains(word) else {
            throw mistake("here a rule's name or a fact is missing")
        }
        let start = offset
        place += 1
        guard next == .open else { return try name(word, at: start) }
        place += 1
        let term: Expression.Term
        switch word {
        case "count":
            var names: [String] = []
            repeat {
                guard case .word(let name) = next else { throw mistake("here a rule's name is missing") }
                guard Rule.isName(name) else { throw mistake("`\(name)` is not a rule's name: these are UPPER_CASE") }
                words.append(Expression.Word(text: name, kind: .rule, offset: offset))
                names.append(name)
                place += 1
            } while skip(.comma)
            term = .count(names)
        case "field": term = .field(try quoted())
        case "symbol": term = .symbol(try quoted())
        default:
            let message = "`\(word)(` is none of `count(`, `field(`, `symbol(`"
            throw Expression.Mistake(offset: start, message: message)
        }
        try expect(.close, ")")
        return term
    }

    private mutating func quoted() throws(Expression.Mistake) -> String {
        guard case .quoted(let text) = next, !text.isEmpty else {
            throw mistake("here a name in double quotes is missing")
        }
        place += 1
        return text
    }

    private mutating func name(_ word: String, at start: Int) throws(Expression.Mistake) -> Expression.Term {
        if Rule.isName(word) {
            words.append(Expression.Word(text: word, kind: .rule, offset: start))
            return .rule(word)
        }
        words.append(Expression.Word(text: word, kind: .fact, offset: start))
        return .fact(word)
    }
}

extension UInt8 {
    fileprivate var isExpressionWord: Bool {
        isLetter || isDigit || self == UInt8(ascii: "_") || self == UInt8(ascii: ".") || self == UInt8(ascii: "-")
    }
}
