import ArgumentParser
import Directory
import Foundation
import MailTypes
import Pipeline

extension DKIMCommand {
    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take over private keys from a file, from OpenDKIM or from rspamd.",
            discussion: """
                All of them or none. They sign nothing before they are activated; since their records are published \
                already, that can be at once.

                Without --opendkim and --rspamd the file is a private key in PEM, and --selector says what it is \
                called. A file that lies among the keys of the data folder already is taken as it is.

                Of several keys that sign now, the first of each kind is named at the end. What a file says in a way \
                that is not read here is refused, never passed over.
                """)
        @OptionGroup var configuration: ConfigurationOptions
        @Argument(help: "The domain, one of the directory's.") var domain: String
        @Argument(
            help: "The key's file; OpenDKIM's KeyTable; rspamd's key, its folder of keys or its dkim_signing.conf.",
            completion: .file())
        var file: String
        @Flag(help: "The file is OpenDKIM's KeyTable, with the keys in it or in the files that it names.")
        var opendkim = false
        @Flag(help: "The file is a key DOMAIN.SELECTOR.key of rspamd's, a folder of these, or dkim_signing.conf.")
        var rspamd = false
        @Option(help: ArgumentHelp("What the key is called, where the file does not say.", valueName: "name"))
        var selector: String?
        @Option(
            help: ArgumentHelp(
                "OpenDKIM's SigningTable, which tells the keys that sign now; file: or refile: may stand before it.",
                valueName: "file"),
            completion: .file())
        var signingTable: String?
        @Flag(help: "Their records are published with t=y.") var test = false

        func validate() throws {
            guard !opendkim || !rspamd else { throw ValidationError("Either --opendkim or --rspamd.") }
            guard !opendkim || selector == nil else { throw ValidationError("KeyTable names the keys: no --selector.") }
            guard opendkim || signingTable == nil else { throw ValidationError("--signing-table needs --opendkim.") }
        }

        func run() throws {
            // Before the data folder is entered: the other program's files may be open to root alone.
            _ = try configuration.load()
            let ascii = ForeignKey.domain(domain)
            let (found, signers, isBelow) = try read(ascii)
            let place = try SigningPlace(configuration)
            defer { place.close() }
            var prepared: [PreparedKey] = []
            var domain = ascii
            for key in found {
                let (name, asKept) = try told { try place.directory.newSelector(key.selector, of: ascii) }
                domain = asKept
                do throws(CryptographyFailure) {
                    var one = try PreparedKey(name, pem: key.pem)
                    one.selector.isTest = test
                    prepared.append(one)
                } catch { throw CommandFailure.wrong("The key in \(key.place) is not taken: \(error.reason).") }
            }
            let entries = try place.add(prepared, to: domain)
            for (entry, key) in zip(entries, prepared) {
                print("Imported \(entry.name) of \(domain), \(entry.words).")
                if let warning = key.warning { Terminal.complain("warning: \(entry.name): \(warning).") }
            }
            print("See what is published, then let sign what signs now:")
            print("sluice dkim check \(domain)")
            let active = advised(entries, signers)
            for name in active.isEmpty ? ["NAME"] : active { print("sluice dkim activate \(domain) \(name)") }
            if isBelow {
                print("Authors of domains below \(domain) were signed for, too; here that takes")
                print("sluice dkim settings \(domain) --subdomains on")
            }
        }

        /// Of those that sign there, the first of each kind. Where nobody says which do: all, if they can all sign
        /// together.
        private func advised(_ entries: [SelectorEntry], _ signers: [String]?) -> [String] {
            guard let signers else {
                return Set(entries.map(\.algorithm)).count == entries.count ? entries.map(\.name) : []
            }
            var advised: [SelectorEntry] = []
            for name in signers {
                guard let entry = entries.first(where: { $0.name == name }),
                    !advised.contains(where: { $0.name == name })
                else { continue }
                if let first = advised.first(where: { $0.algorithm == entry.algorithm }) {
                    Terminal.complain(
                        "warning: \(entry.name) is named as signing after \(first.name); here one key of a kind signs.")
                } else {
                    advised.append(entry)
                }
            }
            return advised.map(\.name)
        }

        /// The keys, and where that is known, the selectors of those that sign, in their order, and whether they sign
        /// for domains below as well.
        private func read(_ domain: String) throws -> (keys: [ForeignKey], signers: [String]?, isBelow: Bool) {
            if opendkim {
                let entries = try OpenDKIMTables.keys(of: domain, in: file)
                guard let signingTable else { return (entries.map(\.key), nil, false) }
                let signers = try OpenDKIMTables.signers(of: domain, in: signingTable)
                // A key for all signs as the domain below itself.
                let isBelow = entries.contains { !$0.isForAll && signers.below.contains($0.name) }
                return (entries.map(\.key), selectors(signers, domain, entries), isBelow)
            }
            if rspamd {
                let keys = try RspamdKeys.keys(of: domain, at: file, selector: selector)
                // Its configuration names those that sign; a folder has old ones, too.
                guard file.hasSuffix(".conf") else { return (keys, nil, false) }
                let configuration = try RspamdConfiguration(ForeignKey.contents(of: file), file: file)
                return (keys, keys.map(\.selector.asciiLowercased), configuration.signsBelow)
            }
            guard let selector else {
                throw CommandFailure.wrong("Say what the key is called: --selector NAME.")
            }
            return ([try ForeignKey(selector: selector, file: file)], nil, false)
        }

        private func selectors(
            _ signers: OpenDKIMTables.Signers, _ domain: String, _ entries: [OpenDKIMTables.Entry]
        ) -> [String] {
            for pattern in signers.partial {
                Terminal.complain(
                    "warning: SigningTable signs for \(Terminal.harmless(pattern)) by a line of its own; "
                        + "here a key signs for all of \(domain).")
            }
            let names = signers.names.compactMap { name in
                entries.first { $0.name == name }?.key.selector.asciiLowercased
            }
            if names.isEmpty {
                Terminal.complain("warning: SigningTable does not say which of these signs for all of \(domain).")
            }
            return names
        }
    }
}
