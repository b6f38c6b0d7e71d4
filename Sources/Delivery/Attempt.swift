import MailTypes
import Queue

/// What an attempt brought for one recipient, before anything is made of it.
struct Attempt: Sendable {
    enum Result: Sendable {
        /// In a mailbox.
        case delivered
        case discarded
        /// Another server has it; `reports`: and will report on it, as it was asked to. RFC 3461 §5.2.2.
        case relayed(Reply, reports: Bool)
        case deferred(Reply)
        case failed(Reply)
        /// Not tried.
        case returned
    }

    /// The recipient as the queue gave it out.
    var claimed: Work.Recipient
    var result: Result
    var host: RemoteHost?
}
