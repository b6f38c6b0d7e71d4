public import MailTypes

/// One file of `filters.d`: one stage of the chain, its own table not yet decoded.
public struct FilterFile: Sendable {
    /// What the chain does when the stage cannot decide.
    public enum FailurePolicy: String, Sendable, Hashable, Codable, CaseIterable {
        /// Nothing passes unjudged: 451, come back later.
        case tempfail
        /// Goes on as if the stage were not there.
        case `continue`
        /// Takes the message, for a person to look at.
        case quarantine
    }

    /// The stage's place in the chain.
    public let number: Int
    /// For people: `greylist` of `30-greylist.toml`.
    public let name: String
    /// The file's path.
    public let file: String
    /// The word behind `stage =`.
    public internal(set) var stage: Located<String>
    /// Words of `only` and `unless`; the chain knows which there are.
    public internal(set) var only: [Located<String>] = []
    public internal(set) var unless: [Located<String>] = []
    public internal(set) var onFailure = FailurePolicy.tempfail
    public internal(set) var timeout: Interval = "30s"
    /// `observe`: judged and traced, not applied.
    public internal(set) var isObserved = false
    /// `enabled`: a stage that is not is left out of the chain.
    public internal(set) var isEnabled = true
    /// The domains with a table of their own: their names in lower case, with the place of the table.
    public internal(set) var domains: [Located<String>] = []

    var table: TOMLNode?
    var domainTables: [String: TOMLNode] = [:]

    init(number: Int, name: String, file: String, stage: Located<String>) {
        self.number = number
        self.name = name
        self.file = file
        self.stage = stage
    }

    /// The stage's own table, as everybody's or as `domain` has it: there, keys of the domain's table
    /// come first and those of the stage's table behind them.
    ///
    /// `value` is `nil` where the stage's type could not be made. Mistakes and unknown keys are
    /// among the diagnostics; those of the stage's own table are told by its own decoding alone.
    public func decode<Value: Decodable>(_ type: Value.Type, domain: String? = nil) -> DecodedTable<Value> {
        let base = table ?? TOMLNode(content: .table(.empty), location: stage.location)
        guard let domain, let own = domainTables[domain] else { return TOMLDecoder.decode(type, from: base) }
        return TOMLDecoder.decode(type, from: own, over: base)
    }

    /// An error of the stage's table as a whole, such as one that the stage itself throws.
    public func diagnostic(_ error: any Error, domain: String? = nil) -> Diagnostic {
        let own = domain.flatMap { domainTables[$0] } ?? table
        return Diagnostic(.error, at: own?.location ?? stage.location, "\(error)")
    }

    /// A diagnostic for each word that `vocabulary` does not have, with the nearest one that it has.
    ///
    /// `kind` is what the words are: "condition".
    public static func unknownWords(
        _ words: [Located<String>], vocabulary: some Collection<String>, kind: String
    ) -> [Diagnostic] {
        words.filter { !vocabulary.contains($0.value) }.map { word in
            let nearest = NearestWord.to(word.value, in: vocabulary).map { "; did you mean \($0.quoted)?" } ?? ""
            let list = choices(for: word.value, of: vocabulary).joined(separator: ", ")
            let hint = nearest.isEmpty && !vocabulary.isEmpty ? "there are \(list)" : nil
            return Diagnostic(
                .error, at: word.location, "\(word.value.quoted) is not a \(kind)\(nearest)", hint: hint)
        }
    }
}

extension FilterFile {
    /// What may stand in a word's place. Words that begin alike, as `spf.pass` and `spf.fail` do, are one choice, but
    /// for a word that begins as they do.
    private static func choices(for word: String, of vocabulary: some Collection<String>) -> [String] {
        func family(_ word: String) -> Substring? { word.firstIndex(of: ".").map { word[...$0] } }
        let own = vocabulary.filter { family($0) != nil && family($0) == family(word) }
        guard own.isEmpty else { return own.sorted().map(\.quoted) }
        return Set(vocabulary.map { family($0).map { "\($0)…" } ?? $0 }).sorted().map(\.quoted)
    }
}

/// A stage's table, decoded.
public struct DecodedTable<Value> {
    public let value: Value?
    public let diagnostics: [Diagnostic]
    /// Every key that was asked for, in that order.
    public let options: [OptionOrigin]
    /// The table's header, or the `stage` line where it has none: the place of errors of the whole.
    public let location: SourceLocation
}

extension DecodedTable: Sendable where Value: Sendable {}

/// Where the value of one option comes from.
public struct OptionOrigin: Sendable, Hashable {
    /// `delay`, or `weights.spf` for a table within.
    public var key: String
    /// As in the file, or as the default would be written.
    public var value: String
    /// `nil`: the default.
    public var location: SourceLocation?

    public init(key: String, value: String, location: SourceLocation? = nil) {
        self.key = key
        self.value = value
        self.location = location
    }

    /// `filters.d/30-greylist.toml:9:12`, or `default`.
    public var origin: String { location?.description ?? "default" }
}
