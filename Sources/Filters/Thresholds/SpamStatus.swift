import MailTypes
import Pipeline

/// The value of the X-Spam-Status field: the score, what it came to, and what each symbol means.
///
///     Yes, score=7.2 defer=4 junk=6 reject=15 result=junk;
///      SUBJECT_ALL_CAPS=1.2 (The subject is written in capitals);
///      URI_IP=6 (A link leads to a bare address)
struct SpamStatus {
    let value: String

    /// Symbols beyond are counted only.
    static let mostSymbols = 100
    /// Characters of a symbol's description, of its name, and of all together.
    static let longestDescription = 160
    static let longestName = 60
    static let longestValue = 12_000

    init(_ judgement: ScoreJudgement, isJunk: Bool, symbols: [Symbol]) {
        let outcome = judgement.outcome
        var parts = [
            "\(isJunk ? "Yes" : "No"), score=\(judgement.score) \(judgement.force.values) result=\(outcome.rawValue)"
        ]
        if let exemption = judgement.exemption { parts[0] += " exempt=(\(Self.plain(exemption.reason)))" }
        // What weighs most is what a reader looks for, should there be too many.
        let weighty = symbols.sorted { abs($0.points) > abs($1.points) }
        var length = parts[0].utf8.count
        for (place, symbol) in weighty.enumerated() {
            let part = Self.words(for: symbol)
            length += part.utf8.count + 2
            guard place < Self.mostSymbols, length < Self.longestValue else {
                parts.append("and \(weighty.count - place) more")
                break
            }
            parts.append(part)
        }
        value = parts.joined(separator: "; ")
    }

    private static func words(for symbol: Symbol) -> String {
        let points = [symbol].score
        let text = points == points.rounded() ? "\(Int(points))" : "\(points)"
        let name = plain(symbol.name.cut(toScalars: longestName))
        let description = plain(symbol.description)
        return "\(name)=\(text)" + (description.isEmpty ? "" : " (\(description))")
    }

    /// Printable ASCII on one line, with no sign that has a meaning here: a description may hold a stranger's words.
    private static func plain(_ text: String) -> String {
        var octets: [UInt8] = []
        for scalar in text.unicodeScalars.prefix(longestDescription) {
            switch scalar {
            case "(", "[", "{": octets.append(UInt8(ascii: "["))
            case ")", "]", "}": octets.append(UInt8(ascii: "]"))
            case ";": octets.append(UInt8(ascii: ","))
            case " "..."~": octets.append(UInt8(scalar.value))
            case "\t", "\n", "\r": octets.append(.space)
            default: octets.append(UInt8(ascii: "?"))
            }
        }
        return String(decoding: octets, as: UTF8.self)
    }
}
