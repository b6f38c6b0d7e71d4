import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct SendLimitsTests {
    let world = MemoryServices()

    /// No limits but those that a test is about.
    private static func only(_ change: (inout SendLimits.Configuration) -> Void) -> SendLimits {
        var policy = SendLimits.Configuration()
        policy.mailboxMessages = []
        policy.mailboxRecipients = []
        policy.postOfficeMessages = []
        policy.postOfficeRecipients = []
        change(&policy)
        return SendLimits(policy)
    }

    private func transaction(of user: EmailAddress? = "bob@here.example", with recipients: Int = 0) -> Transaction {
        .sample(
            session: .sample(language: .submission, user: user), sender: user,
            recipients: Array(repeating: .local("bob@here.example"), count: recipients), services: world)
    }

    /// A message to so many, as the chain asks about it; the finding on the last recipient that was let through, or on
    /// the first that was not.
    private func send(_ limits: SendLimits, to count: Int = 1, of user: EmailAddress = "bob@here.example") async throws
        -> Finding
    {
        let finding = try await limits.sender(transaction(of: user))
        guard finding.verdict == .continue else { return finding }
        for place in 0..<count {
            let finding = try await limits.recipient(
                .said("eve@far.example"), in: transaction(of: user, with: place))
            guard finding.verdict == .continue else { return finding }
        }
        return .none
    }

    /// What the server does with the edits.
    private func apply(_ finding: Finding) {
        for case .block(let order) in finding.edits {
            world.directory.blocks.append(SendBlock(order.party, reason: order.reason, since: world.time.now))
        }
    }

    private static func blocked(_ who: String, _ reason: String) -> Verdict {
        let text = "Sending is blocked for \(who): \(reason); please ask your administrator"
        return .reject(Reply(550, .deliveryNotAuthorized, text))
    }

    @Test func `one message too many blocks the mailbox, and says why`() async throws {
        let limits = Self.only { $0.mailboxMessages = ["2/1h"] }
        #expect(try await send(limits, to: 3) == .none)
        #expect(try await send(limits) == .none)
        let third = try await send(limits)
        let reason = "3 messages within 1h, 2 allowed"
        #expect(third.verdict == Self.blocked("bob@here.example", reason))
        #expect(third.edits == [.block(SendBlockOrder(.mailbox("bob@here.example"), reason: reason))])
        #expect(third.decidedBy == ["mailbox_messages"])
        apply(third)
        // From now on at MAIL, whatever is counted, for as long as it takes.
        world.time.advance(by: "3d")
        let later = try await limits.sender(transaction())
        #expect(later.verdict == Self.blocked("bob@here.example", reason))
        #expect(later.edits.isEmpty)
        #expect(try await send(limits, of: "carl@here.example") == .none)
    }

    @Test func `recipients count, within the hour and within the day`() async throws {
        let limits = Self.only { $0.mailboxRecipients = ["3/1h", "5/1d"] }
        #expect(try await send(limits, to: 3) == .none)
        world.time.advance(by: "2h")
        #expect(try await send(limits, to: 2) == .none)
        let sixth = try await send(limits)
        #expect(sixth.verdict == Self.blocked("bob@here.example", "6 recipients within 1d, 5 allowed"))
    }

    @Test func `a post office is blocked with all its mailboxes`() async throws {
        world.directory.mailboxes = ["bob@here.example", "carl@here.example"]
        let limits = Self.only { $0.postOfficeMessages = ["1/1h"] }
        #expect(try await send(limits) == .none)
        let second = try await send(limits, of: "carl@here.example")
        let refusal = Self.blocked("your organization", "2 messages within 1h, 1 allowed")
        #expect(second.verdict == refusal)
        apply(second)
        #expect(try await send(limits).verdict == refusal)
    }

    @Test func `who is blocked in the middle of a transaction gets no further`() async throws {
        let limits = Self.only { _ in }
        world.directory.blocks = [SendBlock(.mailbox("bob@here.example"), reason: "by hand", since: world.time.now)]
        let finding = try await limits.recipient(.said("eve@far.example"), in: transaction(with: 1))
        #expect(finding.verdict == Self.blocked("bob@here.example", "by hand"))
    }

    @Test func `what was sent before a block was lifted counts no more`() async throws {
        let limits = Self.only { $0.mailboxMessages = ["1/1h"] }
        #expect(try await send(limits) == .none)
        apply(try await send(limits))
        #expect(try await send(limits).verdict != .continue)
        world.directory.blocks = []
        #expect(try await send(limits).verdict != .continue)
        world.directory.pardons[.mailbox("bob@here.example")] = 1
        #expect(try await send(limits) == .none)
        #expect(try await send(limits).verdict != .continue)
    }

    @Test func `without a block it is a matter of waiting`() async throws {
        let limits = Self.only {
            $0.mailboxMessages = ["1/1h"]
            $0.exceeded = .defer
        }
        #expect(try await send(limits) == .none)
        let second = try await send(limits)
        let text = "Too much mail of bob@here.example: over 1 messages within 1h, try again later"
        #expect(second.verdict == .tempfail(Reply(451, .deliveryNotAuthorized, text)))
        #expect(second.edits.isEmpty)
        world.time.advance(by: "2h")
        #expect(try await send(limits) == .none)
    }

    @Test func `some have limits of their own, or none`() async throws {
        world.directory.mailboxes = ["bob@here.example", "News@here.example", "free@here.example"]
        let limits = Self.only {
            $0.mailboxMessages = ["1/1h"]
            $0.postOfficeMessages = ["5/1h"]
            $0.exempt = ["FREE@here.example"]
            $0.mailboxes["news@here.example"] = .init(messages: ["2/1h"])
            $0.postOffices["sample"] = .init(messages: ["6/1h"])
        }
        #expect(try await send(limits, of: "News@here.example") == .none)
        #expect(try await send(limits, of: "News@here.example") == .none)
        #expect(try await send(limits, of: "News@here.example").verdict != .continue)
        // The third one was counted for the mailbox, and for the post office no more.
        for _ in 0..<4 { #expect(try await send(limits, of: "free@here.example") == .none) }
        let last = try await send(limits, of: "free@here.example")
        #expect(last.verdict == Self.blocked("your organization", "7 messages within 1h, 6 allowed"))
    }

    @Test func `strangers are not counted, and a lost memory is a failure`() async throws {
        let limits = SendLimits(SendLimits.Configuration())
        #expect(try await limits.sender(transaction(of: nil)) == .none)
        #expect(try await limits.recipient(.said("bob@here.example"), in: transaction(of: nil)) == .none)
        #expect(world.asked.isEmpty)
        world.fail(with: StageFailure("gone"))
        await #expect(throws: StageFailure("gone")) { try await limits.sender(transaction()) }
    }
}
