import Directory
import Foundation
import GRDB
import MailTypes
import Pipeline
import Testing

extension NewSelector {
    static func sample(_ name: String, _ algorithm: SignatureAlgorithm = .rsaSHA256) -> NewSelector {
        NewSelector(name: name, algorithm: algorithm, bits: algorithm == .rsaSHA256 ? 2048 : 256, publicKey: "AAAA")
    }
}

/// Keys as the directory keeps them: who signs, and who no longer.
@Suite struct SelectorTests {
    enum Step: Sendable {
        case activate(String), retire(String), delete(String)
    }

    /// Acme's directory with `r1` and `r2` of RSA, `e1` and `e2` of Ed25519.
    static func sample() throws -> Sample {
        let sample = try Sample()
        for name in ["r1", "r2", "e1", "e2"] {
            sample.clock.advance(by: "1s")
            try sample.directory.change(by: "test") { changes in
                try changes.addSelector(
                    .sample(name, name.hasPrefix("r") ? .rsaSHA256 : .ed25519SHA256), domain: "acme.test")
            }
        }
        return sample
    }

    static func play(_ steps: [Step], on sample: Sample) throws {
        for step in steps {
            sample.clock.advance(by: "1h")
            try sample.directory.change(by: "test") { changes in
                switch step {
                case .activate(let name): try changes.activateSelector(name, domain: "acme.test")
                case .retire(let name): try changes.retireSelector(name, domain: "acme.test")
                case .delete(let name): try changes.removeSelector(name, domain: "acme.test")
                }
            }
        }
    }

    /// `r1: prepared, …` and what signs.
    static let stories: [([Step], String, [String])] = [
        ([], "r1 prepared, r2 prepared, e1 prepared, e2 prepared", []),
        ([.activate("r1")], "r1 active, r2 prepared, e1 prepared, e2 prepared", ["r1"]),
        ([.activate("r1"), .activate("e1")], "r1 active, r2 prepared, e1 active, e2 prepared", ["r1", "e1"]),
        ([.activate("r1"), .activate("r2")], "r1 retired, r2 active, e1 prepared, e2 prepared", ["r2"]),
        (
            [.activate("r1"), .activate("e1"), .activate("e2")],
            "r1 active, r2 prepared, e1 retired, e2 active", ["r1", "e2"]
        ),
        ([.activate("r1"), .retire("r1")], "r1 retired, r2 prepared, e1 prepared, e2 prepared", []),
        (
            [.activate("r1"), .activate("r2"), .activate("r1")],
            "r1 active, r2 retired, e1 prepared, e2 prepared", ["r1"]
        ),
        ([.activate("r1"), .activate("r2"), .delete("r1")], "r2 active, e1 prepared, e2 prepared", ["r2"]),
        ([.delete("e2")], "r1 prepared, r2 prepared, e1 prepared", []),
    ]

    @Test(arguments: stories)
    func `one of a kind is active`(_ steps: [Step], _ states: String, _ active: [String]) async throws {
        let sample = try Self.sample()
        try Self.play(steps, on: sample)
        let entry: SigningEntry = try sample.directory.signing(of: "acme.test")
        #expect(entry.selectors.map { "\($0.name) \($0.state.rawValue)" }.joined(separator: ", ") == states)
        for one in entry.selectors {
            #expect((one.state == .retired) == (one.retired != nil), "\(one)")
            #expect((one.state == .prepared) == (one.activated == nil), "\(one)")
        }
        let answer = try await Self.signing("acme.test", sample)
        #expect(answer?.active.map(\.name) ?? [] == active)
    }

    static func signing(_ domain: String, _ sample: Sample) async throws -> SigningDomain? {
        guard case .signing(let domain) = try await sample.directory.answer(.signing(domain)) else { return nil }
        return domain
    }

