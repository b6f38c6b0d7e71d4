import Foundation
import MailTypes
import Pipeline

/// What remains of a visit after another.
enum VisitRule {
    /// What is known of a key at `now`: nothing, if it was not seen for `lifetime`. A last visit that far in the
    /// future counts as forgotten too: then the clock was wrong, and nobody shall profit for years.
    static func known(_ visits: Visits?, at now: Date, lifetime: Interval) -> Visits? {
        guard let visits, abs(now.timeIntervalSince(visits.last)) < lifetime.seconds else { return nil }
        return visits
    }

    /// The story after a visit at `now`, given what was known before.
    static func story(after known: Visits?, at now: Date) -> Visits {
        guard let known else { return Visits(first: now, last: now, count: 1) }
        let (count, overflow) = known.count.addingReportingOverflow(1)
        // A clock that went back a little does not make the last visit earlier.
        return Visits(first: known.first, last: max(known.last, now), count: overflow ? .max : count)
    }
}
