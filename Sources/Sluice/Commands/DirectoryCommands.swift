import ArgumentParser
import Directory
import Foundation
import MailTypes

// The commands that keep post offices, domains, aliases and groups; mailboxes have their own file.

struct PostOfficeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "postoffice", abstract: "Keep post offices: whom domains belong to.",
        subcommands: [Add.self, Change.self, List.self, Remove.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Add a post office.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its name, such as acme.") var name: String

        func run() throws {
            try place.change { try $0.addPostOffice(name) }
            print("Added post office \(name).")
        }
    }

    struct Change: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Switch a post office on or off.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its name.") var name: String
        @Flag(inversion: .prefixedEnableDisable, help: "Whether mail for its domains is taken.") var mail: Bool

        func run() throws {
            try place.change { try $0.setPostOffice(name, enabled: mail) }
            print("Changed post office \(name).")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the post offices.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            let entries = try place.read { try $0.postOffices() }
            try output.show(entries, header: ["POST OFFICE", "MAIL", "SINCE"]) {
                [$0.name, $0.isEnabled ? "on" : "off", $0.created.day]
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a post office.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its name.") var name: String
        @Flag(help: "Remove its domains and all that they hold as well.") var force = false

        func run() throws {
            try place.change { try $0.removePostOffice(name, force: force) }
            print("Removed post office \(name).")
        }
    }
}

