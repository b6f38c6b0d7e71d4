import ArgumentParser
import Directory
import Foundation
import MailTypes

// The commands that keep post offices and aliases.

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

struct AliasCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alias", abstract: "Keep addresses that stand for others, here or elsewhere.",
        subcommands: [Add.self, Load.self, Change.self, List.self, Remove.self])

    struct Add: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Add an alias.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The alias, such as info@acme.test; @acme.test is the catch-all of that domain.")
        var address: String
        @Argument(help: "Whom its mail goes to; may be elsewhere.") var members: [String]

        func run() throws {
            try place.change(apply)
            print(report)
            if address.hasPrefix("@") { try CatchAllWarning.tell(place) }
        }

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.addAlias(address, members: members)
        }

        var report: String { "Added alias \(address) for \(members.joined(separator: ", "))." }
    }

    struct Load: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add many aliases from a file.",
            discussion: """
                One alias in a line: the address, a blank, and its members with commas between them, as in Postfix's \
                virtual(5). Lines that begin with # and empty lines are passed over. All are added, or none is, and \
                each line that is wrong is told.
                """)
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The file, or - for standard input.", completion: .file()) var file: String

        func run() throws {
            let lines = try LineFile.read(file)
            var complaints: [String] = []
            // What is wrong in one line must not hide what is wrong in the next, and nothing of it may stay.
            struct Undone: Error {}
            do {
                try place.change { changes in
                    for line in lines {
                        do {
                            try Self.add(line.text, by: changes)
                        } catch let error as DirectoryError {
                            complaints.append("\(file):\(line.number): \(error)")
                        }
                    }
                    if !complaints.isEmpty { throw Undone() }
                }
            } catch  where !complaints.isEmpty {
                for complaint in complaints.prefix(Self.mostComplaints) { Terminal.complain(complaint) }
                let rest = complaints.count - Self.mostComplaints
                throw CommandFailure.wrong("Nothing was added\(rest > 0 ? "; \(rest) more lines are wrong" : "").")
            }
            print("Added \(lines.count) \(lines.count == 1 ? "alias" : "aliases").")
        }

        private static let mostComplaints = 100

        private static func add(_ line: String, by changes: borrowing DirectoryChanges) throws {
            let parts = line.split(maxSplits: 1, whereSeparator: { $0 == " " || $0 == "\t" })
            let members = parts.count < 2 ? [] : parts[1].split(separator: ",").map { $0.trimmed }
            try changes.addAlias(String(parts.first ?? ""), members: members.filter { !$0.isEmpty })
        }
    }

    struct Change: MemberChange {
        static let configuration = CommandConfiguration(abstract: "Change whom an alias stands for.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The alias.") var address: String
        @OptionGroup var members: MemberOptions
        @Flag(inversion: .prefixedEnableDisable, help: "Whether it takes mail.") var mail: Bool?

        func validate() throws {
            guard mail != nil || !members.isEmpty else {
                throw ValidationError(
                    "Say what to change: --add, --members-from, --remove, --enable-mail or --disable-mail.")
            }
        }

        func added() throws -> [String] { try members.added() }

        func apply(_ changes: borrowing DirectoryChanges, adding added: [String]) throws {
            if let mail { try changes.setAlias(address, enabled: mail) }
            try changes.changeAliasMembers(of: address, add: added, remove: members.remove)
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

/// Members that come and go.
struct MemberOptions: ParsableArguments {
    @Option(parsing: .singleValue, help: ArgumentHelp("A member to add; may be repeated.", valueName: "address"))
    var add: [String] = []
    @Option(parsing: .singleValue, help: ArgumentHelp("A member to remove; may be repeated.", valueName: "address"))
    var remove: [String] = []
    @OptionGroup var file: MemberFile

    var isEmpty: Bool { add.isEmpty && remove.isEmpty && file.membersFrom == nil }

    func added() throws -> [String] { try add + file.read() }
}

/// Members that are too many for a command line.
struct MemberFile: ParsableArguments {
    @Option(
        help: ArgumentHelp("Add the members in this file, one in a line; - for standard input.", valueName: "file"),
        completion: .file())
    var membersFrom: String?

    func read() throws -> [String] {
        guard let membersFrom else { return [] }
        return try LineFile.read(membersFrom).map(\.text)
    }
}

extension Date {
    /// `2026-11-21`, in UTC.
    var day: String { String(stamp.prefix(10)) }
    /// `2026-11-21T03:15:34Z`.
    var stamp: String { formatted(.iso8601) }
}
