import Foundation
import MailTypes
import Queue

/// A message that a stage has put into quarantine: it lies in the queue and is held.
///
/// Where it goes is decided: its recipients are marked, so that who is released gets it into the inbox, whatever its
/// score was, and nothing of it is judged or written again.
struct QuarantinedMessage: Sendable {
    let listing: QueueListing
    /// Those who wait for it.
    let recipients: [QueueRecipient]
    let reason: String

    /// `nil` for what is not in quarantine, or not any more.
    init?(_ listing: QueueListing) {
        guard let reason = listing.holdReason else { return nil }
        let waiting = listing.recipients.filter { $0.progress.status == .waiting }.map(\.recipient)
        recipients = waiting.filter { $0.disposition == .quarantine }
        guard !recipients.isEmpty else { return nil }
        self.listing = listing
        self.reason = reason
    }

    var id: QueueID { listing.id }

    /// The mailboxes here that it waits for.
    var mailboxes: [EmailAddress] {
        recipients.compactMap { if case .mailbox(let mailbox) = $0.route { mailbox } else { nil } }
    }

    /// Whether it waits for that mailbox and nobody else, so that its owner may decide about it.
    func isOnly(for mailbox: EmailAddress) -> Bool {
        recipients.count == 1 && mailboxes.first?.key == mailbox.key
    }

    /// Whether it waits for that address, or somebody of that domain.
    func isFor(_ text: String) -> Bool {
        let wanted = text.asciiLowercased
        return recipients.contains { recipient in
            let addresses = [recipient.address, recipient.said.address] + mailboxes
            return addresses.contains { $0.key == wanted || $0.domain == wanted }
        }
    }
}
