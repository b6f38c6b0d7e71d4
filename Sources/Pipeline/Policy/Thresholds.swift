/// The scores from which a message is deferred, filed as junk, or rejected.
///
/// One action per band: from ``defer`` up to ``junk`` it is deferred, up to ``reject`` junk, and from there on
/// rejected. What stands at ``highest`` is off, and takes no part in the order. A higher threshold lets more through.
public struct Thresholds: Sendable, Hashable, Codable {
    /// What becomes of a message by its score, the mildest first.
    public enum Band: String, Sendable, Hashable, Codable, CaseIterable, Comparable {
        case deliver, `defer`, junk, reject

        public static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }

        private var rank: Int {
            switch self {
            case .deliver: 0
            case .defer: 1
            case .junk: 2
            case .reject: 3
            }
        }
    }

    /// Why three scores cannot be thresholds.
    public struct Mistake: Error, Hashable, CustomStringConvertible {
        /// Which of them is wrong.
        public let key: CodingKeys
        /// Words that go on from its name.
        public let reason: String
        public var description: String { "`\(key.rawValue)` \(reason)" }
    }

    public enum CodingKeys: String, CodingKey, Sendable, CaseIterable {
        case `defer`, junk, reject
    }

    public let `defer`: Double
    public let junk: Double
    public let reject: Double

    /// Off: no score reaches it.
    public static let highest = 999.0
    /// Points are counted in hundredths.
    public static let lowest = 0.01
    public static let standard = Thresholds(unchecked: (4, 6, 15))

    private init(unchecked values: (Double, Double, Double)) { (`defer`, junk, reject) = values }

    /// Thresholds in the order defer < junk < reject, as far as they are not off.
    public init(defer: Double, junk: Double, reject: Double) throws(Mistake) {
        let values: [(key: CodingKeys, value: Double)] = [(.defer, `defer`), (.junk, junk), (.reject, reject)]
        for (key, value) in values where !(Self.lowest...Self.highest).contains(value) {
            throw Mistake(key: key, reason: "must be from 0.01 to 999, where 999 is off")
        }
        let active = values.filter { $0.value < Self.highest }
        for (low, high) in zip(active, active.dropFirst()) where low.value >= high.value {
            let bound = "must be above \(low.key.rawValue) (\(Self.text(low.value)))"
            throw Mistake(key: high.key, reason: "\(bound), and is \(Self.text(high.value)): defer < junk < reject")
        }
        self.init(unchecked: (`defer`, junk, reject))
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        try self.init(
            defer: table.decode(Double.self, forKey: .defer), junk: table.decode(Double.self, forKey: .junk),
            reject: table.decode(Double.self, forKey: .reject))
    }

    /// The score from which on a band begins; `nil` where it is off, and for the one that begins nowhere.
    public func start(of band: Band) -> Double? {
        let start: Double =
            switch band {
            case .deliver: Self.highest
            case .defer: self.defer
            case .junk: junk
            case .reject: reject
            }
        return start < Self.highest ? start : nil
    }

    /// What becomes of a message with that score.
    public func band(of score: Double) -> Band {
        Band.allCases.last { band in start(of: band).map { score >= $0 } ?? false } ?? .deliver
    }

    /// `4`, `4.5`, `off` for what no score reaches.
    public static func text(_ threshold: Double) -> String {
        guard threshold != highest else { return "off" }
        let text = "\(threshold)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}

extension Thresholds: CustomStringConvertible {
    /// `defer=4 junk=6 reject=15`. Equal thresholds have equal words, and others have others.
    public var description: String {
        "defer=\(Self.text(self.defer)) junk=\(Self.text(junk)) reject=\(Self.text(reject))"
    }

    /// Reads a ``description``.
    public init?(text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        var values: [Double] = []
        for (key, word) in zip(CodingKeys.allCases, words) where word.hasPrefix("\(key.rawValue)=") {
            let value = word.dropFirst(key.rawValue.count + 1)
            values.append(value == "off" ? Self.highest : Double(value) ?? .nan)
        }
        guard words.count == CodingKeys.allCases.count, values.count == words.count,
            let thresholds = try? Thresholds(defer: values[0], junk: values[1], reject: values[2])
        else { return nil }
        self = thresholds
    }
}

/// Thresholds that the directory has for somebody.
public struct SetThresholds: Sendable, Hashable, Codable {
    public var values: Thresholds
    public var scope: PolicyScope
    /// The entry of the audit log that made them so.
    public var audit: Int64

    public init(_ values: Thresholds, of scope: PolicyScope, audit: Int64) {
        self.values = values
        self.scope = scope
        self.audit = audit
    }

    /// Where they stand, for a trace: `audit 34 (acme.test)`.
    public var origin: String { "audit \(audit) (\(scope))" }
}

extension Sequence where Element == Symbol {
    /// The sum of all points in hundredths, as people are shown it: what is judged is what they read.
    public var score: Double {
        let sum = reduce(0) { $0 + ($1.points.isFinite ? $1.points : 0) }
        let bounded = Swift.min(Swift.max(sum, -Self.mostPoints), Self.mostPoints)
        // Nought has one sign.
        return (bounded * 100).rounded() / 100 + 0
    }

    /// Beyond every threshold.
    private static var mostPoints: Double { 99_999 }
}
