import Logging
import MailTypes
import Pipeline
import Queue
import struct Foundation.Date

/// Makes of attempts what the queue is told: done, try again then, given up; and the reports that are due.
///
/// A report is committed before what it reports is settled, under an id that follows from the message, so
/// that a crash between both does not make a second one.
struct Settler: Sendable {
    let queue: any DeliveryQueue
    let hostname: String
    let options: DeliveryOptions
    let hooks: DeliveryHooks
    let logger: Logger
    let flights: Flights

    /// How long a recipient waits whose report cannot be made just now.
    private static let reportDelay = 300.0

    /// Tells the queue at once, or, if a report is due, when that is safe in the queue.
    func settle(_ message: QueuedMessage, _ attempts: [Attempt], took: Duration, lazily: Bool = false) {
        let now = hooks.now()
        let plan = SettlementPlan(message, attempts, schedule: options.schedule, now: now)
        tell(message, plan, took: took)
        guard plan.reports.isEmpty, plan.heldFor == nil else {
            flights.begin { await finish(message, plan, now: now) }
            return
        }
        queue.settle(message.id, plan.outcomes, now: now, lazily: lazily, completion: nil)
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

    // MARK: Reports

    private func finish(_ message: QueuedMessage, _ plan: SettlementPlan, now: Date) async {
        var plan = plan
        for report in plan.reports {
            switch await commit(report, about: message, now: now) {
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

    private func commit(_ report: SettlementPlan.Report, about message: QueuedMessage, now: Date) async -> Committed {
        guard let sender = message.sender else { return .impossible }
        let routes: [Destination]
        do throws(StageFailure) { routes = try await hooks.routes(sender) } catch { return .later }
        if routes.isEmpty { return .impossible }
        let writer = ReportWriter(hostname: hostname, maxReturned: options.maxReturnedContent, now: now)
        var submission = writer.submission(report, about: message, to: sender)
        submission.recipients = routes.map {
            QueueRecipient($0.address, said: EnvelopeRecipient(sender), route: $0.route)
        }
        do throws(QueueFailure) { _ = try await queue.commit([submission]) } catch {
            // The id is in use: a crash came between the report and the settlement.
            if case .malformed = error { return .committed }
            logger.error("cannot queue a report", metadata: ["id": "\(message.id)", "error": "\(error)"])
            return .later
        }
        return .committed
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
