import ArgumentParser
import Configuration
import Delivery
import Foundation
import MailTypes
import Pipeline

struct TLSCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tls", abstract: "TLS with other mail servers: what holds for a domain, and how it went.",
        subcommands: [Policy.self, Report.self])

    struct Policy: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show how TLS is made with a domain's exchangers, and who says so.",
            discussion: """
                DNS is asked now, and the MTA-STS policy fetched where none is kept. The exchangers stand in the order \
                in which they are tried. No mail server is spoken with, and nothing is kept. Exits with 1 if there is \
                no exchanger that mail may go to.
                """)
        @OptionGroup var configuration: ConfigurationOptions
        @Argument(help: "The domain of recipients.") var domain: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let found = try await OutboundForecast.find(domain, try configuration.load())
            print(json ? try Terminal.json(found) : found.text)
            if found.exchangers.allSatisfy({ $0.obstacle != nil }) { throw CommandFailure.silent }
        }
    }

    struct Report: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show how sessions with a domain's exchangers fared with TLS: a report as in RFC 8460.",
            discussion: """
                Sessions are counted with domains that have a record at _smtp._tls, by days of UTC, and kept for nine \
                of them. Without a domain, all such domains. Nothing is sent, unless --send says so: then the running \
                server sends what it has not sent yet of the last day that is over, and this tells to whom, and to \
                whom not and why.
                """)
        @OptionGroup var configuration: ConfigurationOptions
        @Argument(help: "The recipients' domain.") var domain: String?
        @Option(
            help: ArgumentHelp(
                "From the day of that moment on: 12h, 7d, or 2026-11-21T03:00:00Z; otherwise today.",
                valueName: "moment"))
        var since: Moment?
        @Flag(help: "Print JSON: of one domain the report as it would be sent.") var json = false
        @Flag(help: "Send the report of the last day, now.") var send = false
        @Flag(help: "With --send: those of all domains.") var all = false
        @Flag(help: "With --send: only tell what would be sent. It needs no server.") var dryRun = false

        func validate() throws {
            guard send || !all && !dryRun else { throw ValidationError("--all and --dry-run belong to --send.") }
            guard send else { return }
            guard (domain != nil) != all else { throw ValidationError("--send needs a domain or --all.") }
            guard since == nil else { throw ValidationError("--send sends the last day.") }
        }

        func run() async throws {
            let sending = TLSReportSending(
                loaded: try configuration.loadAll().usable(), domain: domain.map(DMARCCommand.Report.name))
            if send { return try await sendReports(sending) }
            let begin = ReportPeriod(containing: since?.date ?? Date()).begin
            let end = Date()
            let reports = try sending.reports(from: begin, to: end)
            guard let domain else { return try list(reports) }
            guard let report = reports.first else {
                throw CommandFailure.wrong("No session with exchangers of \(domain) was counted.")
            }
            print(json ? try sending.json(report, from: begin, to: end) : Self.text(report))
        }

        private func sendReports(_ sending: TLSReportSending) async throws {
            let lines = dryRun ? try await sending.plan() : try sending.send()
            guard !lines.isEmpty else {
                let whose = domain.map { "of \($0) " } ?? ""
                throw CommandFailure.wrong("No session with exchangers \(whose)was counted on the last day.")
            }
            print(json ? try Terminal.json(lines) : lines.map(\.text).joined(separator: "\n"))
        }

        private struct Line: Encodable {
            var domain: String
            var policies: [String]
            var succeeded: Int
            var failed: Int
        }

        private func list(_ reports: [TLSReport]) throws {
            let lines = reports.map { report in
                Line(
                    domain: report.domain, policies: Set(report.tallies.map(\.policy.kind.rawValue)).sorted(),
                    succeeded: report.succeeded, failed: report.failed)
            }
            if json { return print(try Terminal.json(lines)) }
            guard !lines.isEmpty else { return print("No session was counted.") }
            let cells = lines.map { line in
                [line.domain, line.policies.joined(separator: ","), "\(line.succeeded)", "\(line.failed)"]
            }
            print(Terminal.table(["DOMAIN", "POLICY", "GOOD", "FAILED"], cells.map { $0.map(Terminal.harmless) }))
        }

        private static func text(_ report: TLSReport) -> String {
            var lines: [String] = []
            for tally in report.tallies {
                let counts = "\(tally.succeeded) good, \(tally.failed) failed"
                lines.append("\(tally.policy.kind.rawValue) \(tally.policy.domain): \(counts)")
                lines += tally.policy.text.map { "  \($0)" }
                for (failure, count) in tally.sortedFailures {
                    let address = failure.address.map { "[\($0)]" } ?? ""
                    let host = failure.host.map { " \($0)\(address)" } ?? ""
                    let reason = failure.reason.map { ": \($0)" } ?? ""
                    lines.append("  \(count) \(failure.result.rawValue)\(host)\(reason)")
                }
            }
            return lines.map(Terminal.harmless).joined(separator: "\n")
        }
    }
}
