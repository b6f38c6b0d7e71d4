import Delivery
import Directory
import Foundation
import Logging
import MailTypes
import Pipeline

/// What the owners of domains are sent of TLS with their exchangers, made of counted sessions. RFC 8460 §5.
struct TLSReports: Sendable {
    typealias Ask = @Sendable (HTTPSClient.Request) async throws(HTTPSClient.Failure) -> HTTPSClient.Page

    let options: ReportOptions
    let post: ReportPost
    /// May block.
    let tallies: @Sendable (ReportPeriod) throws -> [TLSTally]
    let ask: Ask
    let logger: Logger

    var reporter: DailyReporter { DailyReporter(options, post, .init(jobs: jobs, tell: tell)) }

    @Sendable private func jobs(_ period: ReportPeriod) async throws -> [DailyReporter.Job] {
        let tallies = try await post.blocking { [tallies] in try tallies(period) }
        return TLSReport.reports(on: tallies).map { report in
            DailyReporter.Job(domain: report.domain) { try await self.attempt(report, period) }
        }
    }

    private func attempt(_ report: TLSReport, _ period: ReportPeriod) async throws -> ReportLine {
        let plan = await TLSReportPlan(report, period, most: options.maxDestinations, post.mail.judging.source)
        var line = plan.line
        guard !plan.places.isEmpty else { return line }
        let desk = TLSReportDesk(options: options, period: period)
        let compressed = try await post.blocking { try desk.compressed(report) }
        for place in plan.places {
            line.note(try await send(report, compressed, to: place, desk), of: place.description)
        }
        return line
    }

    private func send(
        _ report: TLSReport, _ compressed: [UInt8], to place: TLSReportRecord.Place, _ desk: TLSReportDesk
    ) async throws -> ReportPost.Outcome {
        switch place {
        case .mail(let address):
            return try await post.send(to: address, about: report.domain, desk.period) {
                draft throws(ReportRefusal) in try desk.message(about: report, compressed, to: address, draft)
            }
        case .web(let host, let port, let path):
            let request: HTTPSClient.Request
            do throws(ReportRefusal) {
                request = try desk.request(compressed, to: (host, port, path))
            } catch { return .failure(error) }
            return try await post.hand(to: place.description, about: report.domain, desk.period, options) { _ in
                do throws(HTTPSClient.Failure) { return HouseMail.Outcome(try await ask(request)) } catch {
                    return .later(error.reason)
                }
            }
        }
    }

    @Sendable private func tell(_ news: DailyReporter.News) {
        switch news {
        case .queued(let domain, let address):
            logger.info("TLS report sent", metadata: ["domain": "\(domain)", "to": "\(address)"])
        case .putOff(let domain, let refusal):
            logger.info("TLS report put off", metadata: refusal.metadata(domain))
        case .notSent(let domain, let refusal) where refusal.isOld:
            logger.debug("TLS report not sent", metadata: refusal.metadata(domain))
        case .notSent(let domain, let refusal):
            logger.notice("TLS report not sent", metadata: refusal.metadata(domain))
        case .done(let period, let sent):
            logger.info("TLS reports sent", metadata: ["day": "\(period.begin.day)", "reports": "\(sent)"])
        case .failed(let reason):
            logger.error("TLS reports cannot be made", metadata: ["reason": "\(reason)"])
        }
    }
}

/// A round that sends nothing: ledger, DNS and chain are asked, and nothing is written.
struct TLSReportRehearsal {
    let desk: TLSReportDesk
    let judging: HouseJudging
    /// What the ledger knows of that day; what would be sent is added.
    private var known: [String: ReportEntry.State]

    init(_ desk: TLSReportDesk, _ judging: HouseJudging, ledger: [ReportEntry]) {
        self.desk = desk
        self.judging = judging
        known = [:]
        for entry in ledger where entry.end == desk.period.end {
            known[Self.key(entry.domain, entry.address)] = entry.state
        }
    }

    mutating func line(_ report: TLSReport, at date: Date) async throws -> ReportLine {
        let plan = await TLSReportPlan(report, desk.period, most: desk.options.maxDestinations, judging.source)
        var line = plan.line
        guard !plan.places.isEmpty else { return line }
        let compressed = try desk.compressed(report)
        for place in plan.places {
            line.note(await outcome(report, compressed, to: place, at: date), of: place.description)
        }
        return line
    }

    private mutating func outcome(
        _ report: TLSReport, _ compressed: [UInt8], to place: TLSReportRecord.Place, at date: Date
    ) async -> ReportPost.Outcome {
        var key = Self.key(report.domain, place.description)
        if case .mail(let address) = place { key = Self.key(report.domain, address.key) }
        let draft = ReportPost.Draft(id: TransactionID(date), date: date, known: known[key], count: known.count)
        do throws(ReportRefusal) {
            switch place {
            case .mail(let address):
                let message = try desk.message(about: report, compressed, to: address, draft)
                known[key] = .begun
                let judged = await judging.judge(message, as: draft.id, to: address, at: date)
                return .success(judged.refusal ?? .queued)
            case .web(let host, let port, let path):
                try draft.check(desk.options)
                _ = try desk.request(compressed, to: (host, port, path))
                known[key] = .begun
                return .success(.queued)
            }
        } catch { return .failure(error) }
    }

    private static func key(_ domain: String, _ address: String) -> String { "\(domain) \(address)" }
}
