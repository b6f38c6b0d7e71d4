import ArgumentParser
import Directory
import Foundation
import MailTypes
import Pipeline

/// How much of a trace is printed.
struct TraceOptions: ParsableArguments {
    @Flag(help: "Print a line for each stage, also where it found nothing.") var full = false
    @Flag(help: "Also print what was asked of the world.") var facts = false
}

/// A trace on a terminal: what happened in order, and which value at which place decided.
///
/// Three columns: what it is about, how long it took, what there is to say. Stages that found nothing share one line.
struct TracePrinter {
    let report: TraceReport
    let trace: Trace
    let options: TraceOptions
    /// What became of the recipients after the reply.
    var deliveries: [DeliveryRecord] = []

    init(_ trace: Trace, hostname: String, options: TraceOptions) {
        self.trace = trace
        self.options = options
        report = TraceReport(trace, hostname: hostname)
    }

    var text: String {
        var page = TracePage()
        page.add(heading)
        addEnvelope(to: &page)
        for group in groups { add(group, to: &page) }
        addScore(to: &page)
        addEnding(to: &page)
        if options.facts { addFacts(to: &page) }
        return page.lines.joined(separator: "\n")
    }

    // MARK: Who and what

    private var heading: String {
        let style: Terminal.Style =
            switch report.outcome {
            case .accepted, .passed: .green
            case .rejected: .red
            case .deferred, .discarded, .unfinished: .yellow
            }
        let outcome = Terminal.styled(report.outcome.rawValue, style)
        return "\(Terminal.styled(report.id, .bold))  \(outcome)  \(Terminal.styled(report.started.stamp, .faint))"
    }

    private func addEnvelope(to page: inout TracePage) {
        let who = [report.hello, report.user.map { "logged in as \($0)" }].compactMap(\.self).joined(separator: ", ")
        page.add("client", [Terminal.harmless("\(report.client)\(who.isEmpty ? "" : " (\(who))")")])
        if let sender = report.from {
            let to = Terminal.few(trace.asked.map(\.address.description))
            page.add("envelope", [Terminal.harmless("\(sender.isEmpty ? "<>" : sender) to \(to.isEmpty ? "-" : to)")])
        }
        for (key, label) in Self.labels {
            if let value = trace.summary[key] { page.add(label + ":", [Terminal.harmless(EncodedWord.decode(value))]) }
        }
    }

    /// The fields that a trace keeps, as they are written in messages.
    private static let labels = [("from", "From"), ("subject", "Subject"), ("message-id", "Message-ID")]

    // MARK: Stages

    /// Stages of one phase that were asked about the same recipients, one after the other.
    private struct Group {
        let phase: Phase
        let recipients: [String]
        var steps: [TraceReport.StageReport]
    }

    private var groups: [Group] {
        var groups: [Group] = []
        for phase in Phase.allCases {
            for step in report.stages where step.phase == phase {
                if let last = groups.last, last.phase == phase, last.recipients == step.recipients {
                    groups[groups.count - 1].steps.append(step)
                } else {
                    groups.append(Group(phase: phase, recipients: step.recipients, steps: [step]))
                }
            }
        }
        return groups
    }

    private func add(_ group: Group, to page: inout TracePage) {
        var label = group.phase.rawValue
        // In the message phase it goes without saying who it is for, unless there are copies that differ.
        let isDivided = Set(groups.filter { $0.phase == .message }.map(\.recipients)).count > 1
        if group.phase == .recipient || (group.phase == .message && isDivided) {
            page.add(label, [Terminal.harmless(Terminal.few(group.recipients))])
            label = ""
        }
        var quiet: [TraceReport.StageReport] = []
        for step in group.steps {
            if step.isQuiet, !options.full {
                quiet.append(step)
                continue
            }
            addQuiet(&quiet, &label, to: &page)
            add(step, label, to: &page)
            label = ""
        }
        addQuiet(&quiet, &label, to: &page)
    }

    /// One line for those that found nothing.
    private func addQuiet(_ steps: inout [TraceReport.StageReport], _ label: inout String, to page: inout TracePage) {
        guard !steps.isEmpty else { return }
        let names = steps.map { $0.isSkipped ? "\($0.name) (\($0.note ?? "not asked"))" : $0.name }
        let text = Terminal.styled(names.joined(separator: ", "), .faint)
        if steps.allSatisfy(\.isSkipped) {
            page.add(label, aside: text)
        } else {
            page.add(label, time: steps.reduce(0) { $0 + $1.microseconds }, text)
        }
        label = ""
        steps = []
    }

    private func add(_ step: TraceReport.StageReport, _ label: String, to page: inout TracePage) {
        let isDecisive = step.applied && !["continue", "skipped"].contains(step.verdict)
        let name = step.name.padding(toLength: max(Self.nameWidth, step.name.count), withPad: " ", startingAt: 0)
        // Whom it is about stands above.
        let about = step.recipients.count == 1 && step.phase == .recipient ? "\(step.recipients[0]) " : ""
        var words = step.edits.map { Terminal.harmless(String($0.trimmingPrefix(about))) }
        if let note = step.note, note != step.reply?.text { words.insert(Terminal.harmless(note), at: 0) }
        let isSilent = step.verdict == "continue" && !words.isEmpty
        var verdict =
            isSilent ? [] : [step.isShadow ? "would \(step.verdict)" : step.verdict].map { coloured($0, step) }
        if let reply = step.reply { verdict.append(Terminal.harmless(line(reply))) }
        if !step.applied { verdict.append(Terminal.styled("(observed only)", .yellow)) }
        if !verdict.isEmpty { words.insert(verdict.joined(separator: "  "), at: 0) }
        words += step.decidedBy.sorted { $0.key < $1.key }.map { key, value in
            "\(key) = \(value.value)  \(Terminal.styled(value.origin, .faint))"
        }
        let title = isDecisive ? Terminal.styled(name, .bold) : name
        page.add(label, time: step.microseconds, "\(title)  \(words.first ?? "")")
        let indent = String(repeating: " ", count: name.count + 2)
        for line in words.dropFirst() { page.add("", aside: indent + line) }
    }

