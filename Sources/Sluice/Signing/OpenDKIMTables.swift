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
        /// Whether it signs as the domain of whoever writes.
        let isForAll: Bool
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
            let owner = parts[0].replacingOccurrences(of: "%", with: domain)
            guard ForeignKey.domain(owner) == domain else { continue }
            let value = parts[2].replacingOccurrences(of: "%", with: domain)
            let isForAll = parts[0].contains("%")
            entries.append(Entry(name: row.key, isForAll: isForAll, key: try key(parts[1], value, row.place)))
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

    /// Who signs, by SigningTable.
    struct Signers {
        /// The names of the keys that sign for everybody at a domain, in the order in which OpenDKIM finds them: it
        /// takes the first, or with MultipleSignatures all.
        var names: [String] = []
        /// Patterns that are about some authors of the domain only.
        var partial: [String] = []
        /// The names of the keys that sign for authors of domains below it.
        var below: Set<String> = []
    }

    static func signers(of domain: String, in table: String) throws -> Signers {
        let (kind, file) = Kind.of(table)
        let rows = try rows(of: file)
        let isPatterns = kind.map { $0 == .patterns } ?? rows.contains { Kind.isPattern($0.key) }
        var found: [(rank: Int, name: String)] = []
        var signers = Signers()
        for row in rows {
            let pattern = inALabels(row.key)
            // The name may be followed by what goes into i=.
            let name = String(row.value.prefix { $0 != ":" }).trimmingCharacters(in: .whitespaces)
            if isPatterns ? isBelow(pattern, domain) : isWordBelow(pattern, domain) { signers.below.insert(name) }
            let rank = isPatterns ? fits(pattern, domain) ? 0 : nil : lookups(domain).firstIndex(of: pattern)
            guard let rank else {
                if pattern.hasSuffix("@\(domain)") { signers.partial.append(row.key) }
                continue
            }
            found.append((rank, name == "%" ? domain : name))
        }
        // Of equal rank, as they stand.
        signers.names = found.enumerated()
            .sorted { ($0.element.rank, $0.offset) < ($1.element.rank, $1.offset) }.map(\.element.name)
        return signers
    }

    /// A pattern whose domain, if it is one, stands there as DNS has it.
    private static func inALabels(_ pattern: String) -> String {
        guard let at = pattern.lastIndex(of: "@") else { return ForeignKey.domain(pattern) }
        return pattern[...at].lowercased() + ForeignKey.domain(String(pattern[pattern.index(after: at)...]))
    }

    /// How OpenDKIM looks into a table: `file:` for words as they are, `refile:` for patterns, the first that fits.
    private enum Kind {
        case words, patterns

        /// As opendkim.conf names a table; without a kind, it is told from what is in it.
        static func of(_ table: String) -> (Kind?, file: String) {
            if table.hasPrefix("refile:") { return (.patterns, String(table.dropFirst(7))) }
            if table.hasPrefix("file:") { return (.words, String(table.dropFirst(5))) }
            return (nil, table)
        }

        /// Words have a star only by itself, or behind the last `@`.
        static func isPattern(_ key: String) -> Bool {
            let rest = key.hasSuffix("@*") ? key.dropLast() : key[...]
            return key != "*" && rest.contains("*")
        }
    }

    /// What is looked up, after the address itself, for an author of the domain: `example.org`, `.example.org`, `.org`,
    /// `*`.
    private static func lookups(_ domain: String) -> [String] {
        let labels = domain.split(separator: ".", omittingEmptySubsequences: false)
        let above = labels.indices.dropFirst().map { "." + labels[$0...].joined(separator: ".") }
        return [domain] + above + ["*"]
    }

    /// Whether a pattern holds for any address of the domain. No table holds NUL, so that only a star stands for it.
    private static func fits(_ pattern: String, _ domain: String) -> Bool {
        var rest = Array("\0@\(domain)".utf8)[...]
        let parts = pattern.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false).map(Array.init)
        guard parts.count > 1, let first = parts.first, let last = parts.last, rest.starts(with: first) else {
            return false
        }
        rest = rest.dropFirst(first.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let found = rest.indices.first(where: { rest[$0...].starts(with: part) }) else { return false }
            rest = rest[(found + part.count)...]
        }
        return rest.count >= last.count && rest.suffix(last.count).elementsEqual(last)
    }

    /// Whether a pattern holds for addresses of a domain below this one.
    private static func isBelow(_ pattern: String, _ domain: String) -> Bool {
        fits(pattern, "\0.\(domain)") || pattern.split(separator: "@").last?.hasSuffix(".\(domain)") ?? false
    }

    /// Whether a word is looked up for addresses of a domain below this one: `news.example.org`, `.example.org`,
    /// `.org`, each also behind the user's name and an `@`.
    private static func isWordBelow(_ word: String, _ domain: String) -> Bool {
        let place = word.split(separator: "@").last ?? ""
        return place == "*" || place.hasSuffix(".\(domain)")
            || place.hasPrefix(".") && ".\(domain)".hasSuffix(place)
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
