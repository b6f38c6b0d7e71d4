public import MailTypes
public import Foundation
import Synchronization

/// A clock that stands still until it is moved. It begins on 21 November 2026 at 03:00 UTC.
public final class ManualTime: Sendable {
    private let time: Mutex<Date>

    public init(_ start: Date = Date(timeIntervalSince1970: 1_795_230_000)) { time = Mutex(start) }

    public var now: Date { time.withLock { $0 } }

    public func advance(by interval: Interval) { time.withLock { $0 += interval.seconds } }
}
