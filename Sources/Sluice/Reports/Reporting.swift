import Configuration
import Directory
import Filters
import Foundation
import Logging
import MailTypes
import Pipeline

extension AggregateReporter {
    /// The one of a running server.
    convenience init(
        _ settings: ServerConfiguration, in data: DataFolder, mail: HouseMail, traces: TraceKeeper, logger: Logger
    ) throws {
        self.init(
            Options(settings), ledger: try told { try ReportLedger(data.reports) }, mail: mail, logger: logger,
            world: (now: { Date() }, records: { try traces.records($0) }))
    }

    /// What `sluice dmarc report --send` is told.
    func answer(_ domain: String?) async -> ControlAnswer {
        do { return .reports(try await send(domain)) } catch is Busy {
            return .failed("Reports are being sent already; the log tells which.", isTemporary: true)
        } catch let early as ReportDesk.TooEarly {
            return .failed(early.advice, isTemporary: true)
        } catch {
            return .failed("The reports cannot be made: \(error).", isTemporary: true)
        }
    }
}

/// What the command line does with reports.
struct ReportSending {
    let loaded: LoadedConfiguration
    /// One domain; `nil`: all.
    let domain: String?

    /// Lets the running server send.
    func send() throws -> [ReportLine] {
        let data = DataFolder(loaded.settings)
        switch try ControlClient(data: data).ask(.reports(domain), within: Self.patience) {
        case .reports(let lines): return lines
        case .failed(let reason, _): throw CommandFailure.again(reason)
        case nil: throw CommandFailure.again("No server is running on \(data.path), and it is the server that sends.")
        default: throw CommandFailure.again("The server has answered something else; is it of another version?")
        }
    }

    /// How long a server may take: it asks DNS about each address.
    private static let patience: Interval = "1h"

    /// What it would do, found out without it.
    func plan(_ traces: consuming TraceAccess) async throws -> [ReportLine] {
        let now = Date()
        let period: DMARCReportPeriod
        do { period = try ReportDesk.lastDay(at: now) } catch { throw CommandFailure.again(error.advice) }
        let reports = try await DMARCReports.gathered(from: period.begin, to: period.end) { try traces.records($0) }
        let world = try TrialWorld(loaded)
        defer { world.close() }
        var rehearsal = ReportRehearsal(
            ReportDesk(options: AggregateReporter.Options(loaded.settings), period: period),
            HouseJudging(
                hostname: loaded.settings.hostname, chain: { [chain = loaded.chain] in chain }, source: world.source),
            ledger: try ledger())
        var lines: [ReportLine] = []
        for report in reports.sorted where domain == nil || report.domain == domain {
            lines.append(try await rehearsal.line(report, at: now))
        }
        return lines
    }

    /// What was sent.
    private func ledger() throws -> [ReportEntry] {
        let path = DataFolder(loaded.settings).reports
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        return try told {
            let ledger = try ReportLedger(readOnly: path)
            defer { ledger.close() }
            return try ledger.entries()
        }
    }
}

extension ReportDesk.TooEarly {
    fileprivate var advice: String { "Not yet: \(self)." }
}
