import Foundation
import MailTypes
import Pipeline
import Queue

/// The mail that tells a mailbox's owner what is held, with a link for each message that lets it come.
struct QuarantineDigest {
    /// One held message, as its owner sees it.
    struct Line {
        var received: Date
        var from: String
        var subject: String
        /// Where it can be released; `nil` where only an operator can.
        var link: String?
    }

    let hostname: String
    let mailbox: EmailAddress
    let lines: [Line]
    /// When the messages are deleted.
    let keepFor: Interval

    /// More are counted only.
    static let mostLines = 200
    private static let longestText = 100

    func message(as id: TransactionID, at now: Date) -> Message {
        let count = "\(lines.count) message\(lines.count == 1 ? "" : "s")"
        let sender = EmailAddress(localPart: "postmaster", domain: hostname)
        let fields = [
            HeaderField(name: "From", value: "Mail quarantine <\(sender)>"),
            HeaderField(name: "To", value: "\(mailbox)"), HeaderField(name: "Subject", value: "\(count) held for you"),
            HeaderField(name: "Date", value: MailDate(now).description),
            HeaderField(name: "Message-ID", value: "<\(id)@\(hostname)>"),
            // Nobody answers for a vacation. RFC 3834 §5.
            HeaderField(name: "Auto-Submitted", value: "auto-generated"),
            HeaderField(name: "MIME-Version", value: "1.0"),
            HeaderField(name: "Content-Type", value: "text/plain; charset=utf-8"),
            HeaderField(name: "Content-Transfer-Encoding", value: "base64"),
        ]
        let base64 = Data(text(count).utf8).base64EncodedString(
            options: [.lineLength76Characters, .endLineWithCarriageReturn, .endLineWithLineFeed])
        return Message(header: Header(fields: fields), body: Bytes(Array((base64 + "\r\n").utf8)))
    }

    private func text(_ count: String) -> String {
        var text = """
            This server holds \(count) for \(mailbox). Each is deleted \(keepFor) after it came, unless it is \
            released: follow its link, and it comes to your inbox as it is. Release only what you expect.


            """
        for line in lines.prefix(Self.mostLines) {
            text +=
                "\(line.received.stamp)\n  From:    \(Self.shown(line.from))\n  Subject: \(Self.shown(line.subject))\n"
            text += line.link.map { "  Release: \($0)\n\n" } ?? "  It came for others too: ask your postmaster.\n\n"
        }
        if lines.count > Self.mostLines { text += "and \(lines.count - Self.mostLines) more.\n" }
        return text.replacing("\n", with: "\r\n")
    }

    /// A stranger's words on one line, with nothing in them that a reader could follow.
    private static func shown(_ words: String) -> String {
        let decoded = Terminal.harmless(EncodedWord.decode(words)).cut(toScalars: longestText)
        return decoded.replacing("://", with: ":\u{2060}//").replacing("www.", with: "www\u{2060}.")
    }
}
