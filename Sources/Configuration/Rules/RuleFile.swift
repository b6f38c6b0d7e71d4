import MailTypes
import Scoring

/// Reads one file of `rules.d`: rules, and points that it changes.
struct RuleFile {
    private(set) var rules: [(rule: Rule, location: SourceLocation)] = []
    /// The names of all rules, also of those that are wrong.
    private(set) var names: Set<String> = []
    private(set) var points: [Located<PointChange>] = []
    private(set) var words: [Located<Expression.Word>] = []
    private(set) var diagnostics: [Diagnostic] = []
    /// Where each rule's test begins, for what the patterns' library has against it.
    private(set) var tests: [String: SourceLocation] = [:]
    private let text: SourceText

    /// Other points for a rule, everywhere or for a domain.
    struct PointChange {
        var rule: String
        var domain: String?
        var points: Double
    }

    init(_ octets: [UInt8], file: String) {
        text = SourceText(octets)
        do {
            read(try TOMLDocument(octets, file: file).root)
        } catch {
            diagnostics.append(error)
        }
    }

    private mutating func note(_ location: SourceLocation, _ message: String, hint: String? = nil) {
        diagnostics.append(Diagnostic(.error, at: location, message, hint: hint))
    }

    private mutating func unknown(_ entry: TOMLTable.Entry, _ vocabulary: [String]) {
        diagnostics.append(.unknownKey(entry, vocabulary: vocabulary))
    }

    private mutating func table(_ entry: TOMLTable.Entry) -> TOMLTable? {
        if let table = entry.value.table { return table }
        note(entry.location, "`\(entry.key)` must be a table, not \(entry.value.kind)")
        return nil
    }

    private mutating func read(_ root: TOMLNode) {
        for entry in root.table?.entries ?? [] {
            switch entry.key {
            case "rule": for rule in table(entry)?.entries ?? [] { readRule(rule) }
            case "points": readPoints(entry, domain: nil)
            case "domain": for domain in table(entry)?.entries ?? [] { readDomain(domain) }
            default: unknown(entry, ["rule", "points", "domain"])
            }
        }
    }

    // MARK: Points

    private mutating func readDomain(_ entry: TOMLTable.Entry) {
        let name = entry.key.lowercased()
        if !DomainSyntax.isDomain(name) { note(entry.location, "\(entry.key.quoted) is not a domain name") }
        for inner in table(entry)?.entries ?? [] {
            guard inner.key == "points" else {
                unknown(inner, ["points"])
                continue
            }
            readPoints(inner, domain: name)
        }
    }

    private mutating func readPoints(_ entry: TOMLTable.Entry, domain: String?) {
        for change in table(entry)?.entries ?? [] {
            guard let number = amount(change) else { continue }
            let change = Located(PointChange(rule: change.key, domain: domain, points: number), at: change.location)
            points.append(change)
        }
    }

    /// A number of points.
    private mutating func amount(_ entry: TOMLTable.Entry) -> Double? {
        guard let points = number(entry) else { return nil }
        guard points.magnitude <= Rule.mostPoints else {
            note(
                entry.value.location, "`\(entry.key)` must be from -\(Int(Rule.mostPoints)) to \(Int(Rule.mostPoints))")
            return nil
        }
        return points
    }

    /// TOML's infinities and what is no number are among them.
    private mutating func number(_ entry: TOMLTable.Entry) -> Double? {
        let number: Double? =
            switch entry.value.content {
            case .integer(let number): Double(number)
            case .float(let number): number
            default: nil
            }
        guard let number else {
            note(entry.value.location, "`\(entry.key)` must be a number, not \(entry.value.kind)")
            return nil
        }
        return number
    }

    // MARK: Rules

    private static let tests = [
        "body", "hidden", "raw", "header", "raw_header", "uri", "host", "link", "file", "envelope", "when",
    ]
    private static let keys = ["describe", "points", "at_least"] + tests

    private mutating func readRule(_ entry: TOMLTable.Entry) {
        names.insert(entry.key)
        guard let table = table(entry) else { return }
        if !Rule.isName(entry.key) {
            note(
                entry.location, "\(entry.key.quoted) is not a rule's name",
                hint: "capital letters, digits and `_`, at most \(Rule.longestName)")
        }
        for inner in table.entries where !Self.keys.contains(inner.key) { unknown(inner, Self.keys) }
        let points = table.entry("points").flatMap { amount($0) } ?? 0
        let description = table.entry("describe").flatMap { string($0) } ?? ""
        if points != 0, description.isEmpty {
            note(entry.location, "`describe` is missing: what a person is to read where the rule holds")
        }
        let found = table.entries.filter { Self.tests.contains($0.key) }
        guard let first = found.first else {
            let list = Self.tests.map { "`\($0)`" }.joined(separator: ", ")
            return note(entry.location, "`\(entry.key)` has no test", hint: "one of \(list)")
        }
        for other in found.dropFirst() {
            note(other.location, "`\(entry.key)` has a test already: `\(first.key)`", hint: "`when` joins rules")
        }
        let atLeast = atLeast(table, of: first)
        guard let test = test(first, atLeast: atLeast) else { return }
        let place = RulePlace(file: entry.location.file, line: entry.location.line)
        let rule = Rule(entry.key, points: points, description: description, test: test, place: place)
        rules.append((rule, entry.location))
        tests[entry.key] = (first.value.table?.entries.first?.value ?? first.value).location
    }