    @Test func `the directory says who signs from the first activation on, and at once`() async throws {
        let sample = try Self.sample()
        // Keys that wait must not stop what the stage's file lets sign.
        #expect(try await Self.signing("acme.test", sample) == nil)
        try Self.play([.activate("r1")], on: sample)
        #expect(sample.directory.immediate(.signing("acme.test")) == nil, "what was known before is forgotten")
        for name in ["acme.test", "Acme.Test", "a.b.acme.test"] {
            #expect(try await Self.signing(name, sample)?.name == "acme.test")
        }
        #expect(sample.directory.immediate(.signing("acme.test")) != nil)
        for name in ["test", "other.test", "notacme.test", "", "."] {
            #expect(try await Self.signing(name, sample) == nil, "\(name)")
        }
        try Self.play([.retire("r1")], on: sample)
        #expect(try await Self.signing("acme.test", sample)?.active == [])
    }

    @Test(arguments: [true, false])
    func `who is disabled does not sign, and says so at once`(_ isPostOffice: Bool) async throws {
        let sample = try Self.sample()
        try Self.play([.activate("r1")], on: sample)
        let office = try sample.directory.domains().first { $0.name == "acme.test" }?.postOffice ?? ""
        func enable(_ isEnabled: Bool) throws {
            try sample.directory.change(by: "test") { changes in
                if isPostOffice {
                    try changes.setPostOffice(office, enabled: isEnabled)
                } else {
                    try changes.setDomain("acme.test", enabled: isEnabled)
                }
            }
        }
        #expect(try await Self.signing("acme.test", sample)?.isDisabled == false)
        try enable(false)
        let disabled = try await Self.signing("acme.test", sample)
        #expect(disabled?.isDisabled == true && disabled?.settings.sign == false && disabled?.active == [])
        let entry: SigningEntry = try sample.directory.signing(of: "acme.test")
        #expect(!entry.isEnabled && entry.selectors.count == 4, "nothing is forgotten")
        // Also where a file would say otherwise.
        #expect(try await Self.signing("other.test", sample)?.isDisabled == (isPostOffice ? true : nil))
        try enable(true)
        #expect(try await Self.signing("acme.test", sample)?.active.map(\.name) == ["r1"])
    }

    @Test func `settings are kept, each for itself`() async throws {
        let sample = try Self.sample()
        try sample.directory.change(by: "test") { changes in
            try changes.activateSelector("e1", domain: "acme.test")
            try changes.setSigning(domain: "acme.test") {
                $0.headerCanonicalization = .simple
                $0.identity = true
                $0.subdomains = true
            }
            try changes.setSigning(domain: "acme.test") {
                $0.length = false
                $0.identity = nil
                $0.algorithm = .ed25519SHA256
            }
        }
        var expected = SigningSettings()
        expected.headerCanonicalization = .simple
        expected.subdomains = true
        expected.length = false
        expected.algorithm = .ed25519SHA256
        #expect(try await Self.signing("acme.test", sample)?.settings == expected)
    }

    @Test func `what a record says beside its key can be changed, each for itself`() throws {
        let sample = try Self.sample()
        try sample.directory.change(by: "test") { changes in
            try changes.setSelector("r1", domain: "acme.test", isTest: true, granularity: "sales-*", notes: "old")
            try changes.setSelector("r1", domain: "acme.test", granularity: .some(nil))
        }
        let entry = try sample.directory.selector("R1", of: "acme.test")
        #expect(entry.isTest && entry.granularity == nil && entry.notes == "old" && entry.state == .prepared)
        #expect(try sample.directory.audit(limit: 1).first?.verb == "dkim.set")
    }

