import Adapters
import ArgumentParser
import Configuration
import Directory
import Foundation
import MailTypes
import Pipeline

struct RouteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "route", abstract: "Show where mail for an address goes, and why; find what leads nowhere.",
        subcommands: [Show.self, Verify.self], defaultSubcommand: Show.self)

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print every step from an address to its final routes, with what decided it.",
            discussion: """
                Those stages of the chain are asked that say where mail goes. A file and line stands beside what was \
                decided by filters.d, the entry and its number in the audit log beside what was decided by the \
                directory. Nothing is sent, remembered or changed. Exits with 1 if mail would be refused.
                """)
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The address that mail is for.") var address: String
        @Option(
            help: ArgumentHelp(
                "The sender; of a mailbox here, as if its owner had logged in. A stranger without.",
                valueName: "address"))
        var from: String?
        @Option(help: ArgumentHelp("The client's IP address.", valueName: "address")) var client = "192.0.2.1"
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let loaded = try place.configuration.loadAll().usable()
            guard let client = IPAddress(client) else {
                throw CommandFailure.wrong("\"\(client)\" is not an IP address.")
            }
            let directory = try place.open()
            defer { directory.close() }
            let trial = RouteTrial(directory: directory, chain: loaded.chain, hostname: loaded.settings.hostname)
            let found = try await trial.run(
                to: try EmailAddress(typed: address), from: try from.map(EmailAddress.init(typed:)), client: client)
            print(json ? try Terminal.json(found) : found.text)
            if found.routes.isEmpty { throw CommandFailure.silent }
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Walk from every entry that leads on to the ends.",
            discussion: """
                From aliases, groups, redirections, catch-alls, postmasters, smarthosts, relay domains and split \
                domains. Tells loops, dead ends, members that nobody has, catch-alls that lead to other servers, \
                logins that would go astray, and entries of which another one takes the mail, each with the way on \
                which it was found. Each address is also followed as the chain's stages `recipients` do it, where \
                their limits are narrower than the directory's. Exits with 1 if mail is refused, waits in vain or \
                shows a password because of one of them; lost members beside others, leaks and what is shadowed \
                alone exit with 0.
                """)
        @OptionGroup var place: DirectoryOptions
        @Flag(
            help: """
                Ask DNS for the addresses of smarthosts, relay domains' servers and partners, and for the exchangers \
                of domains whose backup this is.
                """)
        var dns = false
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let settings = try place.configuration.load()
            let data = try DataFolder(settings).entered()
            var (report, servers, backups) = try place.read { directory in
                var report = try directory.routeReport()
                report.faults += try directory.shadowedEntries()
                return (report, try directory.nextServers(), try directory.backupDomains())
            }
            let limits = ExpansionReview.limits(of: try place.configuration.loadAll().chain)
            let directory = try place.open()
            defer { directory.close() }
            report.faults += try await ExpansionReview(directory: directory, limits: limits).faults()
            let resolver = dns ? try Stores.resolver(settings) : nil
            defer { resolver?.stop() }
            let review = RelayReview(settings: settings, seal: LoginSeal(path: data.sealKey), resolver: resolver)
            report.entries += servers.count
            report.entries += backups.count
            report.faults += await review.faults(of: servers)
            report.faults += await review.faults(ofBackups: backups)
            if json {
                print(try Terminal.json(report))
            } else {
                for fault in report.faults { print(Terminal.harmless(Self.line(fault))) }
                let count = report.faults.count
                let faults = count == 0 ? "nothing wrong" : Terminal.counted(count, "fault")
                print("\(report.entries) \(report.entries == 1 ? "entry" : "entries") walked, \(faults).")
            }
            if report.faults.contains(where: \.isError) { throw CommandFailure.silent }
        }

        private static func line(_ fault: RouteFault) -> String {
            "\(fault.kind.rawValue): \(fault.entry): \(fault.witness.joined(separator: " > ")) \(fault.reason)"
        }
    }
}
