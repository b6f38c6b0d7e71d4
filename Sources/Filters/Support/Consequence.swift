import MailTypes
import Pipeline

/// What a stage makes of a result.
public enum ResultAction: String, Decodable, Sendable, CaseIterable {
    case reject, tempfail, score, ignore
}

/// What a result comes to, and the options that say so.
struct Consequence: Sendable {
    /// The option with the action; the points stand in the one with `_points` behind its name.
    let key: String
    let action: ResultAction
    let points: Double

    init(_ key: String, _ action: ResultAction, _ points: Double) {
        self.key = key
        self.action = action
        self.points = points
    }
}

extension Finding {
    /// This finding with what a result comes to: a refusal with 550, one for now with 451, or points, which its note
    /// describes.
    func with(_ consequence: Consequence?, as symbol: String, refusal: (Int) -> Reply) -> Finding {
        guard let consequence else { return self }
        var finding = self
        finding.decidedBy = [consequence.key]
        switch consequence.action {
        case .reject: finding.verdict = .reject(refusal(550))
        case .tempfail: finding.verdict = .tempfail(refusal(451))
        case .score where consequence.points != 0:
            finding.edits.append(.score(Symbol(symbol, points: consequence.points, description: note ?? "")))
            finding.decidedBy.append("\(consequence.key)_points")
        case .score, .ignore: break
        }
        return finding
    }
}
