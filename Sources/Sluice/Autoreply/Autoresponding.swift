import Configuration
import Delivery
import Directory
import Foundation
import Logging
import MailTypes
import Metrics
import Pipeline
import Queue

extension Autoresponder {
    /// The one of a running server.
    convenience init(
        _ settings: ServerConfiguration, in data: DataFolder, _ directory: MailDirectory, _ mail: HouseMail,
        _ world: LiveWorld, _ traces: TraceKeeper, _ logger: Logger
    ) throws {
        let counters = AutoreplyCounters()
        var limits = AutoreplyLedger.Limits()
        limits.perHour = settings.autoreply.maxPerHour
        limits.senders = settings.autoreply.maxSenders
        let ledgerLimits = limits
        self.init(
            hostname: settings.hostname, directory: directory,
            ledger: try told { try AutoreplyLedger(data.autoreplies, limits: ledgerLimits) }, mail: mail,
            world: World(
                meaning: { address async throws(StageFailure) in try await world.meaning(of: address) },
                tell: { copy, outcome in
                    counters.count(outcome)
                    traces.keep(outcome, of: copy)
                    outcome.log(copy, to: logger)
                }),
            logger: logger)
    }
}

extension LiveWorld {
    /// What the directory says now of an address.
    func meaning(of address: EmailAddress) async throws(StageFailure) -> AddressMeaning {
        guard case .directory(.address(let meaning)) = try await now(.directory(.address(address))) else {
            return .foreign
        }
        return meaning
    }
}

/// Counts what became of messages that mailboxes might have answered.
private struct AutoreplyCounters: Sendable {
    private let sent: Counter
    private let silent: [AutoreplyRefusal.Kind: Counter]

    init(_ factory: any MetricsFactory = MetricsSystem.factory) {
        func counter(_ word: String) -> Counter {
            Counter(label: "sluice_autoreplies_total", dimensions: [("result", word)], factory: factory)
        }
        sent = counter("sent")
        silent = Dictionary(
            uniqueKeysWithValues: AutoreplyRefusal.Kind.allCases.map { ($0, counter($0.rawValue)) })
    }

    func count(_ outcome: Autoresponder.Outcome) {
        switch outcome {
        case .sent: sent.increment()
        case .silent(let refusal): silent[refusal.kind]?.increment()
        }
    }
}

extension Autoresponder.Outcome {
    fileprivate func log(_ copy: MailboxCopy, to logger: Logger) {
        var metadata: Logger.Metadata = ["id": "\(copy.message.id)", "mailbox": "\(copy.mailbox)"]
        switch self {
        case .sent(let address, let id):
            metadata["to"] = "\(address)"
            metadata["reply"] = "\(id)"
            logger.info("autoreply", metadata: metadata)
        case .silent(let refusal):
            metadata["reason"] = "\(Terminal.harmless(refusal.reason))"
            let level: Logger.Level =
                switch refusal.kind {
                case .failed: .warning
                case .limit, .refused: .notice
                default: .debug
                }
            logger.log(level: level, "no autoreply", metadata: metadata)
        }
    }
}

extension TraceKeeper {
    /// What became of the reply to a message that has come to a mailbox.
    fileprivate func keep(_ outcome: Autoresponder.Outcome, of copy: MailboxCopy) {
        let (word, words) =
            switch outcome {
            case .sent(let address, let id): ("autoreply", "to <\(address)>, \(id)")
            case .silent(let refusal): ("no reply", refusal.reason)
            }
        keep(word, words, of: copy.message.id, for: copy.mailbox)
    }
}
