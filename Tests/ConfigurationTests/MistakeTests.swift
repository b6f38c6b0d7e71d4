import Configuration
import Foundation
import Testing

/// Each folder of Mistakes holds one mistake and, in `expected`, what is said about it: a `sluice.toml`, or
/// an `edit` of the shipped one (lines with `-`, and with `+` what stands there instead), a `filters.d` or a `rules.d`.
@Suite struct MistakeTests {
    static let folder = Repository.tests.appending(path: "Mistakes")
    static let names =
        (try? FileManager.default.contentsOfDirectory(atPath: folder.path(percentEncoded: false)))?.sorted() ?? []

    @Test func `there are mistakes to test`() {
        #expect(Self.names.count >= 40)
    }

    @Test(arguments: names)
    func `a mistake is named with its place`(_ name: String) throws {
        let source = Self.folder.appending(path: name)
        let folder = try TemporaryFolder()
        try FileManager.default.removeItem(at: folder.url)
        try FileManager.default.copyItem(at: source, to: folder.url)
        try folder.write("", to: "tls/cert.pem")
        try folder.write("", to: "tls/key.pem")
        if let edit = try? String(contentsOf: source.appending(path: "edit"), encoding: .utf8) {
            try folder.write(try Self.edited(edit), to: "sluice.toml")
        }

        var diagnostics: [Diagnostic] = []
        if FileManager.default.fileExists(atPath: "\(folder.path)/sluice.toml") {
            diagnostics += ServerConfiguration.load("\(folder.path)/sluice.toml").diagnostics
        }
        if FileManager.default.fileExists(atPath: "\(folder.path)/filters.d") {
            diagnostics += Self.check("\(folder.path)/filters.d")
        }

        if FileManager.default.fileExists(atPath: "\(folder.path)/rules.d") {
            diagnostics += RuleFolder.load(shipped: [], folder: "\(folder.path)/rules.d").diagnostics
        }

        let lines = diagnostics.map { $0.description.replacing("\(folder.path)/", with: "") }
        let expected = (try? String(contentsOf: source.appending(path: "expected"), encoding: .utf8)) ?? ""
        #expect(lines.joined(separator: "\n") + "\n" == expected)
        #expect(!diagnostics.isEmpty)
    }

    /// As the server does it with its stages and conditions.
    private static func check(_ folder: String) -> [Diagnostic] {
        let loaded = FilterFile.load(folder: folder)
        var diagnostics = loaded.diagnostics
        for file in loaded.value {
            let words = ["authenticated", "tls", "spf.pass", "spf.fail"]
            diagnostics += FilterFile.unknownWords([file.stage], vocabulary: ["greylist", "relay"], kind: "stage")
            diagnostics += FilterFile.unknownWords(file.only + file.unless, vocabulary: words, kind: "condition")
            guard file.stage.value == "greylist" else { continue }
            diagnostics += file.decode(GreylistValues.self).diagnostics
            for domain in file.domains {
                diagnostics += file.decode(GreylistValues.self, domain: domain.value).diagnostics
            }
        }
        return Set(diagnostics).sorted()
    }

    private static func edited(_ edit: String) throws -> String {
        var text = try String(contentsOf: Repository.sample, encoding: .utf8)
        let lines = edit.split(separator: "\n").filter { !$0.hasPrefix("# ") }
        for (old, new) in zip(lines, lines.dropFirst()) where old.hasPrefix("-") && new.hasPrefix("+") {
            let place = try #require(text.range(of: "\n\(old.dropFirst())\n"), "the sample has no line \(old)")
            text.replaceSubrange(place, with: "\n\(new.dropFirst())\n")
        }
        return text
    }
}
