import Delivery
import Directory
import Foundation
import Logging
import MailTypes
import NIOPosix
import Pipeline
import Queue

/// Answers mail that has come to lie in mailboxes whose owners have said what to answer. RFC 3834.
///
/// That somebody is told is in the ledger before the reply is made. The reply is queued held, the ledger told, and
/// only then it is let go; after all that the queue forgets the message. Whatever comes between, the next start or the
/// message's next delivery finds either nothing of the reply in the queue, and nothing has left, or the reply.
final class Autoresponder: Sendable {
    /// What became of a message that a mailbox might have answered.
    enum Outcome: Sendable, Hashable {
        /// Told whom, in which transaction.
        case sent(to: EmailAddress, id: TransactionID)
        case silent(AutoreplyRefusal)
    }

    struct World: Sendable {
        var now: @Sendable () -> Date = { Date() }
        var meaning: @Sendable (EmailAddress) async throws(StageFailure) -> AddressMeaning
        /// Told of each message that a mailbox might have answered.
        var tell: @Sendable (MailboxCopy, Outcome) -> Void
    }

    private let hostname: String
    private let directory: MailDirectory
    private let ledger: AutoreplyLedger
    private let mail: HouseMail
    private let world: World
    private let logger: Logger
    private let gate: Gate

    /// Replies that are made at once, and messages that wait for theirs; to further ones there is none.
    private static let atOnce = 4
    private static let mostWaiting = 500

    init(
        hostname: String, directory: MailDirectory, ledger: AutoreplyLedger, mail: HouseMail, world: World,
        logger: Logger, mostWaiting: Int = mostWaiting
    ) {
        self.hostname = hostname
        self.directory = directory
        self.ledger = ledger
        self.mail = mail
        self.world = world
        self.logger = logger
        gate = Gate(inside: Self.atOnce, waiting: mostWaiting)
    }

    func close() { ledger.close() }

    // MARK: - After a crash

    /// Lets go what a crash has left held.
    func recover() async {
        do {
            for var record in try await blocking({ [ledger] in try ledger.records(limit: .max) })
            where record.state != .refused && mail.isQueued(record.id) {
                try await letGo(&record)
            }
        } catch {
            logger.error("autoreplies cannot be looked through", metadata: ["reason": "\(error)"])
        }
    }

    private func letGo(_ record: inout AutoreplyRecord) async throws {
        if record.state == .begun {
            record.state = .queued
            try await blocking { [ledger, record] in try ledger.write(record) }
        }
        try await mail.release(record.id, at: world.now())
    }

    // MARK: - One message

    private func outcome(of copy: MailboxCopy) async -> Outcome? {
        do {
            guard let entry = try await blocking({ [directory] in try directory.autoreply(of: copy.mailbox) }),
                entry.reply.isOn
            else { return nil }
            return try await outcome(of: copy, entry)
        } catch {
            return .silent(AutoreplyRefusal(.failed, "\(error)"))
        }
    }

    private func outcome(of copy: MailboxCopy, _ entry: AutoreplyEntry) async throws -> Outcome {
        let policy = AutoreplyPolicy(mailbox: copy.mailbox, reply: entry.reply, hostname: hostname)
        let refusal = policy.refusal(
            from: copy.message.sender, said: copy.recipient.said.address, disposition: copy.recipient.disposition,
            received: copy.message.received)
        if let refusal { return .silent(refusal) }
        guard let sender = copy.message.sender else { return .silent(AutoreplyRefusal(.nullSender, "no sender")) }
        let header: Header
        do throws(MessageTooComplex) { header = try Message(parsing: copy.message.content).header } catch {
            return .silent(AutoreplyRefusal(.failed, "its header cannot be read"))
        }
        if let refusal = policy.refusal(by: header) { return .silent(refusal) }
        let identity = MailboxIdentity(copy.mailbox, meaning: world.meaning)
        if let refusal = try await identity.refusal(of: sender, copy, header, entry.reply) { return .silent(refusal) }
        return try await answer(copy, to: sender, header, entry)
    }

    private func answer(
        _ copy: MailboxCopy, to sender: EmailAddress, _ header: Header, _ entry: AutoreplyEntry
    ) async throws -> Outcome {
        let now = world.now()
        let wanted = AutoreplyRecord(
            mailbox: copy.mailbox.key, sender: sender.key, source: "\(copy.message.id)", id: TransactionID(now),
            time: now)
        let reply = entry.reply
        let claim = try await blocking { [ledger] in
            try ledger.claim(wanted, since: reply.since, period: reply.period)
        }
        var record: AutoreplyRecord
        switch claim {
        case .granted(let granted): record = granted
        case .made(var made):
            if made.state == .refused { return .silent(Self.refused("before")) }
            try await letGo(&made)
            return .sent(to: sender, id: made.id)
        case .toldBefore(let moment):
            let reason = "<\(sender)> was told on \(MailDate(moment)), and is again after \(reply.period)"
            return .silent(AutoreplyRefusal(.toldBefore, reason))
        case .tooManyReplies(let count):
            return .silent(AutoreplyRefusal(.limit, "the mailbox has answered \(count) times in an hour"))
        case .tooManySenders(let count):
            return .silent(AutoreplyRefusal(.limit, "the mailbox has answered \(count) senders"))
        }
        let form = AutoreplyMail(mailbox: entry.mailbox, fullName: entry.fullName, reply: reply, hostname: hostname)
        let message = form.message(to: sender, about: header, as: record.id, at: now)
        switch await mail.send(message, as: record.id, to: sender, at: now) {
        case .queued:
            try await letGo(&record)
            return .sent(to: sender, id: record.id)
        case .refused(let reason):
            record.state = .refused
            try await blocking { [ledger, record] in try ledger.write(record) }
            return .silent(Self.refused(reason))
        case .later(let reason):
            // It stays begun: the sender's next message takes it up.
            return .silent(AutoreplyRefusal(.failed, reason))
        }
    }

    private static func refused(_ reason: String) -> AutoreplyRefusal {
        AutoreplyRefusal(.refused, "the chain does not let a reply out: \(reason)")
    }

    private func blocking<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await NIOThreadPool.singleton.runIfActive(work)
    }
}

extension Autoresponder: MailboxFollower {
    func concerns(_ mailbox: EmailAddress) -> Bool { directory.mayAnswer(mailbox) }

    func follow(_ copy: MailboxCopy) async {
        guard let outcome = await gate.pass({ await self.outcome(of: copy) }) else {
            return world.tell(copy, .silent(AutoreplyRefusal(.limit, "too many messages wait for a reply")))
        }
        if let outcome { world.tell(copy, outcome) }
    }
}
