import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Who is allowed and who is blocked, by whose word.
@Suite struct ListsTests {
    let world = MemoryServices()

    static func entry(
        _ action: ListEntry.Action, _ sender: ListEntry.Sender, of scope: PolicyScope, _ id: Int64 = 1,
        _ change: (inout ListEntry) -> Void = { _ in }
    ) -> ListEntry {
        var entry = ListEntry(
            id: id, scope: scope, action: action, sender: sender, author: "test",
            created: Date(timeIntervalSince1970: 0), audit: id + 100)
        change(&entry)
        return entry
    }

    /// A message from `from` in an envelope of `sender`, and what has been proven of it.
    struct Mail {
        var from: String? = "Alice <alice@out.example>"
        var sender: EmailAddress? = "bounce@list.example"
        var client: IPAddress = "192.0.2.7"
        var results: [(String, AuthenticationResults.Result, String)] = []
    }

    func finding(
        _ mail: Mail, by entries: [ListEntry], for policy: String? = nil,
        block: SenderLists.Configuration.Action = .reject
    ) async throws -> Finding {
        world.directory.lists = entries
        var configuration = SenderLists.Configuration()
        configuration.block = block
        var transaction = Transaction.sample(
            session: .sample(client: mail.client), sender: mail.sender, recipients: [.local("bob@here.example")],
            services: world)
        transaction.policy = policy
        transaction.authentication.entries = mail.results.map { method, result, property in
            .init(method: method, result: result, properties: [.init(property, "x")])
        }
        return try await SenderLists(configuration).message(.sample(["From": mail.from]), in: transaction)
    }

    // MARK: What an entry is about

    static let ivan = "ivan@a.b.bad.example"
    /// An entry's sender, what it compares, a message, and whether it is about that.
    static let matches: [(ListEntry.Sender, ListEntry.Match, Mail, Bool)] = [
        (.domain("out.example"), .headerFrom, Mail(), true),
        (.domain("out.example"), .envelopeFrom, Mail(), false),
        (.domain("list.example"), .headerFrom, Mail(), false),
        (.domain("list.example"), .envelopeFrom, Mail(), true),
        (.domain("list.example"), .either, Mail(), true), (.domain("out.example"), .either, Mail(), true),
        (.domain("bad.example"), .headerFrom, Mail(from: ivan), true),
        (.domain("b.bad.example"), .headerFrom, Mail(from: ivan), true),
        (.domain("ad.example"), .headerFrom, Mail(from: ivan), false),
        (.domain("x.bad.example"), .headerFrom, Mail(from: ivan), false),
        (.domain("bad.example"), .headerFrom, Mail(from: "IVAN@A.B.BAD.EXAMPLE."), true),
        (.domain("xn--bcher-kva.example"), .headerFrom, Mail(from: "a@bücher.example"), true),
        (.address("alice@out.example"), .headerFrom, Mail(), true),
        (.address("ALICE@out.example"), .headerFrom, Mail(), true),
        (.address("bob@out.example"), .headerFrom, Mail(), false),
        (.address("alice@sub.out.example"), .headerFrom, Mail(), false),
        (.domain("list.example"), .envelopeFrom, Mail(sender: nil), false),
        (.network("192.0.2.0/24"), .either, Mail(), true), (.network("192.0.2.7"), .either, Mail(), true),
        (.network("192.0.3.0/24"), .either, Mail(), false), (.network("0.0.0.0/0"), .either, Mail(), true),
        (.network("::/0"), .either, Mail(), false),
        (.network("::/0"), .either, Mail(client: "2001:db8::1"), true),
        (.network("2001:db8::/32"), .either, Mail(client: "2001:db8::1"), true),
        (.network("0.0.0.0/0"), .either, Mail(client: "2001:db8::1"), false),
        (.domain("out.example"), .headerFrom, Mail(from: nil), false),
        (.domain("out.example"), .headerFrom, Mail(from: "undisclosed"), false),
    ]

