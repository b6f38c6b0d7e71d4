import Directory
import Foundation
import MailTypes
import Pipeline

/// A trace on a terminal: what happened in order, and which value at which place decided.
struct TracePrinter {
    let report: TraceReport
    let trace: Trace
    /// What became of the recipients after the reply.
    var deliveries: [DeliveryRecord] = []
    /// Also what was asked of the world.
    var showsFacts = false

    init(_ trace: Trace, hostname: String) {
        self.trace = trace
        report = TraceReport(trace, hostname: hostname)
    }

    var text: String {
        var lines = [heading]
        lines += trace.summary.sorted { $0.key < $1.key }.map { key, value in
            "  \(Terminal.styled(key.capitalized + ":", .faint)) \(Terminal.harmless(value))"
        }
        for phase in Phase.allCases {
            let steps = report.stages.filter { $0.phase == phase }
            guard !steps.isEmpty else { continue }
            lines.append("  \(Terminal.styled(phase.rawValue, .bold))")
            lines += steps.flatMap { describe($0, in: phase) }
        }
        lines += ending
        lines += deliveries.map(describe)
        if showsFacts { lines += facts }
        return lines.joined(separator: "\n")
    }

    private var heading: String {
        let who = [report.hello, report.user.map { "logged in as \($0)" }].compactMap(\.self).joined(separator: ", ")
        let from = report.from.map { $0.isEmpty ? "<>" : $0 } ?? "-"
        let to = trace.asked.map(\.address.description).joined(separator: ", ")
        let client = "\(report.client)\(who.isEmpty ? "" : " (\(who))")"
        return "\(Terminal.styled(report.id, .bold))  \(report.started.stamp)  "
            + Terminal.harmless("from \(from) to \(to.isEmpty ? "-" : to), client \(client)")
    }

    private func describe(_ step: TraceReport.StageReport, in phase: Phase) -> [String] {
        let name = step.name.padding(toLength: max(14, step.name.count), withPad: " ", startingAt: 0)
        let about = phase == .recipient ? " \(step.recipients.joined(separator: ", "))" : ""
        let shadow = step.applied ? "" : Terminal.styled(" (observed only)", .yellow)
        let time = Terminal.styled(milliseconds(step.microseconds), .faint)
        var lines = ["    \(name) \(coloured(step))\(Terminal.harmless(about))\(shadow)  \(time)"]
        if let reply = step.reply { lines.append("      \(Terminal.harmless(line(reply)))") }
        if let note = step.note { lines.append("      \(Terminal.harmless(note))") }
        lines += step.edits.map { "      \(Terminal.harmless($0))" }
        lines += step.decidedBy.sorted { $0.key < $1.key }.map { key, value in
            "      \(Terminal.styled("\(key) = \(value.value)  \(value.origin)", .faint))"
        }
        return lines
    }

    private func coloured(_ step: TraceReport.StageReport) -> String {
        switch step.verdict {
        case "continue", "accept": Terminal.styled(step.verdict, .green)
        case "skipped": Terminal.styled(step.verdict, .faint)
        case "reject", "failed", "discard": Terminal.styled(step.verdict, .red)
        default: Terminal.styled(step.verdict, .yellow)
        }
    }

    private var ending: [String] {
        var lines: [String] = []
        if !report.symbols.isEmpty {
            lines.append("  \(Terminal.styled("score", .bold)) \(report.score)")
            lines += report.symbols.map { "    \($0.points)  \($0.name): \($0.description)" }
        }
        for recipient in report.recipients {
            let route = recipient.route.isEmpty ? "" : " by \(recipient.route.joined(separator: ", "))"
            let reply = recipient.reply.map { " \(line($0))" } ?? ""
            lines.append(
                "  \(Terminal.styled("recipient", .bold)) "
                    + Terminal.harmless("\(recipient.address): \(recipient.disposition)\(route)\(reply)"))
        }
        for reply in report.replies {
            lines.append("  \(Terminal.styled("reply", .bold)) \(Terminal.harmless(line(reply)))")
        }
        let style: Terminal.Style = report.outcome == .accepted ? .green : report.outcome == .rejected ? .red : .yellow
        lines.append("  \(Terminal.styled("outcome", .bold)) \(Terminal.styled(report.outcome.rawValue, style))")
        return lines
    }

    private func describe(_ delivery: DeliveryRecord) -> String {
        let style: Terminal.Style =
            switch delivery.outcome {
            case "delivered", "relayed": .green
            case "deferred": .yellow
            case "failed": .red
            default: .faint
            }
        let host = delivery.host.map { " by \($0)" } ?? ""
        let reply = delivery.reply.map { ": \($0)" } ?? ""
        return "  \(Terminal.styled("delivery", .bold)) \(delivery.time.stamp) \(delivery.recipient) "
            + Terminal.styled(delivery.outcome, style) + Terminal.harmless("\(host)\(reply)")
    }

    private var facts: [String] {
        ["  \(Terminal.styled("facts", .bold))"]
            + report.facts.enumerated().map { "    \($0). \(Terminal.harmless("\($1.question): \($1.answer)"))" }
    }

    private func line(_ reply: TraceReport.ReplyReport) -> String {
        [String(reply.code), reply.enhanced, reply.text].compactMap(\.self).joined(separator: " ")
    }

    private func milliseconds(_ microseconds: Int) -> String {
        microseconds < 1000 ? "\(microseconds) µs" : String(format: "%.1f ms", Double(microseconds) / 1000)
    }
}
