import ArgumentParser
import Configuration
import Directory
import Foundation
import MailTypes
import Pipeline
import Sandbox

struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Judge recorded messages again on the chain as it is now.",
        discussion: """
            Nothing is asked of the world: every answer comes from the trace, and so do the message and the session. \
            An unchanged chain finds what it found before; after a change of filters.d this tells what it would have \
            changed. Exits with 1 if anything is found otherwise.

            A signature is made again where its key is here; otherwise the stage says what it would sign, and only \
            that is compared.

            The message itself is judged only where it was kept whole (trace.keep_messages = "whole"); otherwise what \
            was found before it is compared.
            """)
    @OptionGroup var configuration: ConfigurationOptions
    @Argument(help: "A transaction's id.") var id: String?
    @Option(
        help: ArgumentHelp("Those not older than this: 30m, 12h, 7d, or 2026-11-21T03:00:00Z.", valueName: "moment"))
    var since: Moment?
    @Option(help: ArgumentHelp("Those to this address, or @domain.", valueName: "address")) var to: String?
    @Option(help: ArgumentHelp("Those from this address, or @domain.", valueName: "address")) var from: String?
    @Option(help: ArgumentHelp("How many at most, the newest first.", valueName: "number")) var limit = 10_000
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        try Self.check(limit: limit)
        guard (id != nil) != (since != nil || to != nil || from != nil) else {
            throw ValidationError("Name a transaction by its id, or choose some with --since, --to or --from.")
        }
    }

    func run() async throws {
        let loaded = try configuration.loadAll(mayLackKeys: true).usable()
        let traces = try TraceAccess(loaded.settings)
        let workers = SandboxPool.computing(loaded.settings)
        defer { workers.stop() }
        loaded.rules.patterns.use(workers)
        var reports: [ReplayReport] = []
        for record in try records(in: traces) {
            let kept = try traces.message(record.id)
            reports.append(await ReplayReport(try record.readable(), kept: kept, on: loaded))
        }
        try show(reports)
        if reports.contains(where: { !$0.isUnchanged }) { throw CommandFailure.silent }
    }

    private func records(in traces: borrowing TraceAccess) throws -> [TraceRecord] {
        if let id { return [try traces.record(id)] }
        var query = TraceQuery()
        query.to = to
        query.from = from
        query.since = since?.date
        query.limit = limit
        return try traces.records(query)
    }

    private func show(_ reports: [ReplayReport]) throws {
        if json {
            print(try Terminal.json(reports))
            return
        }
        let changed = reports.filter { !$0.isUnchanged }
        for report in changed { print(report.text) }
        for words in Set(reports.flatMap(\.unsigned)).sorted() {
            print("Not signed again: \(Terminal.harmless(words))")
        }
        let partly = reports.count { !$0.isWhole }
        let rest = partly == 0 ? "" : "; \(partly) without their message, which was not kept"
        print("Judged \(reports.count) again: \(changed.count) found otherwise\(rest).")
    }
}

/// What is found otherwise when a transaction is judged again.
struct ReplayReport: Encodable {
    struct Difference: Encodable {
        /// `recipient recipients anna@acme.test`.
        var step: String
        /// `nil`: there was no such step.
        var before: String?
        var now: String?
    }

    var id: String
    /// Whether the message was judged too, or there was none.
    var isWhole: Bool
    var outcomeBefore: String
    var outcomeNow: String
    var differences: [Difference]
    /// What stages would sign whose keys are not here.
    var unsigned: [String]

    var isUnchanged: Bool { differences.isEmpty && outcomeBefore == outcomeNow }

    /// `kept` is the message, or as much of it as was kept.
    init(_ trace: Trace, kept: [UInt8]?, on loaded: LoadedConfiguration) async {
        let message = kept.flatMap { octets in
            octets.count == trace.size ? try? Message(parsing: Bytes(octets)) : nil
        }
        let again = await trace.judgedAgain(on: loaded.chain, hostname: loaded.settings.hostname, message: message)
        id = trace.id.text
        isWhole = trace.size == nil || message != nil
        let hasAll = isWhole
        func steps(_ trace: Trace) -> [TraceStep] { trace.steps.filter { hasAll || $0.phase != .message } }
        differences = Self.differences(steps(trace), steps(again))
        unsigned = again.steps.filter { $0.claim != nil }.compactMap { step in
            step.finding?.note.map { "\(step.stage.text): \($0)" }
        }
        outcomeBefore = trace.outcome.rawValue
        // Without a message the steps say all; what the protocol refused, or a full queue, no chain has found.
        let isComparable = message != nil && !trace.wasNotStored
        outcomeNow = isComparable ? again.outcome.rawValue : outcomeBefore
    }

    private static func differences(_ before: [TraceStep], _ now: [TraceStep]) -> [Difference] {
        (0..<max(before.count, now.count)).compactMap { place in
            let (old, new) = (before.count > place ? before[place] : nil, now.count > place ? now[place] : nil)
            if let old, let new, new.isSame(as: old) { return nil }
            return Difference(step: (old ?? new)?.title ?? "", before: old?.essence, now: new?.essence)
        }
    }

    var text: String {
        var lines = [Terminal.styled(id, .bold)]
        for difference in differences {
            lines.append("  \(Terminal.harmless(difference.step))")
            lines.append("    \(Terminal.styled("was", .faint)) \(Terminal.harmless(difference.before ?? "not asked"))")
            lines.append("    \(Terminal.styled("now", .faint)) \(Terminal.harmless(difference.now ?? "not asked"))")
        }
        if outcomeBefore != outcomeNow {
            lines.append("  outcome was \(outcomeBefore), now \(Terminal.styled(outcomeNow, .yellow))")
        }
        return lines.joined(separator: "\n")
    }
}

extension Trace {
    /// The chain let the message through, and the queue could not take it.
    fileprivate var wasNotStored: Bool {
        ![.accepted, .passed, .discarded].contains(outcome) && !recipients.isEmpty && size != nil
    }
}

extension TraceStep {
    fileprivate var title: String {
        ([phase.rawValue, stage.text] + recipients).joined(separator: " ")
    }

    /// What a stage would sign, if it had the key.
    fileprivate var claim: String? { finding?.note.flatMap(KeyAbsence.claim) }

    /// Whether it finds what the step of the record has found. Where a key is not here, signatures are not compared.
    fileprivate func isSame(as recorded: TraceStep) -> Bool {
        guard let claim, var old = recorded.finding, var new = finding else { return essence == recorded.essence }
        (old.edits, new.edits, new.note) = ([], [], claim)
        var (before, now) = (recorded, self)
        (before.finding, now.finding) = (old, new)
        return now.essence == before.essence
    }

    /// What was found, without how long it took.
    fileprivate var essence: String {
        let report = TraceReport.StageReport(self)
        let reply = report.reply.map { "\($0.code) \($0.enhanced ?? "") \($0.text)" }
        let shadow = isApplied ? nil : "observed only"
        return
            ([(file as NSString).lastPathComponent, title, report.verdict, reply, scope, report.note, shadow]
            .compactMap(\.self) + report.edits)
            .joined(separator: "; ")
    }
}
