/// What comes of the attempts that were under way when somebody took a message out of the queue, or gave it up.
///
/// Nobody need come back for it: the oldest are forgotten when there are too many.
struct AttemptWatches {
    /// More messages than are being tried at once.
    static let most = 4096

    private var watches: [QueueID: [Int: RecipientOutcome.Result?]] = [:]
    private var order: [QueueID] = []

    /// Watches the attempts for these recipients; without any there is nothing to watch.
    mutating func begin(_ id: QueueID, _ numbers: [Int]) {
        guard !numbers.isEmpty else { return }
        if watches.updateValue(Dictionary(uniqueKeysWithValues: numbers.map { ($0, nil) }), forKey: id) == nil {
            order.append(id)
        }
        if order.count > Self.most { watches[order.removeFirst()] = nil }
    }

    mutating func note(_ id: QueueID, _ outcomes: [RecipientOutcome]) {
        guard !watches.isEmpty, watches[id] != nil else { return }
        for outcome in outcomes where watches[id]?[outcome.number] != nil {
            watches[id]?[outcome.number] = .some(outcome.result)
        }
    }

    func results(of id: QueueID) -> [Int: RecipientOutcome.Result] { watches[id]?.compactMapValues { $0 } ?? [:] }
}

// MARK: -

extension MailQueue {
    /// The recipients of a message that are being tried just now, by their places; ``results(of:)`` will tell what
    /// comes of that.
    public func watchAttempts(of id: QueueID) throws(QueueFailure) -> [Int] {
        try state.withLock { (state) throws(QueueFailure) in
            guard let message = state.messages[id], message.segment != 0 else { throw .unknown(id) }
            return state.watch(message)
        }
    }

    /// What has come so far of attempts that were under way at ``remove(_:)`` or ``watchAttempts(of:)``, by the
    /// recipients' places. Who will be tried again is not among them.
    public func results(of id: QueueID) -> [Int: RecipientOutcome.Result] {
        state.withLock { state in
            let results = state.watches.results(of: id)
            guard let message = state.messages[id], !message.isHeld else { return results }
            return results.filter { $0.value.isLast }
        }
    }
}

extension QueueState {
    mutating func watch(_ message: IndexedMessage) -> [Int] {
        let numbers = (0..<message.recipientCount).filter { message[$0].status == .claimed }
        watches.begin(message.id, numbers)
        return numbers
    }
}

extension RecipientOutcome.Result {
    /// No attempt follows.
    fileprivate var isLast: Bool {
        switch self {
        case .delivered, .relayed, .failed: true
        case .deferred, .returned: false
        }
    }
}
