import Foundation
import Frontends
import MailTypes
import Pipeline
import Queue

/// Mail that this server writes itself: judged by the chain like all other mail, traced, and queued.
///
/// It has the null path and wants no report, so that nobody is told of its failures and nothing comes back.
struct HouseMail: Sendable {
    let hostname: String
    let chain: @Sendable () -> Chain
    let source: any ServiceSource
    let queue: MailQueue
    /// Told of each message with its trace.
    let traced: @Sendable (Trace, Message?) -> Void

    enum Outcome: Sendable, Hashable {
        /// It is on stable storage, and held until somebody releases it.
        case queued
        /// The chain wants it nowhere.
        case refused(String)
        case later(String)
    }

    /// Why it is held: what is to be written down first is being written.
    static let heldFor = "being written down as sent"

    func send(_ message: Message, as id: TransactionID, to address: EmailAddress, at now: Date) async -> Outcome {
        let session = Session(language: .internal, listener: "internal", client: "127.0.0.1")
        let judge = TransactionJudge(
            chain: chain(), id: id, hostname: hostname, session: session, opening: Opening(), started: now,
            source: source)
        var recipient = EnvelopeRecipient(address)
        recipient.parameters.notify = .never
        let envelope = Envelope(sender: nil)
        var refusal = await judge.sender(envelope)
        if refusal.isPositive { refusal = await judge.recipient(recipient) }
        guard refusal.isPositive else {
            traced(judge.trace(), nil)
            return Outcome(refusal)
        }
        let outcome = await judge.message(message)
        var submissions = outcome.submissions(
            id: id, envelope: envelope, received: now, arrival: "written by \(hostname)")
        for place in submissions.indices where submissions[place].holdReason == nil {
            submissions[place].holdReason = Self.heldFor
        }
        guard !submissions.isEmpty else {
            traced(judge.trace(replies: outcome.replies), message)
            return outcome.replies.first.map(Outcome.init) ?? .refused("it was discarded")
        }
        do throws(QueueFailure) {
            let ids = try await queue.commit(submissions)
            traced(judge.trace(replies: outcome.replies, queued: ids.map(\.description)), message)
            return .queued
        } catch {
            // A commit before has taken it after all.
            if case .inUse = error { return .queued }
            traced(judge.trace(replies: [error.reply]), message)
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

extension HouseMail.Outcome {
    fileprivate init(_ reply: Reply) {
        if reply.isPositive {
            self = .refused("it was discarded")
        } else {
            self = reply.isTemporary ? .later("\(reply)") : .refused("\(reply)")
        }
    }
}
