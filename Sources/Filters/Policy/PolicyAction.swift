import MailTypes
import Pipeline

/// The action of a policy server, in the words of Postfix's access(5), as a finding.
struct PolicyAction {
    let finding: Finding

    /// - Throws: It is an action that there is not, or one that is not done here.
    init(_ action: String) throws(StageFailure) {
        let text = action.drop(while: \.isWhitespace)
        let word = text.prefix { !$0.isWhitespace }
        let rest = text.dropFirst(word.count).drop(while: \.isWhitespace)
        let words = String(rest).cut(toScalars: Self.longestText)
        switch word.uppercased() {
        // That one list of rules is content does not make this server relay: the other stages have their say.
        case "DUNNO", "OK", "PERMIT": finding = Finding(note: word.uppercased())
        case "WARN", "INFO": finding = Finding(note: "\(word.uppercased()): \(words)")
        case "REJECT": finding = Finding(.reject(Self.reply(554, words, otherwise: "Access denied")))
        case "DEFER", "DEFER_IF_PERMIT":
            finding = Finding(.tempfail(Self.reply(450, words, otherwise: "Access denied; please try again later")))
        case "DISCARD": finding = Finding(.discard)
        case "HOLD": finding = Finding(.quarantine(reason: words.isEmpty ? "held by a policy server" : words))
        case "PREPEND":
            guard let colon = words.firstIndex(of: ":"), colon > words.startIndex else {
                throw StageFailure("its PREPEND is no field: \(words)")
            }
            let value = words[words.index(after: colon)...].drop(while: \.isWhitespace)
            let name = String(words[..<colon])
            finding = Finding(edits: [.prependField(name: name, value: String(value))])
        default:
            guard word.utf8.count == 3, let code = Int(word), (400...599).contains(code) else {
                throw StageFailure("it says \(word.prefix(Self.longestWord)), which is not done here")
            }
            let reply = Self.reply(code, words, otherwise: "Access denied")
            finding = Finding(code < 500 ? .tempfail(reply) : .reject(reply))
        }
    }

    private static let longestText = 900
    private static let longestWord = 40

    /// With the enhanced status code that the text begins with, if it does. RFC 2034 §4.
    private static func reply(_ code: Int, _ text: String, otherwise: String) -> Reply {
        let word = text.prefix { $0 != " " }
        let numbers = word.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        if numbers.count == 3, word.utf8.count <= 9, let first = numbers[0], let subject = numbers[1],
            let detail = numbers[2], [2, 4, 5].contains(first), (0...999).contains(subject),
            (0...999).contains(detail)
        {
            let rest = text.dropFirst(word.count).drop { $0 == " " }
            return Reply(code, .init(subject, detail), rest.isEmpty ? otherwise : String(rest)).inASCII
        }
        return Reply(code, .deliveryNotAuthorized, text.isEmpty ? otherwise : text).inASCII
    }
}
