import Directory
import Foundation
import MailTypes
import Pipeline
import Testing

@Suite struct AuditTests {
    struct Change: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let object: String
        let body: @Sendable (borrowing DirectoryChanges) throws -> Void

        init(_ verb: String, _ object: String, _ body: @escaping @Sendable (borrowing DirectoryChanges) throws -> Void)
        {
            testDescription = verb
            self.object = object
            self.body = body
        }
    }

    /// Each thing that can be changed.
    static let changes: [Change] = [
        Change("postoffice.add", "beta") { try $0.addPostOffice("beta") },
        Change("postoffice.set", "acme") { try $0.setPostOffice("acme", enabled: false) },
        Change("domain.add", "new.test") { try $0.addDomain("new.test", postOffice: "acme") },
        Change("domain.set", "acme.test") { try $0.setDomain("acme.test", enabled: false) },
        Change("domain.postmaster", "acme.test") { try $0.setPostmaster("anna@acme.test", domain: "acme.test") },
        Change("postmaster.set", "postmaster") { try $0.setPostmaster("anna@acme.test") },
        Change("domain.remove", "other.test") { try $0.removeDomain("other.test") },
        Change("mailbox.add", "bob@acme.test") { try $0.addMailbox("bob@acme.test", passwordHash: "s3cret") },
        Change("mailbox.set", "anna@acme.test") { try $0.setMailbox("anna@acme.test", quota: .some(5)) },
        Change("mailbox.password", "anna@acme.test") { try $0.setPassword("anna@acme.test", hash: "s3cret") },
        Change("mailbox.remove", "Carl@acme.test") { try $0.removeMailbox("carl@acme.test") },
        Change("alias.add", "x@acme.test") { try $0.addAlias("x@acme.test", members: ["anna@acme.test"]) },
        Change("alias.set", "info@acme.test") { try $0.addAliasMember("carl@acme.test", to: "info@acme.test") },
        Change("alias.set", "info@acme.test") { try $0.setAlias("info@acme.test", enabled: false) },
        Change("alias.remove", "info@acme.test") { try $0.removeAlias("info@acme.test") },
        Change("dkim.add", "s1._domainkey.acme.test") { try $0.addSelector(.sample("s1"), domain: "acme.test") },
        Change("dkim.settings", "acme.test") { try $0.setSigning(domain: "acme.test") { $0.length = true } },
        Change("thresholds.set", "acme.test") { try $0.setThresholds(.standard, for: "acme.test") },
        Change("thresholds.set", "global") { try $0.setThresholds(.standard, for: nil) },
        Change("list.allow", "anna@acme.test") {
            try $0.addListEntry(NewListEntry(.allow, "out.test"), for: "anna@acme.test")
        },
        Change("list.block", "global") { try $0.addListEntry(NewListEntry(.block, "0.0.0.0/0"), for: nil) },
        Change("group.add", "g@acme.test") { try $0.addGroup("g@acme.test", members: ["anna@acme.test"]) },
    ]

    @Test(arguments: changes)
    func `every change is written down`(_ change: Change) throws {
        let sample = try Sample()
        let before = try sample.directory.audit(limit: 1_000)
        sample.clock.advance(by: "1h")
        try sample.directory.change(by: "cli:root") { try change.body($0) }
        let after = try sample.directory.audit(limit: 1_000)
        #expect(after.count == before.count + 1)
        let entry = try #require(after.first)
        #expect(entry.actor == "cli:root" && entry.verb == change.testDescription && entry.object == change.object)
        #expect(abs(entry.time.timeIntervalSince(sample.clock.now)) < 0.001)
        #expect(try sample.directory.audit(object: change.object, limit: 1) == [entry])
        // Neither a password nor its hash.
        #expect(!"\(entry)".contains("s3cret"))
    }

    @Test func `before and after tell what has changed`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { try $0.removeAliasMember("anna@acme.test", from: "info@acme.test") }
        let entry = try #require(try sample.directory.audit(limit: 1).first)
        #expect(entry.before?.contains("\"members\":[\"anna@acme.test\",\"carl@elsewhere.test\"]") == true)
        #expect(entry.after?.contains("\"members\":[\"carl@elsewhere.test\"]") == true)
    }

    @Test(arguments: ["", "a\nb", String(repeating: "x", count: 200)])
    func `nobody changes anything without a name`(_ actor: String) throws {
        let sample = try Sample()
        #expect(throws: DirectoryError.self) { try sample.directory.change(by: actor) { try $0.addPostOffice("beta") } }
        #expect(try sample.directory.postOffices().count == 1)
    }
}
