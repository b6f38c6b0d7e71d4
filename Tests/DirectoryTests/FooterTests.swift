import Directory
import Foundation
import GRDB
import MailTypes
import Pipeline
import Testing

/// Footers as the directory keeps them.
@Suite struct FooterTests {
    static func asked(_ domain: String, _ sample: Sample) async throws -> [SetFooter] {
        guard case .footers(let found) = try await sample.directory.answer(.footers(domain)) else { return [] }
        return found
    }

    @Test func `a domain has its post office's and everybody's, and a stranger's domain everybody's`() async throws {
        let sample = try Sample()
        let office = try #require(try sample.directory.postOffices().first).name
        #expect(try await Self.asked("acme.test", sample).isEmpty)
        let (own, all) = try sample.directory.change(by: "cli:anna") { changes in
            (
                try changes.setFooter(Footer(text: "Ours", html: "<b>Ours</b>"), for: office.uppercased()),
                try changes.setFooter(Footer(text: "All"), for: nil)
            )
        }
        #expect(own.postOffice == office && own.author == "cli:anna" && all.postOffice == nil)
        let found = try await Self.asked("ACME.test", sample)
        #expect(found.map(\.footer) == [Footer(text: "Ours", html: "<b>Ours</b>"), Footer(text: "All")])
        #expect(found.map(\.postOffice) == [office, nil] && found.map(\.audit) == [own.audit, all.audit])
        #expect(try await Self.asked("far.test", sample).map(\.footer.text) == ["All"])
        #expect(try sample.directory.footers().map(\.scope) == ["global", office])
    }

    @Test func `a change holds from the next question on, and the audit log says who`() async throws {
        let sample = try Sample()
        let other = try sample.opened()
        _ = try await other.answer(.footers("acme.test"))
        for text in ["First", "Second"] {
            _ = try sample.directory.change(by: "cli:anna") { try $0.setFooter(Footer(text: text), for: nil) }
        }
        #expect(other.immediate(.footers("acme.test")) == nil, "what was known is forgotten")
        guard case .footers(let found) = try await other.answer(.footers("acme.test")) else {
            Issue.record("another answer")
            return
        }
        #expect(found.map(\.footer.text) == ["Second"])
        let log = try #require(try sample.directory.audit(object: "global", limit: 1).first)
        #expect(log.verb == "footer.set" && log.actor == "cli:anna" && log.number == found[0].audit)
        #expect(log.before == #"{"text":"First"}"# && log.after == #"{"text":"Second"}"#)
        let gone = try sample.directory.change(by: "cli:bert") { changes in
            [try changes.resetFooter(for: nil), try changes.resetFooter(for: nil)]
        }
        #expect(gone.map { $0?.footer.text } == ["Second", nil], "the second time there is nothing left")
        #expect(try sample.directory.footer(of: nil) == nil)
        #expect(try sample.directory.audit(object: "global", limit: 1).first?.verb == "footer.reset")
    }

    @Test func `what cannot be is refused, and changes nothing`() throws {
        let sample = try Sample()
        let long = Footer(text: String(repeating: "a", count: Footer.mostOctets + 1))
        for (footer, office) in [(Footer(), String?.none), (long, nil), (Footer(text: "a"), "Nobody's office")] {
            #expect(throws: DirectoryError.self) {
                try sample.directory.change(by: "test") { try $0.setFooter(footer, for: office) }
            }
        }
        #expect(throws: DirectoryError.self) { try sample.directory.footer(of: "Nobody's office") }
        #expect(try sample.directory.footers().isEmpty)
    }

    @Test func `with its post office a footer goes`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addPostOffice("Short")
            try changes.setFooter(Footer(text: "a"), for: "Short")
        }
        try sample.directory.change(by: "test") { try $0.removePostOffice("Short", force: true) }
        #expect(try sample.directory.footers().isEmpty)
    }
}
