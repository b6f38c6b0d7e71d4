import Foundation
import MailTypes
import Queue

/// Writes delivery status notifications. RFC 3464, RFC 6522; RFC 6533 where an address or a header is UTF-8.
///
///     multipart/report
///       text/plain               what a person reads
///       message/delivery-status  what a program reads
///       message/rfc822           the message, or text/rfc822-headers its header
struct ReportWriter: Sendable {
    let hostname: String
    /// Octets of the message that are brought back; of a longer one the header only.
    let maxReturned: Int
    let now: Date
    /// How many ids of this report were in use by others.
    var collisions = 0

    /// The report as a submission without recipients: who gets it, and how, is the caller's to know.
    func submission(_ report: SettlementPlan.Report, about message: QueuedMessage, to sender: EmailAddress)
        -> Submission
    {
        let id = id(of: report, about: message)
        let glance = HeaderGlance(message.content)
        let returned = returnedContent(report, message, glance)
        // Stray octets in a header that nobody has declared to be UTF-8 make no message/global of it.
        let isUTF8 =
            Self.needsUTF8(report, message, sender) || message.parameters.smtpUTF8 && glance.hasUTF8
        let parts = [
            Part(type: "text/plain; charset=utf-8", octets: text(report, message, isWhole: returned.isWhole)),
            Part(
                type: isUTF8 ? "message/global-delivery-status" : "message/delivery-status",
                octets: status(report, message, isUTF8: isUTF8)),
            Part(type: Self.type(of: returned.isWhole, isUTF8: isUTF8), octets: returned.octets),
        ]
        let content = header(report, message, sender, glance) + Self.multipart(parts, boundary: "=_\(id)")
        var submission = Submission(id: id, sender: nil, recipients: [], content: [Bytes(content)], received: now)
        submission.parameters.smtpUTF8 = isUTF8
        if !content.allSatisfy({ $0 < 0x80 }) { submission.parameters.body = .eightBitMIME }
        // What was to be kept from other eyes is so on its way back. RFC 8689 §5.
        submission.parameters.requireTLS = message.parameters.requireTLS
        submission.arrival = "report by \(hostname)"
        return submission
    }

    /// Follows from the message and the first recipient that is reported on, so that a report that a crash came after
    /// has the id of its repetition. There are few ids, and two reports may have the same; ``ReportReading`` tells
    /// them apart.
    func id(of report: SettlementPlan.Report, about message: QueuedMessage) -> QueueID {
        id(of: report.kind, first: report.subjects.map(\.number).min() ?? 0, about: message)
    }

    /// The id of the report whose first recipient is the one of this number.
    func id(of kind: SettlementPlan.Report.Kind, first: Int, about message: QueuedMessage) -> QueueID {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for value in [message.id.copy, kind.rawValue, first, collisions] {
            for shift in stride(from: 0, to: 32, by: 8) {
                hash = (hash ^ UInt64(UInt8(truncatingIfNeeded: value >> shift))) &* 0x0000_0100_0000_01B3
            }
        }
        let space = UInt64(65_536 - QueueID.firstDerivedCopy)
        // FNV-1a mixes its upper bits better.
        return QueueID(message.id.transaction, copy: QueueID.firstDerivedCopy + Int((hash >> 32) % space))
    }

    // MARK: The header

    /// All fields but those of MIME.
    private func header(
        _ report: SettlementPlan.Report, _ message: QueuedMessage, _ sender: EmailAddress, _ glance: HeaderGlance
    ) -> [UInt8] {
        var fields = [
            HeaderField(name: "From", value: "Mail Delivery System <MAILER-DAEMON@\(hostname)>"),
            HeaderField(name: "To", value: "<\(sender)>"),
            HeaderField(name: "Subject", value: Self.subject(report.kind)),
            HeaderField(name: "Date", value: MailDate(now).description),
            HeaderField(name: "Message-ID", value: "<\(id(of: report, about: message)).report@\(hostname)>"),
        ]
        if let id = glance.messageID, id.utf8.count < 256, id.hasPrefix("<"), id.hasSuffix(">"),
            id.utf8.allSatisfy(\.isVisible)
        {
            fields.append(HeaderField(name: "In-Reply-To", value: id))
            fields.append(HeaderField(name: "References", value: id))
        }
        // RFC 3834 §5.1: nobody's program is to answer this.
        fields.append(HeaderField(name: "Auto-Submitted", value: "auto-replied"))
        return fields.flatMap(\.raw)
    }

