public import struct Foundation.Date

/// A day of UTC, from midnight to midnight: what one aggregate report is about.
public struct DMARCReportPeriod: Sendable, Hashable {
    public let begin: Date
    public var end: Date { begin.addingTimeInterval(Self.length) }
    public var next: DMARCReportPeriod { DMARCReportPeriod(containing: end) }

    /// A day in seconds: UTC as computers have it knows no others.
    static let length = 86_400.0

    public init(containing date: Date) {
        let days = (date.timeIntervalSince1970 / Self.length).rounded(.down)
        begin = Date(timeIntervalSince1970: days * Self.length)
    }

    /// The last one that was over at `now`.
    public init(lastBefore now: Date) {
        self.init(containing: DMARCReportPeriod(containing: now).begin.addingTimeInterval(-1))
    }

    /// What a report of it says: its last second is still of the day.
    public func cover(_ organization: String, _ email: String) -> DMARCReport.Cover {
        DMARCReport.Cover(
            organization: organization, email: email, begin: begin, end: end.addingTimeInterval(-1))
    }
}

/// When which day is reported on.
public struct DMARCReportSchedule: Sendable, Hashable {
    /// What there is to do.
    public enum Step: Sendable, Hashable {
        /// Nothing is known of former reports: what is over counts as reported, lest it is reported twice.
        case begin(with: DMARCReportPeriod)
        case report(DMARCReportPeriod)
        case wait(until: Date)
    }

    /// The hour of UTC, 0 to 23, from which on the day before is reported on.
    public var hour: Int

    /// Seconds after a day until its messages have been judged, and their traces written: a message counts by the
    /// moment at which it began, and may take long to come in.
    public static let margin = 900.0

    /// Days that are made up for after a pause.
    static let mostMissed = 7

    public init(hour: Int) { self.hour = hour }

    /// - Parameter covered: The end of the last day that was reported on; `nil` where none ever was.
    public func step(at now: Date, covered: Date?) -> Step {
        guard let covered else { return .begin(with: DMARCReportPeriod(containing: now)) }
        // Once with a clock that was years ahead, and nobody would hear anything for years.
        if covered.timeIntervalSince(now) > Double(Self.mostMissed) * DMARCReportPeriod.length {
            return .begin(with: DMARCReportPeriod(containing: now))
        }
        let last = DMARCReportPeriod(lastBefore: now)
        let oldest = last.begin.addingTimeInterval(-Double(Self.mostMissed - 1) * DMARCReportPeriod.length)
        let period = DMARCReportPeriod(containing: max(covered, oldest))
        let due = period.end.addingTimeInterval(max(Double(hour) * 3600, Self.margin))
        return now < due ? .wait(until: due) : .report(period)
    }
}
