import Adapters
import ArgumentParser
import Directory
import Filters
import Foundation
import MailTypes
import Pipeline

struct DKIMCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dkim", abstract: "Keep the keys that domains sign their mail with.",
        discussion: """
            A key is made, published in DNS, checked, activated, and one day replaced: create, dns, check, activate, \
            and delete when nothing that it has signed is on its way any more. At most one RSA and one Ed25519 key \
            of a domain are active; activating one retires the other of its kind. A running server takes each change \
            with the next message; nothing needs a reload.
            """,
        subcommands: [
            Create.self, Import.self, List.self, Show.self, DNS.self, Check.self, Activate.self, Change.self,
            Retire.self, Delete.self, Settings.self,
        ])

    struct Create: SigningCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key for a domain, and print the record to publish.",
            discussion: "It signs nothing before it is activated.")
        @OptionGroup var configuration: ConfigurationOptions
        @Argument(help: "The domain, one of the directory's.") var domain: String
        @Argument(help: "The key's name, such as s1 or 2026-11.") var selector: String
        @Option(help: "What it signs with; fewer verifiers know ed25519, so let it sign beside an RSA key.")
        var algorithm = KeyKind.rsa
        @Option(help: "The size of an RSA key, 1024 to 4096; otherwise 2048.") var bits: Int?
        @Flag(help: "Publish it with t=y: verifiers then take its signatures for none.") var test = false
        @Option(
            help: ArgumentHelp(
                "Only for authors with this local part (g=); RFC 6376 has dropped it.", valueName: "local part"))
        var granularity: String?
        @Option(help: ArgumentHelp("A note in the record (n=), for people; everybody can read it.", valueName: "text"))
        var notes: String?

        func validate() throws {
            if bits != nil, algorithm == .ed25519 { throw ValidationError("An Ed25519 key has one size: no --bits.") }
            if let bits, !(1024...4096).contains(bits) {
                throw ValidationError("--bits must be from 1024 to 4096, which is what all verifiers take.")
            }
        }

        func run(at place: SigningPlace) throws {
            let (name, domain) = try told { try place.directory.newSelector(selector, of: self.domain) }
            var key = try Self.made { () throws(CryptographyFailure) in
                let pem = try LibcryptoSignatures().newKey(algorithm.algorithm, bits: bits ?? PreparedKey.goodBits)
                return try PreparedKey(name, pem: pem)
            }
            key.selector.isTest = test
            key.selector.granularity = granularity
            key.selector.notes = notes
            guard let entry = try place.add([key], to: domain).first else { return }
            if let warning = key.warning { Terminal.complain("warning: \(warning).") }
            if granularity != nil { Terminal.complain("warning: \(Self.granularityWarning(domain)).") }
            if let hindrance = place.hindrance { Terminal.complain("warning: \(hindrance)") }
            print(
                """
                Made \(entry.name) of \(domain), \(entry.words). It signs nothing yet. Publish this record, then:
                sluice dkim activate \(domain) \(entry.name)

                \(entry.zoneText)
                """)
        }

        private static func made(_ body: () throws(CryptographyFailure) -> PreparedKey) throws -> PreparedKey {
            do throws(CryptographyFailure) { return try body() } catch {
                throw CommandFailure.again("No key could be made: \(error.reason).")
            }
        }

        private static func granularityWarning(_ domain: String) -> String {
            "RFC 6376 has dropped g=, and most verifiers do not look at it; those that do compare it with the author "
                + "in i= (sluice dkim settings \(domain) --identity on)"
        }
    }

    struct List: SigningCommand {
        static let configuration = CommandConfiguration(abstract: "List the keys of all domains.")
        @OptionGroup var configuration: ConfigurationOptions
        @OptionGroup var output: OutputOptions
        @Option(help: "Only those of this domain.") var domain: String?

        func run(at place: SigningPlace) throws {
            let entries: [SigningEntry] = try told { try place.directory.signing(domain: domain) }
            let reports = entries.flatMap(\.selectors).map { SelectorReport($0, at: place) }
            try output.show(reports, header: ["DOMAIN"] + SelectorReport.header) { [$0.domain] + $0.cells }
        }
    }

    struct Show: SigningCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show how a domain signs: whose word counts, settings, keys.")
        @OptionGroup var configuration: ConfigurationOptions
        @OptionGroup var output: OutputOptions
        @Argument(help: "The domain.") var domain: String

        func run(at place: SigningPlace) throws {
            let entry: SigningEntry = try told { try place.directory.signing(of: domain) }
            let report = SigningReport(entry, at: place)
            print(output.json ? try Terminal.json(report) : report.text)
            if !output.json { for warning in report.warnings { Terminal.complain("warning: \(warning)") } }
        }
    }

    struct DNS: SigningCommand {
        static let configuration = CommandConfiguration(
            commandName: "dns", abstract: "Print the records to publish, for a zone file and in one piece.",
            discussion: "What is printed can go into a zone file as it is: the rest are comments there.")
        @OptionGroup var configuration: ConfigurationOptions
        @Argument(help: "The domain.") var domain: String
        @Argument(help: "The key's name; otherwise all keys of the domain.") var selector: String?

        func run(at place: SigningPlace) throws {
            print(try place.selectors(selector, of: domain).map(\.zoneText).joined(separator: "\n\n"))
        }
    }

    struct Check: SigningQuestionCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask DNS what is really published, and compare.",
            discussion: """
                The servers of [dns] are asked, which may remember what was published before. Exits with 1 if \
                something active is not right, and with 75 if DNS does not answer.
                """)
        @OptionGroup var configuration: ConfigurationOptions
        @OptionGroup var output: OutputOptions
        @Argument(help: "The domain; otherwise all domains with keys.") var domain: String?
        @Argument(help: "The key's name; otherwise all keys.") var selector: String?

        func run(at place: SigningPlace) async throws {
            let entries = try domain.map { try place.selectors(selector, of: $0) } ?? place.allSelectors()
            let checks = try await place.asking { await SelectorCheck.all(entries, at: place, $0) }
            try output.show(checks, header: ["RECORD", "STATE", "IT IS"]) {
                [$0.recordName, $0.state.rawValue, Terminal.harmless($0.words)]
            }
            if checks.contains(where: \.isHarmful) { throw CommandFailure.silent }
            if checks.contains(where: \.isUnknown) { throw CommandFailure(message: "", code: ExitCodes.again) }
        }
    }
}

