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
            decided. Otherwise the traces that fit, the newest first.

            The id stands in every reply, in every log line and in the Received field.
            """)
    @OptionGroup var configuration: ConfigurationOptions
    @Argument(help: "A transaction's id.") var id: String?
    @Option(help: "To this address, or @domain.") var to: String?
    @Option(help: "From this address, or @domain.") var from: String?
    @Option(help: "Not older than this: 30m, 12h, 7d, or 2026-11-21T03:00:00Z.") var since: Moment?
    @Option(help: "Only accepted, rejected, deferred, discarded or unfinished.") var outcome: String?
    @Option(help: "How many.") var limit = 50
    @Flag(help: "Also print what was asked of the world.") var facts = false
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let settings = try configuration.load()
        let path = DataFolder(settings).traces
        guard FileManager.default.fileExists(atPath: path) else {
            throw CommandFailure.wrong("There are no traces yet: \(path) does not exist.")
        }
        let store = try told { try TraceStore.openReadOnly(path) }
        defer { store.close() }
        if let id {
            try show(id, in: store, hostname: settings.hostname)
        } else {
            try list(store, hostname: settings.hostname)
        }
    }

    private func show(_ text: String, in store: TraceStore, hostname: String) throws {
        // The queue's id has the number of the copy behind it.
        guard let id = TransactionID(text.prefix { $0 != "-" }) else {
            throw CommandFailure.wrong("\"\(text)\" is not an id; ids have 16 characters, as in \"Taken as …\".")
        }
        guard let trace = try told({ try store.trace(id) })?.readable() else {
            throw CommandFailure.wrong("There is no trace of \(id); it may be older than what is kept.")
        }
        let deliveries = try told { try store.deliveries(of: id) }
        if json {
            print(try Terminal.json(TraceReport(trace, hostname: hostname, deliveries: deliveries)))
        } else {
            var printer = TracePrinter(trace, hostname: hostname)
            printer.deliveries = deliveries
            printer.showsFacts = facts
            print(printer.text)
        }
    }

    private func list(_ store: TraceStore, hostname: String) throws {
        var query = TraceQuery()
        query.to = to
        query.from = from
        query.since = since?.date
        query.outcome = outcome
        query.limit = limit
        let records = try told { try store.traces(query) }
        if json {
            print(try Terminal.json(records.map { TraceReport(try $0.readable(), hostname: hostname) }))
            return
        }
        guard !records.isEmpty else { return }
        let rows = records.map { record in
            [
                record.id.text, record.started.stamp, record.outcome, record.sender?.description ?? "<>",
                record.recipients.map(\.description).joined(separator: ", "),
                record.code == 0 ? "-" : "\(record.code) \(record.text)",
            ].map(Terminal.harmless)
        }
        print(Terminal.table(["ID", "TIME", "OUTCOME", "FROM", "TO", "REPLY"], rows))
    }
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

extension TraceRecord {
    /// The trace, if this version can read it.
    func readable() throws -> Trace {
        do { return try trace() } catch {
            throw CommandFailure.wrong("The trace \(id) was written by another version and cannot be shown.")
        }
    }
}
