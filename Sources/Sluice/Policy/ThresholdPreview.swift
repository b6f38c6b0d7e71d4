import Directory
import Foundation
import MailTypes
import Pipeline

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

    /// Counts `scores`, which come the newest first; what is told of examples is looked up by their traces' numbers.
    struct Counting {
        let scope: PolicyScope
        let old: ThresholdBook
        let new: ThresholdBook
        private var seen: Set<[UInt8]> = []
        private var messages = 0
        private var moves: [Pair: Int] = [:]
        private var telling: [Candidate] = []
        /// Thresholds before and after, by whose they are: few scopes have many messages.
        private var known: [PolicyScope: (Thresholds, Thresholds)] = [:]

        fileprivate struct Pair: Hashable {
            var before: Thresholds.Band
            var after: Thresholds.Band
        }

        init(of scope: PolicyScope, from old: ThresholdBook, to new: ThresholdBook) {
            self.scope = scope
            self.old = old
            self.new = new
        }

        mutating func add(_ score: ScoreRecord) {
            guard scope.covers(score.scope) else { return }
            if let identity = score.identity, !seen.insert(identity).inserted { return }
            messages += 1
            let (before, after) =
                known[score.scope] ?? (old.thresholds(of: score.scope), new.thresholds(of: score.scope))
            known[score.scope] = (before, after)
            let pair = Pair(before: score.band(by: before), after: score.band(by: after))
            moves[pair, default: 0] += 1
            guard pair.before != pair.after else { return }
            let candidate = Candidate(score: score, before: pair.before, after: pair.after)
            let place = telling.firstIndex { candidate.isMoreTelling(than: $0) } ?? telling.count
            guard place < ThresholdPreview.mostExamples else { return }
            telling.insert(candidate, at: place)
            telling = Array(telling.prefix(ThresholdPreview.mostExamples))
        }

        func preview(_ trace: (Int64) throws -> Trace?) rethrows -> ThresholdPreview {
            var preview = ThresholdPreview(
                scope: scope.description, before: old.thresholds(of: scope), after: new.thresholds(of: scope))
            preview.messages = messages
            let bands = Thresholds.Band.allCases
            for band in bands {
                preview.now[band.rawValue] = moves.reduce(0) { $0 + ($1.key.before == band ? $1.value : 0) }
                preview.then[band.rawValue] = moves.reduce(0) { $0 + ($1.key.after == band ? $1.value : 0) }
            }
            preview.moves = bands.flatMap { before in
                bands.compactMap { after in
                    guard before != after, let messages = moves[Pair(before: before, after: after)] else { return nil }
                    return Count(before: before, after: after, messages: messages)
                }
            }
            preview.examples = try telling.map { Move($0, try trace($0.score.trace)) }
            return preview
        }
    }

    /// A message that would go elsewhere.
    fileprivate struct Candidate {
        let score: ScoreRecord
        let before: Thresholds.Band
        let after: Thresholds.Band

        /// How far it goes; down is negative.
        private var distance: Int {
            let bands = Thresholds.Band.allCases
            return (bands.firstIndex(of: after) ?? 0) - (bands.firstIndex(of: before) ?? 0)
        }

        /// The farthest first; of those that go as far, the good ones that would be lost, and the bad ones that would
        /// come.
        func isMoreTelling(than other: Candidate) -> Bool {
            if abs(distance) != abs(other.distance) { return abs(distance) > abs(other.distance) }
            if (distance > 0) != (other.distance > 0) { return distance > 0 }
            if score.score != other.score.score { return (score.score < other.score.score) == (distance > 0) }
            return score.started > other.score.started
        }
    }
}

extension ScoreRecord {
    /// What becomes of it by its score.
    fileprivate func band(by thresholds: Thresholds) -> Thresholds.Band {
        isExempt ? .deliver : thresholds.band(of: score)
    }
}

extension ThresholdPreview.Move {
    fileprivate init(_ candidate: ThresholdPreview.Candidate, _ trace: Trace?) {
        id = trace?.id.text ?? ""
        time = candidate.score.started
        from = trace?.summary["from"] ?? ""
        subject = EncodedWord.decode(trace?.summary["subject"] ?? "")
        recipient = candidate.score.recipient
        score = candidate.score.score
        before = candidate.before
        after = candidate.after
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
