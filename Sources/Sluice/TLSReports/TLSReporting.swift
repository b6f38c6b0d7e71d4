import Configuration
import Delivery
import Directory
import Filters
import Foundation
import Logging
import MailTypes
import Pipeline

extension ReportOptions {
    /// What cannot be had now is asked for again until the next day's reports are due: for about 21 hours.
    /// RFC 8460 §5.5.
    init(_ reports: ServerConfiguration.TLSReports, hostname: String) {
        self.init(reports.reports, hostname: hostname)
        spread = reports.spread.seconds
        tries = 10
        longestPause = "4h"
    }
}

extension TLSReports {
    /// Those of a running server.
    init(
        _ settings: ServerConfiguration, in data: DataFolder, mail: HouseMail, _ outbound: OutboundSecurity,
        logger: Logger
    ) throws {
        let ledger = try told { try ReportLedger(data.tlsReports) }
        self.init(
            options: ReportOptions(settings.tlsReports, hostname: settings.hostname),
            post: ReportPost(ledger: ledger, mail: mail, now: { Date() }),
            tallies: { try outbound.tallies(of: $0) },
            ask: { request async throws(HTTPSClient.Failure) in try await outbound.client.ask(request) },
            logger: logger)
    }
}

/// What the command line does with reports on TLS.
struct TLSReportSending {
    let loaded: LoadedConfiguration
    /// One domain; `nil`: all.
    let domain: String?

    private var data: DataFolder { DataFolder(loaded.settings) }
    private var options: ReportOptions {
        ReportOptions(loaded.settings.tlsReports, hostname: loaded.settings.hostname)
    }

    /// Lets the running server send.
    func send() throws -> [ReportLine] { try ReportSending.ask(.tlsReports(domain), loaded.settings) }

    /// What it would do, found out without it.
    func plan() async throws -> [ReportLine] {
        let now = Date()
        let period: ReportPeriod
        do { period = try ReportDesk.lastDay(at: now) } catch { throw CommandFailure.again(error.advice) }
        let reports = try reports(from: period.begin, to: period.end)
        let world = try TrialWorld(loaded)
        defer { world.close() }
        var rehearsal = TLSReportRehearsal(
            TLSReportDesk(options: options, period: period),
            HouseJudging(
                hostname: loaded.settings.hostname, chain: { [chain = loaded.chain] in chain }, source: world.source),
            ledger: try ReportSending.ledger(data.tlsReports))
        var lines: [ReportLine] = []
        for report in reports { lines.append(try await rehearsal.line(report, at: now)) }
        return lines
    }

    /// What was counted in that time.
    func reports(from begin: Date, to end: Date) throws -> [TLSReport] {
        guard FileManager.default.fileExists(atPath: data.tlsSessions) else { return [] }
        let tallies = try told {
            let store = try TLSSessionStore(readOnly: data.tlsSessions)
            defer { store.close() }
            return try store.tallies(from: begin, to: end, of: domain)
        }
        return TLSReport.reports(on: tallies.joinedDays)
    }

    /// A report as it would be sent, as text.
    func json(_ report: TLSReport, from begin: Date, to end: Date) throws -> String {
        String(decoding: try report.json(TLSReportDesk.cover(options, from: begin, to: end)), as: UTF8.self)
    }
}

/// What tallies of several days have in common.
private struct DaylessKey: Hashable {
    var domain: String
    var policy: PublishedPolicy
}

extension [TLSTally] {
    /// Days put together: one for each domain and policy.
    var joinedDays: [TLSTally] {
        var joined: [DaylessKey: TLSTally] = [:]
        for tally in self {
            let key = DaylessKey(domain: tally.domain, policy: tally.policy)
            guard var sum = joined[key] else {
                joined[key] = tally
                continue
            }
            sum.succeeded += tally.succeeded
            sum.failed += tally.failed
            sum.failures.merge(tally.failures, uniquingKeysWith: +)
            joined[key] = sum
        }
        return Array(joined.values)
    }
}
