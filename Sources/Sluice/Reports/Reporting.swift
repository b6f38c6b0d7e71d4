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
        let period = DMARCReportPeriod(lastBefore: Date())
        let reports = try await DMARCReports.gathered(from: period.begin, to: period.end) { try traces.records($0) }
        let world = try TrialWorld(loaded)
        defer { world.close() }
        let options = AggregateReporter.Options(loaded.settings)
        let sent = try sent(until: period.end)
        var lines: [ReportLine] = []
        for report in reports.sorted where domain == nil || report.domain == domain {
            let plan = await ReportPlan(report, period, most: options.maxDestinations, world.source)
            var line = plan.line
            for address in plan.addresses.map(\.address) {
                if sent.contains("\(report.domain) \(address.key)") {
                    line.refuse(address.description, "it was sent already")
                } else {
                    line.to.append(address.description)
                }
            }
            lines.append(line)
        }
        return lines
    }

    /// What the ledger knows of that day, as domain and address.
    private func sent(until end: Date) throws -> Set<String> {
        let path = DataFolder(loaded.settings).reports
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        let entries = try told {
            let ledger = try ReportLedger(readOnly: path)
            defer { ledger.close() }
            return try ledger.entries()
        }
        return Set(entries.filter { $0.end == end && $0.state == .queued }.map { "\($0.domain) \($0.address)" })
    }
}
