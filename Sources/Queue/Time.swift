import Foundation

extension Date {
    /// Whole milliseconds since 1970, as records have them; a time out of all reason is clamped.
    var milliseconds: Int64 { Int64(max(min(timeIntervalSince1970 * 1000, 9e15), -9e15)) }

    init(milliseconds: Int64) { self.init(timeIntervalSince1970: Double(milliseconds) / 1000) }
}

/// A clock that never goes back, made of one that may.
///
/// When the wall clock jumps back by more than a second, the difference is added from then on: what
/// was due in five minutes is due in five minutes still. Smaller steps back are calls that overtook
/// each other, and time stands still for them.
struct SteadyTime {
    private var offset: Int64 = 0
    private var last: Int64 = .min
    private static let tolerance: Int64 = 1000

    /// The steady time at a wall-clock time.
    mutating func at(_ wall: Int64) -> Int64 {
        let steady = wall &+ offset
        if steady < last {
            if last - steady > Self.tolerance { offset += last - steady }
            return last
        }
        last = steady
        return steady
    }

    /// The latest time that was asked for; before the first, no time is later.
    var latest: Int64 { last == .min ? .max : last }

    /// What the wall clock will show at a steady time.
    func wall(_ steady: Int64) -> Int64 { steady &- offset }
}
