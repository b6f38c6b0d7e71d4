public import Logging
public import Mailboxes
public import NIOCore
import MailTypes
import NIOPosix
import Synchronization
public import Queue
import struct Foundation.Date

/// Delivers what is due in the queue: into mailboxes, to other servers, or nowhere, as each route says.
///
/// The queue calls when work has come, so a lone message leaves at once; between two calls the agent sleeps
/// until the next retry is due.
public final class DeliveryAgent: Sendable {
    private let queue: any DeliveryQueue
    private let store: MailStore
    private let options: DeliveryOptions
    private let hooks: DeliveryHooks
    private let logger: Logger
    private let threads: NIOThreadPool
    private let group: any EventLoopGroup
    private let settler: Settler
    private let flights = Flights()
    private let given = GivenUp()
    private let wakeUp: (stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation)
    private let local: LocalDelivery
    private let remote: RemoteDelivery

    /// Works claimed at a time.
    private static let claimLimit = 1024
    /// How often remains of crashes are looked for in the mailboxes.
    private static let cleaningInterval = 12 * 3600.0

    /// - Parameters:
    ///   - hostname: this server's name, for EHLO and for reports.
    ///   - room: how full mailboxes are, where others want to know that as well.
    public init(
        queue: any DeliveryQueue, store: MailStore, room: MailboxRoom? = nil, hostname: String,
        options: DeliveryOptions = DeliveryOptions(),
        surroundings: (hooks: DeliveryHooks, group: any EventLoopGroup, logger: Logger)
    ) {
        self.queue = queue
        self.store = store
        self.options = options
        hooks = surroundings.hooks
        logger = surroundings.logger
        group = surroundings.group
        threads = NIOThreadPool(numberOfThreads: max(1, options.localThreads) + 1)
        let wakeUp = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        self.wakeUp = wakeUp
        let onRoom: @Sendable () -> Void = { wakeUp.continuation.yield() }
        let settler = Settler(
            queue: queue, hostname: hostname, options: options, hooks: hooks, logger: logger, flights: flights,
            given: given)
        self.settler = settler
        local = LocalDelivery(
            store: store, room: room ?? MailboxRoom(store: store), settler: settler, threads: threads, group: group,
            onRoom: onRoom)
        let hooks = hooks
        let remoteSurroundings = RemoteSurroundings(
            hostname: hostname, options: options, hooks: hooks,
            finder: HostFinder(hostname: hostname, options: options, hooks: hooks),
            tls: TLSContexts(trustRoots: options.trustRoots, checks: hooks.certificates, now: hooks.now),
            limits: SMTPTimeLimits(options), group: group)
        remote = RemoteDelivery(
            remoteSurroundings,
            perform: { [queue, threads] work, worker in
                await Self.perform(work, worker, queue: queue, settler: settler, threads: threads)
            },
            giveBack: { [threads] works, reply in
                guard let reply else { return works.forEach { settler.giveBack($0, until: hooks.now()) } }
                // Not now: a minute from now the host may be back, and if not, one of them finds out for all.
                let until = hooks.now().addingTimeInterval(Self.giveBackDelay)
                settler.giveBack(works, since: reply, until: until, threads: threads)
            },
            onRoom: onRoom)
    }

    private static let giveBackDelay = 60.0

    /// Delivers until the task is cancelled; then finishes what is under way, up to ``DeliveryOptions/stopTimeout``.
    public func run() async {
        threads.start()
        queue.onWork { [wakeUp] in wakeUp.continuation.yield() }
        wakeUp.continuation.yield()
        let cleaning = Task { await self.clean() }
        await withTaskCancellationHandler {
            var timer: Timer?
            var last = ContinuousClock.now - Self.rush
            for await _ in wakeUp.stream {
                // A lone message leaves at once; what comes in a rush is given out together.
                if ContinuousClock.now - last < Self.rush { try? await Task.sleep(for: Self.rush) }
                if Task.isCancelled { break }
                dispatch()
                timer = schedule(after: timer)
                last = .now
            }
            timer?.task.cancel()
        } onCancel: {
            wakeUp.continuation.yield()
        }
        cleaning.cancel()
        await stop()
    }

    // MARK: Giving out

    /// Two calls within so long are a rush, and the second waits for what comes with it: fewer threads are woken for
    /// each message, which at thousands a second is a tenth of all work.
    private static let rush = Duration.milliseconds(10)

    private func dispatch() {
        while !Task.isCancelled {
            var full = remote.full
            if local.isFull { full.formUnion([.mailboxes, .discard]) }
            let works = queue.claimDue(now: hooks.now(), limit: Self.claimLimit, excluding: full)
            if works.isEmpty { return }
            var mailboxes: [Work] = []
            for work in works where !abandon(work) {
                switch work.destination {
                case .mailboxes, .discard: mailboxes.append(work)
                case .exchanger, .host: remote.offer(work)
                }
            }
            if !mailboxes.isEmpty { local.offer(mailboxes) }
            if works.count < Self.claimLimit { return }
        }
    }

