import Foundation
import Testing

/// Holds what the documents say against what the sources are, where that is cheap.
@Suite struct DocumentTests {
    static func document(_ path: String) throws -> String {
        try String(contentsOf: TidyTests.root.appendingPathComponent(path), encoding: .utf8)
    }

    // MARK: Metrics and log lines

    static func found(_ pattern: Regex<(Substring, Substring)>, in folders: [String]) -> Set<String> {
        let files = TidyTests.sources.filter { file in folders.contains { file.path.hasPrefix($0) } }
        return Set(files.flatMap { $0.text.matches(of: pattern).map { String($0.1) } })
    }

    @Test func `every metric is in the operations manual`() throws {
        let manual = try Self.document("docs/operations.md")
        let metrics = Self.found(/"(sluice_[a-z_]+)"/, in: ["Sources/"])
        #expect(metrics.count > 5)
        #expect(metrics.filter { !manual.contains("`\($0){") && !manual.contains("`\($0)`") }.sorted() == [])
    }

    @Test func `every word a metric is counted by is in the operations manual`() throws {
        let manual = try Self.document("docs/operations.md")
        let source = try Self.document("Sources/Frontends/SMTP/ListenerMetrics.swift")
        let words = source.matches(of: /case \.[a-z]+: \[(.+)\]/).flatMap { $0.1.matches(of: /"([a-z]+)"/) }
        #expect(words.count > 10)
        #expect(words.map { String($0.1) }.filter { !manual.contains("`\($0)`") } == [])
    }

    @Test func `every log line is in the operations manual`() throws {
        let manual = try Self.document("docs/operations.md")
        let call = /(?:\blog\(\s*\.|[lL]ogger\.)(?:debug|info|notice|warning|error)(?:, |\(\s*)"([^"\\]+)"/
        let lines = Self.found(call, in: ["Sources/Sluice", "Sources/Frontends", "Sources/Delivery"])
        #expect(lines.count > 30)
        #expect(lines.filter { !manual.contains("`\($0)`") }.sorted() == [])
    }

    // MARK: Commands

    /// The names of all commands: given, or made of the type's name by the argument parser.
    static func commands() -> Set<String> {
        let files = TidyTests.sources.filter { $0.path.hasPrefix("Sources/Sluice/Commands/") }
        var names: Set<String> = []
        for file in files {
            for match in file.text.matches(of: /commandName: "([a-z-]+)"/) { names.insert(String(match.1)) }
            for match in file.text.matches(of: /\n    struct (\w+): \w+(?:Command|Change|Listing) \{/) {
                names.insert(match.1.lowercased())
            }
        }
        return names
    }

    @Test func `every command is in the manual page`() throws {
        let page = try Self.document("packaging/sluice.1").replacing("\\-", with: "-")
        let sections = page.split(separator: "\n").filter { $0.hasPrefix(".SS \"sluice ") }
        let written = Set(sections.flatMap { $0.dropFirst(5).dropLast().split(separator: " ").map(String.init) })
        let commands = Self.commands()
        #expect(commands.isSuperset(of: ["serve", "queue", "list", "bounce", "try-out", "password"]))
        #expect(commands.subtracting(written).sorted() == [])
    }

    @Test func `every option of a command is in the manual page`() throws {
        let page = try Self.document("packaging/sluice.1").replacing("\\-", with: "-")
        let files = TidyTests.sources.filter { $0.path.hasPrefix("Sources/Sluice/Commands/") }
        let declaration = /@(?:Option|Flag)\(((?:[^@]|@(?!Option|Flag|Argument))*?)\)\s+var (\w+)/
        let names = Set(files.flatMap { $0.text.matches(of: declaration).map { Self.option($0.1, $0.2) } })
        #expect(names.isSuperset(of: ["config", "json", "password-stdin", "enable-mail", "since"]))
        #expect(names.filter { !page.contains("--\($0)\\fR") }.sorted() == [])
    }

    /// What an option is called: what it says, or its variable's name in the argument parser's way.
    static func option(_ attributes: Substring, _ variable: Substring) -> String {
        if let own = attributes.firstMatch(of: /customLong\("([a-z-]+)"\)/) { return String(own.1) }
        let name = String(variable).replacing(/[A-Z]/) { "-" + $0.output.lowercased() }
        return attributes.contains("prefixedEnableDisable") ? "enable-\(name)" : name
    }

    // MARK: Links and file names

    @Test func `every link leads to a file, and to a heading where it names one`() throws {
        for document in TidyTests.documents {
            let folder = (document.path as NSString).deletingLastPathComponent
            for match in document.text.matches(of: /\]\(([^)#:\s]*)(?:#([^)\s]+))?\)/) {
                let path =
                    match.1.isEmpty ? document.path : (folder as NSString).appendingPathComponent(String(match.1))
                let url = TidyTests.root.appendingPathComponent(path)
                #expect(FileManager.default.fileExists(atPath: url.path), "\(document.path): \(match.0)")
                guard let heading = match.2, path.hasSuffix(".md") else { continue }
                #expect(try Self.anchors(of: path).contains(String(heading)), "\(document.path): \(match.0)")
            }
        }
    }

    /// What headings are called in links.
    static func anchors(of path: String) throws -> Set<String> {
        let headings = try document(path).split(separator: "\n").filter { $0.hasPrefix("#") }
        return Set(
            headings.map { heading in
                let words = heading.drop { $0 == "#" || $0 == " " }.lowercased()
                let kept = words.filter { $0.isLetter || $0.isNumber || " -_".contains($0) }
                return kept.trimmingCharacters(in: .whitespaces).replacing(" ", with: "-")
            })
    }

    @Test func `every file that the table of RFCs names is there`() throws {
        let tests = TidyTests.files(["Tests"], endings: ["swift", "smtp"]).map {
            ($0.path as NSString).lastPathComponent
        }
        let sources = Set(TidyTests.sources.map(\.path))
        let table = try Self.document("docs/rfc.md")
        let names = table.matches(of: /`([^`\s]+\.(?:swift|smtp))`/).map { String($0.1) }
        #expect(names.count > 150)
        let missing = names.filter { name in
            if name.contains("/") { return !sources.contains("Sources/\(name)") }
            guard let star = name.firstIndex(of: "*") else { return !tests.contains(name) }
            let (begin, end) = (name[..<star], name[name.index(after: star)...])
            return !tests.contains { $0.hasPrefix(begin) && $0.hasSuffix(end) }
        }
        #expect(missing == [])
    }

    @Test func `a file that the table of RFCs names cites that RFC`() throws {
        let texts = Dictionary(uniqueKeysWithValues: TidyTests.sources.map { ($0.path, $0.text) })
        var rows = 0
        for line in try Self.document("docs/rfc.md").split(separator: "\n") {
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).map { String($0) }
            guard cells.count > 5, let rfc = cells[1].firstMatch(of: /RFC \d+/) else { continue }
            rows += 1
            let named = cells[4].matches(of: /`([^`]+)`/).compactMap { texts["Sources/\($0.1)"] }
            #expect(named.contains { $0.contains(rfc.0) }, "\(cells[1]) \(cells[2])")
        }
        #expect(rows > 80)
    }
}
