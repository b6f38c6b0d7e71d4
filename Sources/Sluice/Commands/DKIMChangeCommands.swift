import ArgumentParser
import Directory
import Filters
import Foundation
import MailTypes
import Pipeline

// What changes who signs, and how.

extension DKIMCommand {
    struct Activate: SigningQuestionCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let a key sign, in place of the active one of its kind.",
            discussion: """
                DNS is asked first: a key whose record cannot be seen there would make every signature worthless. The \
                key that it replaces stays published until what it has signed has arrived.
                """)
        @OptionGroup var configuration: ConfigurationOptions
        @Argument(help: "The domain.") var domain: String
        @Argument(help: "The key's name.") var selector: String
        @Flag(help: "Even if DNS does not have its record.") var force = false

        func run(at place: SigningPlace) async throws {
            let entry = try told { try place.directory.selector(selector, of: domain) }
            if let fault = place.keys.fault(of: entry) {
                throw CommandFailure.wrong("The private key of \(entry.name) cannot be used: \(fault).")
            }
            // What is forbidden is forbidden whatever DNS says.
            let before: SigningEntry = try told { try place.directory.signing(of: domain) }
            if let obstacle = before.obstacle(toActivating: entry) {
                throw CommandFailure.wrong("\(entry.name) \(obstacle).")
            }
            try await refuseUnseen(entry, at: place)
            let retired = try place.change { try $0.activateSelector(entry.name, domain: entry.domain) }
            print("Activated \(entry.name) of \(entry.domain), \(entry.words).")
            if let retired { print("\(retired.name) is retired. \(place.farewell(to: retired))") }
            let now: SigningEntry = try told { try place.directory.signing(of: entry.domain) }
            for warning in SigningReport(now, at: place).warnings { Terminal.complain("warning: \(warning)") }
        }

        private func refuseUnseen(_ entry: SelectorEntry, at place: SigningPlace) async throws {
            let check = try await place.asking { await SelectorCheck.of(entry, at: place, $0) }
            guard check.record != .right else { return }
            let finding = "\(entry.recordName) is not what it should be in DNS: \(Terminal.harmless(check.words))."
            guard !force else { return Terminal.complain("warning: \(finding)") }
            guard check.record != .unknown else {
                throw CommandFailure.again(
                    "What DNS has at \(entry.recordName) is \(Terminal.harmless(check.words)). "
                        + "Try again when name servers answer, or force it (--force).")
            }
            let advice = """
                \(finding)
                Publish it (sluice dkim dns \(entry.domain) \(entry.name)) and wait until it is seen \
                (sluice dkim check \(entry.domain)), or force it (--force).
                """
            throw CommandFailure.wrong(advice)
        }
    }

    struct Change: SigningCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change what a key's record says beside the key; without options, print it.",
            discussion: "What is \"\" is left out of the record.")
        @OptionGroup var configuration: ConfigurationOptions
        @Argument(help: "The domain.") var domain: String
        @Argument(help: "The key's name.") var selector: String
        @Option(help: "Whether verifiers are to take its signatures for none (t=y).") var test: Switch?
        @Option(help: ArgumentHelp("Only for authors with this local part (g=).", valueName: "local part"))
        var granularity: String?
        @Option(help: ArgumentHelp("A note in the record (n=), for people.", valueName: "text")) var notes: String?

        func run(at place: SigningPlace) throws {
            if test != nil || granularity != nil || notes != nil {
                try place.change { changes in
                    try changes.setSelector(
                        selector, domain: domain, isTest: test.map { $0 == .on },
                        granularity: Self.cleared(granularity), notes: Self.cleared(notes))
                }
                print("Changed \(selector) of \(domain). Publish it like this:\n")
            }
            print(try told { try place.directory.selector(selector, of: domain) }.zoneText)
        }

        private static func cleared(_ text: String?) -> String?? {
            text.map { $0.isEmpty ? .some(nil) : .some($0) } ?? .none
        }
    }

    struct Retire: SigningCommand {
        static let configuration = CommandConfiguration(abstract: "Let a key sign no more, with none in its place.")
        @OptionGroup var configuration: ConfigurationOptions
        @Argument(help: "The domain.") var domain: String
        @Argument(help: "The key's name.") var selector: String
        @Flag(help: "Even if mail of the domain is then put off.") var force = false

        func run(at place: SigningPlace) throws {
            let retiring = try told { try place.directory.selector(selector, of: domain) }
            let before: SigningEntry = try told { try place.directory.signing(of: domain) }
            try place.refuse(before.without(retiring), unless: force)
            let entry = try place.change { try $0.retireSelector(selector, domain: domain) }
            print("Retired \(entry.name) of \(entry.domain). \(place.farewell(to: entry))")
            let now: SigningEntry = try told { try place.directory.signing(of: entry.domain) }
            for warning in SigningReport(now, at: place).warnings { Terminal.complain("warning: \(warning)") }
        }
    }

    struct Delete: SigningCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a key that signs no more, with its private half.")
        @OptionGroup var configuration: ConfigurationOptions
        @Argument(help: "The domain.") var domain: String
        @Argument(help: "The key's name.") var selector: String
        @Flag(help: "Even if mail that it has signed may be on its way.") var force = false

        func run(at place: SigningPlace) throws {
            let entry = try told { try place.directory.selector(selector, of: domain) }
            if let file = place.namedInFiles["\(entry.domain)/\(entry.name)"] {
                throw CommandFailure.wrong("\(file) names \(entry.name) of \(entry.domain); take it out there first.")
            }
            if let end = place.end(of: entry), end > Date(), !force {
                throw CommandFailure.wrong(
                    "\(entry.name) signed for \(entry.domain) until \(entry.retired?.stamp ?? "-"): mail with its "
                        + "signature may be on its way until \(end.stamp). Wait for that, or force it (--force).")
            }
            let before: SigningEntry = try told { try place.directory.signing(of: entry.domain) }
            let isLast = before.counts && !before.without(entry).counts
            if isLast, !force, !before.settings.sign || place.policy.domains[entry.domain] != nil {
                throw CommandFailure.wrong(
                    "\(entry.name) is the last key by which the directory says how \(entry.domain) signs: without it, "
                        + "its settings here hold no more and the file's table holds again. Force it (--force).")
            }
            try place.change { try $0.removeSelector(entry.name, domain: entry.domain) }
            try place.keys.remove(domain: entry.domain, selector: entry.name)
            print("Deleted \(entry.name) of \(entry.domain) and its private key.")
            guard entry.state == .retired else { return }
            if let end = place.end(of: entry), end > Date() {
                print("Leave \(entry.recordName) in DNS until \(end.stamp), then take it out.")
            } else {
                print("Now take \(entry.recordName) out of DNS.")
            }
        }
    }

    struct Settings: SigningCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change how a domain signs; without options, show it.",
            discussion: """
                They hold once a key of the domain has been activated. What is "default" is as the file of the stage \
                dkim-sign says for all domains.
                """)
        @OptionGroup var configuration: ConfigurationOptions
        @Argument(help: "The domain.") var domain: String
        @Option(help: "Whether its mail is signed.") var sign: Switch?
        @Option(help: "Whether authors of domains below it are signed for, where these have no keys.")
        var subdomains: Switch?
        @Option(help: "Which keys alone sign.") var algorithm: AlgorithmChoice?
        @Option(help: "Whether blanks of the header may change on the way.")
        var headerCanonicalization: CanonicalizationChoice?
        @Option(help: "Whether blanks of the body may change on the way.")
        var bodyCanonicalization: CanonicalizationChoice?
        @Option(help: "Whether the signature says how long the body is (l=); anybody can then append to it.")
        var length: SwitchChoice?
        @Option(help: "Whether the author stands in the signature (i=).") var identity: SwitchChoice?
        @Flag(help: "Even if mail of the domain is then put off.") var force = false

        func run(at place: SigningPlace) throws {
            if isChange {
                var next: SigningEntry = try told { try place.directory.signing(of: domain) }
                apply(&next.settings)
                try place.refuse(next, unless: force)
                try place.change { try $0.setSigning(domain: domain, apply) }
            }
            let entry: SigningEntry = try told { try place.directory.signing(of: domain) }
            let report = SigningReport(entry, at: place)
            print(report.text)
            for warning in report.warnings { Terminal.complain("warning: \(warning)") }
            if isChange, !entry.counts {
                Terminal.complain("warning: these settings hold once a key of \(entry.domain) has been activated.")
            }
        }

        private var isChange: Bool {
            sign != nil || subdomains != nil || algorithm != nil || headerCanonicalization != nil
                || bodyCanonicalization != nil || length != nil || identity != nil
        }

        private func apply(_ settings: inout SigningSettings) {
            if let sign { settings.sign = sign == .on }
            if let subdomains { settings.subdomains = subdomains == .on }
            if let algorithm { settings.algorithm = algorithm.value }
            if let headerCanonicalization { settings.headerCanonicalization = headerCanonicalization.value }
            if let bodyCanonicalization { settings.bodyCanonicalization = bodyCanonicalization.value }
            if let length { settings.length = length.value }
            if let identity { settings.identity = identity.value }
        }
    }
}

/// Values of settings on the command line; those that can be `default` are then as the stage's file says.
enum Switch: String, ExpressibleByArgument, CaseIterable { case on, off }

enum SwitchChoice: String, ExpressibleByArgument, CaseIterable {
    case on, off
    case `default`

    var value: Bool? { self == .default ? nil : self == .on }
}

enum AlgorithmChoice: String, ExpressibleByArgument, CaseIterable {
    case rsa, ed25519
    case `default`

    var value: SignatureAlgorithm? { KeyKind(rawValue: rawValue)?.algorithm }
}

enum CanonicalizationChoice: String, ExpressibleByArgument, CaseIterable {
    case simple, relaxed
    case `default`

    var value: Canonicalization? { Canonicalization(rawValue: rawValue) }
}