    /// What is refused, and how.
    static let refusals: [(String, @Sendable (borrowing DirectoryChanges) throws -> Void)] = [
        ("The selector r1 of acme.test exists already.", { try $0.addSelector(.sample("R1"), domain: "acme.test") }),
        (
            "The domain amce.test is not hosted here; did you mean acme.test?",
            { try $0.addSelector(.sample("s1"), domain: "amce.test") }
        ),
        (
            "\"../etc\" is not a selector such as s1 or 2026-11.",
            { try $0.addSelector(.sample("../etc"), domain: "acme.test") }
        ),
        ("\"\" is not a selector such as s1 or 2026-11.", { try $0.addSelector(.sample(""), domain: "acme.test") }),
        (
            "\"a..b\" is not a selector such as s1 or 2026-11.",
            { try $0.addSelector(.sample("a..b"), domain: "acme.test") }
        ),
        (
            "There is no selector r3 of acme.test; did you mean r1?",
            { try $0.activateSelector("r3", domain: "acme.test") }
        ),
        (
            "\"e1\" does not sign for acme.test: it is prepared.",
            { try $0.retireSelector("e1", domain: "acme.test") }
        ),
        ("\"r1\" signs for acme.test already.", { try $0.activateSelector("r1", domain: "acme.test") }),
        (
            "\"r1\" signs for acme.test: activate another one, or retire it, first.",
            { try $0.removeSelector("r1", domain: "acme.test") }
        ),
        (
            "\"e1\" is for ed25519-sha256, and acme.test signs with rsa-sha256 alone (sluice dkim settings).",
            {
                try $0.setSigning(domain: "acme.test") { $0.algorithm = .rsaSHA256 }
                try $0.activateSelector("e1", domain: "acme.test")
            }
        ),
        (
            "\"a b\" is not a local part such as anna or sales-*.",
            {
                var new = NewSelector.sample("s1")
                new.granularity = "a b"
                try $0.addSelector(new, domain: "acme.test")
            }
        ),
        (
            "\"**\" is not a local part such as anna or sales-*.",
            {
                var new = NewSelector.sample("s1")
                new.granularity = "**"
                try $0.addSelector(new, domain: "acme.test")
            }
        ),
    ]

    @Test(arguments: refusals.indices)
    func `what is wrong is refused, and changes nothing`(_ place: Int) throws {
        let sample = try Self.sample()
        try Self.play([.activate("r1")], on: sample)
        let before: SigningEntry = try sample.directory.signing(of: "acme.test")
        let log = try sample.directory.audit()
        do {
            try sample.directory.change(by: "test") { try Self.refusals[place].1($0) }
            Issue.record("taken")
        } catch { #expect(error.description == Self.refusals[place].0) }
        #expect(try sample.directory.signing(of: "acme.test") == before)
        #expect(try sample.directory.audit() == log)
    }

    @Test func `each change is in the audit log, also of the key that gives way`() throws {
        let sample = try Self.sample()
        try Self.play([.activate("r1"), .activate("r2"), .delete("r1"), .retire("r2")], on: sample)
        let log = try sample.directory.audit(limit: 5).map { "\($0.verb) \($0.object)" }
        #expect(
            log == [
                "dkim.retire r2._domainkey.acme.test", "dkim.remove r1._domainkey.acme.test",
                "dkim.activate r2._domainkey.acme.test", "dkim.retire r1._domainkey.acme.test",
                "dkim.activate r1._domainkey.acme.test",
            ])
    }

    @Test func `a domain that goes takes its selectors and settings along`() async throws {
        let sample = try Self.sample()
        try Self.play([.activate("r1")], on: sample)
        try sample.directory.change(by: "test") { changes in
            try changes.setSigning(domain: "acme.test") { $0.length = true }
            try changes.removeDomain("acme.test", force: true)
            try changes.addDomain("acme.test", postOffice: "acme")
        }
        let entry: SigningEntry = try sample.directory.signing(of: "acme.test")
        #expect(entry.selectors == [] && entry.settings == SigningSettings())
        #expect(try sample.directory.audit(object: "r1._domainkey.acme.test", limit: 1).first?.verb == "dkim.remove")
    }

    @Test func `a directory from before there were keys is brought up to date`() throws {
        let sample = try Sample()
        sample.directory.close()
        let file = try DatabaseQueue(path: sample.folder.file("directory.sqlite"))
        try file.write { db in
            try db.execute(
                sql: """
                    DROP TABLE selector; DROP TABLE signing;
                    DELETE FROM grdb_migrations WHERE identifier LIKE '2:%'
                    """)
        }
        try file.close()
        let directory = try sample.opened()
        try directory.change(by: "test") { try $0.addSelector(.sample("s1"), domain: "acme.test") }
        let entries: [SigningEntry] = try directory.signing()
        #expect(entries.map(\.domain) == ["acme.test"])
    }
}
