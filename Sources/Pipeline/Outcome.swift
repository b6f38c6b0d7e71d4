public import MailTypes

/// What the chain decided about a message.
public struct Outcome: Sendable {
    /// What to answer once ``copies`` are on stable storage: one reply, or one per accepted recipient
    /// where the session answers each.
    public var replies: [Reply]
    /// What to queue; empty if nobody takes it.
    public var copies: [Copy]
}

/// One finished message with the recipients that get exactly it.
public struct Copy: Sendable {
    public var message: Message
    /// The reverse-path, as the stages have left it.
    public var sender: EmailAddress?
    public var recipients: [Recipient]
    /// Why a person must look at it before it goes anywhere.
    public var quarantined: String?

    init(_ draft: Draft) {
        message = draft.message
        sender = draft.sender
        recipients = draft.recipients
        quarantined = draft.quarantined
    }
}
