import ArgumentParser
import Directory
import Foundation
import MailTypes

// The commands that keep post offices, domains, aliases and groups; mailboxes have their own file.

struct PostOfficeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "postoffice", abstract: "Keep post offices: whom domains belong to.",
        subcommands: [Add.self, Change.self, List.self, Remove.self])

    struct Add: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Add a post office.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its name, such as acme.") var name: String

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.addPostOffice(name)
        }

        var report: String { "Added post office \(name)." }
    }

    struct Change: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Switch a post office on or off.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its name.") var name: String
        @Flag(inversion: .prefixedEnableDisable, help: "Whether mail for its domains is taken.") var mail: Bool

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.setPostOffice(name, enabled: mail)
        }

        var report: String { "Changed post office \(name)." }
    }

    struct List: DirectoryListing {
        static let configuration = CommandConfiguration(abstract: "List the post offices.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var output: OutputOptions

        func entries(in directory: MailDirectory) throws -> [PostOfficeEntry] {
            try directory.postOffices()
        }

        var columns: [Column] {
            [
                ("POST OFFICE", { $0.name }),
                ("MAIL", { $0.isEnabled.mailWord }),
                ("SINCE", { $0.created.day }),
            ]
        }
    }

    struct Remove: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Remove a post office.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its name.") var name: String
        @Flag(help: "Remove its domains and all that they hold as well.") var force = false

        func run() throws {
            let keys = try place.keysLeft { try $0.domains(postOffice: name).map(\.name) }
            try place.change(apply)
            print(([report] + keys).joined(separator: "\n"))
        }

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.removePostOffice(name, force: force)
        }

        var report: String { "Removed post office \(name)." }
    }
}

struct DomainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "domain", abstract: "Keep the domains whose mail is taken here.",
        subcommands: [Add.self, Change.self, List.self, Remove.self])

    struct Add: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Add a domain to a post office.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain, such as acme.test.") var name: String
        @Option(name: .customLong("postoffice"), help: "Whom it belongs to.") var postOffice: String

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.addDomain(name, postOffice: postOffice)
        }

        var report: String { "Added domain \(name) to post office \(postOffice)." }
    }

    struct Change: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Change a domain.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain.") var name: String
        @Flag(inversion: .prefixedEnableDisable, help: "Whether its mail is taken, and what it writes signed.")
        var mail: Bool?
        @Option(help: "Who gets mail for postmaster where there is no such address.") var postmaster: String?

        func validate() throws {
            guard mail != nil || postmaster != nil else {
                throw ValidationError("Say what to change: --enable-mail, --disable-mail or --postmaster ADDRESS.")
            }
        }

        func apply(_ changes: borrowing DirectoryChanges) throws {
            if let mail { try changes.setDomain(name, enabled: mail) }
            if let postmaster { try changes.setPostmaster(postmaster, domain: name) }
        }

        var report: String { "Changed domain \(name)." }
    }

    struct List: DirectoryListing {
        static let configuration = CommandConfiguration(abstract: "List the domains.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var output: OutputOptions
        @Option(name: .customLong("postoffice"), help: "Only those of this post office.") var postOffice: String?

        func entries(in directory: MailDirectory) throws -> [DomainEntry] {
            try directory.domains(postOffice: postOffice)
        }

        var columns: [Column] {
            [
                ("DOMAIN", { $0.name }),
                ("POST OFFICE", { $0.postOffice }),
                ("MAIL", { $0.isEnabled.mailWord }),
                ("POSTMASTER", { $0.postmaster?.description ?? "-" }),
                ("SINCE", { $0.created.day }),
            ]
        }
    }

    struct Remove: DirectoryChange {
        static let configuration = CommandConfiguration(
            abstract: "Remove a domain.",
            discussion: """
                Its DKIM keys sign no more. Their private halves stay in the data folder, and their records in DNS, \
                until you delete them; both are named.
                """)
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain.") var name: String
        @Flag(help: "Remove its mailboxes, aliases and groups as well, and take them out of those of other domains.")
        var force = false

        func run() throws {
            let keys = try place.keysLeft { _ in [name] }
            try place.change(apply)
            print(([report] + keys).joined(separator: "\n"))
        }

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.removeDomain(name, force: force)
        }

        var report: String { "Removed domain \(name). Mail that was delivered stays in the data folder." }
    }
}

