import Foundation
import Testing

/// Holds the repository itself against the rules that keep it readable.
@Suite struct TidyTests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    struct File: CustomTestStringConvertible {
        let path: String
        let text: String
        var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
        var testDescription: String { path }
    }

    static func files(_ folders: [String], endings: [String]) -> [File] {
        folders.flatMap { folder -> [File] in
            let base = root.appendingPathComponent(folder)
            guard let found = FileManager.default.enumerator(at: base, includingPropertiesForKeys: nil) else {
                return []
            }
            return found.compactMap { $0 as? URL }.filter { endings.contains($0.pathExtension) }.compactMap { url in
                guard let text = try? String(contentsOf: url, encoding: .utf8) else { return nil }
                return File(path: String(url.path.dropFirst(root.path.count + 1)), text: text)
            }
        }.sorted { $0.path < $1.path }
    }

    static let sources = files(["Sources"], endings: ["swift"])
    static let documents =
        files(["docs"], endings: ["md"]) + [
            File(
                path: "README.md",
                text: (try? String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)) ?? "")
        ]

    @Test func `there is something to look at`() {
        #expect(Self.sources.count > 50)
        #expect(Self.documents.count > 5)
    }

    @Test func `files are short`() {
        let long = Self.sources.filter { $0.lines.count > 401 }.map { "\($0.path): \($0.lines.count) lines" }
        #expect(long.isEmpty)
    }

    @Test func `lines are short`() {
        let long = (Self.sources + Self.files(["Tests"], endings: ["swift"])).flatMap { file in
            file.lines.enumerated().filter { $0.element.count > 120 }.map { "\(file.path):\($0.offset + 1)" }
        }
        #expect(long.isEmpty)
    }

    @Test func `functions are short`() {
        let long = Self.sources.flatMap { file in
            Self.functions(in: file.lines).filter { $0.length > 70 }.map {
                "\(file.path):\($0.line) (\($0.length) lines)"
            }
        }
        #expect(long.isEmpty)
    }

    /// Where each function begins, and how many lines it has, by indentation, which the formatter keeps.
    static func functions(in lines: [Substring]) -> [(line: Int, length: Int)] {
        let words = ["func ", "init(", "init?(", "init<"]
        var found: [(line: Int, length: Int)] = []
        for (start, line) in lines.enumerated() {
            let code = line.drop { $0 == " " }
            guard !code.hasPrefix("//"), words.contains(where: { code.contains($0) }) else { continue }
            let first = code.split(separator: " ").first.map(String.init) ?? ""
            let beginners = [
                "func", "public", "private", "fileprivate", "internal", "static", "mutating", "override", "consuming",
                "package", "@discardableResult", "nonisolated",
            ]
            guard beginners.contains(first) || code.hasPrefix("init"), !code.hasSuffix("}") else { continue }
            let indent = line.count - code.count
            let closing = String(repeating: " ", count: indent) + "}"
            if let end = lines[(start + 1)...].firstIndex(where: { $0.hasPrefix(closing) }) {
                found.append((start + 1, end - start + 1))
            }
        }
        return found
    }

    @Test func `nothing in the sources traps on purpose or waits to be done`() {
        let banned = ["try!", "fatalError(", "TO" + "DO", "FIX" + "ME", " as! ", "DispatchSemaphore"]
        let found = Self.sources.filter { !$0.path.hasPrefix("Sources/Fuzz") }.flatMap { file in
            banned.filter { file.text.contains($0) }.map { "\(file.path): \($0)" }
        }
        #expect(found.isEmpty)
    }

    @Test func `no test is switched off for good`() {
        // In halves, so that this file is not its own finding.
        let marks = [".disa" + "bled(", "XCTS" + "kip", "withKnown" + "Issue"]
        let found = Self.files(["Tests"], endings: ["swift"]).filter { file in
            marks.contains { file.text.contains($0) }
        }.map(\.path)
        #expect(found.isEmpty)
    }

    // MARK: Modules

    /// Who may import whom, of our own modules. `docs/architecture.md` says the same.
    static let mayImport: [String: Set<String>] = [
        "MailTypes": [],
        "Content": ["MailTypes"],
        "Scoring": ["Content", "MailTypes"],
        "Protocols": ["MailTypes"],
        "Pipeline": ["Content", "Scoring", "MailTypes"],
        "Filters": ["Pipeline", "Scoring", "Content", "MailTypes"],
        "Adapters": ["Pipeline", "Protocols", "MailTypes"],
        "Sandbox": ["Pipeline", "Scoring", "MailTypes"],
        "Directory": ["Scoring", "Pipeline", "MailTypes"],
        "Queue": ["MailTypes"],
        "Mailboxes": ["MailTypes"],
        "Delivery": ["Queue", "Protocols", "Pipeline", "Mailboxes", "MailTypes"],
        "Frontends": ["Protocols", "Pipeline", "Queue", "Mailboxes", "Directory", "MailTypes"],
        "Configuration": ["Scoring", "MailTypes"],
    ]

    static let cLibraries = [
        "CTOML", "COpenSSL", "CUnbound", "CIDN2", "CClamAV", "COpenDKIM", "CSeccomp", "CPSL", "CSPF2", "CVectorscan",
        "CZlib",
    ]

    static func imports(of file: File) -> [String] {
        let statement = /^\s*(?:@testable )?(?:\w+ )?import (?:struct |class |func |enum )?(\w+)/
        return file.lines.compactMap { line in
            // A regular expression for each line of the project takes a debug build half a minute.
            guard line.contains("import "), let match = line.firstMatch(of: statement) else { return nil }
            return String(match.1)
        }
    }

    @Test(arguments: mayImport.keys.sorted())
    func `a module imports only what the table allows`(_ module: String) {
        let ours = Set(Self.mayImport.keys).union(["SluiceTesting", "Sluice"])
        let allowed = Self.mayImport[module] ?? []
        let wrong = Self.sources.filter { $0.path.hasPrefix("Sources/\(module)/") }.flatMap { file in
            Self.imports(of: file).filter { ours.contains($0) && !allowed.contains($0) }.map { "\(file.path): \($0)" }
        }
        #expect(wrong.isEmpty)
    }

    @Test func `the vocabulary and the stages know no network`() {
        let quiet = [
            "Sources/MailTypes/", "Sources/Content/", "Sources/Scoring/", "Sources/Pipeline/", "Sources/Filters/",
            "Sources/Queue/",
        ]
        let wrong = Self.sources.filter { file in quiet.contains { file.path.hasPrefix($0) } }.flatMap { file in
            Self.imports(of: file).filter { $0.hasPrefix("NIO") }.map { "\(file.path): \($0)" }
        }
        #expect(wrong.isEmpty)
    }

    @Test(arguments: cLibraries)
    func `each C library is imported by one file`(_ library: String) {
        let files = Self.sources.filter { Self.imports(of: $0).contains(library) }.map(\.path)
        #expect(files.count == 1, "\(files)")
    }

    // MARK: Documents

    @Test func `each document has one title`() {
        for document in Self.documents {
            var isCode = false
            let titles = document.lines.filter { line in
                if line.hasPrefix("```") { isCode.toggle() }
                return !isCode && line.hasPrefix("# ")
            }
            #expect(titles.count == 1, "\(document.path)")
        }
    }

    @Test func `each RFC that the sources cite is in the table`() throws {
        let table = try #require(Self.documents.first { $0.path == "docs/rfc.md" }).text
        var cited: Set<String> = []
        for file in Self.sources {
            for match in file.text.matches(of: /RFC (\d{3,5})/) { cited.insert(String(match.1)) }
        }
        let missing = cited.filter { !table.contains("RFC \($0)") }.sorted()
        #expect(missing.isEmpty)
    }
}
