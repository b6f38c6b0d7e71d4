import Directory
import MailTypes
import Pipeline
import Testing

@Suite struct ChangeTests {
    /// A change that is refused, and what the person is told.
    struct Refusal: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let change: @Sendable (borrowing DirectoryChanges) throws -> Void

        init(_ message: String, _ change: @escaping @Sendable (borrowing DirectoryChanges) throws -> Void) {
            testDescription = message
            self.change = change
        }
    }

    static let refusals: [Refusal] = [
        Refusal("The post office Acme exists already.") { try $0.addPostOffice("Acme") },
        Refusal("The domain acme.test exists already.") { try $0.addDomain("ACME.test.", postOffice: "acme") },
        Refusal("The mailbox anna@acme.test exists already.") {
            try $0.addMailbox("Anna@acme.test", passwordHash: nil)
        },
        Refusal("The alias info@acme.test exists already.") { try $0.addMailbox("INFO@acme.test", passwordHash: nil) },
        Refusal("The mailbox anna@acme.test exists already.") {
            try $0.addGroup("anna@acme.test", members: ["Carl@acme.test"])
        },
        Refusal("There is no post office acne; did you mean acme?") {
            try $0.addDomain("new.test", postOffice: "acne")
        },
        Refusal("The domain amce.test is not hosted here; did you mean acme.test?") {
            try $0.addMailbox("bob@amce.test", passwordHash: nil)
        },
        Refusal("The domain elsewhere.example is not hosted here.") {
            try $0.addMailbox("bob@elsewhere.example", passwordHash: nil)
        },
        Refusal("There is no mailbox anan@acme.test; did you mean anna@acme.test?") {
            try $0.setMailbox("anan@acme.test", enabled: false)
        },
        Refusal("There is no address anan@acme.test; did you mean anna@acme.test?") {
            try $0.addAlias("sales@acme.test", members: ["anan@acme.test"])
        },
        Refusal("\"info@acme.test\" is an alias, not a mailbox.") {
            try $0.setMailbox("info@acme.test", enabled: false)
        },
        Refusal("\"info@acme.test\" would be an alias for nobody; remove it instead.") {
            try $0.setAlias("info@acme.test", members: [])
        },
        Refusal("\"anna\" is not an address such as anna@example.org.") {
            try $0.addMailbox("anna", passwordHash: nil)
        },
        Refusal("\"anna@\" is not an address such as anna@example.org.") {
            try $0.addMailbox("anna@", passwordHash: nil)
        },
        Refusal("\"anna@[192.0.2.1]\" is not an address such as anna@example.org.") {
            try $0.addMailbox("anna@[192.0.2.1]", passwordHash: nil)
        },
        Refusal("\"192.0.2.1\" is not a domain such as example.org.") {
            try $0.addDomain("192.0.2.1", postOffice: "acme")
        },
        Refusal("\"-a.test\" is not a domain such as example.org.") { try $0.addDomain("-a.test", postOffice: "acme") },
        Refusal("\"a..test\" is not a domain such as example.org.") { try $0.addDomain("a..test", postOffice: "acme") },
        Refusal("\"../../etc/x@acme.test\" is not an address such as anna@example.org.") {
            try $0.addMailbox("../../etc/x@acme.test", passwordHash: nil)
        },
        Refusal("\"a/b@acme.test\" cannot be a mailbox: no / and no dot at the beginning, please.") {
            try $0.addMailbox("a/b@acme.test", passwordHash: nil)
        },
        Refusal("\"\" cannot be a post office's name: 1 to 128 octets without control characters, please.") {
            try $0.addPostOffice("")
        },
        Refusal("\"-1\" cannot be a quota: it is below zero.") {
            try $0.setMailbox("anna@acme.test", quota: .some(-1))
        },
        Refusal("The post office acme still holds 2 domains; remove them first, or force it (--force).") {
            try $0.removePostOffice("acme")
        },
        Refusal("The domain acme.test still holds 3 addresses; remove them first, or force it (--force).") {
            try $0.removeDomain("acme.test")
        },
        Refusal("anna@acme.test is used by info@acme.test; change that first, or force it (--force).") {
            try $0.removeMailbox("anna@acme.test")
        },
    ]

    @Test(arguments: refusals)
    func `a refused change changes nothing and says why`(_ refusal: Refusal) throws {
        let sample = try Sample()
        let before = try sample.directory.audit(limit: 1_000)
        do {
            try sample.directory.change(by: "test") { changes in
                try changes.addPostOffice("first")
                try refusal.change(changes)
            }
            Issue.record("was not refused")
        } catch {
            #expect(error.description == refusal.testDescription)
        }
        #expect(try sample.directory.postOffices().map(\.name) == ["acme"])
        #expect(try sample.directory.audit(limit: 1_000) == before)
    }

    @Test func `lists show what was added`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.setMailbox("anna@acme.test", fullName: .some("Anna Arden"), quota: .some(1_000))
            try changes.addGroup("team@acme.test", fullName: "The team", members: ["anna@acme.test", "info@acme.test"])
            try changes.setDomain("acme.test", verified: true)
        }
        let anna = try #require(try sample.directory.mailboxes(domain: "ACME.test").first)
        #expect(anna.address == "anna@acme.test" && anna.fullName == "Anna Arden" && anna.quota == 1_000)
        #expect(try sample.directory.mailboxes(domain: "other.test").isEmpty)
        #expect(try sample.directory.mailboxes().map(\.address) == ["anna@acme.test", "Carl@acme.test"])
        #expect(try sample.directory.aliases().map(\.members) == [["anna@acme.test", "carl@elsewhere.test"]])
        #expect(try sample.directory.groups().map(\.fullName) == ["The team"])
        #expect(try sample.directory.domains(postOffice: "ACME").map(\.isVerified) == [true, false])
        try sample.directory.change(by: "test") {
            try $0.setMailbox("anna@acme.test", fullName: .some(nil), quota: .some(nil))
        }
        #expect(try sample.directory.mailboxes().first?.fullName == nil)
        #expect(try sample.directory.mailboxes().first?.quota == nil)
    }

    @Test func `members come and go one by one`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addAliasMember("carl@acme.test", to: "info@acme.test")
            try changes.removeAliasMember("CARL@elsewhere.test", from: "info@acme.test")
        }
        #expect(try sample.directory.aliases().map(\.members) == [["anna@acme.test", "carl@acme.test"]])
        #expect(throws: DirectoryError.alreadyExists(.address, name: "Anna@acme.test in info@acme.test")) {
            try sample.directory.change(by: "test") { try $0.addAliasMember("Anna@acme.test", to: "info@acme.test") }
        }
    }

    @Test func `a group may be empty and hold groups`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addGroup("inner@acme.test")
            try changes.addGroup("outer@acme.test", members: ["inner@acme.test"])
        }
        #expect(try await sample.meaning(of: "inner@acme.test") == .expands(to: [], kind: .group))
        #expect(try await sample.meaning(of: "outer@acme.test") == .expands(to: ["inner@acme.test"], kind: .group))
        try sample.directory.change(by: "test") { try $0.setGroup("outer@acme.test", enabled: false) }
        #expect(try await sample.meaning(of: "outer@acme.test") == .disabled)
    }

    @Test func `a forced removal leaves nothing that leads to it`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addAlias("only@acme.test", members: ["anna+x@acme.test"])
            try changes.setPostmaster("anna@acme.test", domain: "other.test")
            try changes.removeMailbox("anna@acme.test", force: true)
        }
        #expect(try await sample.meaning(of: "anna@acme.test") == .unknown)
        #expect(try await sample.meaning(of: "only@acme.test") == .unknown)
        #expect(try await sample.meaning(of: "info@acme.test") == .expands(to: ["carl@elsewhere.test"], kind: .alias))
        #expect(try sample.directory.domains().map(\.postmaster) == [nil, nil])
    }

    @Test func `a post office goes with all it holds when forced`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addAlias("all@other.test", members: ["info@acme.test", "anna@acme.test"])
            try changes.removePostOffice("acme", force: true)
        }
        #expect(try sample.directory.postOffices().isEmpty)
        #expect(try sample.directory.domains().isEmpty)
        #expect(try sample.directory.mailboxes().isEmpty)
        #expect(try await sample.meaning(of: "anna@acme.test") == .foreign)
        #expect(try await sample.meaning(of: "Postmaster@") == .unknown)
        let removed = try sample.directory.audit(limit: 1_000).filter { $0.verb.hasSuffix(".remove") }.map(\.object)
        let expected: Set = [
            "acme", "acme.test", "other.test", "anna@acme.test", "Carl@acme.test", "info@acme.test", "all@other.test",
        ]
        #expect(Set(removed) == expected && removed.count == expected.count)
    }
}
