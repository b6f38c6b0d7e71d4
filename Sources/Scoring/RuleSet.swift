import MailTypes

/// Rules, ready to judge messages by.
public struct RuleSet: Sendable {
    /// In the order in which they are written.
    public let rules: [Rule]
    /// What is to be found in a message's texts, each once.
    public let patterns: [Pattern]
    /// What patterns look at, each once.
    public let views: [PatternView]
    /// Points that a domain has of its own.
    public let domains: [String: [String: Double]]
    /// For each rule its pattern's place, if it has one.
    let patternPlaces: [Int?]
    let program: RuleProgram
    private let places: [String: Int]

    public static let empty = RuleSet([])

    /// - Parameters:
    ///   - rules: Of two with one name the first counts.
    ///   - domains: For domains the points of rules that have others there.
    ///
    /// Names of rules that are not there, and rules that build upon themselves, hold never: ``cycles(in:)`` tells of
    /// those.
    public init(_ rules: [Rule], domains: [String: [String: Double]] = [:]) {
        var names: [String: Int] = [:]
        var kept: [Rule] = []
        for rule in rules where names[rule.name] == nil {
            names[rule.name] = kept.count
            kept.append(rule)
        }
        var known: [Pattern: Int] = [:]
        var patterns: [Pattern] = []
        var places: [Int?] = []
        for rule in kept {
            guard case .pattern(let pattern) = rule.test else {
                places.append(nil)
                continue
            }
            if known[pattern] == nil {
                known[pattern] = patterns.count
                patterns.append(pattern)
            }
            places.append(known[pattern])
        }
        var seen: Set<PatternView> = []
        self.rules = kept
        self.patterns = patterns
        views = patterns.map(\.view).filter { seen.insert($0).inserted }
        self.domains = domains
        patternPlaces = places
        self.places = names
        program = RuleProgram(kept, order: RuleOrder(kept, names).order, places: names, patterns: patternPlaces)
    }

    public func rule(named name: String) -> Rule? { places[name].map { rules[$0] } }

    /// The points of a rule for mail to that domain.
    public func points(of rule: Rule, domain: String?) -> Double {
        domain.flatMap { domains[$0]?[rule.name] } ?? rule.points
    }

    /// Rules that build upon themselves: for each such ring the names, in order.
    public static func cycles(in rules: [Rule]) -> [[String]] {
        let names = Dictionary(rules.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        return RuleOrder(rules, names).cycles.map { $0.map { rules[$0].name } }
    }
}

/// Puts rules behind those that they build upon, without recursion.
private struct RuleOrder {
    private(set) var order: [Int] = []
    private(set) var cycles: [[Int]] = []

    private enum State {
        case new, open, done
    }

    init(_ rules: [Rule], _ names: [String: Int]) {
        let below = rules.map { rule -> [Int] in
            guard case .condition(let expression) = rule.test else { return [] }
            return expression.terms.flatMap(\.rules).compactMap { names[$0] }
        }
        var states = [State](repeating: .new, count: rules.count)
        for start in rules.indices where states[start] == .new {
            var path: [(rule: Int, next: Int)] = [(start, 0)]
            states[start] = .open
            while let (rule, next) = path.last {
                guard next < below[rule].count else {
                    states[rule] = .done
                    order.append(rule)
                    path.removeLast()
                    continue
                }
                path[path.count - 1].next += 1
                let other = below[rule][next]
                switch states[other] {
                case .new:
                    states[other] = .open
                    path.append((other, 0))
                case .open:
                    let ring = path.map(\.rule)
                    cycles.append(Array(ring[(ring.firstIndex(of: other) ?? 0)...]))
                case .done: break
                }
            }
        }
    }
}
