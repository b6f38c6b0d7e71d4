import MailTypes

/// The tests of rules as steps over places in arrays: made once when rules are loaded, so that no name is looked up
/// while a message is judged.
///
/// The steps of all rules stand one after the other, those of a rule behind those of the rules that it builds upon. One
/// truth goes through them. `A and (x.y > 3 or B)` becomes
///
///     0  compare   rule A, != 0
///     1  skip      to 5 if false
///     2  compare   measure x.y, > 3
///     3  skip      to 5 if true
///     4  compare   rule B, != 0
///     5  conclude  rule C
struct RuleProgram: Sendable {
    enum Step: Sendable, Hashable {
        /// Whether that pattern matches.
        case match(pattern: Int)
        /// Whether a number stands in that relation to another.
        case compare(Operand, Expression.Relation, Double)
        case invert
        /// Goes on at another step if that is the truth now.
        case skip(if: Bool, to: Int)
        /// The truth now is whether that rule holds.
        case conclude(rule: Int)
    }

    /// Where a number comes from.
    enum Operand: Sendable, Hashable {
        /// What was named is not there.
        case none
        /// 1 if that rule holds.
        case rule(Int)
        /// How many of these ``RuleProgram/counted`` rules hold.
        case count(Range<Int>)
        /// By its place in ``RuleProgram/measures``.
        case measure(Int)
    }

    /// A number that only depends on the message, and what is known of it.
    typealias Measure = @Sendable (FactReader) -> Double

    private(set) var steps: [Step] = []
    /// Each once, however many conditions ask for it.
    private(set) var measures: [Measure] = []
    /// Rules whose number conditions ask for, condition by condition.
    private(set) var counted: [Int] = []
    private let rules: Int

    /// - Parameters:
    ///   - rules: In any order.
    ///   - order: Their places, those first on which others build.
    ///   - places: Their places by name.
    ///   - patterns: For each rule its pattern's place, if it has one.
    init(_ rules: [Rule], order: [Int], places: [String: Int], patterns: [Int?]) {
        self.rules = rules.count
        var compiler = Compiler(places: places)
        for place in order {
            switch rules[place].test {
            case .pattern: compiler.steps.append(patterns[place].map { .match(pattern: $0) } ?? Compiler.never)
            case .condition(let expression): compiler.add(expression)
            }
            compiler.steps.append(.conclude(rule: place))
        }
        (steps, measures, counted) = (compiler.steps, compiler.measures, compiler.counted)
    }

    /// Which rules hold, by their places. `matches` says it of patterns.
    func run(matches: [Bool], _ reader: FactReader) -> [Bool] {
        var judgement = Judgement(program: self, rules: rules, reader: reader)
        var truth = false
        var next = 0
        while next < steps.count {
            let step = steps[next]
            next += 1
            switch step {
            case .match(let pattern): truth = matches[pattern]
            case .compare(let operand, let relation, let number):
                truth = relation.holds(judgement.value(of: operand), number)
            case .invert: truth.toggle()
            case .skip(let wanted, let target): if truth == wanted { next = target }
            case .conclude(let rule): judgement.holds[rule] = truth
            }
        }
        return judgement.holds
    }

    /// What is known of one message.
    private struct Judgement {
        let program: RuleProgram
        let reader: FactReader
        var holds: [Bool]
        private var known: [Double?]

        init(program: RuleProgram, rules: Int, reader: FactReader) {
            self.program = program
            self.reader = reader
            holds = Array(repeating: false, count: rules)
            known = Array(repeating: nil, count: program.measures.count)
        }

        mutating func value(of operand: Operand) -> Double {
            switch operand {
            case .none: return 0
            case .rule(let place): return holds[place] ? 1 : 0
            case .count(let range): return Double(program.counted[range].count { holds[$0] })
            case .measure(let place):
                if let value = known[place] { return value }
                let value = program.measures[place](reader)
                known[place] = value
                return value
            }
        }
    }
}

// MARK: - Compiling

/// Turns conditions into steps.
private struct Compiler {
    typealias Step = RuleProgram.Step

    var steps: [Step] = []
    var measures: [RuleProgram.Measure] = []
    var counted: [Int] = []
    private let places: [String: Int]
    private var known: [Expression.Term: Int] = [:]

    static let always = Step.compare(.none, .equal, 0)
    static let never = Step.compare(.none, .other, 0)

    init(places: [String: Int]) { self.places = places }

    /// The depth of conditions is limited where they are read.
    mutating func add(_ expression: Expression) {
        switch expression {
        case .term(let term): steps.append(.compare(operand(term), .other, 0))
        case .compare(let term, let relation, let number): steps.append(.compare(operand(term), relation, number))
        case .not(let inner):
            add(inner)
            steps.append(.invert)
        case .and(let all): add(all, until: false)
        case .or(let all): add(all, until: true)
        }
    }

    /// One after the other, until the truth is `end`.
    private mutating func add(_ all: [Expression], until end: Bool) {
        guard let first = all.first else { return steps.append(end ? Self.never : Self.always) }
        add(first)
        var skips: [Int] = []
        for expression in all.dropFirst() {
            skips.append(steps.count)
            steps.append(.skip(if: end, to: 0))
            add(expression)
        }
        for skip in skips { steps[skip] = .skip(if: end, to: steps.count) }
    }

    private mutating func operand(_ term: Expression.Term) -> RuleProgram.Operand {
        switch term {
        case .rule(let name): return places[name].map { .rule($0) } ?? .none
        case .count(let names):
            let start = counted.count
            counted += names.compactMap { places[$0] }
            return .count(start..<counted.count)
        case .fact(let name): return Fact.byName[name].map { measure(term, $0.read) } ?? .none
        case .field(let name):
            return measure(term) { reader in Double(reader.header.fields.count { $0.isNamed(name) }) }
        case .symbol(let name): return measure(term) { $0.evidence.symbols.contains(name) ? 1 : 0 }
        }
    }

    private mutating func measure(
        _ term: Expression.Term, _ measure: @escaping RuleProgram.Measure
    ) -> RuleProgram.Operand {
        if let place = known[term] { return .measure(place) }
        known[term] = measures.count
        measures.append(measure)
        return .measure(measures.count - 1)
    }
}
