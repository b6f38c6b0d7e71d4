import Directory
import Foundation
import MailTypes
import NIOPosix
import Pipeline

/// The ledger and the mail of those that send reports.
struct ReportPost: Sendable {
    let ledger: ReportLedger
    let mail: HouseMail
    let now: @Sendable () -> Date

    typealias Outcome = Result<HouseMail.Outcome, ReportRefusal>

    /// What is to be known of a report before it is made.
    struct Draft: Sendable {
        var id: TransactionID
        var date: Date
        /// What the ledger knows of it.
        var known: ReportEntry.State?
        /// What was made of that day.
        var count: Int

        func check(_ options: ReportOptions) throws(ReportRefusal) {
            switch known {
            case .queued: throw ReportRefusal("it was sent already", isOld: true)
            case .refused: throw ReportRefusal("it was refused already", isOld: true)
            case nil where count >= options.maxReports:
                throw ReportRefusal("`max_reports` reports of that day were sent")
            case .begun, nil: break
            }
        }
    }

    /// Sends a mail, unless that was done; it is queued when this returns.
    func send(
        to address: EmailAddress, about domain: String, _ period: ReportPeriod,
        message: (Draft) throws(ReportRefusal) -> Message
    ) async throws -> Outcome {
        let draft = try await draft(domain, address.key, period)
        let made: Message
        do throws(ReportRefusal) { made = try message(draft) } catch { return .failure(error) }
        var entry = ReportEntry(
            domain: domain, address: address.key, end: period.end, id: draft.id, state: .begun)
        try await write(entry)
        let outcome = await mail.send(made, as: draft.id, to: address, at: draft.date)
        switch outcome {
        case .queued:
            entry.state = .queued
            try await write(entry)
            try await mail.release(draft.id, at: now())
        case .refused:
            entry.state = .refused
            try await write(entry)
        case .later: break
        }
        return .success(outcome)
    }

    /// Hands a report to somebody who says at once whether it was taken. A crash meanwhile repeats it, under its id.
    func hand(
        to place: String, about domain: String, _ period: ReportPeriod, _ options: ReportOptions,
        _ body: (Draft) async throws(ReportRefusal) -> HouseMail.Outcome
    ) async throws -> Outcome {
        let draft = try await draft(domain, place, period)
        do throws(ReportRefusal) { try draft.check(options) } catch { return .failure(error) }
        var entry = ReportEntry(domain: domain, address: place, end: period.end, id: draft.id, state: .begun)
        try await write(entry)
        let outcome: HouseMail.Outcome
        do throws(ReportRefusal) { outcome = try await body(draft) } catch { return .failure(error) }
        switch outcome {
        case .queued: entry.state = .queued
        case .refused: entry.state = .refused
        case .later: return .success(outcome)
        }
        try await write(entry)
        return .success(outcome)
    }

    private func draft(_ domain: String, _ key: String, _ period: ReportPeriod) async throws -> Draft {
        let (known, count) = try await blocking { [ledger] in
            (try ledger.entry(domain: domain, address: key, end: period.end), try ledger.count(end: period.end))
        }
        let date = now()
        return Draft(id: known?.id ?? TransactionID(date), date: date, known: known?.state, count: count)
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

    func blocking<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await NIOThreadPool.singleton.runIfActive(work)
    }
}

extension TransactionID {
    init(_ date: Date) {
        self.init(milliseconds: UInt64(max(0, date.timeIntervalSince1970 * 1000)), random: .random(in: 0 ... .max))
    }
}
