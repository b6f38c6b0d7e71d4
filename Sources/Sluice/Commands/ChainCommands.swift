import ArgumentParser
import Configuration
import Foundation
import MailTypes
import Pipeline

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check sluice.toml and filters.d; tells every mistake with file, line and column.",
        discussion: "Exits with 1 if the configuration cannot be used. Warnings and lints alone exit with 0.")
    @OptionGroup var configuration: ConfigurationOptions

    func run() throws {
        let loaded = try configuration.loadAll()
        // What is wrong in sluice.toml already would be told twice.
        let certificates = loaded.isUsable ? loaded.certificateDiagnostics : []
        let doubtful =
            loaded.isUsable
            ? loaded.signingDiagnostics + loaded.catchAllDiagnostics + loaded.splitDiagnostics : []
        for diagnostic in loaded.diagnostics + certificates + doubtful { Terminal.note(diagnostic) }
        guard loaded.isUsable, certificates.isEmpty else { throw CommandFailure.silent }
        let count = loaded.diagnostics.count + doubtful.count
        let doubts = count == 0 ? "" : "; \(count) to look at"
        print("The configuration is fine: \(loaded.chain.links.count) stages\(doubts).")
    }
}

struct ChainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chain",
        abstract: "Print the chain in its real order per phase, with each value and where it stands.")
    @OptionGroup var configuration: ConfigurationOptions
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let chain = try configuration.loadAll().usable().chain
        if json {
            print(try Terminal.json(chain.links.map(LinkReport.init)))
        } else {
            print(Phase.allCases.compactMap { section(of: $0, in: chain) }.joined(separator: "\n\n"))
        }
    }

    /// One phase; the values stand where the stage first appears.
    private func section(of phase: Phase, in chain: Chain) -> String? {
        let links = chain.links.filter { $0.phases.contains(phase) }
        guard !links.isEmpty else { return nil }
        let lines = links.flatMap { link -> [String] in
            let title = "  \(link.number)  \(Terminal.styled(link.name.text, .bold))"
            guard link.phases.min() == phase else { return ["\(title)  \(Terminal.styled("(as above)", .faint))"] }
            return ["\(title)  \(Terminal.styled(link.file, .faint))", "        \(link.words.summary)"]
                + values(of: link)
        }
        return ([Terminal.styled(phase.title, .bold)] + lines).joined(separator: "\n")
    }

    /// Each value with its place, in columns; a domain has only what differs from everybody's.
    private func values(of link: Link) -> [String] {
        let domains = link.domains.values.sorted { ($0.scope ?? "") < ($1.scope ?? "") }
        let all = ([link.base] + domains).flatMap { variant in
            link.ownValues(of: variant).map { option in
                let scope = variant.scope.map { "\($0): " } ?? ""
                return (text: "\(scope)\(option.key) = \(option.value.value)", origin: option.value.origin)
            }
        }
        // What is longer than most does not push all the others away.
        let width = all.map(\.text.count).filter { $0 <= Self.valueWidth }.max() ?? 0
        return all.map { text, origin in
            let padded = text.padding(toLength: max(width, text.count), withPad: " ", startingAt: 0)
            return "        \(padded)  \(Terminal.styled(origin, .faint))"
        }
    }

    private static let valueWidth = 48
}

/// One stage of the chain, for JSON and for people.
struct LinkReport: Encodable {
    struct Option: Encodable {
        var domain: String?
        var key: String
        var value: String
        var origin: String
    }

    var number: Int
    var stage: String
    var file: String
    var phases: [Phase]
    var only: [String]
    var unless: [String]
    var onFailure: FailurePolicy
    var timeout: String
    var observe: Bool
    var options: [Option]

    init(_ link: Link) {
        number = link.number
        stage = link.name.text
        file = link.file
        phases = link.phases.sorted()
        only = link.words.only.map(\.description)
        unless = link.words.unless.map(\.description)
        onFailure = link.words.onFailure
        timeout = link.words.timeout.description
        observe = link.words.isObserved
        options = ([link.base] + link.domains.values.sorted { ($0.scope ?? "") < ($1.scope ?? "") }).flatMap {
            variant in
            variant.values.sorted { $0.key < $1.key }.map {
                Option(domain: variant.scope, key: $0.key, value: $0.value.value, origin: $0.value.origin)
            }
        }
    }
}

extension Phase {
    fileprivate var title: String {
        switch self {
        case .connect: "When a client connects"
        case .hello: "At HELO, EHLO or LHLO"
        case .sender: "At MAIL FROM"
        case .recipient: "At each RCPT TO"
        case .message: "When the message has arrived"
        }
    }
}

extension Link.Words {
    /// The chain's own words, for people.
    fileprivate var summary: String {
        var parts: [String] = []
        if !only.isEmpty { parts.append("only \(only.map(\.description).joined(separator: ", "))") }
        if !unless.isEmpty { parts.append("unless \(unless.map(\.description).joined(separator: ", "))") }
        parts.append("on failure \(onFailure.rawValue)")
        parts.append("timeout \(timeout)")
        if isObserved { parts.append(Terminal.styled("observed only", .yellow)) }
        return parts.joined(separator: "; ")
    }
}
