import Configuration
import Filters
import MailTypes
import Pipeline

/// Makes the chain from the files of `filters.d`, and tells every mistake in them at once.
struct ChainBuilder {
    private(set) var diagnostics: [Diagnostic] = []
    private var links: [Link] = []
    private let tools: StageTools

    private init(_ tools: StageTools) { self.tools = tools }

    /// The chain, and all that is to be said about it; it is to be used only if nothing of that is an error.
    static func build(
        _ files: Loaded<[FilterFile]>, onMixed: OnMixed, tools: StageTools
    ) -> (chain: Chain, diagnostics: [Diagnostic]) {
        var builder = ChainBuilder(tools)
        builder.diagnostics = files.diagnostics
        for file in files.value where file.isEnabled { builder.add(file) }
        let chain = Chain(builder.links, onMixed: onMixed)
        let places = Dictionary(
            files.value.map { ($0.file, $0.stage.location) }, uniquingKeysWith: { first, _ in first })
        if !builder.diagnostics.containErrors {
            for lint in chain.lints {
                let place = places[lint.file] ?? SourceLocation(file: lint.file)
                let hint = lint.other.map { other in "the other is \(places[other]?.description ?? other)" }
                builder.diagnostics.append(Diagnostic(.lint, at: place, lint.message, hint: hint))
            }
        }
        return (chain, Set(builder.diagnostics).sorted())
    }

    private mutating func add(_ file: FilterFile) {
        var words = Link.Words()
        words.only = conditions(file.only)
        words.unless = conditions(file.unless)
        guard let kind = Registry.kind(named: file.stage.value) else {
            let names = Registry.all.map(\.name.text)
            diagnostics += FilterFile.unknownWords([file.stage], vocabulary: names, kind: "stage")
            return
        }
        words.onFailure = FailurePolicy(rawValue: file.onFailure.rawValue) ?? .tempfail
        words.timeout = file.timeout
        words.isObserved = file.isObserved

        guard let base = variant(of: kind, in: file, domain: nil) else { return }
        var domains: [String: StageVariant] = [:]
        for domain in file.domains { domains[domain.value] = variant(of: kind, in: file, domain: domain.value) }
        links.append(Link(number: file.number, file: file.file, base: base, domains: domains, words: words))
    }

    private mutating func variant(of kind: StageKind, in file: FilterFile, domain: String?) -> StageVariant? {
        decode(kind.configuration, for: kind, in: file, domain: domain)
    }

    private mutating func decode<Configuration: Decodable>(
        _ configuration: Configuration.Type, for kind: StageKind, in file: FilterFile, domain: String?
    ) -> StageVariant? {
        let table = file.decode(configuration, domain: domain)
        diagnostics += table.diagnostics
        guard let value = table.value else { return nil }
        var values: [String: ValueOrigin] = [:]
        for option in table.options { values[option.key] = ValueOrigin(value: option.value, origin: option.origin) }
        do {
            return try kind.assemble(value).map { StageVariant(try equipped($0), scope: domain, values: values) }
        } catch {
            diagnostics.append(file.diagnostic(error, domain: domain))
            return nil
        }
    }

    private func equipped(_ stage: any Stage) throws -> any Stage {
        guard let stage = stage as? any EquippedStage else { return stage }
        return try stage.equipped(with: tools)
    }

    private mutating func conditions(_ words: [Located<String>]) -> [Condition] {
        var unknown: [Located<String>] = []
        for word in words {
            if let impossibility = Condition.impossibility(of: word.value) {
                diagnostics.append(Diagnostic(.error, at: word.location, impossibility))
            } else {
                unknown.append(word)
            }
        }
        diagnostics += FilterFile.unknownWords(unknown, vocabulary: Condition.vocabulary, kind: "condition")
        return words.compactMap { Condition($0.value) }
    }
}
