import Configuration
import Delivery
import Directory
import Foundation
import MailTypes
import Pipeline
import Queue

/// Brings traces from the event loops to their store, without making anybody wait.
final class TraceKeeper: Sendable {
    private let store: TraceStore
    private let settings: ServerConfiguration.Trace

    init(_ store: TraceStore, _ settings: ServerConfiguration.Trace) {
        self.store = store
        self.settings = settings
    }

    /// `message` is the message as it arrived, if it came to that.
    func keep(_ trace: Trace, _ message: Message?) {
        let kept: Bytes? =
            switch settings.keepMessages {
            case .none: nil
            case .header: message.map { Bytes($0.header.serialized) }
            // What is too long to be kept is not copied first.
            case .whole: message.flatMap { $0.size <= settings.maxMessage.octets ? $0.joined : nil }
            }
        store.append(trace, finished: Date(), message: kept)
    }

    /// What became of a recipient after the reply.
    func keep(_ event: DeliveryEvent) {
        var record = DeliveryRecord(
            id: event.id.transaction, message: event.id.description, time: Date(), recipient: event.recipient,
            outcome: event.outcome.rawValue, seconds: event.seconds)
        record.reply = event.reply?.description
        record.host = event.host?.description
        record.security = event.host?.security
        store.append(record)
    }

    /// What was done, or not, when a message had come to lie in a mailbox.
    func keep(_ outcome: String, _ words: String, of id: QueueID, for recipient: EmailAddress) {
        var record = DeliveryRecord(
            id: id.transaction, message: id.description, time: Date(), recipient: recipient, outcome: outcome,
            seconds: 0)
        record.reply = words
        store.append(record)
    }

    /// That an operator has taken a message out of the queue, for those who had not got it yet.
    func keep(removed message: QueueListing) {
        let waiting: Set<RecipientProgress.Status> = [.waiting, .claimed]
        for one in message.recipients where waiting.contains(one.progress.status) {
            var record = DeliveryRecord(
                id: message.id.transaction, message: message.id.description, time: Date(),
                recipient: one.recipient.address, outcome: "removed", seconds: 0)
            record.reply = "by an operator"
            store.append(record)
        }
    }

    /// `From` and `Subject` of what came in a transaction, as far as it is traced. Blocks.
    func summary(_ id: TransactionID) -> [String: String] {
        guard let record = try? store.trace(id) else { return [:] }
        return (try? record.trace())?.summary ?? [:]
    }

    /// Those that fit, with what has been kept until now. Blocks.
    func records(_ query: TraceQuery) throws -> [TraceRecord] {
        store.flush()
        return try store.traces(query)
    }

    var dropped: Int { store.dropped }

    func close() { store.close() }
}

extension RemoteHost {
    /// How TLS was to be made, who says so, and what came of it.
    fileprivate var security: String? {
        guard let policy else { return nil }
        return policy + (certificate.map { "; \($0)" } ?? (tls ? "; TLS, any certificate" : ""))
    }
}

extension Message {
    /// The whole in one piece.
    fileprivate var joined: Bytes {
        var octets: [UInt8] = []
        octets.reserveCapacity(size)
        for piece in pieces { octets += piece.array }
        return Bytes(octets)
    }
}