    private static let nameWidth = 12

    private func coloured(_ text: String, _ step: TraceReport.StageReport) -> String {
        let style: Terminal.Style =
            switch step.verdict {
            case "continue", "skipped": .faint
            case "accept": .green
            case "reject", "failed", "discard": .red
            default: .yellow
            }
        return Terminal.styled(text, style)
    }

    // MARK: What came of it

    private func addScore(to page: inout TracePage) {
        guard !report.symbols.isEmpty else { return }
        let symbols = report.symbols.map {
            Terminal.harmless("\(Self.points($0.points))  \($0.name)  \($0.description)")
        }
        page.add("score", ["\(Self.points(report.score))  in all"] + symbols)
    }

    private static func points(_ points: Double) -> String { String(format: "%5.1f", points) }

    private func addEnding(to page: inout TracePage) {
        page.add(
            "result",
            report.recipients.map { recipient in
                let route = recipient.route.isEmpty ? "" : "  \(recipient.route.countedTogether)"
                // What was said to all of them stands below, once.
                let own = recipient.reply.flatMap { report.replies.contains($0) ? nil : $0 }
                let reply = own.map { "  \(line($0))" } ?? ""
                return Terminal.harmless("\(recipient.address)  \(recipient.disposition)\(route)\(reply)")
            })
        page.add("reply", report.replies.map { Terminal.harmless(line($0)) })
        page.add("delivery", deliveries.map(describe))
    }

    private func describe(_ delivery: DeliveryRecord) -> String {
        let style: Terminal.Style =
            switch delivery.outcome {
            case "delivered", "relayed": .green
            case "deferred": .yellow
            case "failed", "removed": .red
            default: .faint
            }
        let host = delivery.host.map { " by \($0)" } ?? ""
        let reply = delivery.reply.map { ": \($0)" } ?? ""
        let security = delivery.security.map { "  [\($0)]" } ?? ""
        return "\(Terminal.styled(delivery.time.stamp, .faint))  \(Terminal.harmless("\(delivery.recipient)"))  "
            + Terminal.styled(delivery.outcome, style) + Terminal.harmless("\(host)\(reply)\(security)")
    }

    private func addFacts(to page: inout TracePage) {
        page.add(
            "facts",
            report.facts.enumerated().map { Terminal.harmless("\($0)  \($1.question): \($1.answer)") })
    }

    private func line(_ reply: TraceReport.ReplyReport) -> String {
        [String(reply.code), reply.enhanced, reply.text].compactMap(\.self).joined(separator: " ")
    }
}

extension TraceReport.StageReport {
    fileprivate var isSkipped: Bool { verdict == "skipped" }

    /// It has found something of which nothing came.
    fileprivate var isShadow: Bool { !applied && !["continue", "skipped", "failed"].contains(verdict) }

    /// There is nothing to say of it but that it was there.
    fileprivate var isQuiet: Bool {
        isSkipped || (verdict == "continue" && note == nil && edits.isEmpty && decidedBy.isEmpty)
    }
}

/// Lines of three columns.
private struct TracePage {
    private(set) var lines: [String] = []

    private static let labelWidth = 11
    private static let timeWidth = 8

    mutating func add(_ line: String) { lines.append(line) }

    /// Below one another, the label before the first.
    mutating func add(_ label: String, _ texts: [String]) {
        for (place, text) in texts.enumerated() { lines.append("  \(Self.padded(place == 0 ? label : "")) \(text)") }
    }

    /// `time` in microseconds.
    mutating func add(_ label: String, time: Int, _ text: String) {
        let duration = Self.duration(time)
        let space = String(repeating: " ", count: max(0, Self.timeWidth - duration.count))
        lines.append("  \(Self.padded(label)) \(space)\(Terminal.styled(duration, .faint))  \(text)")
    }

    /// In the column of a text that has a time.
    mutating func add(_ label: String, aside text: String) {
        lines.append("  \(Self.padded(label)) \(String(repeating: " ", count: Self.timeWidth + 2))\(text)")
    }

    private static func padded(_ label: String) -> String {
        let padded = label.padding(toLength: max(labelWidth, label.count), withPad: " ", startingAt: 0)
        return label.isEmpty ? padded : Terminal.styled(padded, .bold)
    }

    private static func duration(_ microseconds: Int) -> String {
        switch microseconds {
        case ..<1000: "\(microseconds) µs"
        case ..<1_000_000: String(format: "%.1f ms", Double(microseconds) / 1000)
        default: String(format: "%.1f s", Double(microseconds) / 1_000_000)
        }
    }
}
