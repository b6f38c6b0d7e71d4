import ArgumentParser
import Directory
import Foundation
import MailTypes

struct DomainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "domain", abstract: "Keep the domains whose mail is taken here.",
        subcommands: [
            Add.self, Change.self, List.self, Remove.self, DomainAliasCommand.self, CatchAllCommand.self,
            VerifyDomainCommand.self,
        ])

    struct Add: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Add a domain to a post office.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain, such as acme.test.") var name: String
        @Option(name: .customLong("postoffice"), help: "Whom it belongs to.") var postOffice: String

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.addDomain(name, postOffice: postOffice)
        }

        func run() throws {
            try place.change(apply)
            print(report)
            try place.warn(ofRelayed: name)
            try place.configuration.tellOfVerification(name)
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
                ("VERIFIED", { $0.isVerified ? "yes" : "no" }),
                ("POSTMASTER", { $0.postmaster?.description ?? "-" }),
                ("CATCH-ALL", { $0.catchAll?.description ?? "-" }),
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

struct DomainAliasCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alias", abstract: "Keep further names of domains: user@new.test is user@acme.test.",
        subcommands: [Add.self, List.self, Remove.self])

    struct Add: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Give a domain a further name.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The further name, such as new.test.") var name: String
        @Argument(help: "The domain that it stands for.") var domain: String

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.addDomainAlias(name, of: domain)
        }

        func run() throws {
            try place.change(apply)
            print(report)
            try place.warn(ofRelayed: name)
            try place.configuration.tellOfVerification(name)
        }

        var report: String { "Added \(name) as an alias of \(domain)." }
    }

    struct List: DirectoryListing {
        static let configuration = CommandConfiguration(abstract: "List the further names of domains.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var output: OutputOptions
        @Option(help: "Only those of this domain.") var domain: String?

        func entries(in directory: MailDirectory) throws -> [DomainAliasEntry] {
            try directory.domainAliases(domain: domain)
        }

        var columns: [Column] {
            [
                ("ALIAS", { $0.name }), ("DOMAIN", { $0.domain }), ("VERIFIED", { $0.isVerified ? "yes" : "no" }),
                ("SINCE", { $0.created.day }),
            ]
        }
    }

    struct Remove: DirectoryChange {
        static let configuration = CommandConfiguration(
            abstract: "Take a further name away; its mail is refused from then on.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The name.") var name: String
        @Flag(help: "Take addresses in it out of the aliases, groups and redirections that lead there.")
        var force = false

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.removeDomainAlias(name, force: force)
        }

        var report: String { "Removed domain alias \(name)." }
    }
}

struct CatchAllCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "catch-all", abstract: "Say who gets mail for addresses of a domain that nobody has.",
        discussion: """
            By default such mail is refused, which is best: spammers try names, and who mistypes a name is told. A \
            catch-all takes all of it, so somebody should look into its mailbox. It takes the stage `catchall` in \
            filters.d.
            """,
        subcommands: [Set.self, Reset.self])

    struct Set: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Name who gets it.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain.") var domain: String
        @Argument(help: "Who gets the mail: an address here; elsewhere is not advisable.") var target: String

        func run() throws {
            try place.change(apply)
            print(report)
            try CatchAllWarning.tell(place)
        }

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.setCatchAll(target, domain: domain)
        }

        var report: String { "Mail for addresses of \(domain) that nobody has goes to \(target)." }
    }

    struct Reset: DirectoryChange {
        static let configuration = CommandConfiguration(abstract: "Refuse such mail again.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The domain.") var domain: String

        func apply(_ changes: borrowing DirectoryChanges) throws {
            try changes.setCatchAll(nil, domain: domain)
        }

        var report: String { "Mail for addresses of \(domain) that nobody has is refused." }
    }
}

/// What is said after each change by which a catch-all may have come to lead elsewhere.
enum CatchAllWarning {
    static func tell(_ place: DirectoryOptions) throws {
        for leak in try place.read({ directory in try directory.leakingCatchAlls() }) {
            Terminal.remark(Terminal.harmless("warning: \(words(leak))"))
        }
    }

    static func words(_ leak: RouteFault) -> String {
        "the \(leak.entry) leads to another server (\(leak.witness.joined(separator: " > "))): spam for addresses "
            + "that nobody has goes there in your name, and your server will be blocked for it"
    }
}