struct DomainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "domain", abstract: "Keep the domains whose mail is taken here.",
        subcommands: [Add.self, Change.self, List.self, Remove.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Add a domain to a post office.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain, such as acme.test.") var name: String
        @Option(name: .customLong("postoffice"), help: "Whom it belongs to.") var postOffice: String

        func run() throws {
            try place.change { try $0.addDomain(name, postOffice: postOffice) }
            print("Added domain \(name) to post office \(postOffice).")
        }
    }

    struct Change: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Change a domain.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain.") var name: String
        @Flag(inversion: .prefixedEnableDisable, help: "Whether its mail is taken.") var mail: Bool?
        @Option(help: "Who gets mail for postmaster where there is no such address.") var postmaster: String?

        func validate() throws {
            guard mail != nil || postmaster != nil else {
                throw ValidationError("Say what to change: --enable-mail, --disable-mail or --postmaster ADDRESS.")
            }
        }

        func run() throws {
            try place.change { changes in
                if let mail { try changes.setDomain(name, enabled: mail) }
                if let postmaster { try changes.setPostmaster(postmaster, domain: name) }
            }
            print("Changed domain \(name).")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the domains.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var output: OutputOptions
        @Option(name: .customLong("postoffice"), help: "Only those of this post office.") var postOffice: String?

        func run() throws {
            let entries = try place.read { try $0.domains(postOffice: postOffice) }
            try output.show(entries, header: ["DOMAIN", "POST OFFICE", "MAIL", "POSTMASTER", "SINCE"]) {
                [
                    $0.name, $0.postOffice, $0.isEnabled ? "on" : "off", $0.postmaster?.description ?? "-",
                    $0.created.day,
                ]
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a domain.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain.") var name: String
        @Flag(help: "Remove its mailboxes, aliases and groups as well.") var force = false

        func run() throws {
            try place.change { try $0.removeDomain(name, force: force) }
            print("Removed domain \(name). Mail that was delivered stays in the data folder.")
        }
    }
}

struct AliasCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alias", abstract: "Keep addresses that stand for others, here or elsewhere.",
        subcommands: [Add.self, Change.self, List.self, Remove.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Add an alias.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The alias, such as info@acme.test.") var address: String
        @Argument(help: "Whom its mail goes to; may be elsewhere.") var members: [String]

        func run() throws {
            try place.change { try $0.addAlias(address, members: members) }
            print("Added alias \(address) for \(members.joined(separator: ", ")).")
        }
    }

    struct Change: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Change whom an alias stands for.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The alias.") var address: String
        @OptionGroup var members: MemberOptions
        @Flag(inversion: .prefixedEnableDisable, help: "Whether it takes mail.") var mail: Bool?

        func validate() throws {
            guard mail != nil || !members.isEmpty else {
                throw ValidationError("Say what to change: --add, --remove, --enable-mail or --disable-mail.")
            }
        }

        func run() throws {
            try place.change { changes in
                if let mail { try changes.setAlias(address, enabled: mail) }
                for member in members.add { try changes.addAliasMember(member, to: address) }
                for member in members.remove { try changes.removeAliasMember(member, from: address) }
            }
            print("Changed alias \(address).")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the aliases.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var output: OutputOptions
        @Option(help: "Only those of this domain.") var domain: String?

        func run() throws {
            let entries = try place.read { try $0.aliases(domain: domain) }
            try output.show(entries, header: ["ALIAS", "MAIL", "STANDS FOR"]) {
                [
                    $0.address.description, $0.isEnabled ? "on" : "off",
                    $0.members.map(\.description).joined(separator: ", "),
                ]
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove an alias.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The alias.") var address: String
        @Flag(help: "Take it out of the aliases and groups that it is in.") var force = false

        func run() throws {
            try place.change { try $0.removeAlias(address, force: force) }
            print("Removed alias \(address).")
        }
    }
}

struct GroupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group", abstract: "Keep groups of people with one address.",
        subcommands: [Add.self, Change.self, List.self, Remove.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Add a group.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its address, such as staff@acme.test.") var address: String
        @Argument(help: "Its members; may be groups.") var members: [String] = []
        @Option(name: .customLong("name"), help: "Its name for people.") var fullName: String?

        func run() throws {
            try place.change { try $0.addGroup(address, fullName: fullName, members: members) }
            print("Added group \(address) with \(members.count) \(members.count == 1 ? "member" : "members").")
        }
    }

    struct Change: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Change a group.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its address.") var address: String
        @OptionGroup var members: MemberOptions
        @Option(name: .customLong("name"), help: "Its name for people.") var fullName: String?
        @Flag(inversion: .prefixedEnableDisable, help: "Whether it takes mail.") var mail: Bool?

        func validate() throws {
            guard mail != nil || fullName != nil || !members.isEmpty else {
                throw ValidationError("Say what to change: --add, --remove, --name, --enable-mail or --disable-mail.")
            }
        }

        func run() throws {
            try place.change { changes in
                if mail != nil || fullName != nil {
                    try changes.setGroup(address, enabled: mail, fullName: fullName.map { .some($0) } ?? nil)
                }
                for member in members.add { try changes.addGroupMember(member, to: address) }
                for member in members.remove { try changes.removeGroupMember(member, from: address) }
            }
            print("Changed group \(address).")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the groups.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var output: OutputOptions
        @Option(help: "Only those of this domain.") var domain: String?

        func run() throws {
            let entries = try place.read { try $0.groups(domain: domain) }
            try output.show(entries, header: ["GROUP", "MAIL", "NAME", "MEMBERS"]) {
                [
                    $0.address.description, $0.isEnabled ? "on" : "off", $0.fullName ?? "-",
                    $0.members.map(\.description).joined(separator: ", "),
                ]
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a group.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its address.") var address: String
        @Flag(help: "Take it out of the aliases and groups that it is in.") var force = false

        func run() throws {
            try place.change { try $0.removeGroup(address, force: force) }
            print("Removed group \(address).")
        }
    }
}

struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Show who changed what in the directory, the newest first.")
    @OptionGroup var place: DirectoryOptions
    @OptionGroup var output: OutputOptions
    @Option(help: "Only changes of this name or address.") var object: String?
    @Option(help: "How many.") var limit = 50

    func run() throws {
        let entries = try place.read { try $0.audit(object: object, limit: limit) }
        try output.show(entries, header: ["TIME", "WHO", "DID", "TO WHAT"]) {
            [$0.time.stamp, $0.actor, $0.verb, $0.object]
        }
    }
}

/// Members that come and go.
struct MemberOptions: ParsableArguments {
    @Option(parsing: .singleValue, help: ArgumentHelp("A member to add; may be repeated.", valueName: "address"))
    var add: [String] = []
    @Option(parsing: .singleValue, help: ArgumentHelp("A member to remove; may be repeated.", valueName: "address"))
    var remove: [String] = []

    var isEmpty: Bool { add.isEmpty && remove.isEmpty }
}

extension Date {
    /// `2026-11-21`, in UTC.
    var day: String { String(stamp.prefix(10)) }
    /// `2026-11-21T03:15:34Z`.
    var stamp: String { formatted(.iso8601) }
}
