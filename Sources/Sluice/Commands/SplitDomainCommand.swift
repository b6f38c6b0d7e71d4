import ArgumentParser
import Directory
import Filters
import MailTypes
import Pipeline

struct SplitDomainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "split-domain", abstract: "Keep domains of which another server has a part.",
        subcommands: [Add.self, Change.self, PartnerCommand.self, List.self, Remove.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Seek who is not here at another server.",
            discussion: """
                The domain is hosted here. Mail for its mailboxes, aliases and groups stays; all other mail for it \
                goes to the partner. Mail that comes from the partner is not sent back to it, and what it sends in \
                the domain's name is not taken for forged: it is known by its address, if --to is one, and by --from.
                """)
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain.") var name: String
        @Option(
            help: ArgumentHelp(
                "The partner: a name or an address, with :PORT unless it is 25.", valueName: "host"))
        var to: String
        @OptionGroup var options: RelayOptions
        @Option(
            help: ArgumentHelp(
                "Where mail of the partner comes from: an address or a network; may be given again.",
                valueName: "network"))
        var from: [NetworkWord] = []
        @Flag(inversion: .prefixedNo, help: "Ask the partner at RCPT whether it has the address.") var callout = true

        func run() throws {
            let settings = try place.configuration.load()
            let data = try DataFolder(settings).entered()
            let new = try options.relay(to, settings, data)
            try place.change {
                try $0.addSplitDomain(name, partner: new, networks: from.map(\.network), asksPartner: callout)
            }
            print("Who is not in \(name) here is sought at \(new.host):\(new.port), TLS \(new.security).")
            if from.isEmpty, IPAddress(new.host) == nil {
                Terminal.complain(
                    "warning: nobody says where mail of \(new.host) comes from (--from), so it is judged as anybody's.")
            }
            let entries = try place.read({ directory throws(DirectoryError) in try directory.domains() })
            if let domain = entries.first(where: { $0.name == name.asciiLowercased }), domain.catchAll != nil {
                Terminal.complain(
                    "warning: \(domain.name) has a catch-all, which gets only what the partner does not have.")
            }
            try place.configuration.warn(without: SplitDomains.name)
        }
    }

    struct Change: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Change a split domain.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain.") var name: String
        @Flag(inversion: .prefixedEnableDisable, help: "Whether anybody is sought at the partner.") var split: Bool?
        @Flag(inversion: .prefixedNo, help: "Ask the partner at RCPT whether it has the address.") var callout: Bool?
        @Option(
            help: ArgumentHelp("Where mail of the partner comes from, all of it anew.", valueName: "network"))
        var from: [NetworkWord] = []
        @Flag(help: "Forget where mail of the partner comes from.") var fromNowhere = false

        func validate() throws {
            guard split != nil || callout != nil || !from.isEmpty || fromNowhere else {
                throw ValidationError(
                    "Say what to change: --enable-split, --disable-split, --callout, --no-callout, --from NETWORK or "
                        + "--from-nowhere.")
            }
            guard from.isEmpty || !fromNowhere else {
                throw ValidationError("--from and --from-nowhere contradict each other.")
            }
        }

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.setSplitDomain(
                name, enabled: split, networks: from.isEmpty && !fromNowhere ? nil : from.map(\.network),
                asksPartner: callout)
        }

        var report: String { "Changed split domain \(name)." }
    }

    struct List: DirectoryListing {
        static let configuration = CommandConfiguration(abstract: "List the split domains.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var output: OutputOptions

        func entries(in directory: MailDirectory) throws -> [SplitEntry] { try directory.splitDomains() }

        var columns: [Column] {
            [
                ("DOMAIN", { $0.domain }), ("STATE", { $0.isEnabled ? "on" : "off" }),
                ("PARTNERS", { $0.partners.map(\.words).joined(separator: ", ") }),
                ("CALLOUT", { $0.asksPartner ? "yes" : "no" }),
                ("FROM", { $0.networks.isEmpty ? "-" : $0.networks.map(\.description).joined(separator: ", ") }),
            ]
        }
    }

    struct Remove: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "All of the domain lives here again.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain.") var name: String

        func apply(_ changes: borrowing DirectoryChanges) throws { try changes.removeSplitDomain(name) }

        var report: String { "Removed split domain \(name)." }
    }
}

/// Several partners of one domain.
struct PartnerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "partner", abstract: "Keep the partners of a split domain.",
        subcommands: [Add.self, Remove.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a server to try while those before cannot be reached.",
            discussion: "A partner that is there already gets this TLS and this login.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain.") var name: String
        @Argument(help: "The partner: a name or an address, with :PORT unless it is 25.") var host: String
        @OptionGroup var options: RelayOptions

        func run() throws {
            let settings = try place.configuration.load()
            let data = try DataFolder(settings).entered()
            let new = try options.relay(host, settings, data)
            try place.change { try $0.addPartner(new, to: name) }
            print("\(new.host):\(new.port) is a partner of \(name), TLS \(new.security).")
        }
    }

    struct Remove: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Remove a server that is tried.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain.") var name: String
        @Argument(help: "The partner, with :PORT unless it is 25.") var host: String

        func apply(_ changes: borrowing DirectoryChanges) throws {
            let partner = try RelayOptions.host(host)
            try changes.removePartner(partner.name, port: partner.port, from: name)
        }

        var report: String { "\(host) is no partner of \(name) any more." }
    }
}

extension PartnerEntry {
    var words: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return "\(name):\(port) (\(login == nil ? "" : "login, ")TLS \(security.rawValue))"
    }
}

/// An address or a network as an argument: `192.0.2.1`, `2001:db8::/32`.
struct NetworkWord: ExpressibleByArgument {
    let network: Network

    init?(argument: String) {
        guard let network = Network(argument) else { return nil }
        self.network = network
    }
}
