/// A condition of a rule: names of rules, facts, numbers, and what joins them.
///
///     expression  = conjunction *("or" conjunction)
///     conjunction = negation *("and" negation)
///     negation    = "not" negation / "(" expression ")" / term [relation number]
///     term        = name / fact / "count(" name *("," name) ")" / "field(" quoted ")" / "symbol(" quoted ")"
///     relation    = ">=" / "<=" / ">" / "<" / "==" / "!="
///     name        = a rule's, in UPPER_CASE
///     fact        = word 1*("." word), in lower case
///     quoted      = a text in double quotes
public indirect enum Expression: Sendable, Hashable {
    case term(Term)
    case compare(Term, Relation, Double)
    case not(Expression)
    case and([Expression])
    case or([Expression])

    /// Something with a number; what holds or does not is 1 or 0.
    public enum Term: Sendable, Hashable {
        case rule(String)
        case fact(String)
        /// How many of these rules hold.
        case count([String])
        /// How many fields have that name.
        case field(String)
        /// Whether a stage before has found that symbol.
        case symbol(String)
    }

    public enum Relation: String, Sendable, Hashable, CaseIterable {
        case atLeast = ">="
        case atMost = "<="
        case more = ">"
        case less = "<"
        case equal = "=="
        case other = "!="

        func holds(_ left: Double, _ right: Double) -> Bool {
            switch self {
            case .atLeast: left >= right
            case .atMost: left <= right
            case .more: left > right
            case .less: left < right
            case .equal: left == right
            case .other: left != right
            }
        }
    }

    /// All terms in it.
    public var terms: [Term] {
        switch self {
        case .term(let term), .compare(let term, _, _): [term]
        case .not(let inner): inner.terms
        case .and(let all), .or(let all): all.flatMap(\.terms)
        }
    }
}

extension Expression.Term {
    /// The rules that it builds upon.
    public var rules: [String] {
        switch self {
        case .rule(let name): [name]
        case .count(let names): names
        case .fact, .field, .symbol: []
        }
    }
}
