public import Foundation
public import MailTypes
public import Pipeline

/// One transaction's trace as it is stored: what it is searched by, and the trace itself as JSON.
public struct TraceRecord: Sendable, Hashable, Codable {
    public var id: TransactionID
    public var started: Date
    public var finished: Date
    /// The client's IP address.
    public var client: String
    /// `nil`: the null reverse-path, or none was said.
    public var sender: EmailAddress?
    /// All that were said, taken or not.
    public var recipients: [EmailAddress]
    /// The last reply; 0 if there was none.
    public var code: Int
    public var text: String
    /// One word: `accepted`, `rejected`, `deferred`, …
    public var outcome: String
    public var json: [UInt8]
    /// What was judged by its score, for each recipient. It is kept apart from the rest, and not read with it.
    public var scores: [ScoredCopy] = []

    private enum CodingKeys: String, CodingKey {
        case id, started, finished, client, sender, recipients, code, text, outcome, json
    }

    public init(
        id: TransactionID, started: Date, finished: Date, client: String, sender: EmailAddress?,
        recipients: [EmailAddress], code: Int, text: String, outcome: String, json: [UInt8]
    ) {
        self.id = id
        self.started = started
        self.finished = finished
        self.client = client
        self.sender = sender
        self.recipients = recipients
        self.code = code
        self.text = text
        self.outcome = outcome
        self.json = json
    }

    /// Encodes `trace`, which takes its time: the store does it on its own thread.
    public init(_ trace: Trace, finished: Date) throws {
        let last = trace.replies.last ?? trace.refused.last?.reply
        self.init(
            id: trace.id, started: trace.started, finished: finished, client: trace.session.client.description,
            sender: trace.envelope?.sender, recipients: trace.asked.map(\.address), code: last?.code ?? 0,
            text: last?.text ?? "", outcome: trace.outcome.rawValue, json: trace.json)
        scores = trace.scoredCopies
    }

    /// The trace; throws if another version wrote it, in a form that this one does not know.
    public func trace() throws -> Trace { try Trace(json: json) }
}

extension TraceRecord {
    /// What is shown in lists: this record without the trace itself, as JSON for the synthesized decoder.
    var summary: [UInt8] {
        var text = JSONText(capacity: 512)
        text.object { text in
            text.member("id", id.text)
            text.member("started", started.timeIntervalSinceReferenceDate)
            text.member("finished", finished.timeIntervalSinceReferenceDate)
            text.member("client", client)
            if let sender { text.member("sender", sender.description) }
            text.member("recipients", recipients) { $0.string($1.description) }
            text.member("code", code)
            text.member("text", self.text)
            text.member("outcome", outcome)
            text.member("json", EmptyCollection<Int>()) { $0.number($1) }
        }
        return text.octets
    }
}
