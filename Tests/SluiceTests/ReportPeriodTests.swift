import Foundation
import Testing

@testable import Sluice

/// When reports go.
@Suite struct ReportPeriodTests {
    @Test func `each day is reported once, when it is over and the hour has come`() {
        let schedule = ReportSchedule(hour: 2)
        let midnight = Date(timeIntervalSince1970: 1_795_219_200)
        #expect(midnight.timeIntervalSince1970.truncatingRemainder(dividingBy: 86_400) == 0)
        let day = ReportPeriod(containing: midnight + 80_000)
        #expect(day.begin == midnight && day.end == midnight + 86_400 && day.next.begin == day.end)
        #expect(ReportPeriod(lastBefore: day.end) == day)
        #expect(ReportPeriod(lastBefore: day.end - 1).end == day.begin)
        #expect(schedule.step(at: midnight + 5, covered: nil) == .begin(with: day))
        let due = day.end + 7200
        for moment in [midnight + 5, day.end, due - 1] {
            #expect(schedule.step(at: moment, covered: midnight) == .wait(until: due))
        }
        #expect(schedule.step(at: due, covered: midnight) == .report(day))
        #expect(schedule.step(at: due, covered: day.end) == .wait(until: due + 86_400))
        // The last messages of a day are waited for.
        #expect(ReportSchedule(hour: 0).step(at: day.end, covered: midnight) == .wait(until: day.end + 900))
        // Days that were missed come one after the other; what is too long ago does not.
        #expect(schedule.step(at: due + 3 * 86_400, covered: midnight) == .report(day))
        let late = schedule.step(at: due + 30 * 86_400, covered: midnight)
        #expect(late == .report(ReportPeriod(containing: midnight + 24 * 86_400)))
        // A clock that was set back makes nothing twice.
        #expect(schedule.step(at: midnight - 86_400, covered: day.end) == .wait(until: due + 86_400))
        // One that was years ahead is forgotten.
        #expect(schedule.step(at: midnight + 5, covered: day.end + 86_400 * 1000) == .begin(with: day))
    }
}
