import Synchronization

/// Who is told of messages once they are on stable storage.
final class Acceptances: Sendable {
    private let handler = Mutex<(@Sendable ([Submission]) -> Void)?>(nil)

    var current: (@Sendable ([Submission]) -> Void)? {
        get { handler.withLock { $0 } }
        set { handler.withLock { $0 = newValue } }
    }
}

extension MailQueue {
    /// Sets what is told of all that has been taken, after the sender has heard so. It is called on a thread of the
    /// queue and must not block; a process that dies in between tells nobody.
    public func onAccepted(_ handler: @escaping @Sendable ([Submission]) -> Void) { acceptances.current = handler }

    func telling(
        _ submissions: [Submission], _ completion: @escaping @Sendable (Result<[QueueID], QueueFailure>) -> Void
    ) -> @Sendable (Result<[QueueID], QueueFailure>) -> Void {
        guard let handler = acceptances.current else { return completion }
        return { result in
            completion(result)
            if case .success = result { handler(submissions) }
        }
    }
}