struct AliasCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alias", abstract: "Keep addresses that stand for others, here or elsewhere.",
        subcommands: [Add.self, Change.self, List.self, Remove.self])

    struct Add: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Add an alias.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The alias, such as info@acme.test.") var address: String
        @Argument(help: "Whom its mail goes to; may be elsewhere.") var members: [String]

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.addAlias(address, members: members)
        }

        var report: String { "Added alias \(address) for \(members.joined(separator: ", "))." }
    }

    struct Change: DirectoryChange {
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

        func apply(_ changes: borrowing DirectoryChanges) throws {
            if let mail { try changes.setAlias(address, enabled: mail) }
            for member in members.add { try changes.addAliasMember(member, to: address) }
            for member in members.remove { try changes.removeAliasMember(member, from: address) }
        }

        var report: String { "Changed alias \(address)." }
    }

    struct List: DirectoryListing {
        static let configuration = CommandConfiguration(abstract: "List the aliases.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var output: OutputOptions
        @Option(help: "Only those of this domain.") var domain: String?

        func entries(in directory: MailDirectory) throws -> [AliasEntry] {
            try directory.aliases(domain: domain)
        }

        var columns: [Column] {
            [
                ("ALIAS", { $0.address.description }),
                ("MAIL", { $0.isEnabled.mailWord }),
                ("STANDS FOR", { $0.members.map(\.description).joined(separator: ", ") }),
            ]
        }
    }

    struct Remove: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Remove an alias.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The alias.") var address: String
        @Flag(help: "Take it out of the aliases and groups that it is in.") var force = false

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.removeAlias(address, force: force)
        }

        var report: String { "Removed alias \(address)." }
    }
}

struct GroupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group", abstract: "Keep groups of people with one address.",
        subcommands: [Add.self, Change.self, List.self, Remove.self])

    struct Add: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Add a group.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its address, such as staff@acme.test.") var address: String
        @Argument(help: "Its members; may be groups.") var members: [String] = []
        @Option(name: .customLong("name"), help: "Its name for people.") var fullName: String?

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.addGroup(address, fullName: fullName, members: members)
        }

        var report: String {
            "Added group \(address) with \(Terminal.counted(members.count, "member"))."
        }
    }

    struct Change: DirectoryChange {
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

        func apply(_ changes: borrowing DirectoryChanges) throws {
            if mail != nil || fullName != nil {
                try changes.setGroup(address, enabled: mail, fullName: fullName.map { .some($0) } ?? nil)
            }
            for member in members.add { try changes.addGroupMember(member, to: address) }
            for member in members.remove { try changes.removeGroupMember(member, from: address) }
        }

        var report: String { "Changed group \(address)." }
    }

    struct List: DirectoryListing {
        static let configuration = CommandConfiguration(abstract: "List the groups.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var output: OutputOptions
        @Option(help: "Only those of this domain.") var domain: String?

        func entries(in directory: MailDirectory) throws -> [GroupEntry] {
            try directory.groups(domain: domain)
        }

        var columns: [Column] {
            [
                ("GROUP", { $0.address.description }),
                ("MAIL", { $0.isEnabled.mailWord }),
                ("NAME", { $0.fullName ?? "-" }),
                ("MEMBERS", { $0.members.map(\.description).joined(separator: ", ") }),
            ]
        }
    }

    struct Remove: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Remove a group.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its address.") var address: String
        @Flag(help: "Take it out of the aliases and groups that it is in.") var force = false

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.removeGroup(address, force: force)
        }

        var report: String { "Removed group \(address)." }
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