    @Test(arguments: matches.indices)
    func `an entry is about whom it names`(_ place: Int) async throws {
        let (sender, match, mail, isMeant) = Self.matches[place]
        let entry = Self.entry(.block, sender, of: .global) { $0.match = match }
        let finding = try await finding(mail, by: [entry])
        #expect((finding.verdict == .reject(SenderLists.refusal)) == isMeant)
        #expect(isMeant || finding == .none)
    }

    static func authors(_ count: Int) -> String {
        (1...count).map { "a\($0)@out.example" }.joined(separator: ", ")
    }

    /// With several authors one is enough for a refusal, and all are needed for an allowance.
    @Test(arguments: [
        ("alice@out.example, mallory@bad.example", true, false), ("alice@out.example, bob@out.example", true, true),
        ("mallory@bad.example", false, false), ("alice@out.example <mallory@bad.example>", true, false),
        (ListsTests.authors(10), true, true), (ListsTests.authors(11), true, false),
        ("<alice@out.example.>", true, false), ("alice@out.example <alice@out.example", true, false),
    ])
    func `nobody hides behind a better name`(_ from: String, isBlocked: Bool, isAllowed: Bool) async throws {
        let mail = Mail(from: from)
        let block = try await finding(mail, by: [Self.entry(.block, .domain("out.example"), of: .global)])
        #expect(block.effects.contains(.rejects) == isBlocked)
        let allow = try await finding(mail, by: [Self.entry(.allow, .domain("out.example"), of: .global)])
        #expect(allow.effects.contains(.exempts) == isAllowed)
    }

    // MARK: Who comes first

    static let bob = PolicyScope.mailbox("bob@here.example")
    static let here = PolicyScope.domain("here.example")

    /// Lists in the order of precedence: which entry holds for bob.
    static let orders: [([(PolicyScope, ListEntry.Action)], Int?)] = [
        ([(.global, .allow), (.global, .block)], 0), ([(.global, .block), (here, .allow)], 0),
        ([(.global, .block), (bob, .allow)], 0), ([(bob, .allow), (here, .block)], 0),
        ([(bob, .block), (here, .allow)], 0), ([(here, .allow), (here, .block)], 0), ([], nil),
    ]

