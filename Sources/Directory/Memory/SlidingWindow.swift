import Foundation
import MailTypes

/// What was used within a window that ends now, in eighths of the window.
///
///     ... | 3 | 0 | 2 | 0 | 0 | 1 | 4 | 1 | 2 .
///           |<---------- window --------->|<- the part that is under way
///
/// The sum goes back a whole window and up to an eighth more, so it is never too small.
struct SlidingWindow: Sendable {
    /// Parts of a window.
    static let parts = 8
    /// With the part under way.
    static let slots = parts + 1

    /// Far from both ends of Int64, so that neighbours can be counted.
    private static let lastPart: UInt64 = 1_000_000_000_000_000

    /// In seconds.
    private(set) var window: Double
    /// The number of the part under way, counted from the reference date.
    private(set) var part: Int64
    /// The amount of part `n` lies at `n` modulo ``slots``.
    private(set) var amounts: InlineArray<9, Int>

    init(window: Interval, at now: Date) {
        self.window = window.seconds
        part = Self.part(at: now, window: window.seconds)
        amounts = InlineArray(repeating: 0)
    }

    /// As it was stored; `nil` if that cannot be.
    init?(window: Double, part: Int64, amounts: [Int]) {
        guard amounts.count == Self.slots, window > 0, window.isFinite, part.magnitude < Self.lastPart else {
            return nil
        }
        self.window = window
        self.part = part
        self.amounts = InlineArray { amounts[$0] }
    }

    /// Adds `amount` (less than nothing is nothing) and tells the sum after it.
    mutating func add(_ amount: Int, window: Interval, at now: Date) -> Int {
        if window.seconds != self.window { change(to: window, at: now) }
        advance(to: Self.part(at: now, window: self.window))
        let slot = Self.slot(part)
        amounts[slot] = Self.sum(amounts[slot], max(0, amount))
        return total
    }

    var total: Int { amounts.indices.reduce(0) { Self.sum($0, amounts[$1]) } }

    /// When nothing of this counts any more.
    var end: Date {
        Date(timeIntervalSinceReferenceDate: (Double(part) + Double(Self.slots)) * window / Double(Self.parts))
    }

    private mutating func advance(to now: Int64) {
        let (steps, overflow) = now.subtractingReportingOverflow(part)
        // The clock went back: a little is the part under way, more than a window is a new beginning.
        if overflow || abs(steps) >= Self.slots {
            amounts = InlineArray(repeating: 0)
            part = now
        } else if steps > 0 {
            for step in 1...steps { amounts[Self.slot(part + step)] = 0 }
            part = now
        }
    }

    /// The postmaster chose another window: what counted before counts from now.
    private mutating func change(to window: Interval, at now: Date) {
        advance(to: Self.part(at: now, window: self.window))
        let sum = total
        self = SlidingWindow(window: window, at: now)
        amounts[Self.slot(part)] = sum
    }

    private static func slot(_ part: Int64) -> Int {
        let rest = part % Int64(slots)
        return Int(rest < 0 ? rest + Int64(slots) : rest)
    }

    private static func part(at now: Date, window: Double) -> Int64 {
        guard window > 0 else { return 0 }
        let part = (now.timeIntervalSinceReferenceDate / (window / Double(parts))).rounded(.down)
        return part.magnitude < Double(lastPart) ? Int64(part) : 0
    }

    private static func sum(_ left: Int, _ right: Int) -> Int {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }
}
