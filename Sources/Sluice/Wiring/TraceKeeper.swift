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
    private let keeps: ServerConfiguration.Trace.Messages

    init(_ store: TraceStore, keeps: ServerConfiguration.Trace.Messages) {
        self.store = store
        self.keeps = keeps
    }

    /// `message` is the message as it arrived, if it came to that.
    func keep(_ trace: Trace, _ message: Message?) {
        let kept: Bytes? =
            switch keeps {
            case .none: nil
            case .header: message.map { Bytes($0.header.serialized) }
            case .whole: message.map { Bytes($0.pieces.flatMap(\.array)) }
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
        store.append(record)
    }

    var dropped: Int { store.dropped }

    func close() { store.close() }
}