    private static func subject(_ kind: SettlementPlan.Report.Kind) -> String {
        switch kind {
        case .failed: "Undelivered mail returned to sender"
        case .delayed: "Delivery is delayed"
        case .delivered: "Delivery report"
        }
    }

    // MARK: MIME

    private struct Part {
        var type: String
        var octets: [UInt8]

        init(type: String, octets: [UInt8]) {
            self.type = type
            self.octets = octets
        }

        init(type: String, octets: String) { self.init(type: type, octets: Array(octets.utf8)) }

        var isEightBit: Bool { octets.contains { $0 >= 0x80 } }

        /// What the octets are. message/delivery-status must be 7bit (RFC 3464 §2.1), and is: its text is ASCII.
        static func encoding(isEightBit: Bool) -> String { isEightBit ? "8bit" : "7bit" }
    }

    /// The fields of MIME and the body. What encloses is as wide as the widest part. RFC 2045 §6.4.
    private static func multipart(_ parts: [Part], boundary: String) -> [UInt8] {
        let fields = [
            HeaderField(name: "MIME-Version", value: "1.0"),
            HeaderField(
                name: "Content-Type",
                value: "multipart/report; report-type=delivery-status; boundary=\"\(boundary)\""),
            HeaderField(
                name: "Content-Transfer-Encoding",
                value: Part.encoding(isEightBit: parts.contains(where: \.isEightBit))),
        ]
        var octets = fields.flatMap(\.raw)
        for part in parts {
            let encoding = Part.encoding(isEightBit: part.isEightBit)
            octets += "\r\n--\(boundary)\r\nContent-Type: \(part.type)\r\n".utf8
            octets += "Content-Transfer-Encoding: \(encoding)\r\n\r\n".utf8
            octets += part.octets
        }
        return octets + "\r\n--\(boundary)--\r\n".utf8
    }

    // MARK: For a person

    private func text(_ report: SettlementPlan.Report, _ message: QueuedMessage, isWhole: Bool) -> String {
        var lines = ["This is the mail system at \(hostname).", ""]
        switch report.kind {
        case .failed:
            lines += ["Your message could not be delivered to the recipients below.", "It will not be tried again."]
        case .delayed:
            lines += [
                "Your message has not been delivered to the recipients below yet.",
                "Delivery will go on being tried; you need not send it again.",
            ]
        case .delivered:
            lines += ["Your message has been delivered to the recipients below, as you asked to be told."]
        }
        lines.append("")
        for subject in report.subjects {
            lines.append("<\(message.recipients[subject.number].said.address)>")
            if let host = subject.host, subject.reply != nil { lines.append("    \(host) said:") }
            if let reply = subject.reply {
                lines += reply.lines.prefix(Self.maxReplyLines).map { "    \(reply.code) \(Self.shortened($0))" }
            }
            if subject.isRelayed { lines.append("    It was handed to a server that sends no reports.") }
            if let until = subject.retryUntil { lines.append("    It will be tried until \(MailDate(until)).") }
            lines.append("")
        }
        lines.append(isWhole ? "The message is attached." : "The header of the message is attached.")
        return lines.joined(separator: "\r\n") + "\r\n"
    }

    private static let maxReplyLines = 10
    private static let maxReplyText = 400

    private static func shortened(_ text: String) -> String {
        text.utf8.count > maxReplyText ? String(decoding: text.utf8.prefix(maxReplyText), as: UTF8.self) + "…" : text
    }

    // MARK: For a program

