import Directory
import Filters
import Foundation
import Logging
import MailTypes
import NIOPosix
import Pipeline
import Synchronization

/// Sends the owners of domains what was seen of their mail, each day for the day before. RFC 7489 §7.2.
///
/// A report is in the ledger before its mail is made. The mail is queued held, the ledger told, and only then it is let
/// go. Whatever comes between, the next start finds either nothing of it in the queue, and nothing has left, or the
/// mail, and lets it go.
final class AggregateReporter: Sendable {
    struct Options: Sendable {
        /// Whether reports are sent without being asked for.
        var sends = false
        var hostname: String
        var organization: String
        var from: EmailAddress
        var contact: String?
        /// The hour of UTC from which on they are sent.
        var hour = 0
        /// Octets of a mail.
        var maxSize = 10 << 20
        /// Addresses that one report goes to.
        var maxDestinations = 5
        /// Mails of one day.
        var maxReports = 1000
        /// What could not be done now is tried again so often, with so long between.
        var tries = 12
        var pause: Interval = "10m"
    }

    let options: Options
    private let ledger: ReportLedger
    private let mail: HouseMail
    private let records: @Sendable (TraceQuery) throws -> [TraceRecord]
    private let logger: Logger
    private let now: @Sendable () -> Date
    private let isBusy = Mutex(false)

    /// The clock may be set: no sleep is longer.
    private static let longestSleep = 60.0

    /// `records` may block.
    init(
        _ options: Options, ledger: ReportLedger, mail: HouseMail, logger: Logger,
        world: (now: @Sendable () -> Date, records: @Sendable (TraceQuery) throws -> [TraceRecord])
    ) {
        self.options = options
        self.ledger = ledger
        self.mail = mail
        self.logger = logger
        (now, records) = world
    }

