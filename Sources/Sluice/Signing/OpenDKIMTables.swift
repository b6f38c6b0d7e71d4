import Foundation
import MailTypes

/// The tables of OpenDKIM, as opendkim.conf(5) and opendkim(8) describe flat files: a key, blanks, and a value of
/// parts between colons on each line; `#` begins a comment.
enum OpenDKIMTables {
    /// A line of a table.
    private struct Row {
        let key: String
        let value: String
        /// `/etc/opendkim/KeyTable:3`
        let place: String
    }

    /// A key of KeyTable: `NAME DOMAIN:SELECTOR:FILE`.
    struct Entry {
        let name: String
        let key: ForeignKey
    }

    /// The keys of a domain. A line that is none is an error, also if it would be another domain's.
    static func keys(of domain: String, in file: String) throws -> [Entry] {
        var entries: [Entry] = []
        for row in try rows(of: file) {
            let parts = row.value.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
            guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty }) else {
                throw CommandFailure.wrong("\(row.place): this is not NAME DOMAIN:SELECTOR:FILE, as KeyTable has it.")
            }
            // `%` is the domain of whoever writes.
            guard parts[0] == "%" || parts[0].asciiLowercased == domain else { continue }
            entries.append(Entry(name: row.key, key: try key(parts[1], parts[2], row.place)))
        }
        guard !entries.isEmpty else { throw CommandFailure.wrong("\(file) has no key of \(domain).") }
        return entries
    }

    private static func key(_ selector: String, _ value: String, _ place: String) throws -> ForeignKey {
        if value.hasPrefix("/") { return try ForeignKey(selector: selector, file: value) }
        guard !value.hasPrefix("./"), !value.hasPrefix("../") else {
            throw CommandFailure.wrong(
                "\(place): where \(value) is depends on where OpenDKIM was started; write the whole path.")
        }
        return try ForeignKey(selector: selector, octets: Array(value.utf8), place: place)
    }

    /// The names of the keys by which SigningTable signs for everybody at a domain, the first that fits first.
    static func signers(of domain: String, in file: String) throws -> [String] {
        try rows(of: file).filter { fits($0.key, domain) }.map { row in
            // The name may be followed by what goes into i=.
            String(row.value.prefix { $0 != ":" }).trimmingCharacters(in: .whitespaces)
        }
    }

    /// Whether a pattern holds for any address of the domain: `*@example.org`, `example.org`, `.org`, `*`.
    private static func fits(_ pattern: String, _ domain: String) -> Bool {
        let pattern = pattern.asciiLowercased
        if pattern == "*" || pattern == "*@*" || pattern == domain || pattern == "*@\(domain)" { return true }
        let end = pattern.hasPrefix("*@*.") ? String(pattern.dropFirst(3)) : pattern
        return end.hasPrefix(".") && domain.hasSuffix(end)
    }

    private static func rows(of file: String) throws -> [Row] {
        let octets = try ForeignKey.contents(of: file)
        guard let text = String(validating: octets, as: UTF8.self), !text.unicodeScalars.contains("\0") else {
            throw CommandFailure.wrong("\(file) is not a text.")
        }
        var rows: [Row] = []
        let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        for (number, line) in lines.enumerated() {
            let place = "\(file):\(number + 1)"
            let kept = line.prefix { $0 != "#" }.trimmingCharacters(in: .whitespaces)
            guard !kept.isEmpty else { continue }
            guard let blank = kept.firstIndex(where: { $0 == " " || $0 == "\t" }) else {
                throw CommandFailure.wrong("\(place): a name and a value were expected, with blanks between them.")
            }
            let value = kept[blank...].trimmingCharacters(in: .whitespaces)
            rows.append(Row(key: String(kept[..<blank]), value: value, place: place))
        }
        return rows
    }
}
