import Adapters
import Configuration
import Directory
import Foundation
import Logging
import MailTypes
import NIOPosix
import Pipeline
import Queue

/// Deletes what has been in quarantine for long enough, and tells the owners of mailboxes each day what is new there.
final class QuarantineKeeper: Sendable {
    struct Options: Sendable {
        var hostname: String
        /// How long a message is kept.
        var keepFor: Interval = "30d"
        /// What digests' links begin with; `nil`: there are no digests.
        var link: String?
        /// How long a link is good.
        var linkLife: Interval = "7d"
        /// The hour of UTC from which on digests are sent.
        var hour = 6
    }

    let options: Options
    private let queue: MailQueue
    private let mail: HouseMail
    private let memory: StageMemoryStore
    /// `From` and `Subject` of what came in a transaction.
    private let summary: @Sendable (TransactionID) async -> [String: String]
    private let token: @Sendable (ReleaseToken) async throws -> String
    private let logger: Logger

    /// How often the quarantine is looked through.
    private static let interval = Duration.seconds(300)
    private static let page = 1_000

    init(
        _ options: Options, queue: MailQueue, mail: HouseMail, memory: StageMemoryStore, logger: Logger,
        sources: (
            summary: @Sendable (TransactionID) async -> [String: String],
            token: @Sendable (ReleaseToken) async throws -> String
        )
    ) {
        self.options = options
        self.queue = queue
        self.mail = mail
        self.memory = memory
        self.logger = logger
        (summary, token) = sources
    }

    /// Until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            await look(at: Date())
            try? await Task.sleep(for: Self.interval)
        }
    }

    func look(at now: Date) async {
        let held = messages
        for message in held where now.timeIntervalSince(message.listing.received) >= options.keepFor.seconds {
            await expire(message)
        }
        guard options.link != nil, Self.hour(of: now) >= options.hour else { return }
        await tell(held.filter { now.timeIntervalSince($0.listing.received) < options.keepFor.seconds }, at: now)
    }

    private static func hour(of date: Date) -> Int { Int(date.timeIntervalSince1970 / 3_600) % 24 }

    /// All that is in quarantine, the oldest first.
    private var messages: [QuarantinedMessage] {
        // A long queue is not gone through for nothing.
        guard queue.counts().held > 0 else { return [] }
        var found: [QuarantinedMessage] = []
        var last: QueueID?
        while true {
            let page = queue.list(after: last, limit: Self.page)
            found += page.compactMap(QuarantinedMessage.init)
            last = page.last?.id
            if page.count < Self.page { return found }
        }
    }

    private func expire(_ message: QuarantinedMessage) async {
        do throws(QueueFailure) {
            // Somebody may have released it since the quarantine was looked through.
            guard try await queue.removeHeld(message.id) else { return }
            logger.notice(
                "quarantined message deleted",
                metadata: ["id": "\(message.id)", "received": "\(message.listing.received.stamp)"])
        } catch {
            logger.error("quarantined message not deleted", metadata: ["id": "\(message.id)", "reason": "\(error)"])
        }
    }

    // MARK: - Digests

    /// Where it is remembered what an owner has been told, and when.
    private enum Table {
        static let told = "quarantine.told"
        static let digests = "quarantine.digests"
    }

    private func tell(_ messages: [QuarantinedMessage], at now: Date) async {
        var news: [String: (mailbox: EmailAddress, messages: [QuarantinedMessage])] = [:]
        for message in messages {
            for mailbox in message.mailboxes where isNews(message, to: mailbox, at: now) {
                news[mailbox.key, default: (mailbox, [])].messages.append(message)
            }
        }
        for (mailbox, messages) in news.values where mayTell(mailbox, at: now) {
            await tell(mailbox, of: messages, at: now)
        }
    }

    private func isNews(_ message: QuarantinedMessage, to mailbox: EmailAddress, at now: Date) -> Bool {
        !isKnown(Table.told, "\(message.id) \(mailbox.key)", at: now)
    }

    /// Once a day.
    private func mayTell(_ mailbox: EmailAddress, at now: Date) -> Bool {
        !isKnown(Table.digests, "\(Int(now.timeIntervalSince1970 / 86_400)) \(mailbox.key)", at: now)
    }

    private func isKnown(_ table: String, _ key: String, at now: Date) -> Bool {
        if case .visit(nil) = memory.answer(.peek(table: table, key: key, at: now)) { false } else { true }
    }

    private func tell(_ mailbox: EmailAddress, of messages: [QuarantinedMessage], at now: Date) async {
        let id = TransactionID(now)
        do {
            var lines: [QuarantineDigest.Line] = []
            for message in messages { lines.append(try await line(about: message, for: mailbox, at: now)) }
            let digest = QuarantineDigest(
                hostname: options.hostname, mailbox: mailbox, lines: lines, keepFor: options.keepFor)
            // It is not held: nobody would look for it after a crash, and another one does no harm.
            let message = digest.message(as: id, at: now)
            guard await mail.send(message, as: id, to: mailbox, at: now, isHeld: false) == .queued else {
                return logger.notice("digest not sent", metadata: ["to": "\(mailbox)"])
            }
        } catch {
            return logger.error("digest not sent", metadata: ["to": "\(mailbox)", "reason": "\(error)"])
        }
        for message in messages { remember(Table.told, "\(message.id) \(mailbox.key)", options.keepFor, now) }
        remember(Table.digests, "\(Int(now.timeIntervalSince1970 / 86_400)) \(mailbox.key)", "2d", now)
        logger.info("digest sent", metadata: ["to": "\(mailbox)", "messages": "\(messages.count)"])
    }

    private func remember(_ table: String, _ key: String, _ lifetime: Interval, _ now: Date) {
        _ = memory.answer(.visit(table: table, key: key, at: now, lifetime: lifetime))
    }

    private func line(
        about message: QuarantinedMessage, for mailbox: EmailAddress, at now: Date
    ) async throws -> QuarantineDigest.Line {
        let summary = await summary(message.id.transaction)
        let ends = min(
            now.addingTimeInterval(options.linkLife.seconds),
            message.listing.received.addingTimeInterval(options.keepFor.seconds))
        var link: String?
        if let base = options.link, message.isOnly(for: mailbox) {
            link = base + (try await token(ReleaseToken(message: message.id, mailbox: mailbox, ends: ends)))
        }
        return QuarantineDigest.Line(
            received: message.listing.received,
            from: summary["from"] ?? message.listing.sender?.description ?? "<>", subject: summary["subject"] ?? "",
            link: link)
    }
}

extension QuarantineKeeper {
    convenience init(
        _ settings: ServerConfiguration, in data: DataFolder, queue: MailQueue, mail: HouseMail, traces: TraceKeeper,
        _ memory: StageMemoryStore, _ logger: Logger
    ) throws {
        var options = Options(hostname: settings.hostname)
        options.keepFor = settings.quarantine.keepFor
        options.link = settings.quarantine.digest ? settings.quarantine.link : nil
        options.linkLife = settings.quarantine.linkLife
        options.hour = settings.quarantine.digestHour
        let path = data.quarantineKey
        self.init(
            options, queue: queue, mail: mail, memory: memory, logger: logger,
            sources: (
                summary: { id in
                    (try? await NIOThreadPool.singleton.runIfActive { traces.summary(id) }) ?? [:]
                },
                token: { token in
                    try await NIOThreadPool.singleton.runIfActive {
                        let hashing = try ScryptHashing()
                        return try token.text(try SecretKeyFile.open(path, hashing), hashing)
                    }
                }
            ))
    }
}
