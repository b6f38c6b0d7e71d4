import Mailboxes
import MailTypes
import NIOPosix
import Queue
import Synchronization
import struct Foundation.Date

/// Works that go into mailboxes of this server: a few threads take them in rounds, and all messages of a round
/// share one sync.
final class LocalDelivery: Sendable {
    private struct State {
        var waiting: ArraySlice<Work> = []
        var threads = 0
        var isStopped = false
    }

    private let queue: any DeliveryQueue
    private let store: MailStore
    private let settler: Settler
    private let options: DeliveryOptions
    private let threads: NIOThreadPool
    /// What came in before may have been delivered by the server's last run.
    private let started: Date
    private let onRoom: @Sendable () -> Void
    private let state = Mutex(State())

    init(
        queue: any DeliveryQueue, store: MailStore, settler: Settler, options: DeliveryOptions,
        threads: NIOThreadPool, started: Date, onRoom: @escaping @Sendable () -> Void
    ) {
        self.queue = queue
        self.store = store
        self.settler = settler
        self.options = options
        self.threads = threads
        self.started = started
        self.onRoom = onRoom
    }

    var isFull: Bool { state.withLock { $0.waiting.count >= options.maxWaitingLocal } }
    var isIdle: Bool { state.withLock { $0.threads == 0 && $0.waiting.isEmpty } }

    func offer(_ works: [Work]) {
        let more = state.withLock { state -> Int in
            state.waiting += works
            // A thread for each round that is there, not for each message.
            let rounds = (state.waiting.count + options.localBatch - 1) / options.localBatch
            let more = min(max(1, options.localThreads) - state.threads, max(rounds - state.threads, 1))
            state.threads += max(0, more)
            return max(0, more)
        }
        for _ in 0..<more { threads.submit { _ in self.work() } }
    }

    /// - Returns: works that were not begun.
    func stop() -> [Work] {
        state.withLock { state in
            state.isStopped = true
            defer { state.waiting = [] }
            return Array(state.waiting)
        }
    }

    private func work() {
        let batch = store.batch()
        while true {
            let (works, hasRoom) = state.withLock { state -> ([Work], Bool) in
                let wasFull = state.waiting.count >= options.maxWaitingLocal
                let works = Array(state.waiting.prefix(options.localBatch))
                state.waiting = state.waiting.dropFirst(works.count)
                if works.isEmpty { state.threads -= 1 }
                return (works, wasFull)
            }
            if hasRoom { onRoom() }
            if works.isEmpty { return }
            deliver(works, batch)
        }
    }

    /// One round.
    private func deliver(_ works: [Work], _ batch: MailBatch) {
        let begun = ContinuousClock.now
        var done: [(message: QueuedMessage, attempts: [Attempt])] = []
        for work in works {
            do throws(QueueFailure) {
                let message = try queue.read(work.id)
                done.append((message, deliver(message, work, batch)))
            } catch {
                settler.unreadable(work, error)
            }
        }
        do throws(SystemError) { try batch.sync() } catch {
            let reply = DeliveryFailurePolicy.reply(on: error)
            for place in done.indices { done[place].attempts = done[place].attempts.map { $0.undone(reply) } }
        }
        for (message, attempts) in done { settler.settle(message, attempts, begun: begun, lazily: true) }
    }

    private func deliver(_ message: QueuedMessage, _ work: Work, _ batch: MailBatch) -> [Attempt] {
        let glance = HeaderGlance(message.content)
        return work.recipients.compactMap { claimed in
            guard message.recipients.indices.contains(claimed.number) else { return nil }
            let recipient = message.recipients[claimed.number]
            switch recipient.route {
            case .discard: return Attempt(claimed: claimed, result: .discarded)
            case .mailbox(let mailbox):
                return Attempt(
                    claimed: claimed, result: deliver(message, glance, to: mailbox, recipient, claimed, batch))
            case .exchanger, .host: return Attempt(claimed: claimed, result: .returned)
            }
        }
    }

    private func deliver(
        _ message: QueuedMessage, _ glance: HeaderGlance, to mailbox: EmailAddress, _ recipient: QueueRecipient,
        _ claimed: Work.Recipient, _ batch: MailBatch
    ) -> Attempt.Result {
        if glance.received > options.maxReceived { return .failed(DeliveryFailurePolicy.tooManyHops) }
        let key = mailbox.key
        if glance.deliveredTo.contains(where: { ($0 as EmailAddressText).key == key }) {
            return .failed(DeliveryFailurePolicy.deliveredBefore)
        }
        let name = MaildirName(
            received: message.received, queueID: "\(message.id)", recipient: "\(recipient.address) \(mailbox)")
        let delivery = MailDelivery(
            mailbox: mailbox, folder: recipient.disposition == .junk ? .junk : .inbox, name: name,
            pieces: [Self.fields(message, mailbox, recipient), message.content],
            mayBeThere: claimed.attempts > 0 || message.received <= started)
        do throws(SystemError) {
            _ = try batch.deliver(delivery)
            return .delivered
        } catch {
            return .deferred(DeliveryFailurePolicy.reply(on: error))
        }
    }

    /// What final delivery adds at the top. RFC 5321 §4.4, RFC 9228.
    private static func fields(_ message: QueuedMessage, _ mailbox: EmailAddress, _ recipient: QueueRecipient) -> Bytes
    {
        var octets: [UInt8] = []
        octets += HeaderField(name: "Return-Path", value: "<\(message.sender?.description ?? "")>").raw
        octets += HeaderField(name: "Delivered-To", value: mailbox.description).raw
        if recipient.said.address.key != mailbox.key {
            octets += HeaderField(name: "X-Original-To", value: recipient.said.address.description).raw
        }
        return Bytes(octets)
    }
}

/// The text of a Delivered-To field, compared as the address that it is.
private typealias EmailAddressText = String

extension EmailAddressText {
    fileprivate var key: String { EmailAddress(stringLiteral: self).key }
}

extension Attempt {
    /// What could not be synced has not been delivered.
    fileprivate func undone(_ reply: Reply) -> Attempt {
        guard case .delivered = result else { return self }
        return Attempt(claimed: claimed, result: .deferred(reply), host: host)
    }
}
