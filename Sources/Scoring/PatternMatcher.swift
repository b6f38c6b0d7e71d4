/// The texts of a message that patterns are held against, each with its view.
///
/// One run of octets, so that it goes to a worker as it is: for each text its view (by its place in
/// ``RuleSet/views``) in two octets, its length in four, both with the highest octet first, and the text.
public struct PatternTexts: Sendable, Hashable {
    public private(set) var octets: [UInt8] = []
    /// Not every text was taken, or not to its end.
    public private(set) var isCut = false

    /// Octets of all texts together.
    public static let mostOctets = 1 << 20
    private static let headCount = 6

    public init() {}

    /// Texts that somebody sends.
    public init(octets: [UInt8]) { self.octets = octets }

    /// Adds a text.
    public mutating func append(_ text: [UInt8], view: Int) { add(text, view: view) }

    /// Adds a text, at most `limit` octets of it, and as much as there is room for.
    mutating func add(_ text: some Collection<UInt8>, view: Int, limit: Int = .max) {
        let room = Swift.min(limit, Self.mostOctets - octets.count - Self.headCount)
        guard room > 0, let number = UInt16(exactly: view) else {
            isCut = true
            return
        }
        let part = text.prefix(room)
        if part.count < text.count { isCut = true }
        withUnsafeBytes(of: number.bigEndian) { octets += $0 }
        withUnsafeBytes(of: UInt32(clamping: part.count).bigEndian) { octets += $0 }
        octets += part
    }

    /// The texts, one after the other, with the view of each. `nil` if the octets are not what they should be.
    public var texts: [(view: Int, range: Range<Int>)]? {
        var found: [(view: Int, range: Range<Int>)] = []
        var place = 0
        while place < octets.count {
            guard octets.count - place >= Self.headCount else { return nil }
            let view = Int(octets[place]) << 8 | Int(octets[place + 1])
            let count = octets[place + 2..<place + Self.headCount].reduce(0) { $0 << 8 | Int($1) }
            let start = place + Self.headCount
            guard count <= octets.count - start else { return nil }
            found.append((view, start..<start + count))
            place = start + count
        }
        return found
    }
}

/// That a pattern matches.
public struct PatternHit: Sendable, Hashable {
    /// By its place in ``RuleSet/patterns``.
    public var pattern: Int
    /// How many matches end somewhere, at most ``Pattern/mostMatches``; 1 where nobody asks for more.
    public var count: Int
    /// The text in which the first match is, by its place in the ``PatternTexts``.
    public var text: Int
    /// Where in the text it is; it begins at 0 where nobody has asked.
    public var range: Range<Int>

    public init(pattern: Int, count: Int, text: Int, range: Range<Int>) {
        self.pattern = pattern
        self.count = count
        self.text = text
        self.range = range
    }
}

/// Finds which patterns match, in one pass over each text.
///
/// A pure function of its arguments: nothing of it has to be recorded for a replay.
public protocol PatternMatcher: Sendable {
    func match(_ texts: PatternTexts) async throws(PatternFailure) -> [PatternHit]
}

/// The patterns could not be held against the texts.
public struct PatternFailure: Error, Sendable, Hashable, CustomStringConvertible {
    public var reason: String
    public var timedOut: Bool
    public var description: String { reason }

    public init(_ reason: String, timedOut: Bool = false) {
        self.reason = reason
        self.timedOut = timedOut
    }
}
