import GRDB
import MailTypes
import Testing

@testable import Directory

/// What a walk through all entries finds, each with the way to it.
@Suite struct RouteReportTests {
    private func faults(_ sample: Sample) throws -> [String] {
        try sample.directory.routeReport().faults.map { fault in
            "\(fault.kind.rawValue): \(fault.entry): \(fault.witness.joined(separator: " > ")) \(fault.reason)"
        }
    }

    @Test func `of a sound directory there is nothing to say`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.redirectMailbox("carl@acme.test", to: ["info@acme.test"])
            try changes.setCatchAll("anna@acme.test", domain: "acme.test")
            try changes.setPostmaster("info@acme.test")
            try changes.addDomainAlias("new.test", of: "acme.test")
        }
        #expect(try sample.directory.routeReport() == RouteReport(entries: 4, faults: []))
        #expect(try sample.directory.leakingCatchAlls().isEmpty)
    }

    @Test func `dead ends and lost members`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addGroup("empty@acme.test")
            try changes.addAlias("deep@acme.test", members: ["empty@acme.test"])
            try changes.addAlias("later@acme.test", members: ["x@later.test", "anna@acme.test"])
            try changes.addMailbox("gone@acme.test", passwordHash: nil)
            try changes.redirectMailbox("carl@acme.test", to: ["gone@acme.test"])
            try changes.setMailbox("gone@acme.test", enabled: false)
            try changes.addDomain("later.test", postOffice: "acme")
            try changes.setCatchAll("gone@acme.test", domain: "acme.test")
            try changes.setPostmaster("deep@acme.test", domain: "other.test")
        }
        #expect(
            Set(try faults(sample)) == [
                "dead end: group empty@acme.test: empty@acme.test has no members",
                "dead end: alias deep@acme.test: deep@acme.test > empty@acme.test has no members",
                "dead end: mailbox Carl@acme.test: Carl@acme.test > gone@acme.test is switched off",
                "dead end: catch-all of acme.test: gone@acme.test is switched off",
                "dead end: postmaster of other.test: deep@acme.test > empty@acme.test has no members",
                "lost member: alias later@acme.test: later@acme.test > x@later.test is unknown here",
            ])
        try sample.directory.change(by: "test") {
            try $0.redirectMailbox("carl@acme.test", to: ["gone@acme.test"], keepsCopy: true)
        }
        #expect(
            try faults(sample).contains(
                "lost member: mailbox Carl@acme.test: Carl@acme.test > gone@acme.test is switched off"))
    }

    @Test func `loops and depth that came past the checks`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addAlias("a@acme.test", members: ["anna@acme.test"])
            try changes.addAlias("b@acme.test", members: ["a@acme.test", "anna@acme.test"])
            try changes.addAlias("l0@acme.test", members: ["anna@acme.test"])
            for level in 1..<DirectoryLimits.depth {
                try changes.addAlias("l\(level)@acme.test", members: ["l\(level - 1)@acme.test"])
            }
        }
        // By hand: through the directory itself it is refused.
        try sample.directory.pool.write { db in
            for (address, member) in [("a@acme.test", "b"), ("l0@acme.test", "info")] {
                try db.execute(
                    sql: """
                        UPDATE member SET key = ?1 || '@acme.test', localPart = ?1
                        WHERE ownerID = (SELECT id FROM address WHERE key = ?2)
                        """,
                    arguments: [member, address])
            }
        }
        let found = try sample.directory.routeReport().faults
        #expect(found.first { $0.kind == .loop }?.witness == ["a@acme.test", "b@acme.test", "a@acme.test"])
        #expect(found.filter { $0.kind == .loop }.count == 1)
        let deep = try #require(found.first { $0.kind == .tooDeep })
        #expect(deep.witness.first == "l9@acme.test" && deep.isError)
    }

    @Test func `catch-alls that lead to other servers`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.setCatchAll("carl@acme.test", domain: "acme.test")
            try changes.setCatchAll("x@far.test", domain: "other.test")
        }
        #expect(try sample.directory.leakingCatchAlls().map(\.witness) == [["x@far.test"]])
        try sample.directory.change(by: "test") { changes in
            try changes.redirectMailbox("carl@acme.test", to: ["anna@acme.test", "c@far.test"], keepsCopy: true)
        }
        let leaks = try sample.directory.leakingCatchAlls()
        #expect(leaks.map(\.entry) == ["catch-all of acme.test", "catch-all of other.test"])
        #expect(leaks[0].witness == ["Carl@acme.test", "c@far.test"])
        #expect(leaks.allSatisfy { !$0.isError })
    }
}
