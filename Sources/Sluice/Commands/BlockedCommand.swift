import ArgumentParser
import Directory
import Filters
import Foundation
import Pipeline

struct BlockedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "blocked", abstract: "Who may not send: list, lift, block by hand.",
        discussion: """
            The stage send-limits blocks a mailbox, or all mailboxes of a post office, that sends more than it may. \
            They can still read their mail. What they have sent before counts no more once a block is lifted: look \
            first what has sent it, and change the password if that was not its user.
            """,
        subcommands: [List.self, Unblock.self, Add.self])

    struct List: DirectoryListing {
        static let configuration = CommandConfiguration(abstract: "List who may not send, the latest first.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var output: OutputOptions

        func entries(in directory: MailDirectory) throws -> [SendBlockEntry] { try directory.sendBlocks() }

        var columns: [Column] {
            [
                ("WHO", { $0.party.description }), ("SINCE", { $0.since.stamp }), ("BY", { $0.author }),
                ("WHY", { Terminal.harmless($0.reason) }),
            ]
        }
    }

    struct Unblock: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Let mailboxes or post offices send again.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Mailboxes' addresses, or post offices' names.") var who: [String]

        func apply(_ changes: borrowing DirectoryChanges) throws {
            for one in who { try changes.unblockSending(of: one) }
        }

        var report: String { "\(who.joined(separator: ", ")) may send again." }
    }

    struct Add: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Keep mailboxes or post offices from sending.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "Mailboxes' addresses, or post offices' names.") var who: [String]
        @Option(help: ArgumentHelp("Why; the sender is told.", valueName: "text"))
        var reason = "blocked by the administrator"

        func apply(_ changes: borrowing DirectoryChanges) throws {
            for one in who { try changes.blockSending(of: one, reason: reason) }
        }

        func run() throws {
            try place.change(apply)
            print(report)
            try place.configuration.warn(without: SendLimits.name)
        }

        var report: String { "\(who.joined(separator: ", ")) may not send." }
    }
}
