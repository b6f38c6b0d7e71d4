import Adapters
import Configuration
import Filters
import MailTypes
import Pipeline
import Sandbox
import Scoring

/// The rules of the program and of `rules.d`, their patterns compiled.
struct LoadedRules: Sendable {
    let rules: RuleSet
    let patterns: PooledPatterns
    let diagnostics: [Diagnostic]

    static let none = LoadedRules(.empty)

    var tools: ScoringTools { ScoringTools(rules, matcher: patterns) }

    /// - Parameters:
    ///   - folder: The admin's own rules; it may be missing.
    ///   - data: Where compiled patterns are kept.
    init(folder: String, data: DataFolder) {
        let loaded = RuleFolder.load(shipped: DefaultRules.sources, folder: folder, mayBeMissing: true)
        let complaints = PatternImage.problems(of: loaded.value.rules).map {
            loaded.value.diagnostic(pattern: $0.pattern, $0.message)
        }
        let cache = PatternCache(folder: data.patterns, cryptography: LibcryptoSignatures())
        self.init(complaints.isEmpty ? loaded.value.rules : .empty, loaded.diagnostics + complaints, cache)
    }

    /// Compiles the patterns, if a stage of the chain goes by them.
    func prepare(for chain: Chain) throws {
        if chain.links.contains(where: { $0.name == Spam.name }) { try patterns.prepare() }
    }

    /// The same for a command, whoever waits for it is told why.
    func prepareForCommand() throws {
        do {
            let count = Terminal.counted(rules.patterns.count, "pattern")
            try Terminal.telling("Compiling \(count) ...") {
                try patterns.prepare()
            }
        } catch { throw CommandFailure.again("The patterns cannot be compiled: \(error).") }
    }

    private init(_ rules: RuleSet, _ diagnostics: [Diagnostic] = [], _ cache: PatternCache? = nil) {
        self.rules = rules
        self.diagnostics = diagnostics
        patterns = PooledPatterns(rules, cache: cache)
    }
}

/// The rules as the program carries them.
enum DefaultRules {
    /// Each file, called as in the program's source.
    static let sources: [RuleFolder.Source] = [
        .init(name: "rules.d/accounts.toml", octets: PackageResources.accounts_toml),
        .init(name: "rules.d/goods.toml", octets: PackageResources.goods_toml),
        .init(name: "rules.d/manners.toml", octets: PackageResources.manners_toml),
        .init(name: "rules.d/money.toml", octets: PackageResources.money_toml),
        .init(name: "rules.d/senders.toml", octets: PackageResources.senders_toml),
        .init(name: "rules.d/structure.toml", octets: PackageResources.structure_toml),
        .init(name: "rules.d/subjects.toml", octets: PackageResources.subjects_toml),
    ]
}

extension SandboxPool {
    /// Workers for commands that judge without a server: what jobs ask DNS for is not answered.
    static func computing(_ settings: ServerConfiguration) -> SandboxPool {
        SandboxPool(SandboxOptions(settings)) { (_) async throws(StageFailure) in
            throw StageFailure("nobody asks DNS here")
        }
    }
}
