import MailTypes

/// One thing to look for in a message, and what it is worth.
public struct Rule: Sendable, Hashable {
    /// UPPER_CASE.
    public let name: String
    /// What it has found, as a sentence for people; empty for one that only others build upon.
    public let description: String
    /// Above zero speaks for spam, below for ham; 0: only others build upon it.
    public let points: Double
    public let test: RuleTest
    public let place: RulePlace

    public init(_ name: String, points: Double, description: String, test: RuleTest, place: RulePlace = RulePlace()) {
        self.name = name
        self.points = points
        self.description = description
        self.test = test
        self.place = place
    }

    /// Whether it may be called that.
    public static func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, first &- 0x41 < 26, name.utf8.count <= longestName else { return false }
        return name.utf8.allSatisfy { $0 &- 0x41 < 26 || $0.isDigit || $0 == UInt8(ascii: "_") }
    }

    public static let longestName = 60
    /// Points of one rule are from minus this to this.
    public static let mostPoints = 999.0
}

public enum RuleTest: Sendable, Hashable {
    case pattern(Pattern)
    case condition(Expression)
}

/// Where a rule stands, counted from 1.
public struct RulePlace: Sendable, Hashable, CustomStringConvertible {
    public var file: String
    public var line: Int

    public init(file: String = "", line: Int = 0) {
        self.file = file
        self.line = line
    }

    public var description: String { line > 0 ? "\(file):\(line)" : file }
}
