import Foundation
import Logging
import MailTypes
import Metrics
import Queue
import Sandbox

/// Logs, counts and traces what became of programs.
struct EventReporter: Sendable {
    private let logger: Logger
    private let traces: TraceKeeper
    private let counters: [String: Counter]

    private static let words = ["done", "failed", "timeout", "not-started", "dropped", "bulk"]

    init(_ logger: Logger, _ traces: TraceKeeper, _ factory: any MetricsFactory = MetricsSystem.factory) {
        self.logger = logger
        self.traces = traces
        var counters: [String: Counter] = [:]
        for event in EventKind.allCases {
            for word in Self.words {
                counters["\(event.rawValue) \(word)"] = Counter(
                    label: "sluice_events_total", dimensions: [("event", event.rawValue), ("result", word)],
                    factory: factory)
            }
        }
        self.counters = counters
    }

    /// It was not run, since nobody wrote the message to somebody.
    func noteBulk(_ event: EventKind, _ program: String, _ message: EventMessage, _ mark: String) {
        counters["\(event.rawValue) bulk"]?.increment()
        keep(event, message, "\(program) not run: \(mark)")
    }

    func note(_ event: EventKind, _ program: String, _ message: EventMessage, _ outcome: EventDesk.Outcome) {
        counters["\(event.rawValue) \(outcome.word)"]?.increment()
        var metadata: Logger.Metadata = [
            "id": "\(message.id)", "event": "\(event.rawValue)", "program": "\(program)",
        ]
        if let mailbox = message.mailbox { metadata["mailbox"] = "\(mailbox)" }
        switch outcome {
        case .ran(let run):
            let milliseconds = (run.seconds * 1000).rounded() / 1000
            metadata["seconds"] = "\(milliseconds)"
            metadata["result"] = "\(run.end)"
            let words = Terminal.harmless(String(decoding: run.errors, as: UTF8.self))
            if !words.isEmpty { metadata["errors"] = "\(words)" }
            if run.end.isSuccess {
                logger.debug("event program", metadata: metadata)
            } else {
                logger.warning("event program failed", metadata: metadata)
            }
            keep(event, message, "\(program): \(run.end), \(milliseconds) s")
        case .dropped(let reason):
            metadata["reason"] = "\(reason)"
            logger.warning("event program not run", metadata: metadata)
            keep(event, message, "\(program) not run: \(reason)")
        }
    }

    private func keep(_ event: EventKind, _ message: EventMessage, _ words: String) {
        guard let recipient = message.mailbox ?? message.recipients.first?.address else { return }
        traces.keep("\(event.rawValue) event", words, of: message.id, for: recipient)
    }
}
