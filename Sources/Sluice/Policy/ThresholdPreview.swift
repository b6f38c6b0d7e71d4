import Foundation
import MailTypes
import Pipeline

/// A message that was judged by its score, for one recipient.
struct ScoredCopy {
    let id: TransactionID
    let started: Date
    let from: String
    let subject: String
    let recipient: EmailAddress
    /// Whose thresholds held.
    let scope: PolicyScope
    let score: Double
    /// The score was set aside, whatever it was.
    let isExempt: Bool
    /// What an attempt to send it again has in common with the first; `nil` where nobody can tell.
    let identity: String?
}

extension Trace {
    /// What the stage `thresholds` has judged, for each recipient. Mail of own users is not among it.
    var scoredCopies: [ScoredCopy] {
        // In shadow, too: it is before a stage is let loose that somebody wants to know.
        let judged = steps.filter { $0.phase == .message && $0.finding != nil }
        var exempt: Set<String> = []
        for step in judged where step.isApplied && step.finding?.isExempting == true {
            exempt.formUnion(step.recipients)
        }
        var scores: [String: Double] = [:]
        for step in judged {
            guard let score = step.finding?.writtenScore else { continue }
            for name in step.recipients { scores[name] = score }
        }
        guard !scores.isEmpty else { return [] }
        return recipients.compactMap { recipient in
            let name = recipient.address.description
            return scores[name].map { copy(for: recipient, score: $0, isExempt: exempt.contains(name)) }
        }
    }

    private func copy(for recipient: Recipient, score: Double, isExempt: Bool) -> ScoredCopy {
        let identity = summary["message-id"].map { id in
            "\(id) \(envelope?.sender?.key ?? "") \(recipient.address.key)"
        }
        return ScoredCopy(
            id: id, started: started, from: summary["from"] ?? "", subject: summary["subject"] ?? "",
            recipient: recipient.address, scope: recipient.policyScope, score: score, isExempt: isExempt,
            identity: identity)
    }
}

extension Finding {
    fileprivate var isExempting: Bool { edits.contains { if case .exempt = $0 { true } else { false } } }

    /// The score that the message carries.
    fileprivate var writtenScore: Double? {
        edits.lazy.compactMap { edit -> Double? in
            guard case .prependField("X-Spam-Score", let value) = edit else { return nil }
            return Double(value)
        }.first
    }
}

/// What a change of thresholds would have changed of the last days.
struct ThresholdPreview: Encodable {
    /// A message that would go elsewhere.
    struct Move: Encodable {
        var id: String
        var time: Date
        var from: String
        var subject: String
        var recipient: String
        var score: Double
        var before: Thresholds.Band
        var after: Thresholds.Band

        /// How far it goes; down is negative.
        fileprivate var distance: Int {
            let bands = Thresholds.Band.allCases
            return (bands.firstIndex(of: after) ?? 0) - (bands.firstIndex(of: before) ?? 0)
        }
    }

    /// How many messages go from one band to another.
    struct Count: Encodable {
        var before: Thresholds.Band
        var after: Thresholds.Band
        var messages: Int
    }

    var scope: String
    var before: Thresholds
    var after: Thresholds
    /// Each counted for each of its recipients, and once however often it was sent.
    var messages = 0
    /// Those in each band as it is and as it would be.
    var now: [String: Int] = [:]
    var then: [String: Int] = [:]
    var moves: [Count] = []
    /// The most telling of those that would move.
    var examples: [Move] = []

    private static let mostExamples = 10

    /// `copies` come the newest first.
    init(_ copies: some Sequence<ScoredCopy>, of scope: PolicyScope, from old: ThresholdBook, to new: ThresholdBook) {
        self.scope = scope.description
        (before, after) = (old.thresholds(of: scope), new.thresholds(of: scope))
        var seen: Set<String> = []
        var moved: [Move] = []
        var (nowByBand, thenByBand) = ([Thresholds.Band: Int](), [Thresholds.Band: Int]())
        for copy in copies where scope.covers(copy.scope) {
            if let identity = copy.identity, !seen.insert(identity).inserted { continue }
            messages += 1
            let band = copy.band(by: old.thresholds(of: copy.scope))
            let next = copy.band(by: new.thresholds(of: copy.scope))
            nowByBand[band, default: 0] += 1
            thenByBand[next, default: 0] += 1
            if band != next { moved.append(Move(copy, band, next)) }
        }
        for band in Thresholds.Band.allCases {
            now[band.rawValue] = nowByBand[band] ?? 0
            then[band.rawValue] = thenByBand[band] ?? 0
        }
        moves = Self.counts(moved)
        examples = Array(moved.sorted(by: Self.isMoreTelling).prefix(Self.mostExamples))
    }

    private static func counts(_ moved: [Move]) -> [Count] {
        let bands = Thresholds.Band.allCases
        return bands.flatMap { before in
            bands.compactMap { after in
                let messages = moved.count { $0.before == before && $0.after == after }
                return messages == 0 ? nil : Count(before: before, after: after, messages: messages)
            }
        }
    }

    /// The farthest first; of those that go as far, the good ones that would be lost, and the bad ones that would come.
    private static func isMoreTelling(_ left: Move, _ right: Move) -> Bool {
        if abs(left.distance) != abs(right.distance) { return abs(left.distance) > abs(right.distance) }
        if (left.distance > 0) != (right.distance > 0) { return left.distance > 0 }
        if left.score != right.score { return (left.score < right.score) == (left.distance > 0) }
        return left.time > right.time
    }
}

extension ScoredCopy {
    /// What becomes of it by its score.
    func band(by thresholds: Thresholds) -> Thresholds.Band { isExempt ? .deliver : thresholds.band(of: score) }
}

extension ThresholdPreview.Move {
    init(_ copy: ScoredCopy, _ before: Thresholds.Band, _ after: Thresholds.Band) {
        id = copy.id.text
        time = copy.started
        from = copy.from
        subject = EncodedWord.decode(copy.subject)
        recipient = copy.recipient.description
        score = copy.score
        self.before = before
        self.after = after
    }
}

extension ThresholdPreview {
    /// For people.
    var text: String {
        var lines = ["\(Terminal.styled(scope, .bold))", "  now   \(before)", "  then  \(after)", ""]
        let rows = Thresholds.Band.allCases.map { band in
            [band.rawValue, "\(now[band.rawValue] ?? 0)", "\(then[band.rawValue] ?? 0)"]
        }
        lines.append(Terminal.table(["", "NOW", "THEN"], rows))
        lines.append("")
        guard !examples.isEmpty else {
            return (lines + ["None of \(Terminal.counted(messages, "message")) would go elsewhere."])
                .joined(separator: "\n")
        }
        let sum = moves.reduce(0) { $0 + $1.messages }
        lines.append("Of \(Terminal.counted(messages, "message")), \(sum) would go elsewhere:")
        for move in moves { lines.append("  \(move.before.rawValue) > \(move.after.rawValue): \(move.messages)") }
        let telling = examples.map { move in
            [
                move.id, "\(move.score)", "\(move.before.rawValue) > \(move.after.rawValue)", move.from, move.recipient,
                move.subject,
            ].map(Terminal.harmless)
        }
        lines += ["", Terminal.table(["ID", "SCORE", "MOVE", "FROM", "TO", "SUBJECT"], telling)]
        return lines.joined(separator: "\n")
    }
}
