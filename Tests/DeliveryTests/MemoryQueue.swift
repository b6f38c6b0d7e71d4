import Delivery
import Foundation
import MailTypes
import Synchronization

@testable import Queue

/// A queue that forgets everything when the test is over, and remembers what it was told in between.
final class MemoryQueue: DeliveryQueue {
    struct Entry: Sendable {
        var message: QueuedMessage
        var due: [Int: Date]
        var progress: [Int: Work.Recipient]
        var outcomes: [Int: RecipientOutcome.Result] = [:]
        var heldFor: String?
    }

    private struct State {
        var entries: [QueueID: Entry] = [:]
        var order: [QueueID] = []
        var handler: (@Sendable () -> Void)?
        var log: [String] = []
        var waiters: [(isDone: @Sendable ([QueueID: Entry]) -> Bool, continuation: CheckedContinuation<Void, Never>)] =
            []
        var refusesCommits: QueueFailure?
    }

    /// How often the agent had given out what it had claimed: then it asks when the next is due.
    private let givenOut = Atomic(0)
    /// How many messages there were when it asked last.
    private let known = Atomic(0)
    private let state = Mutex(State())

    var entries: [QueueID: Entry] { state.withLock { $0.entries } }
    /// What was told, in order: `commit <id>`, `settle <id> <number> <outcome>`, `hold <id>`.
    var log: [String] { state.withLock { $0.log } }
    func refuseCommits(_ failure: QueueFailure?) { state.withLock { $0.refusesCommits = failure } }

    func add(_ submission: Submission) {
        change { state in
            var entry = Entry(
                message: QueuedMessage(
                    id: submission.id, sender: submission.sender, parameters: submission.parameters,
                    received: submission.received, arrival: submission.arrival, recipients: submission.recipients,
                    content: Bytes(submission.content.flatMap(\.array))),
                due: [:], progress: [:], heldFor: submission.holdReason)
            for number in submission.recipients.indices {
                entry.due[number] = submission.received
                entry.progress[number] = Work.Recipient(number: number, attempts: 0, age: "0s", warned: false)
            }
            state.entries[submission.id] = entry
            state.order.append(submission.id)
        }
        state.withLock { $0.handler }?()
    }

    /// Changes what is known of a recipient's attempts so far.
    func set(_ id: QueueID, _ recipient: Work.Recipient) {
        state.withLock { $0.entries[id]?.progress[recipient.number] = recipient }
    }

    /// Makes a message one that an earlier process has left.
    func recover(_ id: QueueID, due: Date) {
        state.withLock { state in
            for number in state.entries[id]?.due.keys.map(\.self) ?? [] {
                state.entries[id]?.due[number] = due
                state.entries[id]?.progress[number]?.isRecovered = true
            }
        }
    }

    func read(_ id: QueueID) throws(QueueFailure) -> QueuedMessage {
        guard let entry = entries[id] else { throw .unknown(id) }
        return entry.message
    }

    func claimDue(now: Date, limit: Int, excluding: Set<QueueDestination>) -> [Work] {
        state.withLock { state in
            var works: [Work] = []
            for id in state.order where state.entries[id]?.heldFor == nil {
                guard let entry = state.entries[id] else { continue }
                let due = entry.due.filter { $0.value <= now }.keys.sorted()
                let groups = Dictionary(grouping: due) { QueueDestination(entry.message.recipients[$0].route) }
                for (destination, numbers) in groups where !excluding.contains(destination) && works.count < limit {
                    works.append(
                        Work(id: id, destination: destination, recipients: numbers.compactMap { entry.progress[$0] }))
                    for number in numbers { state.entries[id]?.due[number] = nil }
                }
            }
            return works
        }
    }

    func settle(
        _ id: QueueID, _ outcomes: [RecipientOutcome], now: Date, lazily: Bool,
        completion: (@Sendable (Result<Void, QueueFailure>) -> Void)?
    ) {
        change { state in
            for outcome in outcomes {
                state.entries[id]?.outcomes[outcome.number] = outcome.result
                switch outcome.result {
                case .deferred(let until, _, let warned):
                    state.entries[id]?.due[outcome.number] = until
                    state.entries[id]?.progress[outcome.number]?.attempts += 1
                    state.entries[id]?.progress[outcome.number]?.warned = warned
                case .returned(let until): state.entries[id]?.due[outcome.number] = until
                case .delivered, .relayed, .failed: break
                }
                state.log.append("settle \(id) \(outcome.number) \(Self.word(outcome.result))")
            }
        }
        // What is put off may be due earlier than what the agent knows of.
        if state.withLock({ $0.entries[id]?.due.isEmpty == false }) { wake() }
        completion?(.success(()))
    }

    static func word(_ result: RecipientOutcome.Result?) -> String {
        switch result {
        case .delivered: "delivered"
        case .relayed: "relayed"
        case .deferred: "deferred"
        case .failed: "failed"
        case .returned: "returned"
        case nil: "nothing"
        }
    }

    /// Returns when the agent has claimed everything there was and handed it on.
    func untilGivenOut() async {
        await until { entries in entries.values.allSatisfy { $0.due.isEmpty } }
        while givenOut.load(ordering: .relaxed) == 0 { await Task.yield() }
    }

    /// Returns when the agent has seen that there are so many messages, and has gone to sleep.
    func untilKnown(_ count: Int) async {
        while known.load(ordering: .relaxed) < count { await Task.yield() }
    }

    func nextDue(excluding: Set<QueueDestination>) -> Date? {
        givenOut.add(1, ordering: .relaxed)
        return state.withLock { state in
            known.store(state.entries.count, ordering: .relaxed)
            return state.entries.values.filter { $0.heldFor == nil }.flatMap { entry in
                entry.due.filter { !excluding.contains(QueueDestination(entry.message.recipients[$0.key].route)) }
                    .values
            }.min()
        }
    }

    func onWork(_ handler: @escaping @Sendable () -> Void) { state.withLock { $0.handler = handler } }

    func commit(_ submissions: [Submission]) async throws(QueueFailure) -> [QueueID] {
        if let failure = state.withLock({ $0.refusesCommits }) { throw failure }
        for submission in submissions {
            if entries[submission.id] != nil { throw .inUse(submission.id) }
            state.withLock { $0.log.append("commit \(submission.id)") }
            add(submission)
        }
        return submissions.map(\.id)
    }

    func hold(_ id: QueueID, reason: String) async throws(QueueFailure) {
        change { state in
            state.entries[id]?.heldFor = reason
            state.log.append("hold \(id)")
        }
    }

    func release(_ id: QueueID, now: Date) async throws(QueueFailure) {
        change { $0.entries[id]?.heldFor = nil }
        wake()
    }

    func retry(_ id: QueueID, now: Date) async throws(QueueFailure) {
        change { state in
            for number in state.entries[id]?.due.keys.map(\.self) ?? [] { state.entries[id]?.due[number] = now }
        }
        wake()
    }

    private func wake() { state.withLock { $0.handler }?() }

    /// Returns when `isDone` holds of what is in the queue.
    func until(_ isDone: @escaping @Sendable ([QueueID: Entry]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if isDone(state.entries) { return true }
                state.waiters.append((isDone, continuation))
                return false
            }
            if isReady { continuation.resume() }
        }
    }

    private func change(_ body: (inout sending State) -> Void) {
        let ready = state.withLock { state in
            body(&state)
            let entries = state.entries
            let ready = state.waiters.filter { $0.isDone(entries) }.map(\.continuation)
            state.waiters.removeAll { $0.isDone(entries) }
            return ready
        }
        for continuation in ready { continuation.resume() }
    }
}
