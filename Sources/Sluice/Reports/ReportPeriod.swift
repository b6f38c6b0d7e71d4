import struct Foundation.Date

/// A day of UTC, from midnight to midnight: what one report is about.
struct ReportPeriod: Sendable, Hashable {
    let begin: Date
    var end: Date { begin.addingTimeInterval(Self.length) }
    var next: ReportPeriod { ReportPeriod(containing: end) }

    /// A day in seconds: UTC as computers have it knows no others.
    static let length = 86_400.0

    init(containing date: Date) {
        let days = (date.timeIntervalSince1970 / Self.length).rounded(.down)
        begin = Date(timeIntervalSince1970: days * Self.length)
    }

    /// The last one that was over at `now`.
    init(lastBefore now: Date) {
        self.init(containing: ReportPeriod(containing: now).begin.addingTimeInterval(-1))
    }

    /// As reports have it: still of the day.
    var lastSecond: Date { end.addingTimeInterval(-1) }
}

/// When which day is reported on.
struct ReportSchedule: Sendable, Hashable {
    /// What there is to do.
    enum Step: Sendable, Hashable {
        /// Nothing is known of former reports: what is over counts as reported, lest it is reported twice.
        case begin(with: ReportPeriod)
        case report(ReportPeriod)
        case wait(until: Date)
    }

    /// The hour of UTC, 0 to 23, from which on the day before is reported on.
    var hour: Int

    /// Seconds after a day until its messages have been judged, and their traces written: a message counts by the
    /// moment at which it began, and may take long to come in.
    static let margin = 900.0

    /// Days that are made up for after a pause.
    static let mostMissed = 7

    init(hour: Int) { self.hour = hour }

    /// - Parameter covered: The end of the last day that was reported on; `nil` where none ever was.
    func step(at now: Date, covered: Date?) -> Step {
        guard let covered else { return .begin(with: ReportPeriod(containing: now)) }
        // Once with a clock that was years ahead, and nobody would hear anything for years.
        if covered.timeIntervalSince(now) > Double(Self.mostMissed) * ReportPeriod.length {
            return .begin(with: ReportPeriod(containing: now))
        }
        let last = ReportPeriod(lastBefore: now)
        let oldest = last.begin.addingTimeInterval(-Double(Self.mostMissed - 1) * ReportPeriod.length)
        let period = ReportPeriod(containing: max(covered, oldest))
        let due = due(period)
        return now < due ? .wait(until: due) : .report(period)
    }

    /// From when on a day is reported on.
    func due(_ period: ReportPeriod) -> Date {
        period.end.addingTimeInterval(max(Double(hour) * 3600, Self.margin))
    }
}
