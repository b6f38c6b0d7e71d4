import Configuration
import Directory
import Filters
import Foundation
import Logging
import MailTypes
import Pipeline

extension AggregateReports {
    /// Those of a running server.
    init(
        _ settings: ServerConfiguration, in data: DataFolder, mail: HouseMail, traces: TraceKeeper, logger: Logger
    ) throws {
        let ledger = try told { try ReportLedger(data.reports) }
        self.init(
            options: ReportOptions(settings.dmarcReports, hostname: settings.hostname),
            post: ReportPost(ledger: ledger, mail: mail, now: { Date() }), records: { try traces.records($0) },
            logger: logger)
    }
}

/// What the command line does with reports.
struct ReportSending {
    let loaded: LoadedConfiguration
    /// One domain; `nil`: all.
    let domain: String?

    /// Lets the running server send.
    func send() throws -> [ReportLine] { try Self.ask(.reports(domain), loaded.settings) }

    /// Lets the running server send, of whatever kind.
    static func ask(_ request: ControlRequest, _ settings: ServerConfiguration) throws -> [ReportLine] {
        let data = DataFolder(settings)
        switch try ControlClient(data: data).ask(request, within: patience) {
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
        let period: ReportPeriod
        do { period = try ReportDesk.lastDay(at: now) } catch { throw CommandFailure.again(error.advice) }
        let reports = try await DMARCReports.gathered(from: period.begin, to: period.end) { try traces.records($0) }
        let world = try TrialWorld(loaded)
        defer { world.close() }
        var rehearsal = ReportRehearsal(
            ReportDesk(
                options: ReportOptions(loaded.settings.dmarcReports, hostname: loaded.settings.hostname),
                period: period),
            HouseJudging(
                hostname: loaded.settings.hostname, chain: { [chain = loaded.chain] in chain }, source: world.source),
            ledger: try ledger())
        var lines: [ReportLine] = []
        for report in reports.sorted where domain == nil || report.domain == domain {
            lines.append(try await rehearsal.line(report, at: now))
        }
        return lines
    }

    private func ledger() throws -> [ReportEntry] { try Self.ledger(DataFolder(loaded.settings).reports) }

    /// What was sent.
    static func ledger(_ path: String) throws -> [ReportEntry] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        return try told {
            let ledger = try ReportLedger(readOnly: path)
            defer { ledger.close() }
            return try ledger.entries()
        }
    }
}

extension ReportDesk.TooEarly {
    var advice: String { "Not yet: \(self)." }
}
