import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Code, sample files, documentation and tests of a stage belong together.
@Suite struct RegistryTests {
    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    private static func names(in path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.appending(path: path).path).sorted()
    }

    /// `EarlyTalker` of `early-talker`, `SPF` of `spf`, `DKIMSign` of `dkim-sign`.
    private static func folder(of name: StageName) -> String {
        let exceptions = ["clamav": "ClamAV", "catchall": "CatchAll"]
        if let folder = exceptions[name.text] { return folder }
        let acronyms: Set = ["arc", "dkim", "dmarc", "dnsbl", "spf", "srs"]
        return name.text.split(separator: "-").map { acronyms.contains(String($0)) ? $0.uppercased() : $0.capitalized }
            .joined()
    }

    private static func sampleFile(of name: StageName) throws -> String? {
        try names(in: "filters.d").first { $0.hasSuffix(".toml") && $0.drop(while: \.isNumber) == "-\(name).toml" }
    }

    @Test func `no name is there twice, and each is found`() {
        let names = Registry.all.map(\.name.text)
        #expect(Set(names).count == names.count)
        for name in names { #expect(Registry.kind(named: name)?.name.text == name) }
        #expect(Registry.kind(named: "template") == nil)
    }

    @Test func `phases are those of the conformances`() {
        #expect(Registry.kind(named: "access")?.phases == [.connect])
        #expect(Registry.kind(named: "relay")?.phases == [.recipient])
        #expect(Registry.kind(named: "senders")?.phases == [.sender, .message])
        #expect(Registry.all.allSatisfy { !$0.phases.isEmpty && !$0.summary.isEmpty })
        let finders = EffectsTests.stages.map { type(of: $0) }
        #expect(finders.allSatisfy { !$0.methods.isEmpty == $0.effects.contains(.authenticates) })
    }

    @Test(arguments: Registry.all.map(\.name))
    func `a stage has its folder, sample, section and test`(_ name: StageName) throws {
        let folder = Self.folder(of: name)
        #expect(try !Self.names(in: "Sources/Filters/\(folder)").isEmpty)
        #expect(try Self.names(in: "Tests/FiltersTests").contains("\(folder)Tests.swift"))
        #expect(try Self.text("docs/filters.md").contains("\n## \(name)\n"))
        let file = try #require(try Self.sampleFile(of: name))
        let lines = try Self.text("filters.d/\(file)").split(separator: "\n")
        #expect(lines.first?.hasPrefix("# ") == true)
        #expect(lines.contains { $0.hasPrefix("stage") && $0.hasSuffix("= \"\(name)\"") })
        #expect(lines.contains("[\(name)]"))
    }

    @Test func `every folder is a stage`() throws {
        let others: Set = ["Signatures", "Support", "Template", "Registry.swift"]
        let stages = Set(Registry.all.map { Self.folder(of: $0.name) })
        #expect(Set(try Self.names(in: "Sources/Filters")).subtracting(others) == stages)
    }

    @Test(arguments: Registry.all.map(\.name))
    func `every option stands in the sample and in the documentation`(_ name: StageName) throws {
        let kind = try #require(Registry.kind(named: name.text))
        let recorder = KeyRecorder()
        _ = try kind.make(recorder)
        let sample = try Self.text("filters.d/\(#require(try Self.sampleFile(of: name)))")
        let section = try Self.text("docs/filters.md").components(separatedBy: "\n## ").first {
            $0.hasPrefix("\(name)\n")
        }
        let keys = recorder.keys
        for key in keys {
            let isWritten = try sample.contains(Regex("(?m)^(# )?\(key) +=")) || sample.contains("\n[\(name).\(key).")
            #expect(isWritten, "\(key) in filters.d")
            #expect(section?.contains("| `\(key)` |") == true, "\(key) in docs/filters.md")
        }
        // And nothing is explained that does not exist.
        let rows = section?.matches(of: /(?m)^\| `([a-z0-9_]+)` \|/).map { String($0.output.1) } ?? []
        #expect(name == "transport" || Set(rows) == Set(keys))
    }

    @Test func `the sample says which defaults hold`() throws {
        let wrong = try Registry.all.flatMap { kind -> [String] in
            guard kind.name != "transport", let file = try Self.sampleFile(of: kind.name) else { return [] }
            let section =
                try Self.text("docs/filters.md").components(separatedBy: "\n## ").first {
                    $0.hasPrefix("\(kind.name)\n")
                } ?? ""
            let table = try Self.text("filters.d/\(file)").components(separatedBy: "[\(kind.name)]\n").last ?? ""
            return table.components(separatedBy: "\n\n")[0].split(separator: "\n").compactMap { line in
                guard let match = line.firstMatch(of: /^# ([a-z0-9_]+) += (\[[^\]]*\]|"[^"]*"|[^ ]+)/) else {
                    return String(line)
                }
                let key = match.output.1
                let row = "| `\(key)` | `\(match.output.2)` |"
                return section.contains(row) || ["postmaster", "ceiling"].contains(key) ? nil : row
            }
        }
        #expect(wrong == [])
    }
}

/// A decoder of an empty table that remembers which keys it was asked for.
private final class KeyRecorder: Decoder {
    var keys: [String] = []
    let codingPath: [any CodingKey] = []
    let userInfo: [CodingUserInfoKey: Any] = [:]

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(Table(recorder: self))
    }

    private var isTable: DecodingError { .dataCorrupted(.init(codingPath: [], debugDescription: "a table")) }
    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw isTable }
    func singleValueContainer() throws -> any SingleValueDecodingContainer { throw isTable }

    private struct Table<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let recorder: KeyRecorder
        let codingPath: [any CodingKey] = []
        var allKeys: [Key] { [] }

        func contains(_ key: Key) -> Bool {
            recorder.keys.append(key.stringValue)
            return false
        }

        func decodeNil(forKey key: Key) -> Bool { true }
        func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value { throw recorder.isTable }
        func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type, forKey key: Key
        ) throws -> KeyedDecodingContainer<Nested> { throw recorder.isTable }
        func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { throw recorder.isTable }
        func superDecoder() throws -> any Decoder { throw recorder.isTable }
        func superDecoder(forKey key: Key) throws -> any Decoder { throw recorder.isTable }
    }
}
