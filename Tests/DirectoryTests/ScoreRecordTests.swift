import Directory
import Foundation
import MailTypes
import Testing

@testable import Pipeline

/// The scores of messages, which are kept apart from their traces.
@Suite struct ScoreRecordTests {
    static let start = Date(timeIntervalSinceReferenceDate: 800_000_000)

    /// A message for these mailboxes with that score.
    static func trace(
        _ number: Int, score: Double, to boxes: [EmailAddress] = ["anna@acme.test"],
        id messageID: String? = "<1@out.test>",
        isExempt: Bool = false
    ) -> Trace {
        let session = Session(language: .smtp, client: "192.0.2.2")
        var trace = Trace(
            id: TransactionID(milliseconds: UInt64(number), random: 7), started: start + Double(number),
            session: session)
        trace.envelope = Envelope(sender: "a@out.test")
        trace.summary["message-id"] = messageID
        trace.recipients = boxes.map { box in
            Recipient(EnvelopeRecipient(box), destinations: [Destination(address: box, route: .mailbox(box))])
        }
        func step(_ stage: StageName, _ edits: [Edit]) -> TraceStep {
            var step = TraceStep(phase: .message, stage: stage, file: "1.toml")
            step.recipients = boxes.map(\.description)
            step.finding = Finding(edits: edits)
            return step
        }
        if isExempt { trace.steps.append(step("lists", [.exempt(Exemption(reason: "r", origin: "o"))])) }
        trace.steps.append(step("thresholds", [.prependField(name: "X-Spam-Score", value: "\(score)")]))
        return trace
    }

    static func open(_ folder: TemporaryFolder) throws -> TraceStore {
        var options = TraceStore.Options()
        options.writeInterval = "1d"
        options.now = { start }
        return try TraceStore.open(folder.file("traces.sqlite"), options: options)
    }

    static func scores(_ store: TraceStore, since date: Date = .distantPast) throws -> [ScoreRecord] {
        var scores: [ScoreRecord] = []
        try store.eachScore(since: date) { score in
            scores.append(score)
            return true
        }
        return scores
    }

    @Test func `each recipient's score is read without the trace, the newest first`() throws {
        let folder = try TemporaryFolder()
        let store = try Self.open(folder)
        for trace in [
            Self.trace(1, score: 4.25), Self.trace(2, score: -1, to: ["bert@acme.test", "carl@beta.test"], id: nil),
            Self.trace(3, score: 20, isExempt: true), Self.trace(4, score: 5),
        ] { store.append(trace, finished: Self.start) }
        store.flush()
        let scores = try Self.scores(store)
        #expect(scores.map(\.score) == [5, 20, -1, -1, 4.25])
        #expect(scores.map(\.recipient).prefix(3) == ["anna@acme.test", "anna@acme.test", "bert@acme.test"])
        #expect(scores[3].scope == .mailbox("carl@beta.test"))
        #expect(scores.map(\.isExempt) == [false, true, false, false, false])
        #expect(scores[0].identity == scores[1].identity && scores[0].identity == scores[4].identity)
        #expect(scores[0].identity?.count == 16 && scores[2].identity == nil)
        #expect(try store.trace(number: scores[1].trace)?.id == TransactionID(milliseconds: 3, random: 7))
        #expect(try Self.scores(store, since: Self.start + 3).map(\.score) == [5, 20])
        var read = 0
        try store.eachScore(since: .distantPast) { _ in
            read += 1
            return read < 2
        }
        #expect(read == 2, "who has enough is asked no more")
    }

    @Test func `what was not judged by its score has none, and what goes takes its scores along`() throws {
        let folder = try TemporaryFolder()
        let store = try Self.open(folder)
        var unjudged = Self.trace(1, score: 4)
        unjudged.steps = []
        store.append(unjudged, finished: Self.start)
        store.append(Self.trace(2, score: 4), finished: Self.start)
        // A trace that is written again takes the place of the first.
        store.append(Self.trace(2, score: 7), finished: Self.start)
        store.flush()
        #expect(try Self.scores(store).map(\.score) == [7])
        store.close()
        var options = TraceStore.Options()
        options.now = { Self.start + 31 * 86_400 }
        let later = try TraceStore.open(folder.file("traces.sqlite"), options: options)
        later.sweep()
        #expect(try Self.scores(later) == [] && later.traces(TraceQuery()) == [])
    }
}