    /// In seconds. What is due already and was not given out just now waits so long for a clock that lags.
    private static let shortestSleep = 0.02

    private struct Timer {
        var due: Date
        var task: Scheduled<Void>
        var alarm: Alarm
    }

    /// Whether a timer has gone off. Then nothing comes of it any more, even if its time is still ahead: it may
    /// have gone off early, since the clocks of the loop and of the wall need not agree.
    private final class Alarm: Sendable {
        let hasRung = Atomic(false)
    }

    /// Wakes the agent when the next recipient is due.
    private func schedule(after timer: Timer?) -> Timer? {
        var full = remote.full
        if local.isFull { full.formUnion([.mailboxes, .discard]) }
        guard let due = queue.nextDue(excluding: full) else {
            timer?.task.cancel()
            return nil
        }
        let left = due.timeIntervalSince(hooks.now())
        if let timer, timer.due == due, left > 0, !timer.alarm.hasRung.load(ordering: .acquiring) { return timer }
        timer?.task.cancel()
        let seconds = min(max(left, Self.shortestSleep), Self.cleaningInterval)
        let (continuation, alarm) = (wakeUp.continuation, Alarm())
        let task = group.next().scheduleTask(in: .nanoseconds(Int64(seconds * 1e9))) { () -> Void in
            alarm.hasRung.store(true, ordering: .releasing)
            continuation.yield()
        }
        return Timer(due: due, task: task, alarm: alarm)
    }

    /// One work for another server. Answers why nobody there could be talked to, if it was so.
    private static func perform(
        _ work: Work, _ worker: RemoteWorker, queue: any DeliveryQueue, settler: Settler, threads: NIOThreadPool
    ) async -> Reply? {
        let begun = ContinuousClock.now
        let read: Result<QueuedMessage, QueueFailure>
        do {
            read = try await threads.runIfActive {
                do throws(QueueFailure) { return .success(try queue.read(work.id)) } catch { return .failure(error) }
            }
        } catch {
            read = .failure(.closed)
        }
        switch read {
        case .failure(let failure):
            settler.unreadable(work, failure)
            return nil
        case .success(let message) where settler.given.contains(work.id):
            // While it waited for a connection.
            settler.settleUntried(message, work, took: .now - begun)
            return nil
        case .success(let message):
            let (attempts, trouble) = await worker.attempt(message, work.recipients)
            settler.settle(message, attempts, took: .now - begun)
            return trouble
        }
    }

    // MARK: Giving up

    /// Gives a message up now, wherever it stands, and tells its sender. An attempt under way may still succeed; if it
    /// does not, it was the last.
    public func giveUp(_ id: QueueID) async throws(QueueFailure) {
        given.insert(id)
        do throws(QueueFailure) {
            try await queue.release(id, now: hooks.now())
            do throws(QueueFailure) { try await queue.retry(id, now: hooks.now()) } catch {
                // It may have ended as soon as it was released.
                guard case .unknown = error else { throw error }
            }
        } catch {
            given.remove(id)
            throw error
        }
    }

    /// Whether a work is of a message that an operator has given up; then it fails for all its recipients.
    private func abandon(_ work: Work) -> Bool {
        guard given.contains(work.id) else { return false }
        let begun = ContinuousClock.now
        flights.begin { [self] in
            let read = try? await threads.runIfActive { [queue] in try queue.read(work.id) }
            guard let message = read else { return settler.unreadable(work, .unknown(work.id)) }
            settler.settleUntried(message, work, took: .now - begun)
        }
        return true
    }

    // MARK: The rest

    private func clean() async {
        while !Task.isCancelled {
            let (store, now) = (store, hooks.now())
            do {
                let count = try await threads.runIfActive { try store.removeStaleFiles(now: now) }
                if count > 0 {
                    logger.notice("removed remains of crashes from mailboxes", metadata: ["files": "\(count)"])
                }
            } catch {
                logger.warning("cannot clean the mailboxes", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: .seconds(Self.cleaningInterval))
        }
    }

    private func stop() async {
        queue.onWork {}
        remote.stop()
        for work in local.stop() { settler.giveBack(work, until: hooks.now()) }
        let deadline = ContinuousClock.now + options.stopTimeout.duration
        // A stop is rare and may look around every few milliseconds. Flights come last: they begin where workers and
        // mailboxes end. What is not told to the queue by the deadline is tried again by the next process.
        while remote.workers > 0 || !local.isIdle || flights.areAny, ContinuousClock.now < deadline {
            try? await Task.detached { try await Task.sleep(for: .milliseconds(5)) }.value
        }
        try? await threads.shutdownGracefully()
    }
}
