/// Reads what a scanner answers, as it comes. A scanner is trusted no more than anybody else: what it says is bounded.
public protocol ScannerReplyReader: Sendable {
    associatedtype Reply: Sendable

    /// Octets that have come. After the end, or a mistake, nothing is read any more.
    mutating func read(_ octets: some Sequence<UInt8>) -> ScannerProgress<Reply>
    /// The connection has ended.
    mutating func end() -> ScannerProgress<Reply>
}

/// How far the answer of a scanner has come.
public enum ScannerProgress<Reply: Sendable>: Sendable {
    case unfinished
    case finished(Reply)
    /// It is none: why.
    case broken(String)
}

extension ScannerProgress: Equatable where Reply: Equatable {}

/// What a scanner found in a message.
public struct ScannerVerdict: Sendable, Hashable {
    /// One of its rules that holds.
    public struct Rule: Sendable, Hashable {
        public var name: String
        public var points: Double
        public var description: String

        public init(name: String, points: Double, description: String) {
            self.name = name
            self.points = points
            self.description = description
        }
    }

    /// The sum as the scanner has it; it need not be that of the rules.
    public var score: Double
    /// The heaviest first, at most ``mostRules``.
    public var rules: [Rule]

    public static let mostRules = 100
    static let longestName = 64
    static let longestDescription = 200
    /// Points beyond this are a mistake or an attack.
    static let mostPoints = 1000.0

    /// Cuts what is too long and too much, and takes out what cannot be shown.
    init(score: Double, rules: [Rule]) {
        self.score = Self.bounded(score)
        let sound = rules.filter { !$0.name.isEmpty }.map { rule in
            Rule(
                name: Self.shown(rule.name, Self.longestName), points: Self.bounded(rule.points),
                description: Self.shown(rule.description, Self.longestDescription))
        }
        self.rules = Array(
            sound.sorted { (abs($0.points), $1.name) > (abs($1.points), $0.name) }.prefix(Self.mostRules))
    }

    private static func bounded(_ points: Double) -> Double {
        points.isFinite ? min(max(points, -mostPoints), mostPoints) : 0
    }

    private static func shown(_ text: String, _ most: Int) -> String {
        let printable = text.unicodeScalars.prefix(most).map { scalar -> Character in
            scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) ? " " : Character(scalar)
        }
        return String(printable)
    }
}
