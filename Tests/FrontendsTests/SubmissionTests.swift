import Foundation
import Frontends
import MailTypes
import Queue
import SluiceTesting
import Testing

@testable import Pipeline

/// What of a verdict is queued, and in how many pieces.
@Suite struct SubmissionTests {
    static func submissions(
        to dispositions: [Disposition], size: Int, quarantined: String? = nil
    ) -> [Submission] {
        let recipients = dispositions.enumerated().map { number, disposition in
            var recipient = Recipient.local(EmailAddress(localPart: "u\(number)", domain: "here.example"))
            recipient.disposition = disposition
            return recipient
        }
        let message = Message.sample(body: Bytes([UInt8](repeating: UInt8(ascii: "x"), count: size)))
        let draft = Draft(
            message: message, sender: nil, recipients: recipients, symbols: [], authentication: AuthenticationResults(),
            quarantined: quarantined)
        return Outcome(replies: [], copies: [Copy(draft)]).submissions(
            id: TransactionID(milliseconds: 1_795_219_200_000, random: 7), envelope: Envelope(sender: nil),
            received: Date(timeIntervalSince1970: 1_795_219_200), arrival: "test")
    }

    /// Dispositions, octets, and how many recipients each submission has, the held ones in brackets.
    static let cases: [([Disposition], Int, String)] = [
        ([.deliver, .junk], 10, "2"), ([.quarantine], 10, "(1)"), ([.quarantine, .quarantine], 10, "(1) (1)"),
        ([.deliver, .quarantine, .junk, .quarantine], 10, "2 (1) (1)"),
        ([.quarantine, .quarantine, .quarantine], 6 << 20, "(3)"),
        ([.deliver, .quarantine, .quarantine], 6 << 20, "1 (1) (1)"),
    ]

    @Test(arguments: cases)
    func `who is held has a copy of their own, where that is not too much`(
        _ dispositions: [Disposition], _ size: Int, _ pieces: String
    ) {
        let submissions = Self.submissions(to: dispositions, size: size, quarantined: "why")
        let found = submissions.map { one in
            one.holdReason == nil ? "\(one.recipients.count)" : "(\(one.recipients.count))"
        }
        #expect(found.joined(separator: " ") == pieces)
        #expect(submissions.compactMap(\.holdReason).allSatisfy { $0 == "why" })
        #expect(Set(submissions.map(\.id)).count == submissions.count)
    }

    @Test func `who gets it under another reverse-path has a copy of his own`() {
        func copy(_ name: String, from path: EmailAddress?, held: Bool = false) -> Recipient {
            var recipient = Recipient.local(EmailAddress(localPart: name, domain: "here.example"))
            recipient.destinations[0].reversePath = path
            if held { recipient.disposition = .quarantine }
            return recipient
        }
        let (first, second): (EmailAddress, EmailAddress) = ("SRS0=a@here.example", "SRS0=b@here.example")
        let draft = Draft(
            message: .sample(), sender: "alice@out.example",
            recipients: [
                copy("a", from: nil), copy("b", from: first), copy("c", from: second), copy("d", from: first),
                copy("e", from: nil), copy("f", from: first, held: true),
            ], symbols: [], authentication: AuthenticationResults(), quarantined: nil)
        let submissions = Outcome(replies: [], copies: [Copy(draft)]).submissions(
            id: TransactionID(milliseconds: 1_795_219_200_000, random: 7),
            envelope: Envelope(sender: "alice@out.example"), received: Date(timeIntervalSince1970: 1_795_219_200),
            arrival: "test")
        let found = submissions.map { one in
            let names = one.recipients.map(\.address.localPart).joined()
            return "\(names) \(one.sender?.description ?? "-")\(one.holdReason == nil ? "" : " held")"
        }
        #expect(
            found == [
                "ae alice@out.example", "bd SRS0=a@here.example", "c SRS0=b@here.example", "f SRS0=a@here.example held",
            ])
        #expect(Set(submissions.map(\.id)).count == submissions.count)
    }
}
