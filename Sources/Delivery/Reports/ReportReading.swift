import Foundation
import MailTypes
import Queue

/// What a report of this server's own, found in the queue, has told already.
struct ReportReading: Sendable {
    /// `failed bob@there.test`
    private var told: Set<String> = []

    /// One that nobody can read any more.
    init() {}

    /// Reads the fields of the second part, as ``ReportWriter`` has written them.
    init(_ report: QueuedMessage) {
        let parts = String(decoding: report.content.array, as: UTF8.self)
            .components(separatedBy: "\r\n--=_\(report.id)\r\n")
        guard report.sender == nil, parts.count > 2 else { return }
        for group in parts[2].components(separatedBy: "\r\n\r\n") {
            // Folded lines are one.
            let lines = group.replacingOccurrences(of: "\r\n ", with: " ").components(separatedBy: "\r\n")
            func value(_ name: String) -> String? {
                lines.first { $0.hasPrefix(name) }.map { String($0.dropFirst(name.count)) }
            }
            guard let action = value("Action: "), let recipient = value("Final-Recipient: "),
                let address = recipient.components(separatedBy: "; ").dropFirst().first
            else { continue }
            told.insert("\(action) \(address)")
        }
    }

    /// Whether it tells this of this recipient. Two recipients with one name are one to the sender, who knows only the
    /// name.
    func tells(_ kind: SettlementPlan.Report.Kind, _ subject: SettlementPlan.Report.Subject, of message: QueuedMessage)
        -> Bool
    {
        let address = message.recipients[subject.number].said.address
        return told.contains("\(ReportWriter.action(kind, subject)) \(address)")
    }
}
