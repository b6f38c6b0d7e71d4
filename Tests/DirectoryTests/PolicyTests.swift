import Directory
import Foundation
import GRDB
import MailTypes
import Pipeline
import Testing

/// Thresholds and lists as the directory keeps them.
@Suite struct PolicyTests {
    static func thresholds(_ values: (Double, Double, Double)) throws -> Thresholds {
        try Thresholds(defer: values.0, junk: values.1, reject: values.2)
    }

    static func asked(_ scope: PolicyScope, _ sample: Sample) async throws -> SetThresholds? {
        guard case .thresholds(let found) = try await sample.directory.answer(.thresholds(scope)) else { return nil }
        return found
    }

    // MARK: Thresholds

    /// What is set for whom, and whose `reject` anna, another of acme.test, and a stranger's domain get.
    static let settings: [([(String?, Double)], [Double?])] = [
        ([], [nil, nil, nil]), ([(nil, 20)], [20, 20, 20]), ([("acme.test", 21)], [21, 21, nil]),
        ([("anna@acme.test", 22)], [22, nil, nil]), ([(nil, 20), ("acme.test", 21)], [21, 21, 20]),
        ([(nil, 20), ("acme.test", 21), ("anna@acme.test", 22)], [22, 21, 20]),
        ([(nil, 20), ("acme.test", 21), ("acme.test", 23)], [23, 23, 20]),
    ]

    @Test(arguments: settings.indices)
    func `the narrowest scope counts`(_ place: Int) async throws {
        let (settings, expected) = Self.settings[place]
        let sample = try Sample()
        for (scope, reject) in settings {
            try sample.directory.change(by: "test") { changes in
                try changes.setThresholds(try Self.thresholds((4, 6, reject)), for: scope)
            }
        }
        let scopes: [PolicyScope] = [.mailbox("anna@acme.test"), .mailbox("Carl@acme.test"), .domain("far.test")]
        for (scope, reject) in zip(scopes, expected) {
            #expect(try await Self.asked(scope, sample)?.values.reject == reject, "\(scope)")
        }
        #expect(try await Self.asked(.mailbox("ANNA@acme.test"), sample)?.values.reject == expected[0])
        #expect(try await Self.asked(.mailbox("nobody@acme.test"), sample)?.values.reject == expected[1])
    }

    @Test func `a change holds from the next question on, in every process, and the audit log says who`() async throws {
        let sample = try Sample()
        let other = try sample.opened()
        func reject() async throws -> Double? {
            guard case .thresholds(let found) = try await other.answer(.thresholds(.domain("acme.test"))) else {
                return 0
            }
            return found?.values.reject
        }
        #expect(try await reject() == nil)
        let entry = try sample.directory.change(by: "cli:anna") { changes in
            try changes.setThresholds(try Self.thresholds((1, 2, 3)), for: "Acme.TEST")
        }
        #expect(other.immediate(.thresholds(.domain("acme.test"))) == nil, "what was known is forgotten")
        #expect(try await reject() == 3)
        let log = try #require(try sample.directory.audit(object: "acme.test", limit: 1).first)
        #expect(log.actor == "cli:anna" && log.verb == "thresholds.set" && log.number == entry.audit)
        #expect(log.before == nil && log.after == #"{"defer":1,"junk":2,"reject":3}"#)
        #expect(try await Self.asked(.domain("acme.test"), sample)?.audit == log.number)
        let gone = try sample.directory.change(by: "cli:bert") { changes in
            [try changes.resetThresholds(for: "acme.test"), try changes.resetThresholds(for: "acme.test")]
        }
        #expect(gone.map { $0?.thresholds.reject } == [3, nil], "the second time there is nothing left")
        #expect(try await reject() == nil)
        let last = try sample.directory.audit(object: "acme.test", limit: 1).first
        #expect(last?.actor == "cli:bert" && last?.verb == "thresholds.reset" && last?.before == log.after)
    }

