import ArgumentParser
import Directory
import MailTypes

struct GroupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group", abstract: "Keep groups of people with one address.",
        subcommands: [Add.self, Change.self, List.self, Remove.self])

    struct Add: MemberChange {
        static let configuration = CommandConfiguration(abstract: "Add a group.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its address, such as staff@acme.test.") var address: String
        @Argument(help: "Its members; may be groups.") var members: [String] = []
        @OptionGroup var file: MemberFile
        @Option(name: .customLong("name"), help: "Its name for people.") var fullName: String?

        func added() throws -> [String] { try members + file.read() }

        func apply(_ changes: borrowing DirectoryChanges, adding added: [String]) throws {
            try changes.addGroup(address, fullName: fullName, members: added)
        }

        var report: String {
            let count = file.membersFrom == nil ? " with \(Terminal.counted(members.count, "member"))" : ""
            return "Added group \(address)\(count)."
        }
    }

    struct Change: MemberChange {
        static let configuration = CommandConfiguration(abstract: "Change a group.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its address.") var address: String
        @OptionGroup var members: MemberOptions
        @Option(name: .customLong("name"), help: "Its name for people.") var fullName: String?
        @Option(
            parsing: .singleValue,
            help: ArgumentHelp("A further address of the group; may be repeated.", valueName: "address"))
        var addAddress: [String] = []
        @Option(
            parsing: .singleValue,
            help: ArgumentHelp("A further address to take away; may be repeated.", valueName: "address"))
        var removeAddress: [String] = []
        @Flag(inversion: .prefixedEnableDisable, help: "Whether it takes mail.") var mail: Bool?

        func validate() throws {
            let isEmpty = members.isEmpty && addAddress.isEmpty && removeAddress.isEmpty
            guard mail != nil || fullName != nil || !isEmpty else {
                throw ValidationError(
                    "Say what to change: --add, --members-from, --remove, --add-address, --remove-address, --name, "
                        + "--enable-mail or --disable-mail.")
            }
        }

        func added() throws -> [String] { try members.added() }

        func apply(_ changes: borrowing DirectoryChanges, adding added: [String]) throws {
            if mail != nil || fullName != nil {
                try changes.setGroup(address, enabled: mail, fullName: fullName.map { .some($0) } ?? nil)
            }
            try changes.changeGroupMembers(of: address, add: added, remove: members.remove)
            for further in addAddress { try changes.addGroupAddress(further, to: address) }
            for further in removeAddress { try changes.removeGroupAddress(further, from: address) }
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
                ("ALSO", { $0.furtherAddresses.map(\.description).joined(separator: ", ") }),
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
