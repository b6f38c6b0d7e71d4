import ArgumentParser
import Directory
import Filters
import MailTypes
import Pipeline

struct SmarthostCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "smarthost", abstract: "Keep the servers through which mail leaves.",
        subcommands: [Set.self, List.self, Remove.self])

    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let mail leave through a server.",
            discussion: """
                For everybody, or for the users of one post office. The password of a login is read from standard \
                input, sealed, and sent to this host and port alone, in TLS.
                """)
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The server: a name or an address, with :PORT unless it is 25.") var host: String
        @Option(name: .customLong("postoffice"), help: "For the users of this post office alone.")
        var postOffice: String?
        @OptionGroup var options: RelayOptions

        func run() throws {
            let settings = try place.configuration.load()
            let data = try DataFolder(settings).entered()
            let new = try options.relay(host, settings, data)
            try place.change { try $0.setSmarthost(new, postOffice: postOffice) }
            print("Mail of \(postOffice ?? "everybody") leaves through \(new.host):\(new.port), TLS \(new.security).")
            try place.configuration.warn(without: Smarthost.name)
        }
    }

    struct List: DirectoryListing {
        static let configuration = CommandConfiguration(abstract: "List the servers through which mail leaves.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var output: OutputOptions

        func entries(in directory: MailDirectory) throws -> [RelayEntry] { try directory.smarthosts() }

        var columns: [Column] {
            [
                ("FOR", { $0.postOffice ?? "everybody" }), ("SERVER", { $0.words }),
                ("TLS", { $0.security.rawValue }), ("LOGIN", { $0.login.map(Terminal.harmless) ?? "-" }),
            ]
        }
    }

    struct Remove: DirectoryChange {
        static let configuration = CommandConfiguration(
            abstract: "Let mail leave by the mail exchangers of its domains again.")
        @OptionGroup var place: DirectoryOptions
        @Option(name: .customLong("postoffice"), help: "That of this post office.") var postOffice: String?

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.removeSmarthost(postOffice: postOffice)
        }

        var report: String { "Removed the smarthost of \(postOffice ?? "everybody")." }
    }
}
