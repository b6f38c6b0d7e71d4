import Mailboxes
import MailTypes
import NIOCore
import NIOPosix
import Queue
import Synchronization

/// Works that go into mailboxes of this server: a few threads put them there, where readers see them at once, and
/// one sync a little later serves all that came meanwhile. Only then the queue is told.
final class LocalDelivery: Sendable {
    private struct Delivered {
        var message: QueuedMessage
        var attempts: [Attempt]
        var took: Duration
    }

    private enum Syncing {
        case no
        /// A timer runs.
        case later
        case now
    }

    private struct State {
        var waiting: ArraySlice<LocalWork> = []
        /// Works about which the directory is being asked.
        var asked = 0
        var threads = 0
        var isStopped = false
        /// Lies in mailboxes, is not durable yet, and the queue does not know.
        var delivered: [Delivered] = []
        var unsynced = UnsyncedMail()
        var syncing = Syncing.no
    }

    private let store: MailStore
    private let settler: Settler
    private let threads: NIOThreadPool
    private let group: any EventLoopGroup
    private let onRoom: @Sendable () -> Void
    private let inquiry: MailboxInquiry
    private let room: MailboxRoom
    private let state = Mutex(State())

    init(
        store: MailStore, room: MailboxRoom, settler: Settler, threads: NIOThreadPool, group: any EventLoopGroup,
        onRoom: @escaping @Sendable () -> Void
    ) {
        self.store = store
        self.settler = settler
        self.threads = threads
        self.group = group
        self.onRoom = onRoom
        inquiry = MailboxInquiry(hooks: settler.hooks, flights: settler.flights)
        self.room = room
    }

    private var options: DeliveryOptions { settler.options }

    var isFull: Bool { state.withLock { isFull($0) } }

    private func isFull(_ state: State) -> Bool { state.waiting.count + state.asked >= options.maxWaitingLocal }

    var isIdle: Bool {
        state.withLock { state in
            state.asked == 0 && state.threads == 0 && state.waiting.isEmpty && state.delivered.isEmpty
                && state.syncing != .now
        }
    }

    func offer(_ works: [Work]) { offer(works.map(LocalWork.init), asked: 0) }

    /// - Parameter asked: how many of them the directory was asked about. They count once, wherever they stand: there
    ///   is room when a round has taken some, and at no other time.
    private func offer(_ works: [LocalWork], asked: Int) {
        let more = state.withLock { state -> Int? in
            state.asked -= asked
            if state.isStopped { return nil }
            state.waiting += works
            // A thread for each round that is there, not for each message.
            let rounds = (state.waiting.count + options.localBatch - 1) / options.localBatch
            let more = min(max(1, options.localThreads) - state.threads, max(rounds - state.threads, 1))
            state.threads += max(0, more)
            return max(0, more)
        }
        guard let more else { return works.forEach { settler.giveBack($0.work, until: settler.hooks.now()) } }
        for _ in 0..<more { threads.submit { _ in self.work() } }
    }

    /// Syncs at once from now on.
    /// - Returns: works that were not begun.
    func stop() -> [Work] {
        let waiting = state.withLock { state in
            state.isStopped = true
            defer { state.waiting = [] }
            return state.waiting.map(\.work)
        }
        syncIfDue()
        return waiting
    }

