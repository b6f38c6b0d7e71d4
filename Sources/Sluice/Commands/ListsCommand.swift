import ArgumentParser
import Directory
import Filters
import Foundation
import MailTypes
import Pipeline

struct ListsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lists", abstract: "Allow and block senders, for everybody, a domain or a mailbox.",
        discussion: """
            A sender is a domain with all below it, an address, an IP address or a network. A block entry refuses, or \
            files as junk, as the file of the stage lists says. An allow entry sets aside what would follow from the \
            score, and nothing else: what a virus scanner or another stage refuses stays refused. Everybody's entries \
            come before a mailbox's own, and those before its domain's; in each, allow comes before block. So a closed \
            community allows its senders and blocks 0.0.0.0/0 and ::/0.

            Anybody can write any sender into a message: allow networks where you can, and ask for proof \
            (--needs dmarc) where you allow a domain or an address.
            """,
        subcommands: [Show.self, Allow.self, Block.self, Remove.self, Test.self])

    struct Show: PolicyCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the entries, and when each last changed an outcome.")
        @OptionGroup var configuration: ConfigurationOptions
        @OptionGroup var output: OutputOptions
        @OptionGroup var choice: ScopeChoice

        func run(at site: PolicySite) throws {
            let chosen = try site.scope(choice)
            let entries: [ListEntry] = try told { try site.directory.listEntries(of: chosen) }
            let memory = site.memory()
            defer { memory?.close() }
            let reports = entries.map { ListReport($0, memory) }
            let header = ["SCOPE", "LIST", "SENDER", "MATCH", "NEEDS", "ENDS", "LAST USED", "WHO", "WHY"]
            try output.show(reports, header: header) { $0.cells.map(Terminal.harmless) }
        }
    }

    struct Allow: ListAdditionCommand {
        static let configuration = CommandConfiguration(
            abstract: "Allow a sender: the score is not held against its mail.")
        static let action = ListEntry.Action.allow
        @OptionGroup var configuration: ConfigurationOptions
        @OptionGroup var output: OutputOptions
        @OptionGroup var target: ListTarget
        @OptionGroup var values: ListValues
        @Option(help: "What must be proven: dmarc (of the From field), spf (of the reverse-path), none.")
        var needs = Word(ListEntry.Proof.none)

        var new: NewListEntry {
            var new = values.applied(to: NewListEntry(Self.action, target.sender))
            new.needs = needs.value
            return new
        }
    }

    struct Block: ListAdditionCommand {
        static let configuration = CommandConfiguration(abstract: "Block a sender.")
        static let action = ListEntry.Action.block
        @OptionGroup var configuration: ConfigurationOptions
        @OptionGroup var output: OutputOptions
        @OptionGroup var target: ListTarget
        @OptionGroup var values: ListValues

        var new: NewListEntry { values.applied(to: NewListEntry(Self.action, target.sender)) }
    }

    struct Remove: PolicyCommand {
        static let configuration = CommandConfiguration(abstract: "Take a sender off the lists.")
        @OptionGroup var configuration: ConfigurationOptions
        @OptionGroup var output: OutputOptions
        @OptionGroup var target: ListTarget
        @Option(help: "Only off this one: allow, block.") var list: Word<ListEntry.Action>?

        func run(at site: PolicySite) throws {
            let gone = try site.change { changes in
                try changes.removeListEntries(target.sender, action: list?.value, for: target.scope)
            }
            if output.json { return print(try Terminal.json(gone.map { ListReport($0, nil) })) }
            for entry in gone { print("Removed \(entry.words) of \(entry.scope).") }
        }
    }

    struct Test: PolicyCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tell which entry would hold for a message, without one.",
            discussion: """
                What a sender has proven is not known here: it is said with --proven. Exits with 1 if nothing holds.
                """)
        @OptionGroup var configuration: ConfigurationOptions
        @OptionGroup var output: OutputOptions
        @OptionGroup var target: ScopeOptions
        @Option(help: ArgumentHelp("The author, in the From field.", valueName: "address")) var from: String?
        @Option(help: ArgumentHelp("The reverse-path.", valueName: "address")) var sender: String?
        @Option(help: ArgumentHelp("The client's IP address.", valueName: "address")) var client = "192.0.2.1"
        @Option(help: "What has passed: dmarc, spf; may be said twice.") var proven: [Word<ListEntry.Proof>] = []

        func run(at site: PolicySite) throws {
            guard let client = IPAddress(client) else {
                throw CommandFailure.wrong("--client is not an IP address.")
            }
            let probe = ListProbe(
                scope: try site.scope(target.scope), client: client,
                authors: try from.map { [try Self.address($0)] } ?? [], sender: try sender.map(Self.address))
            let entries = try told { try site.directory.listEntries(about: probe) }
            let found = SenderLists.entry(of: entries, for: probe, proven: Set(proven.map(\.value)), at: Date())
            let memory = site.memory()
            defer { memory?.close() }
            if output.json {
                print(try Terminal.json(found.map { [ListReport($0, memory)] } ?? []))
            } else {
                print(found.map { "\($0.words) of \($0.scope) holds (audit \($0.audit))." } ?? "No entry holds.")
            }
            if found == nil { throw CommandFailure.silent }
        }

        private static func address(_ text: String) throws -> EmailAddress {
            do { return try AddressParser.mailbox(text) } catch {
                throw CommandFailure.wrong("\"\(Terminal.harmless(text))\" is not an address.")
            }
        }
    }
}

