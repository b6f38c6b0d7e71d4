import Filters
import Metrics
import Pipeline

/// Counts what stages have decided about recipients, from traces that are finished.
struct StageCounters: Sendable {
    private let greylist: [Greylist.Outcome: Counter]
    private let lists: [ListEntry.Action: Counter]
    private let thresholds: [Thresholds.Band: Counter]

    init(_ factory: any MetricsFactory = MetricsSystem.factory) {
        func counters<Word: RawRepresentable<String> & CaseIterable & Hashable>(
            _ label: String, by dimension: String
        ) -> [Word: Counter] {
            Dictionary(
                uniqueKeysWithValues: Word.allCases.map { word in
                    (word, Counter(label: label, dimensions: [(dimension, word.rawValue)], factory: factory))
                })
        }
        greylist = counters("sluice_greylist_recipients_total", by: "result")
        lists = counters("sluice_lists_recipients_total", by: "action")
        thresholds = counters("sluice_thresholds_recipients_total", by: "band")
    }

    func count(_ trace: Trace) {
        for step in trace.steps where step.isApplied {
            guard let finding = step.finding else { continue }
            let counter: Counter?
            switch step.stage {
            case Greylist.name: counter = Greylist.outcome(of: finding, in: step.phase).flatMap { greylist[$0] }
            case SenderLists.name: counter = SenderLists.decision(in: finding).flatMap { lists[$0] }
            case ScoreVerdict.name: counter = ScoreVerdict.consequence(in: finding).flatMap { thresholds[$0] }
            default: counter = nil
            }
            counter?.increment(by: step.recipients.count)
        }
    }
}
