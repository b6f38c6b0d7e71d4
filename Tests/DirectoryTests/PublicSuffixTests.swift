import Foundation
import Testing

@testable import Adapters

/// Names whose suffixes no list will change.
@Suite struct PublicSuffixTests {
    private static func file(_ text: String) throws -> String {
        let path = FileManager.default.temporaryDirectory.appending(path: "suffixes-\(UUID().uuidString)").path
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    @Test(
        arguments: [
            ("com", "com"), ("example.com", "com"), ("a.b.example.com", "com"), ("EXAMPLE.Com", "com"),
            ("example.co.uk", "co.uk"), ("co.uk", "co.uk"), ("uk", "uk"),
            // A wildcard, and the exception to it.
            ("ck", "ck"), ("b.test.ck", "test.ck"), ("test.ck", "test.ck"), ("www.ck", "ck"), ("a.www.ck", "ck"),
            ("a.kobe.jp", "a.kobe.jp"), ("a.b.kobe.jp", "b.kobe.jp"), ("city.kobe.jp", "kobe.jp"),
            // Of a private owner.
            ("someone.github.io", "github.io"),
            // Not in the list.
            ("example", "example"), ("b.example.example", "example"),
            ("食狮.公司.cn", "xn--55qx5d.cn"), ("xn--85x722f.xn--55qx5d.cn", "xn--55qx5d.cn"),
            ("1.2.3.4.5.6.7.8.9.10.11.12.example.co.uk", "co.uk"),
            // No A-label, and a name in DNS all the same.
            ("xn--a.wild.example", "example"), ("b.XN--.co.uk", "co.uk"), ("xn--ls8h.out.com", "com"),
            ("", nil), (".", nil), (".com", nil), ("com.", nil), ("a..com", nil), ("192.0.2.1", nil),
            ("[192.0.2.1]", nil),
            ("a b.com", nil), ("\u{0}.com", nil), (String(repeating: "a", count: 64) + ".com", nil),
            (String(repeating: "a.", count: 200) + "com", nil),
        ] as [(String, String?)])
    func `the suffix of a name`(_ name: String, _ suffix: String?) throws {
        #expect(try PublicSuffixes().suffix(of: name) == suffix)
    }

    @Test func `a list can be a file's`() throws {
        let path = try Self.file("// ours\nexample\nhosting.example\n*.wild.example\n!not.wild.example\n")
        defer { try? FileManager.default.removeItem(atPath: path) }
        let list = try PublicSuffixes(file: path)
        #expect(list.suffix(of: "a.b.hosting.example") == "hosting.example")
        #expect(list.suffix(of: "a.b.wild.example") == "b.wild.example")
        #expect(list.suffix(of: "a.not.wild.example") == "wild.example")
        #expect(list.suffix(of: "a.co.uk") == "uk", "the built-in list is not asked besides")
    }

    @Test func `what is no list is told`() throws {
        #expect(throws: PublicSuffixes.Failure.self) { try PublicSuffixes(file: "/nonexistent/list.dat") }
        let path = try Self.file("// nothing\n")
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(throws: PublicSuffixes.Failure.self) { try PublicSuffixes(file: path) }
    }
}
