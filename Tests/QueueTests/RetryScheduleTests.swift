import Foundation
import MailTypes
@testable import Queue
import Testing

@Suite struct RetryScheduleTests {
    let schedule = RetrySchedule()

    func recipient(attempts: Int = 0, age: Interval, warned: Bool = false) -> Work.Recipient {
        Work.Recipient(number: 0, attempts: attempts, age: age, warned: warned)
    }

    @Test(
        arguments: [
            ("0s", false, false, false), ("3h", false, false, false), ("4h", false, true, false),
            ("5h", true, false, false), ("29h", true, false, false), ("30h", true, false, true),
            ("40h", false, false, true),
        ] as [(Interval, Bool, Bool, Bool)])
    func `warned after four hours, given up after thirty`(age: Interval, warned: Bool, warns: Bool, ends: Bool) {
        switch schedule.decision(after: recipient(age: age, warned: warned), of: Sample.id(1)) {
        case .giveUp: #expect(ends)
        case .retry(_, let warning):
            #expect(!ends)
            #expect(warning == warns)
        }
    }

    @Test func `waits grow from five minutes to four hours, with a fifth of jitter at most`() {
        var least = 300.0
        for attempt in 0..<30 {
            let wait = schedule.wait(attempt: attempt, of: Sample.id(7)).seconds
            #expect(wait >= least && wait <= least * 1.2)
            least = min(least * 1.7, 14_400)
        }
        #expect(schedule.wait(attempt: .max, of: Sample.id(7)).seconds <= schedule.longestWait.seconds)
    }

    @Test func `jitter is the same each time, and another for another message`() {
        let waits = (0..<50).map { schedule.wait(attempt: 2, of: Sample.id($0)).seconds }
        #expect(waits == (0..<50).map { schedule.wait(attempt: 2, of: Sample.id($0)).seconds })
        #expect(Set(waits).count == 50)
    }

    @Test func `the last attempt is when the time is up`() {
        let decision = schedule.decision(after: recipient(attempts: 9, age: "29h", warned: true), of: Sample.id(1))
        #expect(decision == .retry(after: "1h", warns: false))
    }

    @Test(arguments: [
        (600, 600), (-86_400, 0), (86_400 * 365, 300 + 3600), (3900, 3900),
    ])
    func `a clock that jumps makes nobody older than planned`(elapsed: Int, counted: Int) {
        let age = RetrySchedule.age("1h", elapsed: Interval(seconds: Double(elapsed)), planned: "5m")
        #expect(age.seconds == 3600 + Double(counted))
    }
}
