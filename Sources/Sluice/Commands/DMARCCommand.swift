import ArgumentParser
import Configuration
import Directory
import Filters
import Foundation
import MailTypes
import Pipeline

struct DMARCCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dmarc", abstract: "What the stage `dmarc` has seen.", subcommands: [Report.self])

    struct Report: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what was seen of a domain's mail: an aggregate report.",
            discussion: """
                It is made of the traces, so it reaches back as far as they do. Without a domain, all domains with a \
                record whose mail came. Nothing is sent.
                """)
        @OptionGroup var configuration: ConfigurationOptions
        @Argument(help: "The domain with the record.") var domain: String?
        @Option(
            help: ArgumentHelp(
                "Not older than this: 30m, 12h, 7d, or 2026-11-21T03:00:00Z; otherwise a day.", valueName: "moment"))
        var since: Moment?
        @Flag(help: "Print the report as XML (RFC 7489, appendix C).") var xml = false

        func validate() throws {
            guard domain != nil || !xml else { throw ValidationError("--xml needs a domain.") }
        }

        func run() async throws {
            let settings = try configuration.load()
            let now = Date()
            let since = since?.date ?? now.addingTimeInterval(-86_400)
            let reports = try await Self.reports(TraceAccess(settings), since: since, until: now)
            guard let domain else { return Self.list(reports) }
            guard let report = reports.byDomain[domain.asciiLowercased] else {
                throw CommandFailure.wrong("No mail of \(domain) was judged by a DMARC record of that domain.")
            }
            let cover = DMARCReport.Cover(
                organization: settings.hostname, email: "postmaster@\(settings.hostname)", begin: since, end: now)
            print(xml ? report.xml(cover) : Self.table(report), terminator: xml ? "" : "\n")
        }

        /// Traces that are read at once.
        private static let page = 500

        /// Page by page, the newest first; what was written meanwhile is not seen.
        private static func reports(
            _ traces: consuming TraceAccess, since: Date, until: Date
        ) async throws -> DMARCReports {
            var reports = DMARCReports()
            var query = TraceQuery()
            (query.since, query.until, query.limit) = (since, until, page)
            var seen: Set<TransactionID> = []
            while true {
                let records = try traces.records(query).filter { !seen.contains($0.id) }
                guard let last = records.last else { return reports }
                // What another version wrote cannot be counted.
                for record in records { if let trace = try? record.trace() { await reports.add(trace) } }
                // The next page begins with those of the same moment.
                seen = seen.filter { _ in query.until == last.started }.union(records.map(\.id))
                query.until = last.started
                query.limit = page + seen.count
            }
        }

        private static func list(_ reports: DMARCReports) {
            let rows = reports.byDomain.values.sorted { ($1.messages, $0.domain) < ($0.messages, $1.domain) }
            guard !rows.isEmpty else {
                print("No mail was judged by a DMARC record.")
                return
            }
            let cells = rows.map { report in
                let proven = report.counts.filter { $0.key.isSPFAligned || $0.key.isDKIMAligned }
                let passed = proven.values.reduce(0, +)
                return [report.domain, report.record.policy.rawValue, "\(report.messages)", "\(passed)"]
            }
            print(Terminal.table(["DOMAIN", "POLICY", "MESSAGES", "PASSED"], cells.map { $0.map(Terminal.harmless) }))
        }

        private static func table(_ report: DMARCReport) -> String {
            let cells = report.rows.map { row, count in
                [
                    row.source.description, "\(count)", row.disposition.rawValue, row.isSPFAligned ? "pass" : "fail",
                    row.isDKIMAligned ? "pass" : "fail", row.headerFrom,
                    row.envelopeFrom.isEmpty ? "<>" : row.envelopeFrom, row.excuse ?? "-",
                ].map(Terminal.harmless)
            }
            let header = ["SOURCE", "MESSAGES", "DONE", "SPF", "DKIM", "FROM", "ENVELOPE", "BECAUSE"]
            return Terminal.table(header, cells)
        }
    }
}
