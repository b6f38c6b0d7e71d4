import ArgumentParser
import Directory
import Foundation
import MailTypes

struct MailboxCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mailbox", abstract: "Keep mailboxes: where mail is kept and who logs in.",
        subcommands: [
            Add.self, Change.self, Redirect.self, AutoreplyCommand.self, EventCommand.self, Password.self, List.self,
            Remove.self,
        ])

    struct Add: PasswordChange {
        static let configuration = CommandConfiguration(
            abstract: "Add a mailbox.",
            discussion: "Without --password-stdin a random password is made and printed once.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its address, such as anna@acme.test.") var address: String
        @OptionGroup var secret: PasswordOptions
        @Option(name: .customLong("name"), help: "The person's name.") var fullName: String?
        @Option(help: "How much it may hold, such as 2GB; unlimited without.") var quota: ByteCountArgument?

        func apply(_ changes: borrowing DirectoryChanges, passwordHash: String) throws {
            try changes.addMailbox(
                address, passwordHash: passwordHash, fullName: fullName, quota: quota?.count.octets)
        }

        var report: String { "Added mailbox \(address)." }

        func warn() throws {
            guard let domain = address.split(separator: "@").last else { return }
            try place.warn(ofRelayed: String(domain))
        }
    }

    struct Change: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Change a mailbox.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its address.") var address: String
        @Flag(inversion: .prefixedEnableDisable, help: "Whether it takes mail and its owner may log in.") var mail:
            Bool?
        @Option(name: .customLong("name"), help: "The person's name.") var fullName: String?
        @Option(help: "How much it may hold, such as 2GB; \"none\" for unlimited.") var quota: String?

        func validate() throws {
            guard mail != nil || fullName != nil || quota != nil else {
                throw ValidationError("Say what to change: --enable-mail, --disable-mail, --name or --quota.")
            }
            if let quota, quota != "none", (try? ByteCount(parsing: quota)) == nil {
                throw ValidationError("\"\(quota)\" is not a size such as 500MB or 2GB, nor \"none\".")
            }
        }

        func apply(_ changes: borrowing DirectoryChanges) throws {
            var limit: Int??
            if let quota { limit = .some(try? ByteCount(parsing: quota).octets) }
            try changes.setMailbox(
                address, enabled: mail, fullName: fullName.map { .some($0) } ?? nil, quota: limit)
        }

        var report: String { "Changed mailbox \(address)." }
    }

    struct Redirect: DirectoryChange {
        static let configuration = CommandConfiguration(
            abstract: "Send a mailbox's mail to other addresses.",
            discussion: """
                The mailbox itself gets nothing any more, unless --keep-copy is said. The addresses replace those that \
                were there before; for more than 25 make a group.
                """)
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The mailbox's address.") var address: String
        @Argument(help: "Where its mail goes; may be elsewhere.") var targets: [String] = []
        @Flag(help: "Keep a copy in the mailbox.") var keepCopy = false
        @Flag(help: "End the redirection: mail stays in the mailbox again.") var off = false

        func validate() throws {
            guard targets.isEmpty == off else {
                throw ValidationError("Say where its mail goes, or --off to end the redirection.")
            }
            if off, keepCopy { throw ValidationError("--keep-copy has no meaning with --off.") }
        }

        func run() throws {
            try place.change(apply)
            print(report)
            if !off { try CatchAllWarning.tell(place) }
        }

        func apply(_ changes: borrowing DirectoryChanges) throws {
            if off {
                try changes.endRedirection(address)
            } else {
                try changes.redirectMailbox(address, to: targets, keepsCopy: keepCopy)
            }
        }

        var report: String {
            if off { return "Mail for \(address) stays in the mailbox." }
            let rest = keepCopy ? ", with a copy in the mailbox" : ""
            return "Mail for \(address) goes to \(targets.joined(separator: ", "))\(rest)."
        }
    }

    struct Password: PasswordChange {
        static let configuration = CommandConfiguration(
            abstract: "Set a mailbox's password.",
            discussion: "Without --password-stdin a random password is made and printed once.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its address.") var address: String
        @OptionGroup var secret: PasswordOptions

        func apply(_ changes: borrowing DirectoryChanges, passwordHash: String) throws {
            try changes.setPassword(address, hash: passwordHash)
        }

        var report: String { "Changed the password of \(address)." }
    }

    struct List: DirectoryListing {
        static let configuration = CommandConfiguration(abstract: "List the mailboxes.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var output: OutputOptions
        @Option(help: "Only those of this domain.") var domain: String?

        func entries(in directory: MailDirectory) throws -> [MailboxEntry] {
            try directory.mailboxes(domain: domain)
        }

        var columns: [Column] {
            [
                ("MAILBOX", { $0.address.description }),
                ("MAIL", { $0.isEnabled.mailWord }),
                ("NAME", { $0.fullName ?? "-" }),
                ("QUOTA", { $0.quota.map { ByteCount($0).description } ?? "-" }),
                ("GOES TO", { $0.redirection.map(Self.words) ?? "-" }),
                ("SINCE", { $0.created.day }),
            ]
        }

        private static func words(_ redirection: RedirectionEntry) -> String {
            redirection.targets.map(\.description).joined(separator: ", ") + (redirection.keepsCopy ? " and here" : "")
        }
    }

    struct Remove: DirectoryChange {
        static let configuration = CommandConfiguration(
            abstract: "Remove a mailbox; its mail stays in the data folder.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Its address.") var address: String
        @Flag(help: "Take it out of the aliases and groups that it is in.") var force = false

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.removeMailbox(address, force: force)
        }

        var report: String { "Removed mailbox \(address). Mail that was delivered stays in the data folder." }
    }
}

/// Where a password comes from: never from the command line, where others could read it.
struct PasswordOptions: ParsableArguments {
    @Flag(help: "Read the password from standard input, up to the first line end.") var passwordStdin = false

    /// The password, and whether it was made up.
    func read(from directory: MailDirectory) throws -> (String, isRandom: Bool) {
        guard passwordStdin else { return (try told { try directory.randomPassword() }, true) }
        guard let line = readLine(strippingNewline: true), !line.isEmpty else {
            throw CommandFailure.wrong("There is no password on standard input.")
        }
        return (line, false)
    }
}

/// A size on the command line.
struct ByteCountArgument: ExpressibleByArgument {
    let count: ByteCount
    init?(argument: String) {
        guard let count = try? ByteCount(parsing: argument) else { return nil }
        self.count = count
    }
}
