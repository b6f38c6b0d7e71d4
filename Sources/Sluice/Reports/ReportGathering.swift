import Directory
import Filters
import Foundation
import MailTypes
import Pipeline

extension DMARCReports {
    /// Traces that are read at once.
    private static let page = 500

    /// What the traces of that time tell, those begun at `end` not among them. Page by page, the newest first; what is
    /// written meanwhile is not seen.
    static func gathered(
        from begin: Date, to end: Date, records: (TraceQuery) async throws -> [TraceRecord]
    ) async throws -> DMARCReports {
        var reports = DMARCReports()
        var query = TraceQuery()
        let last = Date(timeIntervalSinceReferenceDate: end.timeIntervalSinceReferenceDate.nextDown)
        (query.since, query.until, query.limit) = (begin, last, page)
        var seen: Set<TransactionID> = []
        while true {
            try Task.checkCancellation()
            let found = try await records(query).filter { !seen.contains($0.id) }
            guard let last = found.last else { return reports }
            // What another version wrote cannot be counted.
            for record in found { if let trace = try? record.trace() { await reports.add(trace) } }
            // The next page begins with those of the same moment.
            seen = seen.filter { _ in query.until == last.started }.union(found.map(\.id))
            query.until = last.started
            query.limit = page + seen.count
        }
    }

    /// Those with the most messages first.
    var sorted: [DMARCReport] {
        byDomain.values.sorted { ($1.messages, $0.domain) < ($0.messages, $1.domain) }
    }
}

/// Whom a report goes to if nothing comes between.
struct ReportPlan: Sendable {
    var addresses: [DMARCReportAddress] = []
    /// Without those it goes to.
    var line: ReportLine

    /// Asks DNS; `most` addresses get it.
    init(_ report: DMARCReport, _ period: ReportPeriod, most: Int, _ source: any ServiceSource) async {
        line = ReportLine(domain: report.domain, day: period.begin, messages: report.messages)
        if report.isOfReportsOnly || report.messages == 0 {
            let reason = report.messages == 0 ? "its messages had no room" : "nothing came but reports"
            for address in report.record.reportAddresses { line.refuse(address, reason) }
            return
        }
        let recipients = await DMARCReportRecipients(of: report, most: most, services: Services(source))
        addresses = recipients.addresses
        for refusal in recipients.refusals { line.refuse(refusal.uri, refusal.reason, isOpen: refusal.isTemporary) }
    }
}

/// What is said of one domain's report: to whom it goes, and to whom not.
struct ReportLine: Codable, Sendable, Hashable {
    struct Refusal: Codable, Sendable, Hashable {
        /// The address, as the record has it where it could not be read.
        var address: String
        var reason: String
        /// It may be otherwise later.
        var isOpen: Bool
        /// It was told of before.
        var isOld: Bool
    }

    var domain: String
    /// The first moment of the day.
    var day: Date
    /// What was counted.
    var messages: Int
    /// One of them.
    var unit = "message"
    var to: [String] = []
    var notTo: [Refusal] = []

    /// Somebody might get it later.
    var isOpen: Bool { notTo.contains(where: \.isOpen) }

    mutating func refuse(_ address: String, _ reason: String, isOpen: Bool = false, isOld: Bool = false) {
        notTo.append(Refusal(address: address, reason: reason, isOpen: isOpen, isOld: isOld))
    }

    /// For people.
    var text: String {
        var lines = ["\(Terminal.harmless(domain))  \(day.day)  \(Terminal.counted(messages, unit))"]
        lines += to.map { "  to      \(Terminal.harmless($0))" }
        lines += notTo.map { "  not to  \(Terminal.harmless($0.address)): \(Terminal.harmless($0.reason))" }
        if to.isEmpty, notTo.isEmpty { lines.append("  to nobody: its record asks for no reports") }
        return lines.joined(separator: "\n")
    }
}
