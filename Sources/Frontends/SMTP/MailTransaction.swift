public import struct Foundation.Date
public import MailTypes
import NIOCore
public import Pipeline
public import Queue

/// One mail transaction as the driver sees it. It holds the chain it began with, and ends with the
/// client's reset, with the reply to its message, or with the connection.
final class MailTransaction {
    let id: TransactionID
    let judge: NIOLoopBound<TransactionJudge>
    /// With the recipients that were taken so far.
    var envelope: Envelope
    let received: Date
    let began: NIODeadline
    var spool: ContentSpool?
    /// What its content has taken of the client's budget.
    var charge: ContentCharge?
    /// The message as it arrived, once it is complete.
    var message: Message?
    /// It is with the queue: whatever becomes of the connection, it ends with the queue's answer.
    var isCommitting = false
    /// The refusal that has ended it, if it was one.
    var ending: Reply?
    /// The machine has found fault with the content; it is refused when it has ended.
    private(set) var isSpoilt = false

    init(id: TransactionID, judge: NIOLoopBound<TransactionJudge>, envelope: Envelope, received: Date) {
        self.id = id
        self.judge = judge
        self.envelope = envelope
        self.received = received
        began = .now()
    }

    func spoil() {
        isSpoilt = true
        spool = nil
    }
}

extension Outcome {
    /// What is to be queued: one submission for each copy, and another one for those of its
    /// recipients that a person must look at first.
    public func submissions(id: TransactionID, envelope: Envelope, received: Date, arrival: String) -> [Submission] {
        var made: [Submission] = []
        for copy in copies {
            let content = copy.message.pieces
            let held = copy.recipients.filter { $0.disposition == .quarantine }
            let free = copy.recipients.filter { $0.disposition != .quarantine }
            var batches: [(queued: Queued, reason: String?)] = Self.queued(free).map { ($0, nil) }
            for queued in Self.queued(held) {
                for recipients in Self.apart(queued.recipients, size: copy.message.size) {
                    batches.append(((queued.reversePath, recipients), copy.quarantined ?? "quarantine"))
                }
            }
            for (queued, reason) in batches {
                var submission = Submission(
                    id: QueueID(id, copy: made.count), sender: queued.reversePath ?? copy.sender,
                    recipients: queued.recipients, content: content, received: received)
                submission.parameters = envelope.parameters
                submission.arrival = arrival
                submission.holdReason = reason
                made.append(submission)
            }
        }
        return made
    }

    /// Octets that copies of one held message may take together.
    private static let mostHeld = 16 << 20

    /// Who is held gets a message of their own, where that is not too much: so each can be released alone.
    private static func apart(_ recipients: [QueueRecipient], size: Int) -> [[QueueRecipient]] {
        let (octets, isTooMuch) = size.multipliedReportingOverflow(by: recipients.count)
        return isTooMuch || octets > mostHeld ? [recipients] : recipients.map { [$0] }
    }

    /// Those who get the message under one reverse-path; `nil`: the envelope's.
    private typealias Queued = (reversePath: EmailAddress?, recipients: [QueueRecipient])

    /// One entry per destination: who is reached by two addresses gets the message once. Those with another
    /// reverse-path stand apart; nobody stands alone.
    private static func queued(_ recipients: [Recipient]) -> [Queued] {
        // Nearly always there is one, who meets nobody.
        if recipients.count == 1, let only = recipients.first, only.destinations.count == 1 {
            return only.destinations.map {
                let entry = QueueRecipient(
                    $0.address, said: only.said, route: $0.route, disposition: only.disposition)
                return ($0.reversePath, [entry])
            }
        }
        var seen: Set<Destination> = []
        var queued: [Queued] = []
        var places: [EmailAddress?: Int] = [:]
        for recipient in recipients {
            for destination in recipient.destinations {
                let key = Destination(
                    address: EmailAddress(stringLiteral: destination.address.key), route: destination.route)
                guard seen.insert(key).inserted else { continue }
                let entry = QueueRecipient(
                    destination.address, said: recipient.said, route: destination.route,
                    disposition: recipient.disposition)
                if let place = places[destination.reversePath] {
                    queued[place].recipients.append(entry)
                } else {
                    places[destination.reversePath] = queued.count
                    queued.append((destination.reversePath, [entry]))
                }
            }
        }
        return queued
    }
}
