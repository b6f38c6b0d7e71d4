import Delivery
import Foundation
import MailTypes
import Pipeline
import Queue

/// What a program is called for.
enum EventKind: String, Sendable, CaseIterable {
    /// A message lies in a mailbox.
    case delivery
    /// A message was taken.
    case pickup
}

/// A message as a program of an admin's is told of it.
struct EventMessage: Sendable {
    /// Where a message has come from, in the words of older servers.
    enum Origin: String, Sendable {
        /// By SMTP, submission or LMTP.
        case network = "SMTP"
        /// A mailing list's.
        case list = "LS"
        /// Written by this server.
        case server = "SF"
    }

    var id: QueueID
    var sender: EmailAddress?
    var recipients: [QueueRecipient]
    /// Where it lies; `nil`: it was just taken.
    var mailbox: EmailAddress?
    var received: Date
    var arrival: String
    /// The message in pieces.
    var content: [Bytes]

    init(_ copy: MailboxCopy) {
        id = copy.message.id
        sender = copy.message.sender
        recipients = [copy.recipient]
        mailbox = copy.mailbox
        received = copy.message.received
        arrival = copy.message.arrival
        content = [copy.message.content]
    }

    init(_ submission: Submission) {
        id = submission.id
        sender = submission.sender
        recipients = submission.recipients
        received = submission.received
        arrival = submission.arrival
        content = submission.content
    }

    var size: Int { content.reduce(0) { $0 + $1.count } }

    /// As far as it can be read.
    var header: Header? {
        // The first piece holds the header, and mostly the body too.
        guard let first = content.first else { return nil }
        return try? Message(parsing: first).header
    }

    func origin(_ header: Header?, hostname: String) -> Origin {
        if arrival == "written by \(hostname)" || arrival == "report by \(hostname)" { return .server }
        let isList = header?.fields.contains { $0.isNamed("List-Id") || $0.isNamed("List-Post") } ?? false
        return isList ? .list : .network
    }

    /// Why it counts as bulk or as a system's; `nil`: somebody wrote it to somebody.
    func mark(_ header: Header?) -> String? {
        if sender == nil { return "the sender is <>" }
        return header.flatMap { AutoreplyPolicy.mark(in: $0)?.reason }
    }

    /// What stands in the file beside the message: one `name: value` in each line.
    func envelope(of event: EventKind, origin: Origin) -> String {
        var lines = [
            "event: \(event.rawValue)", "id: \(id)", "kind: \(origin.rawValue)", "received: \(received.stamp)",
            "from: <\(sender?.description ?? "")>",
        ]
        lines += recipients.map { "to: <\($0.address)>" }
        if let mailbox {
            lines.append("mailbox: \(mailbox)")
            lines += recipients.prefix(1).map { "said: <\($0.said.address)>" }
            lines += recipients.prefix(1).map { "disposition: \($0.disposition.rawValue)" }
        }
        // An address cannot hold a line end, and what came in spite of that ends no line here.
        return lines.map { $0.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F } }
            .map { String(String.UnicodeScalarView($0)) }.joined(separator: "\n") + "\n"
    }
}
