import Foundation
import Scoring
import Testing

@Suite struct FactTests {
    @Test func `every fact is in the document, as it is`() throws {
        let root = URL(filePath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let document = try String(contentsOf: root.appending(path: "docs/rules.md"), encoding: .utf8)
        let rows = Fact.all.map { "| `\($0.name)` | \($0.summary) |" }
        #expect(rows.count > 150)
        #expect(rows.filter { !document.contains($0) } == [])
    }

    @Test func `no two facts have one name`() {
        #expect(Set(Fact.all.map(\.name)).count == Fact.all.count)
    }
}
