import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// What lists say of a sender before the message has come, and what that is to greylisting.
@Suite struct EarlyListsTests {
    let world = MemoryServices()

    static let here = PolicyScope.domain("here.example")
    static let bob = PolicyScope.mailbox("bob@here.example")
    static let client = ListEntry.Sender.network("192.0.2.0/24")
    static let author = ListEntry.Sender.domain("out.example")

    static func entry(
        _ action: ListEntry.Action, _ sender: ListEntry.Sender, of scope: PolicyScope = here, _ id: Int64 = 1,
        _ match: ListEntry.Match = .headerFrom
    ) -> ListEntry {
        ListsTests.entry(action, sender, of: scope, id) { $0.match = sender.isNetwork ? .either : match }
    }

    func transaction(_ results: [AuthenticationResults.Entry] = []) -> Transaction {
        var transaction = Transaction.sample(
            session: .sample(client: "192.0.2.7"), sender: "bounce@list.example", services: world)
        transaction.authentication.entries = results
        return transaction
    }

    /// What the stage says at RCPT.
    func finding(
        _ entries: [ListEntry], block: SenderLists.Configuration.Action = .reject,
        _ results: [AuthenticationResults.Entry] = []
    ) async throws -> Finding {
        world.directory.lists = entries
        var policy = SenderLists.Configuration()
        policy.block = block
        return try await SenderLists(policy).recipient(.local("bob@here.example"), in: transaction(results))
    }

    enum Said: Sendable, Hashable { case nothing, listed, open, refused }

    /// Entries in the order of precedence, and what can be said at RCPT.
    static let cases: [([ListEntry], Said)] = [
        ([entry(.allow, client)], .listed), ([entry(.block, client)], .refused),
        ([entry(.allow, .network("198.51.100.0/24"))], .nothing),
        ([entry(.allow, .domain("list.example"), of: here, 1, .envelopeFrom)], .listed),
        ([entry(.block, .domain("list.example"), of: here, 1, .envelopeFrom)], .refused),
        ([entry(.block, .domain("list.example"), of: here, 1, .either)], .refused),
        ([entry(.block, .domain("other.example"), of: here, 1, .envelopeFrom)], .nothing),
        ([entry(.allow, author)], .open), ([entry(.block, author)], .open),
        ([entry(.allow, .domain("list.example"))], .open),
        // What comes before the entry that holds, and may be otherwise.
        ([entry(.allow, author), entry(.block, client, of: here, 2)], .listed),
        ([entry(.block, author, of: .global), entry(.block, client, of: here, 2)], .refused),
        ([entry(.allow, author, of: .global), entry(.block, client, of: here, 2)], .listed),
        ([entry(.allow, author, of: bob), entry(.block, client, of: here, 2)], .listed),
        ([entry(.block, author, of: .global), entry(.allow, client, of: here, 2)], .listed),
        // What comes behind it.
        ([entry(.block, client, of: .global), entry(.allow, author, of: here, 2)], .refused),
        ([entry(.block, client, of: bob), entry(.allow, author, of: here, 2)], .refused),
    ]

    @Test(arguments: cases.indices)
    func `at RCPT is said what no author can change`(_ place: Int) async throws {
        let (entries, said) = Self.cases[place]
        let finding = try await finding(entries)
        let standing = finding.edits.compactMap { if case .standing(let standing) = $0 { standing } else { nil } }
        switch said {
        case .nothing: #expect(finding.verdict == .continue && standing == [])
        case .listed: #expect(finding.verdict == .continue && standing == [.listed])
        case .open: #expect(finding.verdict == .continue && standing == [.open])
        case .refused: #expect(finding.verdict == .reject(SenderLists.refusal) && finding.decidedBy == ["block"])
        }
        let used = world.asked.contains { if case .memory(.visit("lists.used", _, _, _)) = $0 { true } else { false } }
        #expect(used == (said == .refused))
    }

    @Test func `who is to be filed as junk is not refused at RCPT, and does not wait either`() async throws {
        let finding = try await finding([Self.entry(.block, Self.client)], block: .junk)
        #expect(finding.edits == [.policy("here.example"), .standing(.listed)])
    }

    @Test func `at RCPT, too, an entry that asks for proof holds for nobody without`() async throws {
        var entry = Self.entry(.allow, .domain("list.example"), of: Self.here, 1, .envelopeFrom)
        entry.needs = .spf
        #expect(try await finding([entry]).edits == [.policy("here.example")])
        let pass = AuthenticationResults.Entry(
            method: "spf", result: .pass, properties: [.init("smtp.mailfrom", "list.example")])
        #expect(try await finding([entry], [pass]).edits == [.policy("here.example"), .standing(.listed)])
    }

    // MARK: Greylisting

    static func recipient(_ standing: ListStanding?) -> Recipient {
        var recipient = Recipient.local("bob@here.example")
        recipient.standing = standing
        return recipient
    }

    @Test func `who is on a list is not made to wait, and not remembered for it`() async throws {
        let greylist = Greylist(Greylist.Configuration())
        #expect(try await greylist.recipient(Self.recipient(.listed), in: transaction()).verdict == .continue)
        #expect(world.asked == [])
        #expect(try await greylist.recipient(Self.recipient(nil), in: transaction()).effects == .tempfails)
    }

    @Test func `where the author may be on a list, a stranger is told to wait after the message`() async throws {
        let greylist = Greylist(Greylist.Configuration())
        let finding = try await greylist.recipient(Self.recipient(.open), in: transaction())
        #expect(finding.verdict == .continue && finding.effects == .distinguishesRecipients)
        guard case .policy(let late)? = finding.edits.first else { return }
        func told(_ change: (inout Transaction) -> Void = { _ in }) async throws -> Verdict {
            var transaction = transaction()
            transaction.recipients = [Self.recipient(nil)]
            transaction.policy = late
            change(&transaction)
            return try await greylist.message(.sample(), in: transaction).verdict
        }
        world.time.advance(by: "10s")
        let wait = Verdict.tempfail(Reply(451, .deliveryNotAuthorized, "Greylisted, try again in 290 seconds"))
        #expect(try await told() == wait)
        #expect(try await told { $0.exemption = Exemption(reason: "allow", origin: "x") } == .continue)
        #expect(try await told { $0.recipients[0].disposition = .junk } == .continue)
        #expect(try await told { $0.policy = nil } == .continue)
        // A message that takes longer than the wait makes nobody an acquaintance.
        world.time.advance(by: "290s")
        #expect(
            try await told()
                == .tempfail(Reply(451, .deliveryNotAuthorized, "Greylisted, try again in 300 seconds")))
        // Who comes back is let in at RCPT, and nothing is left to be told.
        let second = try await greylist.recipient(Self.recipient(.open), in: transaction())
        #expect(second.verdict == .continue && second.edits == [] && second.note == "came back after 300 s")
    }

    @Test func `lists behind greylisting are told`() {
        let (greylist, lists) = (Greylist(.init()), SenderLists(.init()))
        let told =
            "12.toml 11.toml: greylist makes senders wait before lists has said who need not; let it be asked behind it"
        #expect(StageLintTests.lints([greylist, lists]).filter { $0.contains("greylist") } == [told])
        #expect(StageLintTests.lints([lists, greylist]).filter { $0.contains("greylist") } == [])
    }
}
