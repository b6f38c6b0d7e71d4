import Adapters
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
                record whose mail came. Nothing is sent, unless --send says so: then the running server sends what it \
                has not sent yet of the last day that is over (UTC), and this tells to whom, and to whom not and why.
                """)
        @OptionGroup var configuration: ConfigurationOptions
        @Argument(help: "The domain with the record.") var domain: String?
        @Option(
            help: ArgumentHelp(
                "Not older than this: 30m, 12h, 7d, or 2026-11-21T03:00:00Z; otherwise a day.", valueName: "moment"))
        var since: Moment?
        @Flag(help: "Print the report as XML (RFC 7489, appendix C).") var xml = false
        @Flag(help: "Send the report of the last day, now.") var send = false
        @Flag(help: "With --send: those of all domains.") var all = false
        @Flag(help: "With --send: only tell what would be sent. It needs no server.") var dryRun = false

        func validate() throws {
            guard domain != nil || !xml else { throw ValidationError("--xml needs a domain.") }
            guard send || !all && !dryRun else { throw ValidationError("--all and --dry-run belong to --send.") }
            guard send else { return }
            guard (domain != nil) != all else { throw ValidationError("--send needs a domain or --all.") }
            guard !xml, since == nil else { throw ValidationError("--send sends the last day, and prints no XML.") }
        }

        func run() async throws {
            if send { return try await sendReports() }
            let settings = try configuration.load()
            let now = Date()
            let since = since?.date ?? now.addingTimeInterval(-86_400)
            let traces = try TraceAccess(settings)
            let reports = try await DMARCReports.gathered(from: since, to: now) { try traces.records($0) }
            guard let domain else { return Self.list(reports) }
            guard let report = reports.byDomain[Self.name(domain)] else {
                throw CommandFailure.wrong("No mail of \(domain) was judged by a DMARC record of that domain.")
            }
            let options = ReportOptions(settings.dmarcReports, hostname: settings.hostname)
            var cover = DMARCReport.Cover(
                organization: options.organization, email: options.from.description, begin: since, end: now)
            cover.contact = options.contact
            print(xml ? report.xml(cover) : Self.table(report), terminator: xml ? "" : "\n")
        }

        /// As the reports have it: in A-labels.
        static func name(_ domain: String) -> String {
            InternationalDomain.toASCII(domain) ?? domain.asciiLowercased
        }

        private func sendReports() async throws {
            let loaded = try configuration.loadAll().usable()
            let sending = ReportSending(loaded: loaded, domain: domain.map(Self.name))
            let lines = dryRun ? try await sending.plan(TraceAccess(loaded.settings)) : try sending.send()
            guard !lines.isEmpty else {
                let whose = domain.map { "of \($0) " } ?? ""
                throw CommandFailure.wrong("No mail \(whose)was judged by a DMARC record on the last day.")
            }
            for line in lines { print(line.text) }
        }

        private static func list(_ reports: DMARCReports) {
            let rows = reports.sorted
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