    /// Scopes that are none, and what is said.
    @Test(arguments: [
        ("far.test", "The domain far.test is not hosted here."),
        ("acme.tset", "acme.tset is not hosted here; did you mean acme.test?"),
        ("nobody@acme.test", "There is no mailbox nobody@acme.test"), ("info@acme.test", "is an alias, not a mailbox"),
        ("a b", "is not a domain"),
    ])
    func `a scope must be there`(_ scope: String, _ words: String) throws {
        let sample = try Sample()
        let error = #expect(throws: DirectoryError.self) {
            try sample.directory.change(by: "test") { _ = try $0.setThresholds(.standard, for: scope) }
        }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test func `what belongs to a mailbox or a domain goes with it`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            for scope in ["anna@acme.test", "acme.test", nil] {
                try changes.setThresholds(.standard, for: scope)
                try changes.addListEntry(NewListEntry(.allow, "out.test"), for: scope)
            }
            try changes.removeDomain("acme.test", force: true)
            try changes.addDomain("acme.test", postOffice: "acme")
            try changes.addMailbox("anna@acme.test", passwordHash: nil)
        }
        #expect(try sample.directory.thresholds().map(\.scope) == [.global])
        #expect(try sample.directory.listEntries().map(\.scope) == [.global])
    }

    // MARK: Lists

    /// What is typed, how it is kept, or what is said instead.
    static let senders: [(String, String?)] = [
        ("Out.Test", "out.test"), ("out.test.", "out.test"), ("*.out.test", "out.test"), ("@out.test", "out.test"),
        ("Bob@Out.test", "Bob@out.test"), ("192.0.2.7", "192.0.2.7"), ("192.0.2.0/24", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"), ("::/0", "::/0"), ("2001:DB8::1", "2001:db8::1"), ("192.0.2.7/24", nil),
        ("192.0.2.0/33", nil), ("1.2.3", nil), ("", nil), ("a b", nil), ("a@", nil), ("out.test/24", nil),
    ]

    @Test(arguments: senders)
    func `a sender is a domain, an address or a network`(_ text: String, _ kept: String?) throws {
        let sample = try Sample()
        let entry = try? sample.directory.change(by: "test") { changes in
            try changes.addListEntry(NewListEntry(.block, text), for: nil)
        }
        #expect(entry?.sender.description == kept)
        #expect(try sample.directory.listEntries().map(\.sender.description) == [kept].compactMap(\.self))
    }

    /// An entry that makes no sense, and why.
    static let nonsense: [(ListEntry.Action, String, ListEntry.Match, ListEntry.Proof, String?)] = [
        (.allow, "out.test", .headerFrom, .dmarc, nil), (.allow, "out.test", .envelopeFrom, .spf, nil),
        (.allow, "out.test", .headerFrom, .spf, "dmarc proves"),
        (.allow, "out.test", .envelopeFrom, .dmarc, "spf proves"),
        (.allow, "out.test", .either, .dmarc, "one sender is compared"),
        (.block, "out.test", .headerFrom, .dmarc, "nobody proves"),
        (.allow, "192.0.2.7", .headerFrom, .dmarc, "no proof"),
    ]

    @Test(arguments: nonsense.indices)
    func `a proof must prove what is compared`(_ place: Int) throws {
        let (action, sender, match, needs, words) = Self.nonsense[place]
        let sample = try Sample()
        var new = NewListEntry(action, sender)
        new.match = match
        new.needs = needs
        var said: String?
        do { try sample.directory.change(by: "test") { _ = try $0.addListEntry(new, for: nil) } } catch {
            said = "\(error)"
        }
        #expect(said == nil ? words == nil : words.map { said?.contains($0) == true } ?? false, "\(said ?? "")")
    }

    static func probe(_ scope: PolicyScope, client: IPAddress = "192.0.2.7") -> ListProbe {
        ListProbe(scope: scope, client: client, authors: ["alice@a.out.test"], sender: "bounce@list.test")
    }

    @Test func `what is about a message comes in the order of precedence`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            for (scope, sender) in [
                ("acme.test", "out.test"), ("anna@acme.test", "alice@a.out.test"), (nil, "192.0.2.0/24"),
                ("other.test", "out.test"),
            ] as [(String?, String)] {
                try changes.addListEntry(NewListEntry(.block, sender), for: scope)
                try changes.addListEntry(NewListEntry(.allow, sender), for: scope)
            }
            for sender in ["b.out.test", "198.51.100.0/24", "bob@a.out.test", "0.0.0.0/32"] {
                try changes.addListEntry(NewListEntry(.block, sender), for: nil)
            }
            try changes.addListEntry(NewListEntry(.block, "list.test"), for: "acme.test")
        }
        let found = try sample.directory.listEntries(about: Self.probe(.mailbox("anna@acme.test")))
        #expect(
            found.map { "\($0.scope) \($0.action.rawValue) \($0.sender)" } == [
                "global allow 192.0.2.0/24", "global block 192.0.2.0/24", "anna@acme.test allow alice@a.out.test",
                "anna@acme.test block alice@a.out.test", "acme.test allow out.test", "acme.test block out.test",
                "acme.test block list.test",
            ])
        guard
            case .listed(let asked) = try await sample.directory.answer(.listed(Self.probe(.mailbox("anna@acme.test"))))
        else { return #expect(Bool(false)) }
        #expect(asked == found)
        let v6 = try sample.directory.listEntries(about: Self.probe(.global, client: "2001:db8::1"))
        #expect(v6 == [])
    }

    @Test func `who has lists is known without asking for their entries`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addListEntry(NewListEntry(.block, "out.test"), for: "anna@acme.test")
            try changes.addListEntry(NewListEntry(.block, "out.test"), for: nil)
        }
        for (scope, expected) in [
            (.mailbox("anna@acme.test"), [.mailbox("anna@acme.test"), .global]),
            (.mailbox("carl@acme.test"), [.global]), (.domain("acme.test"), [.global]),
            (.domain("far.test"), [.global]),
        ] as [(PolicyScope, [PolicyScope])] {
            #expect(try await sample.directory.answer(.listScopes(scope)) == .listScopes(expected))
        }
    }

    @Test func `which lists go by the author is known without their entries`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            for (action, sender, match, scope) in [
                (.block, "out.test", .headerFrom, "anna@acme.test"), (.allow, "192.0.2.0/24", .headerFrom, "acme.test"),
                (.allow, "b.test", .envelopeFrom, "acme.test"), (.block, "b.test", .either, "acme.test"),
                (.allow, "a@b.test", .headerFrom, nil), (.allow, "c.test", .headerFrom, nil),
            ] as [(ListEntry.Action, String, ListEntry.Match, String?)] {
                var new = NewListEntry(action, sender)
                new.match = match
                try changes.addListEntry(new, for: scope)
            }
        }
        let global = SenderList(scope: .global, action: .allow)
        let anna = SenderList(scope: .mailbox("anna@acme.test"), action: .block)
        let acme = SenderList(scope: .domain("acme.test"), action: .block)
        for (scope, expected) in [
            (.mailbox("anna@acme.test"), [global, anna, acme]), (.mailbox("carl@acme.test"), [global, acme]),
            (.domain("far.test"), [global]),
        ] as [(PolicyScope, [SenderList])] {
            #expect(try await sample.directory.answer(.authorLists(scope)) == .authorLists(expected))
        }
    }

    @Test func `a sender that is listed again takes the new values, and the log has both`() async throws {
        let sample = try Sample()
        var new = NewListEntry(.allow, "Out.test")
        new.reason = "partner"
        new.ends = sample.clock.now.addingTimeInterval(60)
        let first = try sample.directory.change(by: "cli:anna") { try $0.addListEntry(new, for: "acme.test") }
        new.reason = nil
        new.needs = .dmarc
        new.ends = nil
        let second = try sample.directory.change(by: "cli:bert") { try $0.addListEntry(new, for: "acme.test") }
        #expect(second.id == first.id && second.audit == first.audit + 1 && second.author == "cli:bert")
        #expect(try sample.directory.listEntries(of: .domain("acme.test")) == [second])
        let log = try sample.directory.audit(object: "acme.test", limit: 1)
        #expect(log.first?.before?.contains("\"partner\"") == true)
        #expect(log.first?.after?.contains("\"dmarc\"") == true)
        let gone = try sample.directory.change(by: "cli:carl") { changes in
            try changes.removeListEntries("OUT.test", for: "acme.test")
        }
        #expect(gone.map(\.id) == [first.id])
        #expect(try sample.directory.audit(object: "acme.test", limit: 1).first?.verb == "list.remove")
        #expect(throws: DirectoryError.self) {
            try sample.directory.change(by: "cli:carl") { _ = try $0.removeListEntries("out.test", for: "acme.test") }
        }
        let third = try sample.directory.change(by: "cli:anna") { try $0.addListEntry(new, for: "acme.test") }
        #expect(third.id > first.id, "an id is given once: what is remembered of it is not another's")
    }

    @Test func `an entry cannot end before it begins, and a reason is one line`() throws {
        let sample = try Sample()
        var new = NewListEntry(.block, "out.test")
        new.ends = sample.clock.now
        #expect(throws: DirectoryError.self) {
            try sample.directory.change(by: "test") { _ = try $0.addListEntry(new, for: nil) }
        }
        new.ends = nil
        new.reason = "two\nlines"
        #expect(throws: DirectoryError.self) {
            try sample.directory.change(by: "test") { _ = try $0.addListEntry(new, for: nil) }
        }
        #expect(try sample.directory.listEntries() == [])
    }

    // MARK: Schema

    @Test func `a directory from before there were thresholds is brought up to date, with all that it has`()
        async throws
    {
        let sample = try Sample()
        try sample.directory.change(by: "test") { _ = try $0.addSelector(.sample("s1"), domain: "acme.test") }
        sample.directory.close()
        let file = try DatabaseQueue(path: sample.folder.file("directory.sqlite"))
        try await file.write { db in
            try db.execute(
                sql: """
                    DROP TABLE threshold; DROP TABLE listEntry;
                    DELETE FROM grdb_migrations WHERE identifier LIKE '3:%'
                    """)
        }
        try file.close()
        let directory = try sample.opened()
        try directory.change(by: "test") { changes in
            try changes.setThresholds(.standard, for: "acme.test")
            try changes.addListEntry(NewListEntry(.block, "out.test"), for: "anna@acme.test")
        }
        #expect(try directory.thresholds().map(\.scope) == [.domain("acme.test")])
        #expect(try directory.listEntries().map(\.scope) == [.mailbox("anna@acme.test")])
        let entries: [SigningEntry] = try directory.signing()
        #expect(entries.flatMap(\.selectors).map(\.name) == ["s1"])
        #expect(try await directory.meaning(of: "anna@acme.test") == .mailbox("anna@acme.test"))
    }
}
