import ArgumentParser
import Directory
import Filters
import MailTypes
import Pipeline

struct RelayDomainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "relay-domain", abstract: "Keep domains whose mail goes to another server as a whole.",
        subcommands: [Add.self, Change.self, List.self, Remove.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let all mail for a domain go to another server.",
            discussion: """
                A domain that is hosted here acts as a smart host then: its mailboxes get nothing. With --backup this \
                server is a backup exchanger: mail goes to the domain's own exchangers that are better ones, by its \
                MX records.
                """)
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain.") var name: String
        @Option(help: ArgumentHelp("The server: a name or an address, with :PORT unless it is 25.", valueName: "host"))
        var to: String?
        @Flag(help: "This server is a backup of the domain's own mail exchangers.") var backup = false
        @OptionGroup var keeping: RelayKeepingOptions
        @Option(name: .customLong("postoffice"), help: "Whose it is.") var postOffice: String?
        @Flag(help: "Only from users who have logged in.") var onlyAuthenticated = false
        @OptionGroup var options: RelayOptions

        func validate() throws {
            guard (to != nil) != backup else { throw ValidationError("Say where it goes: --to HOST or --backup.") }
            try options.check(isBackup: backup)
        }

        func run() throws {
            let settings = try place.configuration.load()
            let data = try DataFolder(settings).entered()
            let new = try to.map { try options.relay($0, settings, data) } ?? .ownExchangers
            try place.change {
                try $0.addRelayDomain(
                    name, to: new, postOffice: postOffice, onlyAuthenticated: onlyAuthenticated,
                    asksServer: keeping.callout, giveUpAfter: keeping.giveUpAfter?.interval)
            }
            if backup {
                print("This server is a backup of the exchangers of \(name). `sluice route verify --dns` checks that.")
            } else {
                print("All mail for \(name) goes to \(new.host):\(new.port), TLS \(new.security).")
            }
            if try place.read({ try $0.domains() }).contains(where: { $0.name == name.asciiLowercased }) {
                Terminal.complain("warning: \(name) is hosted here; its mailboxes get nothing any more.")
            }
            try place.configuration.warn(without: RelayDomains.name)
            try place.configuration.tellOfVerification(name)
        }
    }

    struct Change: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let a domain's mail go to another server than now, or from others.",
            discussion: """
                With --to all that is said of the server is new: without --login there is none. Mail that is queued \
                already still goes to the old server, and has no login there any more: `sluice queue reroute \
                --domain` sends it to the new one.
                """)
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain.") var name: String
        @Option(help: ArgumentHelp("The server, with :PORT unless it is 25.", valueName: "host")) var to: String?
        @Flag(help: "This server is a backup of the domain's own mail exchangers.") var backup = false
        @Flag(inversion: .prefixedNo, help: "Only from users who have logged in.") var onlyAuthenticated: Bool?
        @OptionGroup var keeping: RelayKeepingOptions
        @Flag(help: "Keep its mail as long as all other.") var giveUpAsUsual = false
        @OptionGroup var options: RelayOptions

        func validate() throws {
            guard to == nil || !backup else { throw ValidationError("Say --to or --backup, not both.") }
            guard keeping.giveUpAfter == nil || !giveUpAsUsual else {
                throw ValidationError("Say --give-up-after or --give-up-as-usual, not both.")
            }
            guard to != nil || backup || onlyAuthenticated != nil || keeping.isSaid || giveUpAsUsual else {
                throw ValidationError(
                    "Say what to change: --to HOST, --backup, --only-authenticated, --no-only-authenticated, "
                        + "--callout, --no-callout, --give-up-after TIME or --give-up-as-usual.")
            }
            try options.check(isBackup: backup)
            guard to != nil || !options.isSaid else {
                throw ValidationError("--tls and --login say how a server is reached: name it with --to.")
            }
        }

        func run() throws {
            let settings = try place.configuration.load()
            let data = try DataFolder(settings).entered()
            let new: NewRelay? = try backup ? .ownExchangers : to.map { try options.relay($0, settings, data) }
            let giveUpAfter: Interval?? = giveUpAsUsual ? .some(nil) : keeping.giveUpAfter.map { $0.interval }
            try place.change {
                try $0.setRelayDomain(
                    name, to: new, onlyAuthenticated: onlyAuthenticated, asksServer: keeping.callout,
                    giveUpAfter: giveUpAfter)
            }
            print("Changed relay domain \(name).")
            try place.configuration.warn(without: RelayDomains.name)
        }
    }

    struct List: DirectoryListing {
        static let configuration = CommandConfiguration(abstract: "List these domains.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var output: OutputOptions

        func entries(in directory: MailDirectory) throws -> [RelayEntry] { try directory.relayDomains() }

        var columns: [Column] {
            [
                ("DOMAIN", { $0.domain ?? "-" }), ("SERVER", { $0.words }), ("TLS", { $0.security.rawValue }),
                ("LOGIN", { $0.login.map(Terminal.harmless) ?? "-" }),
                ("CALLOUT", { $0.asksServer ? "yes" : "no" }),
                ("GIVE UP", { $0.giveUpAfter?.description ?? "-" }),
                ("VERIFIED", { $0.isVerified ? "yes" : "no" }),
                ("FROM", { $0.onlyAuthenticated ? "users" : "everybody" }), ("POST OFFICE", { $0.postOffice ?? "-" }),
            ]
        }
    }

    struct Remove: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Let a domain's mail go its usual way again.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain.") var name: String

        func apply(_ changes: borrowing DirectoryChanges) throws { try changes.removeRelayDomain(name) }

        var report: String { "Removed relay domain \(name)." }
    }
}

/// What becomes of mail for a relay domain here.
struct RelayKeepingOptions: ParsableArguments {
    @Flag(
        inversion: .prefixedNo,
        help: "Ask the next server at RCPT whether it has the address, and remember that. With --backup: yes.")
    var callout: Bool?
    @Option(help: ArgumentHelp("How long mail is kept while it cannot be delivered: 10d.", valueName: "time"))
    var giveUpAfter: IntervalArgument?

    static let shortest: Interval = "1m"
    static let longest: Interval = "36d"

    func validate() throws {
        guard let time = giveUpAfter?.interval else { return }
        guard (Self.shortest.seconds...Self.longest.seconds).contains(time.seconds) else {
            throw ValidationError("--give-up-after is \(Self.shortest) to \(Self.longest).")
        }
    }

    var isSaid: Bool { callout != nil || giveUpAfter != nil }
}

extension DirectoryOptions {
    /// Tells who has added something to a domain whose mail goes to another server as a whole.
    func warn(ofRelayed name: String) throws {
        let (relayed, aliases) = try read { directory in (try directory.relayDomains(), try directory.domainAliases()) }
        let name = name.asciiLowercased
        let home = aliases.first { $0.name == name }?.domain
        guard let entry = relayed.first(where: { $0.domain == name || $0.domain == home }) else { return }
        Terminal.complain(
            Terminal.harmless(
                "warning: all mail for \(entry.domain ?? name) goes to \(entry.words): its mailboxes here get nothing"))
    }
}

extension ConfigurationOptions {
    /// Tells who has changed something that only a stage makes true, where the chain has no such stage.
    func warn(without stage: StageName) throws {
        guard try !loadAll().chain.links.contains(where: { $0.name == stage && !$0.words.isObserved }) else { return }
        Terminal.complain(
            "warning: the stage \(stage) is not in the chain, or only in shadow: nothing comes of this (sluice check)")
    }
}
