import Directory
import Filters
import Foundation
import Logging
import MailTypes
import Pipeline

/// What the owners of domains are sent of mail in their name, made of the traces. RFC 7489 §7.2.
struct AggregateReports: Sendable {
    let options: ReportOptions
    let post: ReportPost
    /// May block.
    let records: @Sendable (TraceQuery) throws -> [TraceRecord]
    let logger: Logger

    var reporter: DailyReporter { DailyReporter(options, post, .init(jobs: jobs, tell: tell)) }

    /// Those with the most messages first: if not all can be sent, they are worth most.
    @Sendable private func jobs(_ period: ReportPeriod) async throws -> [DailyReporter.Job] {
        let reports = try await DMARCReports.gathered(from: period.begin, to: period.end) { query in
            try await self.post.blocking { [records = self.records] in try records(query) }
        }
        return reports.sorted.map { report in
            DailyReporter.Job(domain: report.domain) { try await self.attempt(report, period) }
        }
    }

    private func attempt(_ report: DMARCReport, _ period: ReportPeriod) async throws -> ReportLine {
        let plan = await ReportPlan(report, period, most: options.maxDestinations, post.mail.judging.source)
        let desk = ReportDesk(options: options, period: period)
        var line = plan.line
        var compressed: [UInt8]?
        for address in plan.addresses {
            let octets: [UInt8]
            if let compressed {
                octets = compressed
            } else {
                octets = try await post.blocking { try desk.compressed(report) }
            }
            compressed = octets
            let outcome = try await post.send(to: address.address, about: report.domain, period) {
                draft throws(ReportRefusal) in try desk.message(about: report, octets, to: address, draft)
            }
            line.note(outcome, of: address.address.description)
        }
        return line
    }

    @Sendable private func tell(_ news: DailyReporter.News) {
        switch news {
        case .queued(let domain, let address):
            logger.info("aggregate report queued", metadata: ["domain": "\(domain)", "to": "\(address)"])
        case .putOff(let domain, let refusal):
            logger.info("aggregate report put off", metadata: refusal.metadata(domain))
        case .notSent(let domain, let refusal) where refusal.isOld:
            // Of a round before this one, which a restart has ended: it was told then.
            logger.debug("aggregate report not sent", metadata: refusal.metadata(domain))
        case .notSent(let domain, let refusal):
            logger.notice("aggregate report not sent", metadata: refusal.metadata(domain))
        case .done(let period, let sent):
            logger.info(
                "aggregate reports sent", metadata: ["day": "\(period.begin.day)", "reports": "\(sent)"])
        case .failed(let reason):
            logger.error("aggregate reports cannot be made", metadata: ["reason": "\(reason)"])
        }
    }
}

extension ReportLine.Refusal {
    func metadata(_ domain: String) -> Logger.Metadata {
        ["domain": "\(domain)", "to": "\(address)", "reason": "\(reason)"]
    }
}
