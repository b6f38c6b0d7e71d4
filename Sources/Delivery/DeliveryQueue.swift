public import Queue
public import struct Foundation.Date

/// What delivery needs of a queue.
public protocol DeliveryQueue: Sendable {
    func read(_ id: QueueID) throws(QueueFailure) -> QueuedMessage
    func claimDue(now: Date, limit: Int, excluding: Set<QueueDestination>) -> [Work]
    func settle(
        _ id: QueueID, _ outcomes: [RecipientOutcome], now: Date, lazily: Bool,
        completion: (@Sendable (Result<Void, QueueFailure>) -> Void)?)
    func nextDue(excluding: Set<QueueDestination>) -> Date?
    func onWork(_ handler: @escaping @Sendable () -> Void)
    func commit(_ submissions: [Submission]) async throws(QueueFailure) -> [QueueID]
    func hold(_ id: QueueID, reason: String) async throws(QueueFailure)
    func release(_ id: QueueID, now: Date) async throws(QueueFailure)
    func retry(_ id: QueueID, now: Date) async throws(QueueFailure)
}

extension MailQueue: DeliveryQueue {}
