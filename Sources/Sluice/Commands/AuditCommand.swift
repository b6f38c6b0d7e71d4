import ArgumentParser
import Directory
import Foundation
import MailTypes

struct AuditCommand: DirectoryListing {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Show who changed what in the directory, the newest first.")
    @OptionGroup var place: DirectoryOptions
    @OptionGroup var output: OutputOptions
    @Option(help: ArgumentHelp("Only changes of this name or address.", valueName: "name")) var object: String?
    @Option(help: ArgumentHelp("How many.", valueName: "number")) var limit = 50

    func validate() throws { try Self.check(limit: limit) }

    func entries(in directory: MailDirectory) throws -> [AuditEntry] {
        try directory.audit(object: object, limit: limit)
    }

    var columns: [Column] {
        [
            ("TIME", { $0.time.stamp }),
            ("WHO", { $0.actor }),
            ("DID", { $0.verb }),
            ("TO WHAT", { Terminal.harmless($0.object) }),
            ("WHAT IS OTHERWISE", { Terminal.harmless($0.difference) }),
        ]
    }
}

extension AuditEntry {
    /// `members: anna@acme.test > anna@acme.test, bert@acme.test`; of what was added or removed all that it had.
    fileprivate var difference: String {
        let (old, new) = (Self.fields(before), Self.fields(after))
        let keys = Set(old.keys).union(new.keys).subtracting(Self.unsaid).sorted()
        let parts = keys.compactMap { key -> String? in
            guard old[key] != new[key] else { return nil }
            let values = [before == nil ? nil : old[key] ?? "none", after == nil ? nil : new[key] ?? "none"]
            return "\(Self.titles[key] ?? key): \(values.compactMap(\.self).joined(separator: " > "))"
        }
        return parts.isEmpty ? "-" : parts.joined(separator: "; ")
    }

    /// What the options of the commands call it.
    private static let titles = [
        "isEnabled": "mail", "fullName": "name", "postOffice": "post office", "isTest": "test", "isOn": "reply",
        "answersCatchAll": "catch-all",
    ]

    /// What the other columns say, and what only the directory itself is concerned with.
    private static let unsaid: Set = [
        "address", "created", "name", "isVerified", "domain", "publicKey", "activated", "retired", "since",
    ]

    private static func fields(_ json: String?) -> [String: String] {
        let fields = json.flatMap { try? JSONDecoder().decode([String: Field].self, from: Data($0.utf8)) }
        return Dictionary(
            uniqueKeysWithValues: (fields ?? [:]).map { key, field in
                (key, key == "quota" ? Int(field.text).map { ByteCount($0).description } ?? field.text : field.text)
            })
    }

    /// A value of an entry, as the lists show it.
    private struct Field: Decodable {
        let text: String

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let isOn = try? container.decode(Bool.self) {
                text = isOn ? "on" : "off"
            } else if let number = try? container.decode(Int.self) {
                text = String(number)
            } else if let number = try? container.decode(Double.self) {
                text = String(number)
            } else if let list = try? container.decode([String].self) {
                text = list.joined(separator: ", ")
            } else {
                text = try container.decode(String.self)
            }
        }
    }
}
