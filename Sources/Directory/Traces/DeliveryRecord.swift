public import MailTypes
public import struct Foundation.Date

/// What one attempt to deliver brought for one recipient, kept beside the trace of its transaction.
public struct DeliveryRecord: Sendable, Hashable, Codable {
    public var id: TransactionID
    /// The queue's id: a transaction may leave several messages.
    public var message: String
    public var time: Date
    public var recipient: EmailAddress
    /// `delivered`, `relayed`, `discarded`, `deferred`, `failed`; `removed` by an operator; `autoreply`,
    /// `no reply`; `delivery event`, `pickup event`.
    public var outcome: String
    /// What the other server, or this one in its place, said.
    public var reply: String?
    /// Who was spoken with.
    public var host: String?
    /// How the way there was to be protected, and was.
    public var security: String?
    /// How long the attempt took.
    public var seconds: Double

    public init(
        id: TransactionID, message: String, time: Date, recipient: EmailAddress, outcome: String, seconds: Double
    ) {
        self.id = id
        self.message = message
        self.time = time
        self.recipient = recipient
        self.outcome = outcome
        self.seconds = seconds
    }
}