    @Test(arguments: orders.indices)
    func `the first of them holds`(_ place: Int) async throws {
        let (lists, winner) = Self.orders[place]
        let entries = lists.enumerated().map { place, one in
            Self.entry(one.1, .domain("out.example"), of: one.0, Int64(place))
        }
        let finding = try await finding(Mail(), by: entries, for: "bob@here.example")
        guard let winner else { return #expect(finding == .none) }
        #expect(finding.effects.contains(lists[winner].1 == .allow ? .exempts : .rejects))
        #expect(finding.note?.contains("audit \(winner + 100) (\(lists[winner].0))") == true, "\(finding)")
    }

    @Test func `a closed community allows its senders and blocks everybody else`() async throws {
        let lists = [
            Self.entry(.allow, .domain("friend.example"), of: Self.here, 1),
            Self.entry(.block, .network("0.0.0.0/0"), of: Self.here, 2),
            Self.entry(.block, .network("::/0"), of: Self.here, 3),
        ]
        for client: IPAddress in ["192.0.2.7", "2001:db8::1"] {
            let friend = try await finding(
                Mail(from: "x@friend.example", client: client), by: lists, for: "here.example")
            #expect(friend.effects == .exempts)
            let stranger = try await finding(Mail(client: client), by: lists, for: "here.example")
            #expect(stranger.verdict == .reject(SenderLists.refusal))
            #expect(stranger.decidedBy == ["block"])
        }
    }

    @Test func `one recipient's lists are not another's`() async throws {
        world.directory.lists = [
            Self.entry(.block, .domain("out.example"), of: Self.bob), Self.entry(.allow, .domain("x"), of: .global, 2),
        ]
        let stage = SenderLists(SenderLists.Configuration())
        func named(_ recipient: EmailAddress) async throws -> [Edit] {
            try await stage.recipient(.local(recipient), in: .sample(services: world)).edits
        }
        #expect(try await named("bob@here.example") == [.policy("bob@here.example"), .standing(.open)])
        #expect(try await named("eve@here.example") == [.standing(.open)])
        #expect(try await finding(Mail(), by: world.directory.lists) == .none, "eve's")
    }

    // MARK: Proof

    /// What an allow entry compares and needs, what was found, and whether it holds.
    static let proofs: [(ListEntry.Match, ListEntry.Proof, [(String, AuthenticationResults.Result, String)], Bool)] = [
        (.headerFrom, .dmarc, [], false), (.headerFrom, .dmarc, [("dmarc", .pass, "header.from")], true),
        (.headerFrom, .dmarc, [("dmarc", .fail, "header.from")], false),
        (.headerFrom, .dmarc, [("spf", .pass, "smtp.mailfrom")], false),
        (.headerFrom, .none, [("dmarc", .fail, "header.from")], true),
        (.envelopeFrom, .spf, [("spf", .pass, "smtp.mailfrom")], true),
        (.envelopeFrom, .spf, [("spf", .pass, "smtp.helo")], false),
        (.envelopeFrom, .spf, [("spf", .softfail, "smtp.mailfrom")], false),
    ]

    @Test(arguments: proofs.indices)
    func `an entry that asks for proof holds for nobody without`(_ place: Int) async throws {
        let (match, needs, results, holds) = Self.proofs[place]
        let sender: ListEntry.Sender = match == .headerFrom ? .domain("out.example") : .domain("list.example")
        let entry = Self.entry(.allow, sender, of: .global) {
            $0.match = match
            $0.needs = needs
        }
        let finding = try await finding(Mail(results: results), by: [entry])
        #expect(finding.effects.contains(.exempts) == holds)
        #expect(holds || finding.note?.contains("does not hold: \(needs.rawValue) has not passed") == true)
    }

    @Test func `where proof is missing, the next entry is asked`() async throws {
        let allow = Self.entry(.allow, .domain("out.example"), of: .global, 1) { $0.needs = .dmarc }
        let block = Self.entry(.block, .network("0.0.0.0/0"), of: .global, 2)
        let finding = try await finding(Mail(), by: [allow, block])
        #expect(finding.effects.contains(.rejects))
        #expect(finding.note?.contains("audit 101") == true && finding.note?.contains("audit 102") == true)
    }

    // MARK: What it does

    @Test func `an entry that has ended holds no more`() async throws {
        let end = world.time.now.addingTimeInterval(60)
        let entry = Self.entry(.block, .domain("out.example"), of: .global) { $0.ends = end }
        #expect(try await finding(Mail(), by: [entry]).effects.contains(.rejects))
        world.time.advance(by: "1m")
        #expect(try await finding(Mail(), by: [entry]) == .none)
    }

    @Test func `a block can file as junk, and its use is written down`() async throws {
        let entry = Self.entry(.block, .domain("out.example"), of: .global, 5)
        let finding = try await finding(Mail(), by: [entry], block: .junk)
        #expect(finding.verdict == .continue && finding.dispositions == ["bob@here.example": .junk])
        #expect(world.asked.contains { if case .memory(.visit("lists.used", "5", _, _)) = $0 { true } else { false } })
    }

    @Test func `an allowance sets the score aside and nothing else`() async throws {
        let entry = Self.entry(.allow, .domain("out.example"), of: .global, 5)
        let finding = try await finding(Mail(), by: [entry])
        #expect(finding.verdict == .continue, "a scanner behind this stage is still asked")
        #expect(finding.effects == .exempts)
        let used = world.asked.contains { if case .memory = $0 { true } else { false } }
        #expect(!used, "whether it changed anything is seen at the thresholds")
    }

    @Test func `without lists nothing more is asked`() async throws {
        _ = try await finding(Mail(), by: [])
        #expect(world.asked == [.directory(.listScopes(.global))])
    }
}
