import Logging
import MailTypes
import NIOPosix
import Pipeline
import Queue
import struct Foundation.Date

/// Makes of attempts what the queue is told: done, try again then, given up; and the reports that are due.
///
/// A report is committed before what it reports is settled, under an id that follows from the message, so
/// that a crash between both does not make a second one. `docs/queue.md`, "Reports".
struct Settler: Sendable {
    let queue: any DeliveryQueue
    let hostname: String
    let options: DeliveryOptions
    let hooks: DeliveryHooks
    let logger: Logger
    let flights: Flights
    let given: GivenUp

    /// How long a recipient waits whose report cannot be made just now.
    private static let reportDelay = 300.0

    /// Tells the queue at once, or, if a report is due, when that is safe in the queue.
    func settle(_ message: QueuedMessage, _ attempts: [Attempt], took: Duration, lazily: Bool = false) {
        let settlement = settlement(of: message, attempts, took: took)
        let plan = settlement.plan
        guard plan.reports.isEmpty, plan.heldFor == nil else {
            flights.begin { await finish(message, settlement) }
            return
        }
        queue.settle(message.id, plan.outcomes, now: settlement.now, lazily: lazily, completion: nil)
        if !settlement.wasGiven { callIfGiven(message.id) }
    }

    private struct Settlement {
        var plan: SettlementPlan
        var now: Date
        /// Whether it was given up before.
        var wasGiven: Bool
    }

    private func settlement(of message: QueuedMessage, _ attempts: [Attempt], took: Duration) -> Settlement {
        let now = hooks.now()
        let wasGiven = given.contains(message.id)
        let last = wasGiven ? GivenUp.last(attempts) : attempts
        let plan = SettlementPlan(
            message, last, schedule: options.schedule, now: now, giveUpAfter: hooks.giveUpAfter)
        tell(message, plan, took: took)
        return Settlement(plan: plan, now: now, wasGiven: wasGiven)
    }

    /// An operator who gave the message up while its attempt was being settled has called what waited; these
    /// recipients did not yet.
    private func callIfGiven(_ id: QueueID) {
        guard given.contains(id) else { return }
        flights.begin { try? await queue.retry(id, now: hooks.now()) }
    }

    /// As ``settle(_:_:took:lazily:)``, without an attempt having been made.
    func settleUntried(_ message: QueuedMessage, _ work: Work, took: Duration) {
        settle(message, work.recipients.map { Attempt(claimed: $0, result: .returned) }, took: took)
    }

    /// The message cannot be read. Another try later costs little; damage is for a person to look at.
    func unreadable(_ work: Work, _ failure: QueueFailure) {
        logger.error("cannot read a queued message", metadata: ["id": "\(work.id)", "error": "\(failure)"])
        let now = hooks.now()
        giveBack(work, until: now.addingTimeInterval(Self.reportDelay))
        guard case .damaged = failure else { return }
        flights.begin { try? await queue.hold(work.id, reason: "damaged") }
    }

    /// The work was not begun.
    func giveBack(_ work: Work, until: Date) {
        let outcomes = work.recipients.map { RecipientOutcome($0.number, .returned(until: until)) }
        queue.settle(work.id, outcomes, now: hooks.now(), lazily: true, completion: nil)
    }

    /// What waits for a host that does not answer, given back without an attempt of its own, unless its time is over:
    /// one attempt for all of them must do, or a long line would take days to be given up.
    func giveBack(_ works: [Work], since reply: Reply, until: Date, threads: NIOThreadPool) {
        var overdue: [Work] = []
        for work in works {
            if given.contains(work.id) {
                giveBack(work, until: hooks.now())
            } else if isOverdue(work) {
                overdue.append(work)
            } else {
                giveBack(work, until: until)
            }
        }
        guard !overdue.isEmpty else { return }
        flights.begin { [overdue] in
            // One after the other, each to its end, since each is read and reported: no more than one of a line is in
            // memory.
            for work in overdue {
                guard let message = try? await threads.runIfActive({ try queue.read(work.id) }) else {
                    giveBack(work, until: until)
                    continue
                }
                let attempts = work.recipients.map { Attempt(claimed: $0, result: .deferred(reply)) }
                await finish(message, settlement(of: message, attempts, took: .zero))
            }
        }
    }

    /// Whether an attempt that fails now would end the message or be told to its sender.
    private func isOverdue(_ work: Work) -> Bool {
        var schedule = options.schedule
        // Of a host's works only the message tells for which domain they are: their own attempt must do.
        if case .exchanger(let domain) = work.destination { schedule = schedule.lasting(hooks.giveUpAfter(domain)) }
        return work.recipients.contains { recipient in
            switch schedule.decision(after: recipient, of: work.id) {
            case .giveUp: true
            case .retry(_, let warns): warns
            }
        }
    }

    // MARK: Reports

