import Directory
import Foundation
import MailTypes
import Synchronization

/// Sends reports of one kind, each day for the day before.
///
/// A report is in the ledger before its mail is made. The mail is queued held, the ledger told, and only then it is let
/// go. Whatever comes between, the next start finds either nothing of it in the queue, and nothing has left, or the
/// mail, and lets it go.
final class DailyReporter: Sendable {
    /// One domain's report.
    struct Job: Sendable {
        var domain: String
        /// Sends what has not been sent yet.
        var attempt: @Sendable () async throws -> ReportLine
    }

    /// What a log is told.
    enum News: Sendable {
        case queued(domain: String, to: String)
        /// It is tried again.
        case putOff(domain: String, ReportLine.Refusal)
        case notSent(domain: String, ReportLine.Refusal)
        case done(ReportPeriod, sent: Int)
        case failed(String)
    }

    /// What differs from kind to kind.
    struct Kind: Sendable {
        /// The day's reports, those that are worth most first: not all may be sent.
        var jobs: @Sendable (ReportPeriod) async throws -> [Job]
        var tell: @Sendable (News) -> Void
    }

    let options: ReportOptions
    private let post: ReportPost
    private let kind: Kind
    private let isBusy = Mutex(false)

    /// The clock may be set: no sleep is longer.
    private static let longestSleep = 60.0

    init(_ options: ReportOptions, _ post: ReportPost, _ kind: Kind) {
        self.options = options
        self.post = post
        self.kind = kind
    }

    func close() { post.ledger.close() }

    /// Ends what a crash has left half done.
    func recover() async throws { try await post.recover() }

    // MARK: - Day by day

    /// Lets go what a crash has left held; then reports each day when it is due, until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            do {
                try await recover()
                while options.sends { try await step() }
                return
            } catch is CancellationError {
                return
            } catch {
                kind.tell(.failed("\(error)"))
                try? await Task.sleep(for: options.pause.duration)
            }
        }
    }

    /// Does what is due now, or sleeps a while.
    func step() async throws {
        let date = post.now()
        let covered = try await post.blocking { [post] in try post.ledger.covered() }
        switch schedule.step(at: date, covered: covered) {
        case .begin(let period): try await cover(until: period.begin)
        case .report(let period): try await report(period)
        case .wait(let until):
            let seconds = min(max(until.timeIntervalSince(date), 1), Self.longestSleep)
            try await Task.sleep(for: .seconds(seconds))
        }
    }

    private var schedule: ReportSchedule { ReportSchedule(hour: options.hour) }

    /// A report that is to be sent, or tried again.
    private struct Open: Sendable {
        var job: Job
        var due: ContinuousClock.Instant
        var tries = 0
    }

    private func report(_ period: ReportPeriod) async throws {
        let begin = ContinuousClock.now
        let late = post.now().timeIntervalSince(schedule.due(period))
        var open = try await kind.jobs(period).map { job in
            let delay = max(0, Self.delay(of: job.domain, period, options) - late)
            return Open(job: job, due: begin + .seconds(delay))
        }
        var sent = 0
        while let first = open.map(\.due).min() {
            if first > .now { try await Task.sleep(until: first) }
            let moment = ContinuousClock.now
            var due = open.filter { $0.due <= moment }
            open.removeAll { $0.due <= moment }
            let lines = try await inTurn { [due] in try await self.attempts(due.map(\.job)) }
            for (place, line) in lines.enumerated() {
                sent += line.to.count
                due[place].tries += 1
                let isLast = due[place].tries >= options.tries
                tell(line, isFirst: due[place].tries == 1, isLast: isLast)
                guard line.isOpen, !isLast else { continue }
                due[place].due = .now + options.pause(after: due[place].tries).duration
                open.append(due[place])
            }
        }
        try await cover(until: period.end)
        kind.tell(.done(period, sent: sent))
    }

    /// Seconds that a report waits, so that not all who report do it at the same moment: the same after a restart.
    static func delay(of domain: String, _ period: ReportPeriod, _ options: ReportOptions) -> Double {
        guard options.spread > 0 else { return 0 }
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for octet in "\(options.hostname) \(domain) \(period.begin.timeIntervalSince1970)".utf8 {
            hash = (hash ^ UInt64(octet)) &* 0x0000_0100_0000_01B3
        }
        // FNV-1a mixes its upper bits better.
        return options.spread * Double(hash >> 40) / Double(1 << 24)
    }

    private func cover(until end: Date) async throws {
        try await post.blocking { [post] in try post.ledger.cover(until: end) }
    }

    private func tell(_ line: ReportLine, isFirst: Bool, isLast: Bool) {
        for address in line.to { kind.tell(.queued(domain: line.domain, to: address)) }
        for refusal in line.notTo where isFirst || refusal.isOpen && isLast {
            let isPutOff = refusal.isOpen && !isLast
            kind.tell(
                isPutOff ? .putOff(domain: line.domain, refusal) : .notSent(domain: line.domain, refusal))
        }
    }

    // MARK: - By hand

    /// What was asked is being done already.
    struct Busy: Error {}

    /// Sends what has not been sent yet of the last day that is over: of one domain, or of all.
    func send(_ domain: String?) async throws -> [ReportLine] {
        let period = try ReportDesk.lastDay(at: post.now())
        return try await exclusively {
            let jobs = try await self.kind.jobs(period).filter { domain == nil || $0.domain == domain }
            let lines = try await self.attempts(jobs)
            for line in lines { self.tell(line, isFirst: true, isLast: true) }
            return lines
        }
    }

    /// What a command to send is told.
    func answer(_ domain: String?) async -> ControlAnswer {
        do { return .reports(try await send(domain)) } catch is Busy {
            return .failed("Reports are being sent already; the log tells which.", isTemporary: true)
        } catch let early as ReportDesk.TooEarly {
            return .failed(early.advice, isTemporary: true)
        } catch {
            return .failed("The reports cannot be made: \(error).", isTemporary: true)
        }
    }

    /// Waits until nobody is at it.
    private func inTurn<Value>(_ work: () async throws -> Value) async throws -> Value {
        while true {
            do { return try await exclusively(work) } catch is Busy {
                try await Task.sleep(for: Self.turn)
            }
        }
    }

    private static let turn = Duration.seconds(1)

    /// Two at a time would send the same.
    private func exclusively<Value>(_ work: () async throws -> Value) async throws -> Value {
        let isFree = isBusy.withLock { isBusy in
            defer { isBusy = true }
            return !isBusy
        }
        guard isFree else { throw Busy() }
        defer { isBusy.withLock { $0 = false } }
        return try await work()
    }

    private func attempts(_ jobs: [Job]) async throws -> [ReportLine] {
        var lines: [ReportLine] = []
        for job in jobs {
            try Task.checkCancellation()
            lines.append(try await job.attempt())
        }
        return lines
    }
}
