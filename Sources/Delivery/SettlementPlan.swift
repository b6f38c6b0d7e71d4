import MailTypes
import Queue
import struct Foundation.Date

/// What follows from the attempts of one round for one message. Pure.
struct SettlementPlan: Sendable {
    /// One report to the sender about recipients that fared alike. RFC 3464.
    struct Report: Sendable {
        enum Kind: Int, Sendable, CaseIterable {
            case failed, delayed, delivered
        }

        struct Subject: Sendable {
            /// Its place in the message's recipients.
            var number: Int
            var reply: Reply?
            var host: RemoteHost?
            /// Handed to a server that reports nothing itself.
            var isRelayed = false
            /// Until when it will be tried.
            var retryUntil: Date?
        }

        var kind: Kind
        var subjects: [Subject]
    }

    /// In the order of ``outcomes``.
    let attempts: [Attempt]
    private(set) var outcomes: [RecipientOutcome] = []
    private(set) var reports: [Report] = []
    /// Why the message becomes bad mail that a person looks at: there is nobody to report to.
    private(set) var heldFor: String?

    /// When a held message would be tried again, should somebody release it.
    private static let heldDelay = 300.0

    /// - Parameter giveUpAfter: How long mail for a domain is tried, where that is not as `schedule` has it.
    init(
        _ message: QueuedMessage, _ attempts: [Attempt], schedule: RetrySchedule, now: Date,
        giveUpAfter: (_ domain: String) -> Interval? = { _ in nil }
    ) {
        self.attempts = attempts.filter { message.recipients.indices.contains($0.claimed.number) }
        var subjects: [Report.Kind: [Report.Subject]] = [:]
        for attempt in self.attempts {
            let number = attempt.claimed.number
            let notify = message.recipients[number].said.parameters.notify ?? .usual
            var subject = Report.Subject(number: number, host: attempt.host)
            var kind: Report.Kind?
            switch attempt.result {
            case .delivered, .discarded:
                outcomes.append(RecipientOutcome(number, .delivered))
                if case .delivered = attempt.result, notify.contains(.success) { kind = .delivered }
            case .relayed(let reply, let reports):
                outcomes.append(RecipientOutcome(number, .relayed(reply)))
                subject.reply = reply
                subject.isRelayed = true
                if notify.contains(.success), !reports { kind = .delivered }
            case .failed(let reply):
                kind = fail(message, number, reply, notify, now: now)
                subject.reply = reply
            case .deferred(let reply):
                subject.reply = reply
                let schedule = schedule.lasting(giveUpAfter(message.recipients[number].address.domain))
                switch schedule.decision(after: attempt.claimed, of: message.id) {
                case .giveUp:
                    subject.reply = DeliveryFailurePolicy.expired(reply)
                    kind = fail(message, number, DeliveryFailurePolicy.expired(reply), notify, now: now)
                case .retry(let after, let warns):
                    let warned = warns || attempt.claimed.warned
                    let due = now.addingTimeInterval(after.seconds)
                    outcomes.append(RecipientOutcome(number, .deferred(until: due, reply: reply, warned: warned)))
                    let left = max(0, schedule.giveUpAfter.seconds - attempt.claimed.age.seconds)
                    subject.retryUntil = now.addingTimeInterval(left)
                    if warns, notify.contains(.delay) { kind = .delayed }
                }
            case .returned:
                outcomes.append(RecipientOutcome(number, .returned(until: now)))
            }
            if let kind, message.sender != nil { subjects[kind, default: []].append(subject) }
        }
        reports = Report.Kind.allCases.compactMap { kind in subjects[kind].map { Report(kind: kind, subjects: $0) } }
    }

    private mutating func fail(
        _ message: QueuedMessage, _ number: Int, _ reply: Reply, _ notify: RecipientParameters.Notify, now: Date
    ) -> Report.Kind? {
        if message.sender == nil, notify.contains(.failure) {
            // A report that cannot be delivered is never reported. RFC 5321 §6.1.
            hold(number, reply, now: now, reason: "undeliverable report: \(reply)")
            return nil
        }
        outcomes.append(RecipientOutcome(number, .failed(reply)))
        return notify.contains(.failure) ? .failed : nil
    }

    private mutating func hold(_ number: Int, _ reply: Reply, now: Date, reason: String) {
        let due = now.addingTimeInterval(Self.heldDelay)
        let outcome = RecipientOutcome(number, .deferred(until: due, reply: reply, warned: true))
        if let place = outcomes.firstIndex(where: { $0.number == number }) {
            outcomes[place] = outcome
        } else {
            outcomes.append(outcome)
        }
        heldFor = heldFor ?? reason
    }

    /// Nobody can be told of these failures: the message stays for a person to look at. Whoever has it keeps it.
    mutating func hold(_ report: Report, now: Date, reason: String) {
        guard report.kind == .failed else { return }
        for subject in report.subjects {
            guard let reply = subject.reply else { continue }
            hold(subject.number, reply, now: now, reason: "\(reason): \(reply)")
        }
    }

    /// These failures wait until they can be told. What has been delivered is not delivered again for want of a report.
    mutating func postpone(_ report: Report, until: Date) {
        guard report.kind == .failed else { return }
        let numbers = Set(report.subjects.map(\.number))
        for place in outcomes.indices where numbers.contains(outcomes[place].number) {
            outcomes[place].result = .returned(until: until)
        }
    }
}