    private func finish(_ message: QueuedMessage, _ settlement: Settlement) async {
        var plan = settlement.plan
        let now = settlement.now
        // However it ends.
        defer { if !settlement.wasGiven { callIfGiven(message.id) } }
        for report in plan.reports {
            let isRecovered = plan.attempts.contains { $0.claimed.isRecovered }
            switch await commit(report, about: message, isRecovered: isRecovered, now: now) {
            case .committed: break
            case .impossible:
                plan.hold(report, now: now, reason: "no report can be sent to <\(message.sender?.description ?? "")>")
            case .later: plan.postpone(report, until: now.addingTimeInterval(Self.reportDelay))
            }
        }
        await withCheckedContinuation { continuation in
            queue.settle(message.id, plan.outcomes, now: now, lazily: false) { _ in continuation.resume() }
        }
        guard let reason = plan.heldFor else { return }
        // Whoever releases it wants it tried.
        given.remove(message.id)
        do { try await queue.hold(message.id, reason: reason) } catch {
            logger.error("cannot hold bad mail", metadata: ["id": "\(message.id)", "error": "\(error)"])
        }
    }

    private enum Committed {
        case committed
        /// Nobody is there to get it.
        case impossible
        /// The directory or the disk does not answer.
        case later
    }

    private func commit(
        _ report: SettlementPlan.Report, about message: QueuedMessage, isRecovered: Bool, now: Date
    ) async -> Committed {
        guard let sender = message.sender else { return .impossible }
        let routes: [Destination]
        do throws(StageFailure) { routes = try await hooks.routes(sender) } catch { return .later }
        if routes.isEmpty { return .impossible }
        var writer = ReportWriter(hostname: hostname, maxReturned: options.maxReturnedContent, now: now)
        var report = report
        do throws(QueueFailure) {
            if isRecovered { try leaveOut(&report, about: message, writer) }
            while !report.subjects.isEmpty, writer.collisions < Self.maxCollisions {
                var submission = writer.submission(report, about: message, to: sender)
                submission.recipients = routes.map {
                    QueueRecipient($0.address, said: EnvelopeRecipient(sender), route: $0.route)
                }
                guard let found = try await earlier(submission) else { return .committed }
                let open = report.subjects.filter { !found.tells(report.kind, $0, of: message) }
                writer.collisions = open.count < report.subjects.count ? 0 : writer.collisions + 1
                report.subjects = open
            }
        } catch {
            logger.error("cannot queue a report", metadata: ["id": "\(message.id)", "error": "\(error)"])
            return .later
        }
        return report.subjects.isEmpty ? .committed : .later
    }

    /// Of ids, until a report is put off.
    private static let maxCollisions = 16

    /// Takes those out of a report whom an earlier process has reported on before it died, as far as its reports are
    /// still in the queue: they may have been about more recipients, or fewer.
    private func leaveOut(
        _ report: inout SettlementPlan.Report, about message: QueuedMessage, _ writer: ReportWriter
    ) throws(QueueFailure) {
        let kind = report.kind
        for first in message.recipients.indices {
            let found: ReportReading
            do throws(QueueFailure) { found = try reading(writer.id(of: kind, first: first, about: message)) } catch {
                guard case .unknown = error else { throw error }
                continue
            }
            report.subjects.removeAll { found.tells(kind, $0, of: message) }
        }
    }

    /// Commits a report, unless there is one with its id, which then is about other recipients, or is repeated.
    private func earlier(_ submission: Submission) async throws(QueueFailure) -> ReportReading? {
        do throws(QueueFailure) {
            _ = try await queue.commit([submission])
            return nil
        } catch {
            guard case .inUse(let id) = error else { throw error }
            return try reading(id)
        }
    }

    private func reading(_ id: QueueID) throws(QueueFailure) -> ReportReading {
        do throws(QueueFailure) { return ReportReading(try queue.read(id)) } catch {
            guard case .damaged = error else { throw error }
            return ReportReading()
        }
    }

    // MARK: Events

    private func tell(_ message: QueuedMessage, _ plan: SettlementPlan, took: Duration) {
        let seconds = took / .seconds(1)
        for (attempt, outcome) in zip(plan.attempts, plan.outcomes) {
            guard let (kind, reply) = Self.event(attempt, outcome) else { continue }
            hooks.report(
                DeliveryEvent(
                    id: message.id, recipient: message.recipients[attempt.claimed.number].address, outcome: kind,
                    reply: reply?.clipped, host: attempt.host, seconds: seconds))
        }
    }

    private static func event(_ attempt: Attempt, _ outcome: RecipientOutcome) -> (DeliveryEvent.Outcome, Reply?)? {
        switch outcome.result {
        case .delivered: if case .discarded = attempt.result { (.discarded, nil) } else { (.delivered, nil) }
        case .relayed(let reply): (.relayed, reply)
        // A failure that nobody can be told of leaves the message held, which is a failure all the same.
        case .deferred(_, let reply, _): (reply.isPermanent ? .failed : .deferred, reply)
        case .failed(let reply): (.failed, reply)
        case .returned: nil
        }
    }
}
