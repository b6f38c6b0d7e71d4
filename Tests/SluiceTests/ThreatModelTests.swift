import Foundation
import Testing

/// Holds docs/threat-model.md against the tests that it names.
@Suite struct ThreatModelTests {
    static let rows: [String] = {
        let text = (try? String(contentsOfFile: Programs.root + "/docs/threat-model.md", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init).filter { $0.hasPrefix("| R") }
    }()

    static let files: [String: String] = {
        let base = Programs.root + "/Tests"
        let names = FileManager.default.enumerator(atPath: base)?.compactMap { $0 as? String } ?? []
        var files: [String: String] = [:]
        for name in names where name.hasSuffix("Tests.swift") {
            let key = (name as NSString).lastPathComponent.dropLast("Tests.swift".count)
            files[String(key), default: ""] += (try? String(contentsOfFile: "\(base)/\(name)", encoding: .utf8)) ?? ""
        }
        return files
    }()

    @Test func `every row of the sections that are due is there, once`() {
        let ids = Self.rows.compactMap { $0.firstMatch(of: #/^\| R(\d+) /#).flatMap { Int($0.1) } }
        let due =
            Array(1...89) + Array(123...155) + [160] + Array(163...173) + [183, 184, 186] + Array(190...196)
        #expect(ids == due)
        for row in Self.rows {
            let cells = row.split(separator: "|", omittingEmptySubsequences: false).map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            #expect(cells.count == 6, "\(row)")
            #expect(!cells[4].isEmpty || cells[3].hasPrefix("waits for "), "\(row)")
        }
    }

    @Test func `every test that the table names exists`() {
        var count = 0
        for row in Self.rows {
            for match in row.matches(of: #/`(\w+)`: "([^"]+)"/#) {
                count += 1
                let text = Self.files[String(match.1)] ?? ""
                #expect(text.contains("func `\(match.2)`"), "\(match.1): \(match.2)")
            }
        }
        #expect(count > 80)
        let dialogs = Programs.root + "/Tests/ProtocolsTests/Dialogs/smtp"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: dialogs)) ?? []
        for row in Self.rows {
            guard let list = row.firstMatch(of: #/dialogs? (`[^;|]+)/#)?.1 else { continue }
            for match in list.matches(of: #/`([\w-]+?)(-…)?`/#) {
                let isPrefix = match.2 != nil
                let fits = names.contains { isPrefix ? $0.hasPrefix("\(match.1)-") : $0 == "\(match.1).smtp" }
                #expect(fits, "\(match.1)")
            }
        }
    }
}
