import ArgumentParser
import Configuration
import Directory
import Filters
import Foundation
import MailTypes
import Pipeline

/// Where thresholds and lists are kept: the directory, beside the chain whose files hold the defaults.
struct PolicySite {
    let settings: ServerConfiguration
    let chain: Chain
    let directory: MailDirectory
    private let data: DataFolder

    init(_ options: ConfigurationOptions) throws {
        settings = try options.load()
        // A mistake elsewhere in the chain keeps nobody from changing what is in the directory.
        chain = LoadedConfiguration(file: try options.path(), mayLackKeys: true).chain
        data = try DataFolder(settings).entered()
        directory = try told { [data, settings] in try Stores.directory(in: data, settings) }
    }

    func close() { directory.close() }

    @discardableResult
    func change<Result>(_ body: (borrowing DirectoryChanges) throws -> Result) throws -> Result {
        try told { try directory.change(by: DirectoryOptions.actor, body) }
    }

    /// The scope as the directory names it.
    func scope(_ text: String?) throws -> PolicyScope { try told { try directory.policyScope(text) } }

    /// The same for what may be left out; `nil` where it is.
    func scope(_ choice: ScopeChoice) throws -> PolicyScope? {
        choice.global || choice.scope != nil ? try scope(choice.scope) : nil
    }

    /// Says so where nothing comes of a change, since the chain does not have the stage.
    func warn(without stage: StageName) {
        guard !chain.links.contains(where: { $0.name == stage && !$0.words.isObserved }) else { return }
        Terminal.complain(
            "warning: the stage \(stage) is not in the chain, or only in shadow: nothing comes of this (sluice check)")
    }

    /// What stage memory knows; `nil` where there is none yet.
    func memory() -> StageMemoryStore? {
        guard FileManager.default.fileExists(atPath: data.memory) else { return nil }
        return try? Stores.memory(in: data, settings, isReadOnly: true)
    }
}

/// A command about thresholds or lists.
protocol PolicyCommand: ParsableCommand {
    var configuration: ConfigurationOptions { get }

    func run(at site: PolicySite) throws
}

extension PolicyCommand {
    func run() throws {
        let site = try PolicySite(configuration)
        defer { site.close() }
        try run(at: site)
    }
}

/// For whom something is to hold.
struct ScopeOptions: ParsableArguments {
    @Argument(help: ArgumentHelp("A domain, or a mailbox's address.", valueName: "domain or mailbox"))
    var scope: String?
    @Flag(help: "For everybody.") var global = false

    func validate() throws {
        guard global == (scope == nil) else { throw ValidationError("Name a domain or a mailbox, or say --global.") }
    }
}

/// Whose entries are to be shown; everything where nobody is named.
struct ScopeChoice: ParsableArguments {
    @Argument(help: ArgumentHelp("A domain, or a mailbox's address.", valueName: "domain or mailbox"))
    var scope: String?
    @Flag(help: "What is set for everybody.") var global = false

    func validate() throws {
        if global, scope != nil { throw ValidationError("Name a domain or a mailbox, or say --global: not both.") }
    }
}
