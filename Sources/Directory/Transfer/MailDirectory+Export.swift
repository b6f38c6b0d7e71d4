import MailTypes
import Pipeline

extension MailDirectory {
    /// Everything of one kind, as an import reads it; of one domain where the kind belongs to one. Blocks.
    ///
    /// Passwords are never in it. `columns` must be of the kind's; `nil`: all that are exported.
    public func exportCSV(
        _ kind: TransferKind, domain: String? = nil, columns: [TransferColumn]? = nil,
        separator: TransferSeparator = .comma
    ) throws(DirectoryError) -> String {
        let columns = columns ?? kind.exportedColumns
        var text = CSVWriter.line(columns.map(\.rawValue), separator: separator)
        for row in try exported(kind, domain: domain) {
            text += CSVWriter.line(columns.map { row[$0]?.cell ?? "" }, separator: separator)
        }
        return text
    }

    /// The same as an array of objects, one in a line.
    public func exportJSON(
        _ kind: TransferKind, domain: String? = nil, columns: [TransferColumn]? = nil
    ) throws(DirectoryError) -> String {
        let columns = columns ?? kind.exportedColumns
        let lines = try exported(kind, domain: domain).map { row in
            var json = JSONText(capacity: 256)
            json.object { json in
                for column in columns { row[column]?.write(to: &json, as: column) }
            }
            return "  " + String(decoding: json.octets, as: UTF8.self)
        }
        return lines.isEmpty ? "[]\n" : "[\n" + lines.joined(separator: ",\n") + "\n]\n"
    }

    private func exported(
        _ kind: TransferKind, domain: String?
    ) throws(DirectoryError) -> [[TransferColumn: ExportedValue]] {
        let domain = try checked(domain)
        return switch kind {
        case .postOffices:
            try postOffices().map { [.postOffice: .text($0.name), .mail: .flag($0.isEnabled)] }
        case .domains:
            try domains().filter { domain == nil || $0.name == domain }.map { entry in
                [
                    .domain: .text(entry.name), .postOffice: .text(entry.postOffice), .mail: .flag(entry.isEnabled),
                    .postmaster: .text(entry.postmaster?.description), .catchAll: .text(entry.catchAll?.description),
                ]
            }
        case .domainAliases:
            try domainAliases(domain: domain).map { [.alias: .text($0.name), .domain: .text($0.domain)] }
        case .accounts: try mailboxes(domain: domain).map(Self.row)
        case .aliases:
            try aliases(domain: domain).map { entry in
                [
                    .alias: .text(entry.address.description), .members: .list(entry.members),
                    .mail: .flag(entry.isEnabled),
                ]
            }
        case .groups:
            try groups(domain: domain).map { entry in
                [
                    .group: .text(entry.address.description), .members: .list(entry.members),
                    .name: .text(entry.fullName), .also: .list(entry.furtherAddresses), .mail: .flag(entry.isEnabled),
                ]
            }
        case .senders:
            try senders().filter { domain == nil || $0.address.domain == domain }.map {
                [.sender: .text($0.address.description), .mailboxes: .list($0.mailboxes)]
            }
        case .relayDomains: try relayDomains().filter { domain == nil || $0.domain == domain }.map(Self.row)
        }
    }

    private static func row(_ entry: MailboxEntry) -> [TransferColumn: ExportedValue] {
        [
            .emailAddress: .text(entry.address.description),
            .quota: .text(entry.quota.map { ByteCount($0).description } ?? "unlimited"),
            .friendlyName: .text(entry.fullName), .mail: .flag(entry.isEnabled),
            .redirect: .list(entry.redirection?.targets ?? []),
            .keepCopy: entry.redirection.map { .flag($0.keepsCopy) } ?? .text(nil),
        ]
    }

    private static func row(_ entry: RelayEntry) -> [TransferColumn: ExportedValue] {
        let host = entry.host.contains(":") ? "[\(entry.host)]" : entry.host
        return [
            .domain: .text(entry.domain),
            .host: .text(entry.isBackup ? RelayText.ownExchangers : "\(host):\(entry.port)"),
            .tls: .text(entry.isBackup ? nil : entry.security.rawValue),
            .postOffice: .text(entry.postOffice), .onlyUsers: .flag(entry.onlyAuthenticated),
            .login: .text(entry.login), .callout: .flag(entry.asksServer),
            .giveUpAfter: .text(entry.giveUpAfter?.description),
        ]
    }
}

/// A value on its way into a file.
private enum ExportedValue {
    case text(String?)
    case flag(Bool)
    case list([EmailAddress])

    var cell: String {
        switch self {
        case .text(let text): text ?? ""
        case .flag(let flag): flag ? "on" : "off"
        case .list(let addresses): addresses.map(\.description).joined(separator: " ")
        }
    }

    /// What is not there is left out.
    func write(to json: inout JSONText, as column: TransferColumn) {
        switch self {
        case .text(nil): break
        case .text(let text?): json.member(named: column.rawValue, text)
        case .flag(let flag):
            json.key(column.rawValue)
            json.bool(flag)
        case .list(let addresses) where addresses.isEmpty: break
        case .list(let addresses):
            json.key(column.rawValue)
            json.array(addresses) { json, address in json.string(address.description) }
        }
    }
}