    /// RFC 3464 §2.
    private func status(_ report: SettlementPlan.Report, _ message: QueuedMessage, isUTF8: Bool) -> [UInt8] {
        var octets: [UInt8] = []
        func field(_ name: StaticString, _ value: String) {
            octets += HeaderField(name: "\(name)", value: isUTF8 ? value : Self.ascii(value)).raw
        }
        field("Reporting-MTA", "dns; \(hostname)")
        if let id = message.parameters.envelopeID { field("Original-Envelope-Id", id) }
        field("Arrival-Date", MailDate(message.received).description)
        for subject in report.subjects {
            let recipient = message.recipients[subject.number]
            octets += [.cr, .lf]
            let said = recipient.said.parameters
            let original = isUTF8 ? said.originalRecipient : said.asciiOriginalRecipient
            if let original, let semicolon = original.firstIndex(of: ";") {
                field(
                    "Original-Recipient", "\(original[..<semicolon]); \(original[original.index(after: semicolon)...])")
            }
            // RFC 3461 §6.3: what was said here, never whom an alias stands for.
            field("Final-Recipient", "\(isUTF8 ? "utf-8" : "rfc822"); \(recipient.said.address)")
            field("Action", Self.action(report.kind, subject))
            field("Status", Self.status(report.kind, subject))
            if let host = subject.host {
                // An address stands in brackets, as RFC 3464 §2.1.2 wants it of this type.
                field("Remote-MTA", "dns; \(IPAddress(host.name)?.literal ?? host.name)")
            }
            if let reply = subject.reply, report.kind != .delivered {
                let text = Self.shortened(reply.text)
                let status = reply.status.map { "\($0) " } ?? ""
                field(
                    "Diagnostic-Code",
                    subject.host == nil ? "x-sluice; \(status)\(text)" : "smtp; \(reply.code) \(status)\(text)")
            }
            field("Last-Attempt-Date", MailDate(now).description)
            if let until = subject.retryUntil { field("Will-Retry-Until", MailDate(until).description) }
        }
        return octets
    }

    static func action(_ kind: SettlementPlan.Report.Kind, _ subject: SettlementPlan.Report.Subject) -> String {
        switch kind {
        case .failed: "failed"
        case .delayed: "delayed"
        case .delivered: subject.isRelayed ? "relayed" : "delivered"
        }
    }

    private static func status(_ kind: SettlementPlan.Report.Kind, _ subject: SettlementPlan.Report.Subject) -> String {
        if kind == .delivered { return "2.0.0" }
        if let status = subject.reply?.status { return status.description }
        return kind == .failed ? "5.0.0" : "4.0.0"
    }

    private static func ascii(_ text: String) -> String {
        text.utf8.allSatisfy { $0 < 0x80 } ? text : String(text.unicodeScalars.map { $0.isASCII ? Character($0) : "?" })
    }

    // MARK: What is brought back

    /// RFC 3461 §4.3: only a failure brings back the whole message, and only where that was not forbidden. A message
    /// with REQUIRETLS comes back as if with RET=HDRS. RFC 8689 §5.
    private func returnedContent(
        _ report: SettlementPlan.Report, _ message: QueuedMessage, _ glance: HeaderGlance
    ) -> (octets: [UInt8], isWhole: Bool) {
        let isWhole =
            report.kind == .failed && message.parameters.ret != .headers && message.content.count <= maxReturned
            && message.parameters.body != .binaryMIME && !message.parameters.requireTLS
        if isWhole { return (message.content.array, true) }
        return (message.content[0..<min(glance.count, maxReturned)].array, false)
    }

    private static func type(of isWhole: Bool, isUTF8: Bool) -> String {
        switch (isWhole, isUTF8) {
        case (true, false): "message/rfc822"
        case (true, true): "message/global"
        case (false, false): "text/rfc822-headers"
        case (false, true): "message/global-headers"
        }
    }

    private static func needsUTF8(
        _ report: SettlementPlan.Report, _ message: QueuedMessage, _ sender: EmailAddress
    ) -> Bool {
        let addresses = [sender] + report.subjects.map { message.recipients[$0.number].said.address }
        return addresses.contains { !$0.description.utf8.allSatisfy { $0 < 0x80 } }
    }
}