    func close() { ledger.close() }

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
                logger.error("aggregate reports cannot be made", metadata: ["reason": "\(error)"])
                try? await Task.sleep(for: options.pause.duration)
            }
        }
    }

    /// Does what is due now, or sleeps a while.
    func step() async throws {
        let date = now()
        let covered = try await blocking { [ledger] in try ledger.covered() }
        switch DMARCReportSchedule(hour: options.hour).step(at: date, covered: covered) {
        case .begin(let period): try await cover(until: period.begin)
        case .report(let period): try await report(period)
        case .wait(let until):
            let seconds = min(max(until.timeIntervalSince(date), 1), Self.longestSleep)
            try await Task.sleep(for: .seconds(seconds))
        }
    }

    private func report(_ period: DMARCReportPeriod) async throws {
        var open = try await gathered(period)
        var sent = 0
        for number in 1...max(options.tries, 1) {
            let attempts = try await inTurn { try await self.attempts(open, period) }
            sent += attempts.reduce(0) { $0 + $1.line.to.count }
            let isLast = number >= options.tries
            for attempt in attempts { tell(attempt, isFirst: number == 1, isLast: isLast) }
            open = attempts.filter(\.isOpen).map(\.report)
            if open.isEmpty || isLast { break }
            try await Task.sleep(for: options.pause.duration)
        }
        try await cover(until: period.end)
        logger.info("aggregate reports sent", metadata: ["day": "\(period.begin.day)", "reports": "\(sent)"])
    }

    private func cover(until end: Date) async throws {
        try await blocking { [ledger] in try ledger.cover(until: end) }
    }

    private func tell(_ attempt: Attempt, isFirst: Bool, isLast: Bool) {
        for address in attempt.line.to {
            logger.info("aggregate report queued", metadata: ["domain": "\(attempt.line.domain)", "to": "\(address)"])
        }
        for refusal in attempt.line.notTo where isFirst || refusal.isOpen && isLast {
            let metadata: Logger.Metadata = [
                "domain": "\(attempt.line.domain)", "to": "\(refusal.address)", "reason": "\(refusal.reason)",
            ]
            if refusal.isOpen, !isLast {
                logger.info("aggregate report put off", metadata: metadata)
            } else if refusal.isOld {
                // Of a round before this one, which a restart has ended: it was told then.
                logger.debug("aggregate report not sent", metadata: metadata)
            } else {
                logger.notice("aggregate report not sent", metadata: metadata)
            }
        }
    }

    // MARK: - By hand

    /// What was asked is being done already.
    struct Busy: Error {}

    /// Sends what has not been sent yet of the last day that is over: of one domain, or of all.
    func send(_ domain: String?) async throws -> [ReportLine] {
        let period = try ReportDesk.lastDay(at: now())
        return try await exclusively {
            let reports = try await self.gathered(period).filter { domain == nil || $0.domain == domain }
            let attempts = try await self.attempts(reports, period)
            for attempt in attempts { self.tell(attempt, isFirst: true, isLast: true) }
            return attempts.map(\.line)
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

    // MARK: - One day

    /// Those with the most messages first: if not all can be sent, they are worth most.
    private func gathered(_ period: DMARCReportPeriod) async throws -> [DMARCReport] {
        let reports = try await DMARCReports.gathered(from: period.begin, to: period.end) { query in
            try await self.blocking { [records = self.records] in try records(query) }
        }
        return reports.sorted
    }

    private struct Attempt: Sendable {
        var report: DMARCReport
        var line: ReportLine
        /// Somebody might get it later.
        var isOpen: Bool { line.notTo.contains(where: \.isOpen) }
    }

    private func attempts(_ reports: [DMARCReport], _ period: DMARCReportPeriod) async throws -> [Attempt] {
        var attempts: [Attempt] = []
        for report in reports {
            try Task.checkCancellation()
            attempts.append(Attempt(report: report, line: try await attempt(report, period)))
        }
        return attempts
    }

    private func attempt(_ report: DMARCReport, _ period: DMARCReportPeriod) async throws -> ReportLine {
        let plan = await ReportPlan(report, period, most: options.maxDestinations, mail.judging.source)
        let desk = ReportDesk(options: options, period: period)
        var line = plan.line
        var compressed: [UInt8]?
        for address in plan.addresses {
            let octets: [UInt8]
            if let compressed {
                octets = compressed
            } else {
                octets = try await blocking { try desk.compressed(report) }
            }
            compressed = octets
            line.note(try await send(report, octets, to: address, desk), of: address.address)
        }
        return line
    }

    // MARK: - One mail

    private func send(
        _ report: DMARCReport, _ compressed: [UInt8], to address: DMARCReportAddress, _ desk: ReportDesk
    ) async throws -> Result<HouseMail.Outcome, ReportRefusal> {
        let key = address.address.key
        let (known, count) = try await blocking { [ledger] in
            (
                try ledger.entry(domain: report.domain, address: key, end: desk.period.end),
                try ledger.count(end: desk.period.end)
            )
        }
        let date = now()
        let id = known?.id ?? TransactionID(date)
        let message: Message
        do throws(ReportRefusal) {
            message = try desk.message(
                about: report, compressed, to: address, as: id, at: date, known: known?.state, count: count)
        } catch { return .failure(error) }
        var entry = ReportEntry(domain: report.domain, address: key, end: desk.period.end, id: id, state: .begun)
        try await write(entry)
        let outcome = await mail.send(message, as: id, to: address.address, at: date)
        switch outcome {
        case .queued:
            entry.state = .queued
            try await write(entry)
            try await mail.release(id, at: now())
        case .refused:
            entry.state = .refused
            try await write(entry)
        case .later: break
        }
        return .success(outcome)
    }

    private func write(_ entry: ReportEntry) async throws {
        try await blocking { [ledger] in try ledger.write(entry) }
    }

    /// Ends what a crash has left half done: what is in the queue was to be sent.
    func recover() async throws {
        for var entry in try await blocking({ [ledger] in try ledger.entries() }) where entry.state != .refused {
            guard mail.isQueued(entry.id) else { continue }
            if entry.state == .begun {
                entry.state = .queued
                try await write(entry)
            }
            try await mail.release(entry.id, at: now())
        }
    }

    private func blocking<Value: Sendable>(
        _ work: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await NIOThreadPool.singleton.runIfActive(work)
    }
}

extension TransactionID {
    init(_ date: Date) {
        self.init(milliseconds: UInt64(max(0, date.timeIntervalSince1970 * 1000)), random: .random(in: 0 ... .max))
    }
}