/// A command that puts a sender on a list.
protocol ListAdditionCommand: PolicyCommand {
    static var action: ListEntry.Action { get }
    var output: OutputOptions { get }
    var target: ListTarget { get }
    var new: NewListEntry { get }
}

extension ListAdditionCommand {
    func run(at site: PolicySite) throws {
        let entry = try site.change { try $0.addListEntry(new, for: target.scope) }
        if output.json {
            print(try Terminal.json(ListReport(entry, nil)))
        } else {
            print("\(entry.scope): \(entry.words) (audit \(entry.audit)).")
        }
        entry.warnOfForgery()
        site.warn(without: SenderLists.name)
    }
}

/// Whom an entry is about, and for whom it holds.
struct ListTarget: ParsableArguments {
    @Argument(help: "The sender: a domain, an address, an IP address or a network.") var sender: String
    @Option(
        name: .customLong("for"),
        help: ArgumentHelp("For whom: a domain, or a mailbox's address.", valueName: "domain or mailbox"))
    var scope: String?
    @Flag(help: "For everybody.") var global = false

    func validate() throws {
        guard global == (scope == nil) else { throw ValidationError("Say --for a domain or a mailbox, or --global.") }
    }
}

/// What an entry has beside its sender.
struct ListValues: ParsableArguments {
    @Option(help: "Which sender of a message is meant: header-from, envelope-from, either.")
    var match = Word(ListEntry.Match.headerFrom)
    @Option(help: ArgumentHelp("Why, for people.", valueName: "text")) var reason: String?
    @Option(help: ArgumentHelp("When it ends: in 30d, or at 2026-12-31T00:00:00Z.", valueName: "moment"))
    var until: Deadline?

    func applied(to new: NewListEntry) -> NewListEntry {
        var new = new
        new.match = match.value
        new.reason = reason
        new.ends = until?.date
        return new
    }
}

/// A moment to come on the command line: how long from now, or a date.
struct Deadline: ExpressibleByArgument {
    let date: Date

    init?(argument: String) {
        if let interval = try? Interval(parsing: argument) {
            date = Date(timeIntervalSinceNow: interval.seconds)
        } else if let date = try? Date(argument, strategy: .iso8601) {
            self.date = date
        } else {
            return nil
        }
    }
}

/// One of the words of a value, on the command line.
struct Word<Value: RawRepresentable<String> & CaseIterable & Sendable>: ExpressibleByArgument {
    let value: Value

    init(_ value: Value) { self.value = value }

    init?(argument: String) {
        guard let value = Value(rawValue: argument) else { return nil }
        self.value = value
    }

    var defaultValueDescription: String { value.rawValue }
    static var allValueStrings: [String] { Value.allCases.map(\.rawValue) }
}

extension ListEntry {
    /// Whether any stranger can make it hold.
    private var isForgeable: Bool { action == .allow && needs == .none && !sender.isNetwork }

    /// Tells who has made the entry that strangers can use it, if they can.
    func warnOfForgery() {
        guard isForgeable else { return }
        Terminal.complain(
            "warning: anybody can send mail in the name of \(sender); ask for proof (--needs), or allow a network.")
    }
}

/// An entry for people and programs.
struct ListReport: Encodable {
    var id: Int64
    var scope: String
    var list: String
    var sender: String
    /// `nil` for networks, which are compared with the client.
    var match: String?
    var needs: String
    var reason: String?
    var author: String
    var created: Date
    var ends: Date?
    var audit: Int64
    /// When it last changed an outcome, and how often it has; as far as stage memory has been written down.
    var lastUsed: Date?
    var used: Int

    init(_ entry: ListEntry, _ memory: StageMemoryStore?) {
        id = entry.id
        scope = entry.scope.description
        list = entry.action.rawValue
        sender = entry.sender.description
        match = entry.sender.isNetwork ? nil : entry.match.rawValue
        needs = entry.needs.rawValue
        reason = entry.reason
        author = entry.author
        created = entry.created
        ends = entry.ends
        audit = entry.audit
        let answer = memory?.answer(.peek(table: ListUse.table, key: ListUse.key(of: entry.id), at: Date()))
        if case .visit(let visits?)? = answer {
            lastUsed = visits.last
            used = visits.count
        } else {
            used = 0
        }
    }

    var cells: [String] {
        [
            scope, list, sender, match ?? "client", needs, ends?.stamp ?? "-", lastUsed?.stamp ?? "never", author,
            reason ?? "-",
        ]
    }
}
