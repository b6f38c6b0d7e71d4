public import MailTypes

/// When a deferred recipient is tried again, when its sender is warned, and when it is given up.
/// RFC 5321 §4.5.4.1.
///
/// Pure: the time that has been spent is passed in. That time is not the clock's difference but the
/// sum of the waits that really were planned (see ``age(_:elapsed:planned:)``), so a clock that jumps
/// a year ahead, or a server that was off for a week, does not expire the whole queue at once:
/// mail is given up after thirty hours of trying.
public struct RetrySchedule: Sendable, Hashable {
    public enum Decision: Sendable, Hashable {
        /// Try again after this wait; `warns`: tell the sender now that it takes long.
        case retry(after: Interval, warns: Bool)
        case giveUp
    }

    /// The wait after the first attempt.
    public var first: Interval = "5m"
    /// No wait is longer.
    public var cap: Interval = "4h"
    /// How much longer each wait is than the one before.
    public var factor = 1.7
    /// Up to this part of a wait is added, differently for each message and attempt, so that mail
    /// that was deferred together does not come back together.
    public var jitter = 0.2
    public var giveUpAfter: Interval = "30h"
    /// `nil`: no warning.
    public var warnAfter: Interval? = "4h"

    public init() {}

    /// The same, with another end where one is given.
    public func lasting(_ giveUpAfter: Interval?) -> RetrySchedule {
        guard let giveUpAfter else { return self }
        var schedule = self
        schedule.giveUpAfter = giveUpAfter
        return schedule
    }

    /// What to do after an attempt that failed for now.
    public func decision(after recipient: Work.Recipient, of id: QueueID) -> Decision {
        if recipient.age.seconds >= giveUpAfter.seconds { return .giveUp }
        let warns = warnAfter.map { !recipient.warned && recipient.age.seconds >= $0.seconds } ?? false
        var after = wait(attempt: recipient.attempts, of: id).seconds
        // The last attempt is at the end of the time, not somewhere before it.
        after = min(after, giveUpAfter.seconds - recipient.age.seconds)
        return .retry(after: Interval(seconds: max(after, 1)), warns: warns)
    }

    /// The wait after the attempt with this number, counted from 0.
    public func wait(attempt: Int, of id: QueueID) -> Interval {
        var seconds = first.seconds
        for _ in 0..<min(max(attempt, 0), 64) where seconds < cap.seconds { seconds *= factor }
        seconds = min(seconds, cap.seconds)
        return Interval(seconds: seconds * (1 + jitter * Self.chance(id, attempt)))
    }

    /// The longest wait there is.
    public var longestWait: Interval { Interval(seconds: max(first.seconds, cap.seconds) * (1 + jitter)) }

    /// How long a recipient has been tried, when an attempt begins: what had been counted before and
    /// the time since, of which no more counts than was planned and an hour. Time that runs backward
    /// counts nothing.
    public static func age(_ before: Interval, elapsed: Interval, planned: Interval) -> Interval {
        let slack = 3600.0
        return Interval(seconds: before.seconds + min(max(elapsed.seconds, 0), max(planned.seconds, 0) + slack))
    }

    /// A number in 0..<1 that depends on nothing but the message and the attempt (splitmix64).
    private static func chance(_ id: QueueID, _ attempt: Int) -> Double {
        var mixed = id.high ^ (UInt64(id.low) << 32) &+ UInt64(truncatingIfNeeded: attempt) &* 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        mixed ^= mixed >> 31
        return Double(mixed >> 11) / Double(1 << 53)
    }
}