    private func work() {
        let batch = store.batch()
        while true {
            let (works, hasRoom) = state.withLock { state -> ([LocalWork], Bool) in
                let wasFull = isFull(state)
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
    private func deliver(_ works: [LocalWork], _ batch: MailBatch) {
        var delivered: [Delivered] = []
        for work in works {
            let begun = ContinuousClock.now
            do throws(QueueFailure) {
                let message = try settler.queue.read(work.work.id)
                let unknown = unknownMailboxes(of: work, message, batch)
                if !unknown.isEmpty {
                    state.withLock { $0.asked += 1 }
                    inquiry.ask(work, about: unknown) { self.offer($0, asked: $0.count) }
                    continue
                }
                var open = work.work
                let attempts = refused(&open, message, work.standings) + deliver(message, open, batch)
                let one = Delivered(message: message, attempts: attempts, took: .now - begun)
                if attempts.contains(where: \.isDelivered) { delivered.append(one) } else { settle(one) }
            } catch {
                settler.unreadable(work.work, error)
            }
        }
        let unsynced = batch.takeUnsynced()
        state.withLock { state in
            state.delivered += delivered
            state.unsynced.add(unsynced)
        }
        syncIfDue()
    }

    private func settle(_ one: Delivered) {
        settler.settle(one.message, one.attempts, took: one.took, lazily: true)
    }

    // MARK: What the directory says

    /// Mail that is older than this when it is tried may be for a mailbox that has gone.
    private static let longWait = 600.0

    /// Mailboxes that the directory must be asked about: a folder is made only for one that is there now, and what has
    /// waited long may have outlived its mailbox.
    private func unknownMailboxes(of work: LocalWork, _ message: QueuedMessage, _ batch: MailBatch) -> [EmailAddress] {
        work.work.recipients.compactMap { claimed in
            guard let mailbox = Self.mailbox(of: claimed, in: message), work.standings[mailbox.key] == nil else {
                return nil
            }
            let hasWaited = claimed.attempts > 0 || claimed.isRecovered || claimed.age.seconds > Self.longWait
            return hasWaited || !batch.hasMailbox(mailbox) ? mailbox : nil
        }
    }

    /// Takes those recipients out of a work whose mailboxes the directory has refused.
    private func refused(
        _ work: inout Work, _ message: QueuedMessage, _ standings: [String: MailboxStanding]
    ) -> [Attempt] {
        var attempts: [Attempt] = []
        work.recipients.removeAll { claimed in
            guard let mailbox = Self.mailbox(of: claimed, in: message),
                case .refused(let reply) = standings[mailbox.key]
            else { return false }
            attempts.append(Attempt(claimed: claimed, result: reply.isPermanent ? .failed(reply) : .deferred(reply)))
            return true
        }
        return attempts
    }

    private static func mailbox(of claimed: Work.Recipient, in message: QueuedMessage) -> EmailAddress? {
        guard message.recipients.indices.contains(claimed.number),
            case .mailbox(let mailbox) = message.recipients[claimed.number].route
        else { return nil }
        return mailbox
    }

    // MARK: Syncing

    /// Begins a sync if enough has come together, else sees to it that one comes.
    private func syncIfDue() {
        let next = state.withLock { state -> Syncing in
            guard !state.delivered.isEmpty, state.syncing != .now else { return .no }
            let isFull = state.delivered.count >= options.localBatch
            if isFull || state.isStopped || options.localSyncDelay.seconds <= 0 {
                state.syncing = .now
                return .now
            }
            guard state.syncing == .no else { return .no }
            state.syncing = .later
            return .later
        }
        switch next {
        case .no: break
        case .now: threads.submit { _ in self.sync() }
        case .later:
            group.next().scheduleTask(in: .nanoseconds(options.localSyncDelay.nanoseconds)) {
                let isDue = self.state.withLock { state in
                    defer { if state.syncing == .later { state.syncing = .now } }
                    return state.syncing == .later
                }
                if isDue { self.threads.submit { _ in self.sync() } }
            }
        }
    }

    private func sync() {
        let (unsynced, delivered) = state.withLock { state in
            defer { (state.unsynced, state.delivered) = (UnsyncedMail(), []) }
            return (state.unsynced, state.delivered)
        }
        var failure: Reply?
        do throws(SystemError) { try store.sync(unsynced) } catch { failure = DeliveryFailurePolicy.reply(on: error) }
        for var one in delivered {
            if let failure { one.attempts = one.attempts.map { $0.undone(failure) } }
            finish(one)
        }
        state.withLock { $0.syncing = .no }
        syncIfDue()
    }

    /// Settles what has been delivered, once those have acted who act on mail in its mailboxes.
    private func finish(_ one: Delivered) {
        guard let follower = settler.hooks.follower else { return settle(one) }
        let copies = Self.copies(in: one).filter { follower.concerns($0.mailbox) }
        if copies.isEmpty { return settle(one) }
        settler.flights.begin { [self] in
            for copy in copies { await follower.follow(copy) }
            settle(one)
        }
    }

    /// One for each mailbox that has got the message now.
    private static func copies(in one: Delivered) -> [MailboxCopy] {
        var known: Set<String> = []
        return one.attempts.compactMap { attempt in
            guard attempt.isDelivered, let mailbox = mailbox(of: attempt.claimed, in: one.message),
                known.insert(mailbox.key).inserted
            else { return nil }
            let number = firstOfEachMailbox(one.message)[mailbox.key] ?? attempt.claimed.number
            return MailboxCopy(message: one.message, mailbox: mailbox, recipient: one.message.recipients[number])
        }
    }

    // MARK: One message

    private func deliver(_ message: QueuedMessage, _ work: Work, _ batch: MailBatch) -> [Attempt] {
        // What is thrown away is not looked into.
        let isDiscarded = message.recipients.allSatisfy { $0.route == .discard }
        let glance = isDiscarded ? HeaderGlance() : HeaderGlance(message.content)
        let first = Self.firstOfEachMailbox(message)
        var results: [Int: Attempt.Result] = [:]
        return work.recipients.compactMap { claimed in
            guard message.recipients.indices.contains(claimed.number) else { return nil }
            switch message.recipients[claimed.number].route {
            case .discard: return Attempt(claimed: claimed, result: .discarded)
            case .mailbox(let mailbox):
                let number = first[mailbox.key] ?? claimed.number
                let result =
                    results[number]
                    ?? deliver(message, glance, to: mailbox, message.recipients[number], claimed, batch)
                results[number] = result
                return Attempt(claimed: claimed, result: result)
            case .exchanger, .host: return Attempt(claimed: claimed, result: .returned)
            }
        }
    }

    /// For each mailbox that several recipients lead to, the one that was said first. They share its copy, while each
    /// is settled and reported for itself.
    private static func firstOfEachMailbox(_ message: QueuedMessage) -> [String: Int] {
        guard message.recipients.count > 1 else { return [:] }
        var first: [String: Int] = [:]
        for (number, recipient) in message.recipients.enumerated() {
            guard case .mailbox(let mailbox) = recipient.route, first[mailbox.key] == nil else { continue }
            first[mailbox.key] = number
        }
        return first
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
            mayBeThere: claimed.attempts > 0 || claimed.isRecovered)
        do throws(SystemError) {
            guard let quota = quota(of: delivery) else {
                _ = try batch.deliver(delivery)
                return .delivered
            }
            guard try room.take(delivery.size, in: mailbox, quota: quota) else {
                return .failed(DeliveryFailurePolicy.mailboxFull)
            }
            var hasCome = false
            defer { room.end(delivery.size, in: mailbox, hasCome: hasCome) }
            _ = try batch.deliver(delivery)
            hasCome = true
            return .delivered
        } catch {
            return .deferred(DeliveryFailurePolicy.reply(on: error))
        }
    }

    /// `nil` also for a message that may lie there already: it would be refused for the room that it takes itself.
    private func quota(of delivery: MailDelivery) -> Int? {
        delivery.mayBeThere ? nil : settler.hooks.quota(delivery.mailbox)
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
    fileprivate var isDelivered: Bool { if case .delivered = result { true } else { false } }

    /// What could not be synced has not been delivered.
    fileprivate func undone(_ reply: Reply) -> Attempt {
        guard isDelivered else { return self }
        return Attempt(claimed: claimed, result: .deferred(reply), host: host)
    }
}
