import Directory
import Filters
import Foundation
import MailTypes
import Pipeline

/// A selector for programs.
struct SelectorReport: Encodable {
    var domain: String
    var selector: String
    var state: SelectorEntry.State
    var algorithm: String
    var bits: Int
    var test: Bool
    var granularity: String?
    var notes: String?
    var created: Date
    var activated: Date?
    var retired: Date?
    /// When its record may go from DNS.
    var mayGo: Date?
    var recordName: String
    var record: String

    init(_ entry: SelectorEntry, at place: SigningPlace) {
        domain = entry.domain
        selector = entry.name
        state = entry.state
        algorithm = entry.algorithm.rawValue
        bits = entry.bits
        test = entry.isTest
        granularity = entry.granularity
        notes = entry.notes
        created = entry.created
        activated = entry.activated
        retired = entry.retired
        mayGo = place.end(of: entry)
        recordName = entry.recordName
        record = entry.record.text
    }

    static let header = ["SELECTOR", "STATE", "ALGORITHM", "BITS", "TEST", "MADE", "MAY GO", "NOTES"]

    var cells: [String] {
        [
            selector, state.rawValue, algorithm, "\(bits)", test ? "yes" : "no", created.day,
            mayGo?.stamp ?? "-", notes.map(Terminal.harmless) ?? "-",
        ]
    }
}

/// How a domain signs, for programs and for people.
struct SigningReport: Encodable {
    /// Whose word counts.
    enum Source: String, Encodable {
        case directory, file, nobody
    }

    var domain: String
    var decidedBy: Source
    /// The file has a table of this domain that does not count.
    var isFileOverruled: Bool
    /// What holds in the end.
    var settings: SigningSettings
    var selectors: [SelectorReport]
    /// Selectors that the file names, where it counts.
    var activeInFile: [String]
    var warnings: [String]
    private let own: SigningSettings
    private let place: String

    private enum CodingKeys: String, CodingKey {
        case domain, decidedBy, isFileOverruled, settings, selectors, activeInFile, warnings
    }

    init(_ entry: SigningEntry, at place: SigningPlace) {
        let filed = place.policy.domains[entry.domain]
        domain = entry.domain
        decidedBy = entry.counts ? .directory : filed == nil ? .nobody : .file
        isFileOverruled = entry.counts && filed != nil
        own = entry.settings
        settings = place.policy.filled(entry.settings)
        selectors = entry.selectors.map { SelectorReport($0, at: place) }
        activeInFile = entry.counts ? [] : filed?.active ?? []
        self.place = place.fileName
        // As in `status`: a standstill, or keys that cannot be used.
        let troubles = entry.troubles(place.policy) { place.keys.fault(of: $0) }.map(\.text)
        warnings = [place.hindrance].compactMap(\.self) + troubles + Self.warnings(entry, settings)
    }

    private static func warnings(_ entry: SigningEntry, _ settings: SigningSettings) -> [String] {
        var warnings: [String] = []
        let active = entry.selectors.filter { $0.state == .active }
        if entry.counts, settings.sign, active.isEmpty {
            warnings.append("No selector is active: mail of \(entry.domain) is not signed.")
        }
        if !entry.isEnabled {
            warnings.append(
                "\(entry.domain) is disabled: its mail is not signed"
                    + " (sluice domain change \(entry.domain) --enable-mail)."
            )
        }
        if !settings.sign { warnings.append("Signing is off: mail of \(entry.domain) is not signed.") }
        if settings.length == true {
            warnings.append("l= is on: whatever is appended to a signed message verifies as \(entry.domain)'s own.")
        }
        for selector in active {
            if selector.isTest {
                warnings.append("\(selector.name) is published with t=y: verifiers take its signatures for none.")
            }
            if selector.algorithm == .rsaSHA256, selector.bits < PreparedKey.goodBits {
                warnings.append("\(selector.name) has \(selector.bits) bits, which is within reach of attackers.")
            }
            if selector.algorithm == .rsaSHA256, selector.bits > PreparedKey.mostBits {
                warnings.append("\(selector.name) has \(selector.bits) bits; many verifiers know no more than 4096.")
            }
        }
        return warnings
    }

    // MARK: Text

    var text: String {
        let rows = settingRows.map { [$0.0, $0.1, $0.2] }
        var parts = [Terminal.styled(heading, .bold)]
        // Otherwise the file's table says how.
        if decidedBy != .file { parts.append(Terminal.table(["SETTING", "VALUE", "FROM"], rows)) }
        if !selectors.isEmpty { parts.append(Terminal.table(SelectorReport.header, selectors.map(\.cells))) }
        return parts.joined(separator: "\n\n")
    }

    private var heading: String {
        switch decidedBy {
        case .directory where isFileOverruled:
            "\(domain) signs as the directory says; its table in \(place) does not count."
        case .directory: "\(domain) signs as the directory says."
        case .file:
            "\(domain) signs with \(activeInFile.joined(separator: ", ")), as its table in \(place) says, until a "
                + "selector is activated here."
        case .nobody: "\(domain) does not sign: no selector has been activated."
        }
    }

    /// Name, value and origin.
    private var settingRows: [(String, String, String)] {
        func origin(_ isOwn: Bool) -> String { isOwn ? "directory" : place }
        func word(_ isOn: Bool?) -> String { isOn == true ? "on" : "off" }
        return [
            ("sign", word(settings.sign), "directory"),
            ("subdomains", word(settings.subdomains), "directory"),
            ("algorithm", settings.algorithm?.rawValue ?? "any", origin(own.algorithm != nil)),
            (
                "header canonicalization", settings.headerCanonicalization?.rawValue ?? "-",
                origin(own.headerCanonicalization != nil)
            ),
            (
                "body canonicalization", settings.bodyCanonicalization?.rawValue ?? "-",
                origin(own.bodyCanonicalization != nil)
            ),
            ("length (l=)", word(settings.length), origin(own.length != nil)),
            ("identity (i=)", word(settings.identity), origin(own.identity != nil)),
        ]
    }
}
