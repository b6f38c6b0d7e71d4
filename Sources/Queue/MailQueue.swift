public import struct Foundation.Date

/// The durable queue. `docs/queue.md` has the invariants that this class keeps.
public final class MailQueue: Sendable {
    init() {}

    /// Opens the queue in a directory, made if need be, and locks it.
    ///
    /// Throws ``QueueFailure`` if another process has it, or it was written by a newer Sluice.
    public static func open(
        _ directory: String, files: any FileSystem, options: QueueOptions, now: Date
    ) throws(QueueFailure) -> (MailQueue, RecoveryReport) {
        throw .closed
    }

    /// Takes messages, all or none. `completion` is called after they are on stable storage, on a
    /// thread of the queue: it must not block.
    public func commit(
        _ submissions: [Submission],
        completion: @escaping @Sendable (Result<[QueueID], QueueFailure>) -> Void
    ) {
        completion(.failure(.closed))
    }

    /// Takes messages, all or none; returns when they are on stable storage.
    public func commit(_ submissions: [Submission]) async throws(QueueFailure) -> [QueueID] {
        let result = await withCheckedContinuation { continuation in
            commit(submissions) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// Whether a commit of this many octets would be refused just now. Cheap; for MAIL. RFC 1870 §6.1.
    public func refusal(forSize octets: Int) -> QueueFailure? { nil }

    /// A message as it lies in the queue; its checksum has been verified.
    public func read(_ id: QueueID) throws(QueueFailure) -> QueuedMessage { throw .unknown(id) }

    /// The recipients whose time has come, at most `limit` works, fairly over the destinations;
    /// `excluding` names destinations that can take no more just now.
    public func claimDue(now: Date, limit: Int, excluding: Set<QueueDestination> = []) -> [Work] { [] }

    /// Tells what became of claimed recipients. Memory knows at once; the journal with the next sync, or,
    /// `lazily`, with a later one that others pay for: for deliveries that may be repeated without harm.
    /// A journal that cannot be written keeps the record and tries again: nothing is to be done about it.
    public func settle(
        _ id: QueueID, _ outcomes: [RecipientOutcome], now: Date, lazily: Bool = false,
        completion: (@Sendable (Result<Void, QueueFailure>) -> Void)? = nil
    ) {}

    /// When the next recipient is due, of those not in `excluding`.
    public func nextDue(excluding: Set<QueueDestination> = []) -> Date? { nil }

    /// Sets what is called when work has come that is due earlier than anything before. It must
    /// not block.
    public func onWork(_ handler: @escaping @Sendable () -> Void) {}

    // MARK: For `sluice queue`

    public func hold(_ id: QueueID, reason: String) async throws(QueueFailure) {}
    public func release(_ id: QueueID, now: Date) async throws(QueueFailure) {}
    /// Makes every waiting recipient due now.
    public func retry(_ id: QueueID, now: Date) async throws(QueueFailure) {}
    /// Forgets a message; nobody is told.
    public func remove(_ id: QueueID) async throws(QueueFailure) {}
    /// Messages in the order of their ids, after `after`.
    public func list(after: QueueID? = nil, limit: Int = 1000) -> [QueueListing] { [] }
    public func show(_ id: QueueID) throws(QueueFailure) -> QueueListing { throw .unknown(id) }
    public func counts() -> QueueCounts { QueueCounts() }

    /// Writes what is pending and lets go of the directory; later calls fail with `.closed`.
    public func close() {}
}
