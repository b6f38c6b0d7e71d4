import ArgumentParser
import Directory
import Filters
import MailTypes
import Pipeline

struct SenderCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sender", abstract: "Keep addresses that users may send as beside their own.",
        discussion: """
            A sender address may be granted to several mailboxes. It need not be in a domain of this server, but then \
            nothing vouches for what is sent under it: its domain's SPF, DKIM and DMARC are somebody else's.
            """,
        subcommands: [Add.self, List.self, Remove.self])

    struct Add: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Let mailboxes send as an address.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The address, such as sales@acme.test.") var address: String
        @Argument(help: "The mailboxes.") var mailboxes: [String]

        func apply(_ changes: borrowing DirectoryChanges) throws {
            for mailbox in mailboxes { try changes.addSender(address, to: mailbox) }
        }

        func run() throws {
            let directory = try place.open()
            defer { directory.close() }
            try place.change(in: directory, apply)
            print(report)
            try place.configuration.warn(without: Senders.name)
            let entries = try told { try directory.senders(of: mailboxes.first) }
            let key = (try? AddressParser.mailbox(address))?.key
            if let entry = entries.first(where: { $0.address.key == key }), !entry.isHosted {
                Terminal.complain(
                    "warning: \(entry.address.domain) is not hosted here; others may take this mail for forged.")
            }
        }

        var report: String { "\(mailboxes.joined(separator: ", ")) may send as \(address)." }
    }

    struct List: DirectoryListing {
        static let configuration = CommandConfiguration(abstract: "List the granted addresses and who has them.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var output: OutputOptions
        @Option(help: "Only those of this mailbox.") var mailbox: String?

        func entries(in directory: MailDirectory) throws -> [SenderEntry] { try directory.senders(of: mailbox) }

        var columns: [Column] {
            [
                ("SENDER", { $0.address.description }),
                ("DOMAIN", { $0.isHosted ? "hosted" : "elsewhere" }),
                ("MAILBOXES", { $0.mailboxes.map(\.description).joined(separator: ", ") }),
            ]
        }
    }

    struct Remove: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Let mailboxes no longer send as an address.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The address.") var address: String
        @Argument(help: "The mailboxes; none named means all.") var mailboxes: [String] = []

        func apply(_ changes: borrowing DirectoryChanges) throws {
            if mailboxes.isEmpty { try changes.removeSender(address) }
            for mailbox in mailboxes { try changes.removeSender(address, from: mailbox) }
        }

        var report: String {
            let who = mailboxes.isEmpty ? "Nobody" : mailboxes.joined(separator: ", ")
            return mailboxes.isEmpty ? "\(who) is granted \(address) any more." : "\(who): no longer \(address)."
        }
    }
}
