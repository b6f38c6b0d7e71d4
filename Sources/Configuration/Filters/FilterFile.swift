public import MailTypes

/// One file of `filters.d`: one stage of the chain, its own table not yet decoded.
public struct FilterFile: Sendable {
    /// What the chain does when the stage cannot decide.
    public enum FailurePolicy: String, Sendable, Hashable, Codable, CaseIterable {
        case tempfail, `continue`, quarantine
    }

    /// The stage's place in the chain.
    public var number: Int
    /// For people: `greylist` of `30-greylist.toml`.
    public var name: String
    /// The file's path.
    public var file: String
    /// The word behind `stage =`.
    public var stage: Located<String>
    /// Words of `only` and `unless`; the chain knows which there are.
    public var only: [Located<String>] = []
    public var unless: [Located<String>] = []
    public var onFailure = FailurePolicy.tempfail
    public var timeout: Interval = "30s"
    /// `observe`: judged and traced, not applied.
    public var isObserved = false
    /// `enabled`: a stage that is not is left out of the chain.
    public var isEnabled = true
    /// The domains with a table of their own, by their name in lower case.
    public var domains: [Located<String>] = []

    /// The stage's own table, as everybody's or as `domain` has it.
    ///
    /// `value` is `nil` where the stage's type could not be made. Mistakes and unknown keys are
    /// among the diagnostics.
    public func decode<Value: Decodable>(_ type: Value.Type, domain: String? = nil) -> DecodedTable<Value> {
        DecodedTable(value: nil, diagnostics: [], options: [], location: stage.location)
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

extension FilterFile {
    /// Reads all files of a folder, in the order of their numbers.
    ///
    /// What is there and is not a stage is among the diagnostics, as is a folder that cannot be read.
    public static func load(folder: String) -> Loaded<[FilterFile]> { Loaded([], []) }

    /// A diagnostic for each word that `vocabulary` does not have, with the nearest one that it has.
    public static func unknownWords(
        _ words: [Located<String>], vocabulary: some Collection<String>, kind: String
    ) -> [Diagnostic] { [] }
}