/// What a key is for, on the command line.
enum KeyKind: String, ExpressibleByArgument, CaseIterable {
    case rsa, ed25519

    var algorithm: SignatureAlgorithm { self == .rsa ? .rsaSHA256 : .ed25519SHA256 }
}

/// A command about keys.
protocol SigningCommand: ParsableCommand {
    var configuration: ConfigurationOptions { get }

    func run(at place: SigningPlace) throws
}

extension SigningCommand {
    func run() throws {
        let place = try SigningPlace(configuration)
        defer { place.close() }
        try run(at: place)
    }
}

/// A command about keys that asks DNS.
protocol SigningQuestionCommand: AsyncParsableCommand {
    var configuration: ConfigurationOptions { get }

    func run(at place: SigningPlace) async throws
}

extension SigningQuestionCommand {
    func run() async throws {
        let place = try SigningPlace(configuration)
        defer { place.close() }
        try await run(at: place)
    }
}

extension SigningPlace {
    /// One of a domain's selectors, which must be there; or all of them.
    func selectors(_ name: String?, of domain: String) throws -> [SelectorEntry] {
        if let name { return [try told { try directory.selector(name, of: domain) }] }
        let entry: SigningEntry = try told { try directory.signing(of: domain) }
        guard !entry.selectors.isEmpty else {
            throw CommandFailure.wrong(
                "\(entry.domain) has no keys here; make one: sluice dkim create \(entry.domain) s1")
        }
        return entry.selectors
    }

    func allSelectors() throws -> [SelectorEntry] {
        let entries: [SigningEntry] = try told { try directory.signing() }
        return entries.flatMap(\.selectors)
    }
}

extension SelectorEntry {
    /// The record for a zone file, with a comment that holds it in one piece.
    var zoneText: String {
        """
        ; \(name) of \(domain), \(state.rawValue)
        \(record.zoneLine(name: recordName))
        ; The same in one piece:
        ; \(record.text)
        """
    }
}
