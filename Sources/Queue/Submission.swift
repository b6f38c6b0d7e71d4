public import struct Foundation.Date
public import MailTypes

/// One finished message for the queue: envelope, routes and content. Nothing rewrites it later.
public struct Submission: Sendable {
    public var id: QueueID
    /// The reverse-path; `nil` is the null path.
    public var sender: EmailAddress?
    public var parameters: MailParameters
    public var recipients: [QueueRecipient]
    /// The message in pieces, as ``Message/pieces`` gives it.
    public var content: [Bytes]
    public var received: Date
    /// Whence it came, for reports: host name and address as text.
    public var arrival: String
    /// Starts held, and why: quarantine, a mail loop.
    public var holdReason: String?

    public init(
        id: QueueID, sender: EmailAddress?, recipients: [QueueRecipient], content: [Bytes], received: Date
    ) {
        self.id = id
        self.sender = sender
        self.recipients = recipients
        self.content = content
        self.received = received
        self.parameters = MailParameters()
        self.arrival = ""
    }

    /// The octets of ``content``.
    public var size: Int { content.reduce(0) { $0 + $1.count } }
}

/// Somebody a queued message is for, and how it gets there.
public struct QueueRecipient: Sendable, Hashable, Codable {
    /// The final address, after aliases and groups.
    public var address: EmailAddress
    /// As said in RCPT, with the parameters that reports need. RFC 3461 §4.
    public var said: EnvelopeRecipient
    public var route: Route
    public var disposition: Disposition

    public init(
        _ address: EmailAddress, said: EnvelopeRecipient? = nil, route: Route, disposition: Disposition = .deliver
    ) {
        self.address = address
        self.said = said ?? EnvelopeRecipient(address)
        self.route = route
        self.disposition = disposition
    }
}

/// A message as it lies in the queue, with what became of each recipient so far.
public struct QueuedMessage: Sendable {
    public var id: QueueID
    public var sender: EmailAddress?
    public var parameters: MailParameters
    public var received: Date
    public var arrival: String
    /// In the order of ``Submission/recipients``: outcomes name them by their place.
    public var recipients: [QueueRecipient]
    public var content: Bytes
}

/// What is known of one recipient's delivery.
public struct RecipientProgress: Sendable, Hashable, Codable {
    public enum Status: String, Sendable, Hashable, Codable {
        /// Waits for its time, or is being tried just now.
        case waiting
        case claimed
        /// In a mailbox, or handed to another server, or thrown away as the chain wished.
        case delivered
        case failed
    }

    public var status: Status
    /// Attempts that ended in a deferral.
    public var attempts: Int
    /// When the next attempt is due; `nil` when there will be none.
    public var due: Date?
    /// What the last attempt brought.
    public var lastReply: Reply?
    /// Whether the sender has been told that it takes long.
    public var warned: Bool
}

/// One line of `sluice queue list`: a message with its recipients.
public struct QueueListing: Sendable, Codable {
    public struct Recipient: Sendable, Codable {
        public var recipient: QueueRecipient
        public var progress: RecipientProgress
    }

    public var id: QueueID
    public var sender: EmailAddress?
    public var received: Date
    /// Octets of the content.
    public var size: Int
    public var arrival: String
    /// `nil` unless held.
    public var holdReason: String?
    public var recipients: [Recipient]
}

/// How much lies in the queue.
public struct QueueCounts: Sendable, Hashable, Codable {
    public var messages = 0
    public var held = 0
    /// Recipients that are not done, and of those the ones being tried now and those that were
    /// deferred at least once.
    public var recipients = 0
    public var claimed = 0
    public var deferred = 0
    /// Octets of the messages that are not done.
    public var contentBytes = 0
    public var segments = 0
    /// Octets of the journal's segments on disk.
    public var journalBytes = 0
    /// Since the start: messages committed, and syncs that it took.
    public var committed = 0
    public var syncs = 0
}
