import Foundation
import Frontends
import MailTypes
import Pipeline
import Queue

/// Mail that this server writes itself: judged by the chain like all other mail, traced, and queued.
///
/// It has the null path and wants no report, so that nobody is told of its failures and nothing comes back.
struct HouseMail: Sendable {
    let judging: HouseJudging
    let queue: MailQueue
    /// Told of each message with its trace.
    let traced: @Sendable (Trace, Message?) -> Void

    enum Outcome: Sendable, Hashable {
        /// It is on stable storage; and held until somebody releases it, where that was wished.
        case queued
        /// The chain wants it nowhere.
        case refused(String)
        case later(String)
    }

    /// Why it is held: what is to be written down first is being written.
    static let heldFor = "being written down as sent"

    /// `isHeld`: it waits until ``release(_:at:)``. Who asks for that must find it again after a crash.
    func send(
        _ message: Message, as id: TransactionID, to address: EmailAddress, at now: Date, isHeld: Bool = true
    ) async -> Outcome {
        var judged = await judging.judge(message, as: id, to: address, at: now)
        for place in judged.submissions.indices where isHeld && judged.submissions[place].holdReason == nil {
            judged.submissions[place].holdReason = Self.heldFor
        }
        if let refusal = judged.refusal {
            traced(judged.judge.trace(replies: judged.replies), judged.wasRead ? message : nil)
            return refusal
        }
        do throws(QueueFailure) {
            let ids = try await queue.commit(judged.submissions)
            traced(judged.judge.trace(replies: judged.replies, queued: ids.map(\.description)), message)
            return .queued
        } catch {
            // A commit before has taken it after all.
            if case .inUse = error { return .queued }
            traced(judged.judge.trace(replies: [error.reply]), message)
            return .later("\(error)")
        }
    }

    /// Whether it is in the queue.
    func isQueued(_ id: TransactionID) -> Bool { (try? queue.show(QueueID(id))) != nil }

    /// Lets it go, unless it is held for another reason. A message to one has one copy.
    func release(_ id: TransactionID, at now: Date) async throws(QueueFailure) {
        guard let held = try? queue.show(QueueID(id)), held.holdReason == Self.heldFor else { return }
        try await queue.release(held.id, now: now)
    }
}

/// Asks the chain what is to become of mail that this server writes.
struct HouseJudging: Sendable {
    let hostname: String
    let chain: @Sendable () -> Chain
    let source: any ServiceSource

    struct Judged {
        let judge: TransactionJudge
        var replies: [Reply] = []
        var submissions: [Submission] = []
        /// The message phase was come to.
        var wasRead = false
        /// Why it goes nowhere.
        var refusal: HouseMail.Outcome?
    }

    func judge(_ message: Message, as id: TransactionID, to address: EmailAddress, at now: Date) async -> Judged {
        let session = Session(language: .internal, listener: "internal", client: "127.0.0.1")
        let judge = TransactionJudge(
            chain: chain(), id: id, hostname: hostname, session: session, opening: Opening(), started: now,
            source: source)
        var recipient = EnvelopeRecipient(address)
        recipient.parameters.notify = .never
        var envelope = Envelope(sender: nil)
        // RFC 6531 §3.4.
        envelope.parameters.smtpUTF8 =
            !address.description.utf8.allSatisfy { $0 < 0x80 } || !message.header.serialized.allSatisfy { $0 < 0x80 }
        var judged = Judged(judge: judge)
        var refusal = await judge.sender(envelope)
        if refusal.isPositive { refusal = await judge.recipient(recipient) }
        guard refusal.isPositive else {
            judged.refusal = HouseMail.Outcome(refusal)
            return judged
        }
        let outcome = await judge.message(message)
        judged.wasRead = true
        judged.replies = outcome.replies
        judged.submissions = outcome.submissions(
            id: id, envelope: envelope, received: now, arrival: "written by \(hostname)")
        if judged.submissions.isEmpty {
            judged.refusal = outcome.replies.first.map(HouseMail.Outcome.init) ?? .refused("it was discarded")
        }
        return judged
    }
}

extension HouseMail.Outcome {
    fileprivate init(_ reply: Reply) {
        if reply.isPositive {
            self = .refused("it was discarded")
        } else {
            self = reply.isTemporary ? .later("\(reply)") : .refused("\(reply)")
        }
    }
}
