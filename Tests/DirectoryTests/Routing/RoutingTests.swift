import Foundation
import GRDB
import MailTypes
import Pipeline
import Testing

@testable import Directory

/// Aliases of domains, redirections, addresses of groups, catch-alls: what they mean, and what is refused of them.
@Suite struct RoutingTests {
    private func refused(_ sample: Sample, _ change: (borrowing DirectoryChanges) throws -> Void) -> String? {
        do {
            try sample.directory.change(by: "test", change)
            return nil
        } catch {
            return error.description
        }
    }

    // MARK: Aliases of domains

    @Test func `an alias of a domain leads to the same address there`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { try $0.addDomainAlias("NEW.test.", of: "acme.test") }
        for local in ["anna", "Anna+news", "nobody", "postmaster"] {
            let there = EmailAddress(localPart: local, domain: "acme.test")
            let said = EmailAddress(localPart: local, domain: "new.test")
            #expect(try await sample.meaning(of: said) == .expands(to: [there], kind: .domainAlias))
        }
        #expect(
            try await sample.directory.answer(.domain("new.test"))
                == .domain(HostedDomain(name: "acme.test", postOffice: "acme")))
        #expect(
            try await sample.directory.answer(.maySend(mailbox: "anna@acme.test", as: "anna@new.test"))
                == .maySend(true))
        #expect(try sample.directory.domainAliases(domain: "acme.test").map(\.name) == ["new.test"])
        try sample.directory.change(by: "test") { try $0.setDomain("acme.test", enabled: false) }
        #expect(try await sample.meaning(of: "anna@new.test") == .disabled)
        try sample.directory.change(by: "test") { try $0.removeDomainAlias("new.test") }
        #expect(try await sample.meaning(of: "anna@new.test") == .foreign)
        #expect(try sample.directory.audit(limit: 1).first?.verb == "domain.alias.remove")
    }

    @Test func `who names addresses in an alias of a domain is asked before it goes`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            // As they were spelled while it was another server's.
            try changes.addAlias("old@acme.test", members: ["anna@new.test"])
            try changes.addGroup("two@acme.test", members: ["anna@new.test", "anna@acme.test"])
            try changes.setCatchAll("anna@new.test", domain: "other.test")
            try changes.addDomainAlias("new.test", of: "acme.test")
        }
        #expect(
            throws: DirectoryError.inUse(
                name: "new.test", by: ["old@acme.test", "two@acme.test", "the catch-all of other.test"])
        ) {
            try sample.directory.change(by: "test") { try $0.removeDomainAlias("new.test") }
        }
        #expect(try sample.directory.domainAliases().map(\.name) == ["new.test"])
        try sample.directory.change(by: "test") { try $0.removeDomainAlias("new.test", force: true) }
        #expect(try sample.directory.domainAliases().isEmpty)
        #expect(!(try sample.directory.aliases().contains { $0.address == "old@acme.test" }))
        let group = try sample.directory.groups().first { $0.address == "two@acme.test" }
        #expect(group?.members == ["anna@acme.test"])
        #expect(try sample.directory.domains().allSatisfy { $0.catchAll == nil })
    }

    @Test func `a name is a domain or an alias of one`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { try $0.addDomainAlias("new.test", of: "acme.test") }
        #expect(
            refused(sample) { try $0.addDomain("new.test", postOffice: "acme") }
                == "The domain alias new.test exists already.")
        #expect(
            refused(sample) { try $0.addDomainAlias("other.test", of: "acme.test") }
                == "The domain other.test exists already.")
        #expect(
            refused(sample) { try $0.addDomainAlias("newer.test", of: "new.test") }
                == "\"new.test\" is an alias of acme.test; use that name here.")
        #expect(
            refused(sample) { try $0.addMailbox("x@new.test", passwordHash: nil) }
                == "\"new.test\" is an alias of acme.test; use that name here.")
        #expect(
            refused(sample) { try $0.removeDomainAlias("nwe.test") }
                == "There is no domain alias nwe.test; did you mean new.test?")
        #expect(
            refused(sample) { changes in
                try changes.addDomainAlias("last.test", of: "other.test")
                try changes.removeDomain("other.test")
            } == "The domain other.test still holds 1 alias; remove them first, or force it (--force).")
    }

    @Test func `members in an alias of a domain are those of the domain`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addDomainAlias("new.test", of: "acme.test")
            try changes.addAlias("all@other.test", members: ["anna@new.test", "carl@acme.test"])
        }
        #expect(try sample.directory.aliases(domain: "other.test")[0].members == ["anna@acme.test", "carl@acme.test"])
        #expect(
            refused(sample) { try $0.addAlias("x@other.test", members: ["nobody@new.test"]) }
                == "There is no address nobody@acme.test.")
        try sample.directory.change(by: "test") {
            try $0.changeAliasMembers(of: "all@other.test", add: [], remove: ["ANNA@new.test"])
        }
        #expect(try sample.directory.aliases(domain: "other.test")[0].members == ["carl@acme.test"])
    }

    @Test func `a domain's new name cannot close a loop`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { try $0.addAlias("a@acme.test", members: ["a@new.test"]) }
        #expect(throws: DirectoryError.loop(["a@acme.test", "a@acme.test"])) {
            try sample.directory.change(by: "test") { try $0.addDomainAlias("new.test", of: "acme.test") }
        }
    }

    // MARK: Redirections

    @Test func `a redirected mailbox sends its mail on, and keeps a copy where that was said`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") {
            try $0.redirectMailbox("anna@acme.test", to: ["carl@acme.test", "x@far.test", "X@far.test"])
        }
        let targets: [EmailAddress] = ["carl@acme.test", "x@far.test"]
        #expect(
            try await sample.meaning(of: "Anna+x@acme.test")
                == .redirects("anna@acme.test", to: targets, keepsCopy: false))
        #expect(
            try await sample.directory.answer(.maySend(mailbox: "anna@acme.test", as: "anna@acme.test"))
                == .maySend(true))
        #expect(
            await sample.directory.authenticate(login: "anna@acme.test", password: Array("secret".utf8))
                == .success("anna@acme.test"))
        try sample.directory.change(by: "test") {
            try $0.redirectMailbox("anna@acme.test", to: ["x@far.test"], keepsCopy: true)
        }
        #expect(
            try await sample.meaning(of: "anna@acme.test")
                == .redirects("anna@acme.test", to: ["x@far.test"], keepsCopy: true))
        #expect(
            try sample.directory.mailboxes().map(\.redirection)
                == [RedirectionEntry(targets: ["x@far.test"], keepsCopy: true), nil])
        try sample.directory.change(by: "test") { try $0.endRedirection("anna@acme.test") }
        #expect(try await sample.meaning(of: "anna@acme.test") == .mailbox("anna@acme.test"))
        #expect(refused(sample) { try $0.endRedirection("anna@acme.test") } == "\"anna@acme.test\" is not redirected.")
        try sample.directory.change(by: "test") { try $0.redirectMailbox("anna@acme.test", to: ["x@far.test"]) }
        #expect(
            try await sample.meaning(of: "anna@acme.test")
                == .redirects("anna@acme.test", to: ["x@far.test"], keepsCopy: false),
            "the copy has ended with the other")
    }

    @Test func `a redirection has its limits`() throws {
        let sample = try Sample()
        let many = (0..<DirectoryLimits.redirections).map { "u\($0)@far.test" }
        try sample.directory.change(by: "test") { try $0.redirectMailbox("anna@acme.test", to: many) }
        #expect(
            refused(sample) { try $0.redirectMailbox("anna@acme.test", to: many + ["one@far.test"]) }
                == "anna@acme.test would be redirected to 26 addresses; at most 25 are allowed. Make them a group, and "
                + "redirect to that.")
        for itself in ["anna@acme.test", "ANNA+x@acme.test"] {
            #expect(
                refused(sample) { try $0.redirectMailbox("anna@acme.test", to: [itself]) }
                    == "\"anna@acme.test\" cannot be redirected to itself; what keeps mail there as well is a copy "
                    + "(--keep-copy).")
        }
        #expect(
            refused(sample) { try $0.redirectMailbox("info@acme.test", to: ["x@far.test"]) }
                == "\"info@acme.test\" is an alias, not a mailbox.")
        #expect(
            refused(sample) { try $0.redirectMailbox("anna@acme.test", to: ["carla@acme.test"]) }
                == "There is no address carla@acme.test.")
    }

    @Test(arguments: [true, false])
    func `redirections can be part of a loop`(_ keepsCopy: Bool) throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") {
            try $0.redirectMailbox("carl@acme.test", to: ["info@acme.test"], keepsCopy: keepsCopy)
        }
        #expect(throws: DirectoryError.loop(["anna@acme.test", "Carl@acme.test", "info@acme.test", "anna@acme.test"])) {
            try sample.directory.change(by: "test") { try $0.redirectMailbox("anna@acme.test", to: ["carl@acme.test"]) }
        }
    }

    @Test func `who was a target and goes is no target any more`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") {
            try $0.redirectMailbox("anna@acme.test", to: ["carl+x@acme.test"], keepsCopy: true)
        }
        #expect(
            refused(sample) { try $0.removeMailbox("carl@acme.test") }
                == "Carl@acme.test is used by anna@acme.test; change that first, or force it (--force).")
        try sample.directory.change(by: "test") { try $0.removeMailbox("carl@acme.test", force: true) }
        #expect(try await sample.meaning(of: "anna@acme.test") == .mailbox("anna@acme.test"))
        #expect(try sample.directory.audit(object: "anna@acme.test", limit: 1).first?.verb == "mailbox.redirect")
    }

    // MARK: Groups

    @Test func `a group has several addresses`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addGroup("staff@acme.test", members: ["anna@acme.test"])
            try changes.addGroupAddress("team@other.test", to: "staff@acme.test")
            try changes.addGroupMember("carl@acme.test", to: "team@other.test")
        }
        let meaning = AddressMeaning.expands(to: ["anna@acme.test", "carl@acme.test"], kind: .group)
        #expect(try await sample.meaning(of: "Team+x@other.test") == meaning)
        #expect(try sample.directory.groups()[0].furtherAddresses == ["team@other.test"])
        #expect(
            refused(sample) { try $0.addAlias("team@other.test", members: ["anna@acme.test"]) }
                == "The address of a group team@other.test exists already.")
        try sample.directory.change(by: "test") { try $0.setGroup("staff@acme.test", enabled: false) }
        #expect(try await sample.meaning(of: "team@other.test") == .disabled)
        #expect(
            refused(sample) { try $0.removeGroupAddress("tema@other.test", from: "staff@acme.test") }
                == "There is no address of a group tema@other.test of staff@acme.test; did you mean team@other.test?")
        try sample.directory.change(by: "test") { changes in
            try changes.setGroup("staff@acme.test", enabled: true)
            try changes.removeGroupAddress("team@other.test", from: "staff@acme.test")
        }
        #expect(try await sample.meaning(of: "team@other.test") == .unknown)
        #expect(try await sample.meaning(of: "staff@acme.test") == meaning)
    }

    @Test func `another address of a group is the group in loops and in use`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addGroup("staff@acme.test", members: ["anna@acme.test"])
            try changes.addGroupAddress("team@acme.test", to: "staff@acme.test")
            try changes.addAlias("boss@acme.test", members: ["team@acme.test"])
        }
        #expect(throws: DirectoryError.loop(["staff@acme.test", "boss@acme.test", "staff@acme.test"])) {
            try sample.directory.change(by: "test") { try $0.addGroupMember("boss@acme.test", to: "staff@acme.test") }
        }
        let inUse = "team@acme.test is used by boss@acme.test; change that first, or force it (--force)."
        #expect(refused(sample) { try $0.removeGroupAddress("team@acme.test", from: "staff@acme.test") } == inUse)
        #expect(
            refused(sample) { try $0.removeGroup("staff@acme.test") }
                == "staff@acme.test is used by boss@acme.test; change that first, or force it (--force).")
        try sample.directory.change(by: "test") { try $0.removeGroup("staff@acme.test", force: true) }
        #expect(try sample.directory.aliases().map(\.address) == ["info@acme.test"])
    }

    @Test func `a domain goes with the further addresses in it`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addGroup("staff@acme.test", members: ["anna@acme.test"])
            try changes.addGroupAddress("team@other.test", to: "staff@acme.test")
            try changes.addDomainAlias("new.test", of: "other.test")
            try changes.removeDomain("other.test", force: true)
        }
        #expect(try sample.directory.groups()[0].furtherAddresses == [])
        #expect(try sample.directory.domainAliases().isEmpty)
    }

    @Test func `many members are one change`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addGroup("all@acme.test")
            try changes.changeGroupMembers(
                of: "all@acme.test", add: (0..<2000).map { "u\($0)@far.test" }, remove: ["u7@far.test"])
        }
        #expect(try sample.directory.groups()[0].members.count == 1999)
        #expect(
            refused(sample) {
                try $0.changeGroupMembers(of: "all@acme.test", add: ["new@far.test", "U8@far.test"], remove: [])
            } == "The address U8@far.test in all@acme.test exists already.")
    }

    // MARK: Catch-alls

    @Test func `a catch-all is told with its domain, by all its names`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addDomainAlias("new.test", of: "acme.test")
            try changes.setCatchAll("anna@new.test", domain: "ACME.test")
        }
        let hosted = HostedDomain(name: "acme.test", postOffice: "acme", catchAll: "anna@acme.test")
        #expect(try await sample.directory.answer(.domain("acme.test")) == .domain(hosted))
        #expect(try await sample.directory.answer(.domain("new.test")) == .domain(hosted))
        #expect(try await sample.meaning(of: "nobody@acme.test") == .unknown)
        #expect(
            refused(sample) { try $0.removeMailbox("anna@acme.test") }
                == "anna@acme.test is used by info@acme.test, the catch-all of acme.test; change that first, or "
                + "force it (--force).")
        #expect(
            refused(sample) { try $0.setCatchAll("nobody@acme.test", domain: "acme.test") }
                == "There is no address nobody@acme.test.")
        try sample.directory.change(by: "test") { try $0.removeMailbox("anna@acme.test", force: true) }
        #expect(try sample.directory.domains().map(\.catchAll) == [nil, nil])
    }

    @Test func `an alias of a whole domain is its catch-all`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { try $0.addAlias("@acme.test", members: ["anna@acme.test"]) }
        #expect(try sample.directory.domains().map(\.catchAll) == ["anna@acme.test", nil])
        #expect(
            refused(sample) { try $0.addAlias("@acme.test", members: ["anna@acme.test"]) }
                == "The catch-all @acme.test exists already.")
        #expect(
            refused(sample) { try $0.addAlias("@other.test", members: ["anna@acme.test", "carl@acme.test"]) }
                == "\"@other.test\" is a catch-all, which has one member; for several make a group.")
    }

    // MARK: Files of older versions

    @Test func `a directory of an older version keeps all it has`() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("directory.sqlite")
        let old = try DatabasePool(path: path)
        try Schema.migrator.migrate(old, upTo: "3: thresholds, allow and block lists")
        try await old.write { db in
            try db.execute(
                sql: """
                    INSERT INTO postOffice (id, key, name, created) VALUES (1, 'acme', 'acme', 0);
                    INSERT INTO domain (id, name, postOfficeID, created) VALUES (1, 'acme.test', 1, 0);
                    INSERT INTO address (id, key, localPart, domainID, kind, created) VALUES
                        (7, 'anna@acme.test', 'anna', 1, 'mailbox', 0), (9, 'all@acme.test', 'all', 1, 'group', 0);
                    INSERT INTO mailbox (addressID, passwordHash, quota) VALUES (7, '1:97', 5);
                    INSERT INTO member (ownerID, key, localPart, domain, position)
                        VALUES (9, 'anna@acme.test', 'anna', 'acme.test', 0);
                    INSERT INTO threshold (addressID, deferFrom, junkFrom, rejectFrom, author, changed, audit)
                        VALUES (7, 1, 2, 3, 'cli:root', 0, 1);
                    """)
        }
        try old.close()
        let directory = try MailDirectory.open(path, hasher: CountingHasher())
        #expect(try directory.mailboxes().map(\.quota) == [5])
        #expect(try directory.mailboxes()[0].redirection == nil)
        #expect(try directory.groups().map(\.members) == [["anna@acme.test"]])
        #expect(try await directory.meaning(of: "all@acme.test") == .expands(to: ["anna@acme.test"], kind: .group))
        #expect(await directory.authenticate(login: "anna@acme.test", password: [97]) == .success("anna@acme.test"))
        let thresholds = try await directory.answer(.thresholds(.mailbox("anna@acme.test")))
        #expect(thresholds != .thresholds(nil))
        try directory.change(by: "test") { try $0.removeMailbox("anna@acme.test", force: true) }
        #expect(try await directory.answer(.thresholds(.mailbox("anna@acme.test"))) == .thresholds(nil))
        #expect(try directory.groups().map(\.members) == [[]])
    }
}
