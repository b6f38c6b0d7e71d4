public import MailTypes
public import Pipeline

/// What was seen of one domain's mail in a while, for its owner: an aggregate report. RFC 7489 §7.2, appendix C.
///
/// It is made of traces: each holds what SPF and DKIM found and what DNS said of the policy. So nothing is gathered
/// twice, and a report can be made of any time that traces are kept for.
public struct DMARCReport: Sendable {
    /// Messages that are alike in everything that a report tells.
    public struct Row: Sendable, Hashable {
        public var source: IPAddress
        /// `none`, `quarantine`, `reject`: what was done with them.
        public var disposition: DMARCRecord.Policy
        /// Whether SPF and DKIM have passed for an aligned domain.
        public var isSPFAligned: Bool
        public var isDKIMAligned: Bool
        /// Why the disposition is not what the owner wishes: `sampled_out`, `trusted_forwarder`, `local_policy`.
        public var excuse: String?
        public var headerFrom: String
        public var envelopeFrom: String
        /// What SPF and DKIM found, uninterpreted.
        var results: [AuthenticationResults.Entry]
    }

    /// The domain with the record.
    public let domain: String
    /// The newest record that was seen.
    public private(set) var record: DMARCRecord
    public private(set) var counts: [Row: Int] = [:]
    /// Messages that had no room in ``counts``.
    public private(set) var leftOut = 0
    /// Messages among those that were reports themselves, proven to be of the domain.
    private var reportMessages = 0

    /// Rows of one report; messages that would need more are left out, so that strangers cannot fill the memory.
    private static let mostRows = 20_000

    init(domain: String, record: DMARCRecord) {
        self.domain = domain
        self.record = record
    }

    public var messages: Int { counts.values.reduce(0, +) }

    /// Whether nothing came but reports. To report on these would be answered by another report, day by day.
    public var isOfReportsOnly: Bool { reportMessages == messages + leftOut }

    /// Answers whether it has made another row.
    mutating func add(_ row: Row, isReport: Bool, mayGrow: Bool) -> Bool {
        if isReport { reportMessages += 1 }
        let isNew = counts[row] == nil
        guard !isNew || mayGrow && counts.count < Self.mostRows else {
            leftOut += 1
            return false
        }
        counts[row, default: 0] += 1
        return isNew
    }

    /// The rows in an order, the most frequent first.
    public var rows: [(row: Row, count: Int)] {
        counts.map { (row: $0.key, count: $0.value) }.sorted { left, right in
            if left.count != right.count { return left.count > right.count }
            return Self.order(left.row).lexicographicallyPrecedes(Self.order(right.row))
        }
    }

    private static func order(_ row: Row) -> [String] {
        [
            row.source.description, row.headerFrom, row.envelopeFrom, row.disposition.rawValue,
            "\(row.isSPFAligned) \(row.isDKIMAligned)",
            row.results.map { "\($0.method)\($0.result.rawValue)\($0.properties)" }.joined(),
        ]
    }
}

/// The reports of many domains, trace by trace.
public struct DMARCReports: Sendable {
    /// By the domain with the record.
    public private(set) var byDomain: [String: DMARCReport] = [:]
    private var rows = 0

    /// Likewise, of domains, and of rows in all.
    private static let mostDomains = 100_000
    private static let mostRows = 200_000

    public init() {}

    /// Counts the message of a trace on which the stage `dmarc` has found something; others are passed over.
    public mutating func add(_ trace: Trace) async {
        for step in trace.steps where step.stage == DMARC.name && step.isApplied {
            guard let finding = step.finding, let entry = finding.edits.firstResult,
                let from = entry["header.from"],
                step.facts.lowerBound >= 0, step.facts.upperBound <= trace.facts.count
            else { continue }
            let evaluation = DMARCEvaluation(
                identifiers: DMARCIdentifier.all(in: trace.authentication, sender: trace.envelope?.sender),
                sample: trace.id.sample, services: Services(RecordedSource(Array(trace.facts[step.facts]))))
            let outcome = await evaluation.outcome(for: from)
            guard let record = outcome.record, let place = outcome.place else { continue }
            guard byDomain[place] != nil || byDomain.count < Self.mostDomains else { return }
            let row = Self.row(trace, finding, outcome, sampledOut: trace.id.sample >= record.percentage)
            let isNew = byDomain[place, default: DMARCReport(domain: place, record: record)]
                .add(row, isReport: outcome.result == .pass && trace.isOfReport, mayGrow: rows < Self.mostRows)
            rows += isNew ? 1 : 0
            // One message counts once, whatever its recipients' own values are.
            return
        }
    }

    private static func row(
        _ trace: Trace, _ finding: Finding, _ outcome: DMARCOutcome, sampledOut: Bool
    ) -> DMARCReport.Row {
        let done = finding.disposition
        let wish = outcome.result == .fail ? outcome.wish ?? .none : DMARCRecord.Policy.none
        var excuse: String?
        if finding.decidedBy.contains("trusted_sealer") {
            excuse = "trusted_forwarder"
        } else if done != wish {
            excuse = "local_policy"
        } else if outcome.result == .fail, sampledOut {
            excuse = "sampled_out"
        }
        return DMARCReport.Row(
            source: trace.session.client, disposition: done, isSPFAligned: outcome.proofs.contains("spf"),
            isDKIMAligned: outcome.proofs.contains("dkim"), excuse: excuse, headerFrom: outcome.domain,
            envelopeFrom: trace.envelope?.sender?.domain ?? "",
            results: trace.authentication.entries.filter { ["spf", "dkim"].contains($0.method) })
    }
}

extension Trace {
    /// Whether the message says that it is an aggregate report. RFC 7489 §7.2.1.1.
    fileprivate var isOfReport: Bool {
        let words = (summary["subject"] ?? "").split(separator: " ").prefix(2).map { String($0).asciiLowercased }
        return words.count == 2 && words[0] == "report" && words[1].hasPrefix("domain:")
    }
}

extension [Edit] {
    fileprivate var firstResult: AuthenticationResults.Entry? {
        for case .authentication(let entry) in self { return entry }
        return nil
    }
}

extension Finding {
    /// What the stage did with the message, in the owner's words.
    fileprivate var disposition: DMARCRecord.Policy {
        switch verdict {
        case .reject, .tempfail: .reject
        case .quarantine: .quarantine
        case .continue, .accept, .discard:
            edits.contains { if case .disposition = $0 { true } else { false } } ? .quarantine : .none
        }
    }
}
