public import MailTypes
public import Queue

/// A message that lies in a mailbox, on stable storage.
public struct MailboxCopy: Sendable {
    public var message: QueuedMessage
    public var mailbox: EmailAddress
    /// The recipient that led there; of several, the one that was said first.
    public var recipient: QueueRecipient

    public init(message: QueuedMessage, mailbox: EmailAddress, recipient: QueueRecipient) {
        self.message = message
        self.mailbox = mailbox
        self.recipient = recipient
    }
}

/// Who acts when mail has come to lie in a mailbox: once it does, and before the queue is told. What a crash
/// interrupts is therefore begun anew by the next process, with the same copy.
public protocol MailboxFollower: Sendable {
    /// Whether ``follow(_:)`` is of any use for this mailbox. Called for each delivery, on a thread that may wait.
    func concerns(_ mailbox: EmailAddress) -> Bool
    /// Returns when the queue may be told. The mail is delivered whatever comes of it.
    func follow(_ copy: MailboxCopy) async
}
