import Directory
import Foundation
import Testing

@Suite struct PolicyStoreTests {
    static let now = Date(timeIntervalSince1970: 1_795_305_600)

    static func entry(_ domain: String, _ id: String = "1", lasts: Double = 100) -> PolicyStore.Entry {
        PolicyStore.Entry(
            domain: domain, id: id, fetched: now, expires: now + lasts, text: Array("version: STSv1".utf8))
    }

    @Test func `what was fetched is there for the next process until it runs out`() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("outbound.sqlite")
        let store = try PolicyStore(path)
        try store.write(Self.entry("a.test"))
        try store.write(Self.entry("b.test", lasts: 10))
        try store.write(Self.entry("c.test"))
        try store.write(Self.entry("a.test", "2"))
        try store.remove("c.test")
        let reader = try PolicyStore(readOnly: path)
        let both = [Self.entry("a.test", "2"), Self.entry("b.test", lasts: 10)]
        #expect(try reader.entries(at: Self.now, clears: false) == both)
        reader.close()
        // As a kill leaves it: not closed.
        let next = try PolicyStore(path)
        #expect(try next.entries(at: Self.now + 10) == [Self.entry("a.test", "2")])
        #expect(try next.entries(at: Self.now) == [Self.entry("a.test", "2")], "the other one is cleared away")
        next.close()
        store.close()
    }
}