    private mutating func atLeast(_ table: TOMLTable, of test: TOMLTable.Entry) -> Int {
        guard let entry = table.entry("at_least"), let number = number(entry) else { return 1 }
        guard test.key != "when" else {
            note(entry.location, "`at_least` is for patterns", hint: "a condition has `count(A, B) >= 2`")
            return 1
        }
        guard let count = Int(exactly: number), (1...Pattern.mostMatches).contains(count) else {
            note(entry.value.location, "`at_least` must be a whole number from 1 to \(Pattern.mostMatches)")
            return 1
        }
        return count
    }

    private mutating func string(_ entry: TOMLTable.Entry) -> String? {
        if case .string(let text) = entry.value.content { return text }
        note(entry.value.location, "`\(entry.key)` must be a string, not \(entry.value.kind)")
        return nil
    }

    private mutating func test(_ entry: TOMLTable.Entry, atLeast: Int) -> RuleTest? {
        switch entry.key {
        case "body": pattern(entry, .body, atLeast)
        case "hidden": pattern(entry, .hidden, atLeast)
        case "raw": pattern(entry, .raw, atLeast)
        case "uri": pattern(entry, .uri, atLeast)
        case "host": pattern(entry, .host, atLeast)
        case "link": pattern(entry, .link, atLeast)
        case "file": pattern(entry, .file, atLeast)
        case "header", "raw_header", "envelope": named(entry, atLeast)
        default: condition(entry)
        }
    }

    /// `header.Subject = '…'`: a table with one key.
    private mutating func named(_ entry: TOMLTable.Entry, _ atLeast: Int) -> RuleTest? {
        guard let table = entry.value.table, table.entries.count == 1, let inner = table.entries.first else {
            let sample = entry.key == "envelope" ? "envelope.sender" : "\(entry.key).Subject"
            note(entry.location, "`\(entry.key)` must say of what, once", hint: "\(sample) = 'pattern'")
            return nil
        }
        switch entry.key {
        case "envelope":
            guard let part = PatternView.EnvelopePart(rawValue: inner.key) else {
                unknown(inner, PatternView.EnvelopePart.allCases.map(\.rawValue))
                return nil
            }
            return pattern(inner, .envelope(part), atLeast)
        default:
            guard inner.key.utf8.allSatisfy({ $0.isVisible && $0 != UInt8(ascii: ":") }), !inner.key.isEmpty else {
                note(inner.location, "\(inner.key.quoted) is not a field's name")
                return nil
            }
            let name = inner.key.lowercased()
            return pattern(inner, entry.key == "header" ? .field(name) : .rawField(name), atLeast)
        }
    }

    private mutating func pattern(_ entry: TOMLTable.Entry, _ view: PatternView, _ atLeast: Int) -> RuleTest? {
        guard let expression = string(entry) else { return nil }
        let mistakes = PatternSyntax(expression).mistakes
        for mistake in mistakes {
            note(text.place(of: mistake.offset, inStringAt: entry.value.location), "the pattern: \(mistake.message)")
        }
        return mistakes.isEmpty ? .pattern(Pattern(expression, in: view, atLeast: atLeast)) : nil
    }

    private mutating func condition(_ entry: TOMLTable.Entry) -> RuleTest? {
        guard let source = string(entry) else { return nil }
        do throws(Expression.Mistake) {
            let (expression, found) = try Expression.read(source)
            for word in found {
                words.append(Located(word, at: text.place(of: word.offset, inStringAt: entry.value.location)))
            }
            return .condition(expression)
        } catch {
            note(text.place(of: error.offset, inStringAt: entry.value.location), "the condition: \(error.message)")
            return nil
        }
    }
}

/// A file's text, to find places inside of its strings.
private struct SourceText {
    private let lines: [ArraySlice<UInt8>]

    init(_ octets: [UInt8]) { lines = octets.split(separator: .lf, omittingEmptySubsequences: false) }

    /// The place of the octet with that offset in the value of a literal string; of a string with escapes its
    /// beginning.
    func place(of offset: Int, inStringAt location: SourceLocation) -> SourceLocation {
        guard lines.indices.contains(location.line - 1), location.column > 0 else { return location }
        let line = String(decoding: lines[location.line - 1], as: UTF8.self)
        let start = Array(line.dropFirst(location.column - 1).utf8)
        let quote = UInt8(ascii: "'")
        guard start.first == quote else { return location }
        var place = location
        guard start.prefix(3).elementsEqual([quote, quote, quote]) else {
            place.column += 1 + Self.characters(start.dropFirst().prefix(offset))
            return place
        }
        var rest = start.dropFirst(3)
        place.column += 3
        var left = offset
        // A line end right behind the quotes is none of the value.
        if rest.allSatisfy({ $0 == .cr }), lines.indices.contains(place.line) {
            rest = lines[place.line]
            place = SourceLocation(file: place.file, line: place.line + 1, column: 1)
        }
        while left > rest.count, lines.indices.contains(place.line) {
            left -= rest.count + 1
            rest = lines[place.line]
            place = SourceLocation(file: place.file, line: place.line + 1, column: 1)
        }
        place.column += Self.characters(rest.prefix(max(0, left)))
        return place
    }

    private static func characters(_ octets: some Sequence<UInt8>) -> Int {
        String(decoding: Array(octets), as: UTF8.self).count
    }
}
