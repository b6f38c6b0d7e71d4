import ArgumentParser
import Configuration
import Directory
import Foundation
import MailTypes
import Pipeline

struct TraceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace", abstract: "Show what became of a message, and why.",
        discussion: """
            With an id, the whole trace: each stage's finding, its time, and which value at which file and line \
            decided; stages that found nothing share a line. Otherwise the traces that fit, the newest first.

            The id stands in the reply to a message, in every refusal after MAIL, in log lines and in the Received \
            field. A refusal before MAIL has one too; of those only some are traced, and the log has the rest.
            """)
    @OptionGroup var configuration: ConfigurationOptions
    @Argument(help: "A transaction's id.") var id: String?
    @Option(help: ArgumentHelp("To this address, or @domain.", valueName: "address")) var to: String?
    @Option(help: ArgumentHelp("From this address, or @domain.", valueName: "address")) var from: String?
    @Option(
        help: ArgumentHelp("Not older than this: 30m, 12h, 7d, or 2026-11-21T03:00:00Z.", valueName: "moment"))
    var since: Moment?
    @Option(help: "Only those that ended so.") var outcome: OutcomeArgument?
    @Option(help: ArgumentHelp("How many.", valueName: "number")) var limit = 50
    @OptionGroup var options: TraceOptions
    @Flag(help: "Print JSON.") var json = false

    func validate() throws { try Self.check(limit: limit) }

    func run() throws {
        let settings = try configuration.load()
        let traces = try TraceAccess(settings)
        if let id {
            try show(try traces.record(id), in: traces, hostname: settings.hostname)
        } else {
            try list(traces, hostname: settings.hostname)
        }
    }

    private func show(_ record: TraceRecord, in traces: borrowing TraceAccess, hostname: String) throws {
        let trace = try record.readable()
        let deliveries = try traces.deliveries(of: record.id)
        if json {
            print(try Terminal.json(TraceReport(trace, hostname: hostname, deliveries: deliveries)))
        } else {
            var printer = TracePrinter(trace, hostname: hostname, options: options)
            printer.deliveries = deliveries
            print(printer.text)
        }
    }

    private func list(_ traces: borrowing TraceAccess, hostname: String) throws {
        var query = TraceQuery()
        query.to = to
        query.from = from
        query.since = since?.date
        query.outcome = outcome?.outcome.rawValue
        query.limit = limit
        let records = try traces.records(query)
        if json {
            print(try Terminal.json(records.map { TraceReport(try $0.readable(), hostname: hostname) }))
            return
        }
        guard !records.isEmpty else {
            print("No trace fits.")
            return
        }
        let rows = records.map { record in
            [
                record.id.text, record.started.stamp, record.outcome, Self.sender(of: record),
                Terminal.few(record.recipients.map(\.description)),
                record.code == 0 ? "-" : "\(record.code) \(record.text)",
            ].map(Terminal.harmless)
        }
        print(Terminal.table(["ID", "TIME", "OUTCOME", "FROM", "TO", "REPLY"], rows))
    }

    private static func sender(of record: TraceRecord) -> String {
        if let sender = record.sender { return sender.description }
        // Who was refused before MAIL has not named any.
        return (try? record.trace())?.envelope == nil ? "-" : "<>"
    }
}

extension ParsableCommand {
    /// Nobody asks for no entries at all.
    static func check(limit: Int) throws {
        guard limit > 0 else { throw ValidationError("--limit must be at least 1, not \(limit).") }
    }
}

/// How a transaction ended, on the command line.
struct OutcomeArgument: ExpressibleByArgument {
    let outcome: Trace.Outcome

    init?(argument: String) {
        guard let outcome = Trace.Outcome(rawValue: argument) else { return nil }
        self.outcome = outcome
    }

    static var allValueStrings: [String] { Trace.Outcome.allCases.map(\.rawValue) }
}

/// A moment on the command line: how long ago, or a date.
struct Moment: ExpressibleByArgument {
    let date: Date

    init?(argument: String) {
        if let interval = try? Interval(parsing: argument) {
            date = Date(timeIntervalSinceNow: -interval.seconds)
        } else if let date = try? Date(argument, strategy: .iso8601) {
            self.date = date
        } else {
            return nil
        }
    }
}
