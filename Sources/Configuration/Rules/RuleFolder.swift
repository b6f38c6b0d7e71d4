public import Scoring

/// The rules of several files, put together.
public struct RuleFolder: Sendable {
    public let rules: RuleSet
    /// Where each rule's test stands, by the rule's name.
    private let tests: [String: SourceLocation]

    /// The octets of a file, and its name for people.
    public struct Source: Sendable {
        public var name: String
        public var octets: [UInt8]

        public init(name: String, octets: [UInt8]) {
            self.name = name
            self.octets = octets
        }
    }

    /// Reads the files that the program brings, then all files of a folder in the order of their names.
    ///
    /// - Parameters:
    ///   - folder: `nil`: none but those that the program brings.
    ///   - mayBeMissing: There need not be such a folder.
    public static func load(
        shipped: [Source], folder: String?, mayBeMissing: Bool = false
    ) -> Loaded<RuleFolder> {
        var sources = shipped
        var diagnostics: [Diagnostic] = []
        if let folder, !(mayBeMissing && !SourceFile.exists(folder)) {
            do {
                for name in try SourceFile.names(in: folder) {
                    let path = name.path(in: folder)
                    guard name.hasSuffix(".toml"), !name.hasPrefix(".") else {
                        let message = "is not a file of rules: its name does not end in .toml"
                        diagnostics.append(Diagnostic(.warning, at: SourceLocation(file: path), message))
                        continue
                    }
                    do { sources.append(Source(name: path, octets: try SourceFile.read(path))) } catch {
                        let message = "the file cannot be read: \(error.reason)"
                        diagnostics.append(Diagnostic(.error, at: SourceLocation(file: path), message))
                    }
                }
            } catch {
                let message = "the folder cannot be read: \(error.reason)"
                diagnostics.append(Diagnostic(.error, at: SourceLocation(file: folder), message))
            }
        }
        let read = read(sources)
        return Loaded(read.value, diagnostics + read.diagnostics)
    }

    /// Puts files together; of two rules with one name the first counts, and the second is an error.
    public static func read(_ sources: [Source]) -> Loaded<RuleFolder> {
        var joined = Joined()
        for source in sources { joined.add(RuleFile(source.octets, file: source.name)) }
        return joined.result
    }

    init(rules: RuleSet, tests: [String: SourceLocation]) {
        self.rules = rules
        self.tests = tests
    }

    /// What a library has against a pattern, where it stands.
    public func diagnostic(pattern: Int, _ message: String) -> Diagnostic {
        let rule = rules.rules.first { rule in
            if case .pattern(let own) = rule.test { rules.patterns[pattern] == own } else { false }
        }
        let location = rule.flatMap { tests[$0.name] } ?? SourceLocation(file: rule?.place.file ?? "rules.d")
        return Diagnostic(.error, at: location, "the pattern: \(message)")
    }
}

/// All that files say together.
private struct Joined {
    private var files: [RuleFile] = []

    mutating func add(_ file: RuleFile) { files.append(file) }

    var result: Loaded<RuleFolder> {
        var diagnostics = files.flatMap(\.diagnostics)
        var first: [String: SourceLocation] = [:]
        var rules: [Rule] = []
        for (rule, location) in files.flatMap(\.rules) {
            if let other = first[rule.name] {
                let message = "`\(rule.name)` is there already, at \(other)"
                diagnostics.append(Diagnostic(.error, at: location, message, hint: "`[points]` gives it other points"))
                continue
            }
            first[rule.name] = location
            rules.append(rule)
        }
        let names = files.reduce(into: Set()) { $0.formUnion($1.names) }
        for word in files.flatMap(\.words) { diagnostics += Self.unknown(word, names) }
        for cycle in RuleSet.cycles(in: rules) {
            let ring = (cycle + cycle.prefix(1)).joined(separator: " -> ")
            let place = first[cycle[0]] ?? SourceLocation(file: "")
            diagnostics.append(Diagnostic(.error, at: place, "rules build upon themselves: \(ring)"))
        }
        let silent = Set(rules.filter { $0.description.isEmpty }.map(\.name))
        let (everywhere, domains) = points(names, silent: silent, &diagnostics)
        rules = rules.map { rule in
            guard let points = everywhere[rule.name] else { return rule }
            return Rule(rule.name, points: points, description: rule.description, test: rule.test, place: rule.place)
        }
        var tests: [String: SourceLocation] = [:]
        for file in files { tests.merge(file.tests) { first, _ in first } }
        return Loaded(RuleFolder(rules: RuleSet(rules, domains: domains), tests: tests), diagnostics)
    }

    private func points(
        _ names: Set<String>, silent: Set<String>, _ diagnostics: inout [Diagnostic]
    ) -> (everywhere: [String: Double], domains: [String: [String: Double]]) {
        var everywhere: [String: Double] = [:]
        var domains: [String: [String: Double]] = [:]
        for change in files.flatMap(\.points) {
            let word = Expression.Word(text: change.value.rule, kind: .rule, offset: 0)
            diagnostics += Self.unknown(Located(word, at: change.location), names)
            if silent.contains(change.value.rule), change.value.points != 0 {
                let message = "`\(change.value.rule)` has no `describe`, and so no points"
                let hint = "describe = \"what a person is to read where the rule holds\""
                diagnostics.append(Diagnostic(.error, at: change.location, message, hint: hint))
            }
            if let domain = change.value.domain {
                domains[domain, default: [:]][change.value.rule] = change.value.points
            } else {
                everywhere[change.value.rule] = change.value.points
            }
        }
        return (everywhere, domains)
    }

    private static func unknown(_ word: Located<Expression.Word>, _ names: Set<String>) -> [Diagnostic] {
        let (vocabulary, kind): (any Collection<String>, String) =
            switch word.value.kind {
            case .rule: (names, "rule")
            case .fact: (Fact.all.map(\.name), "fact")
            }
        let isKnown = word.value.kind == .fact ? Fact.isKnown(word.value.text) : names.contains(word.value.text)
        guard !isKnown else { return [] }
        let nearest =
            NearestWord.to(word.value.text, in: vocabulary.map(\.self)).map { "; did you mean `\($0)`?" } ?? ""
        let hint = nearest.isEmpty && word.value.kind == .fact ? "docs/rules.md has the list" : nil
        return [Diagnostic(.error, at: word.location, "there is no \(kind) `\(word.value.text)`\(nearest)", hint: hint)]
    }
}
