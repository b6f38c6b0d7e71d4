import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct QuotaTests {
    let world = MemoryServices()
    static let full = Verdict.reject(Reply(552, .mailboxFull, "Mailbox is full"))
    static let later = Verdict.tempfail(Reply(452, .mailboxFull, "Mailbox is full"))
    static let tooLong = Verdict.reject(
        Reply(552, .messageTooLongForMailbox, "Message is larger than the mailbox"))

    private func verdict(
        on routes: [Route], size: Int? = nil, _ full: Quota.Configuration.Full = .reject
    ) async throws -> Verdict {
        var policy = Quota.Configuration()
        policy.full = full
        var transaction = Transaction.sample(services: world)
        transaction.envelope?.parameters.size = size
        let recipient = Recipient(
            EnvelopeRecipient("info@here.example"),
            destinations: routes.enumerated().map { number, route in
                Destination(address: EmailAddress(localPart: "\(number)", domain: "here.example"), route: route)
            })
        return try await Quota(policy).recipient(recipient, in: transaction).verdict
    }

    @Test(
        arguments: [
            (.unlimited, nil, .continue), (.unlimited, .max, .continue),
            (.measured(octets: 0, quota: 100), nil, .continue), (.measured(octets: 99, quota: 100), nil, .continue),
            (.measured(octets: 100, quota: 100), nil, full), (.measured(octets: 900, quota: 100), 1, full),
            (.measured(octets: 40, quota: 100), 60, .continue), (.measured(octets: 40, quota: 100), 61, full),
            (.measured(octets: 0, quota: 100), 101, tooLong), (.outdated(octets: 0, quota: 100), .max, tooLong),
            (.outdated(octets: 40, quota: 100), 60, .continue), (.outdated(octets: 40, quota: 100), 61, later),
            (.outdated(octets: 100, quota: 100), 0, later), (.unknown(quota: 100), 100, .continue),
            (.unknown(quota: 100), 101, tooLong), (.measured(octets: 0, quota: 0), nil, tooLong),
            (.measured(octets: .max, quota: .max), .max, full),
        ] as [(MailboxFill, Int?, Verdict)])
    func `what fits is taken`(_ fill: MailboxFill, _ size: Int?, _ expected: Verdict) async throws {
        world.fills["bob@here.example"] = fill
        #expect(try await verdict(on: [.mailbox("bob@here.example")], size: size) == expected)
    }

    @Test func `an admin may let the sender's server try again`() async throws {
        world.fills["bob@here.example"] = .measured(octets: 100, quota: 100)
        #expect(try await verdict(on: [.mailbox("bob@here.example")], .tempfail) == Self.later)
        // What never fits is no matter of time.
        #expect(try await verdict(on: [.mailbox("bob@here.example")], size: 101, .tempfail) == Self.tooLong)
    }

    @Test func `one who gets his copy is worth the message`() async throws {
        world.fills["bob@here.example"] = .measured(octets: 100, quota: 100)
        world.fills["eve@here.example"] = .outdated(octets: 100, quota: 100)
        let (bob, eve) = (Route.mailbox("bob@here.example"), Route.mailbox("eve@here.example"))
        for other: Route in [.mailbox("carl@here.example"), .exchanger(domain: "far.example"), .discard] {
            #expect(try await verdict(on: [bob, other]) == .continue)
            #expect(try await verdict(on: [other, bob]) == .continue)
        }
        #expect(try await verdict(on: [bob, bob]) == Self.full)
        // Of one of them nobody knows for certain.
        #expect(try await verdict(on: [bob, eve]) == Self.later)
        #expect(try await verdict(on: [eve, bob]) == Self.later)
        #expect(try await verdict(on: []) == .continue)
    }

    @Test func `before the mailboxes are found it is told`() {
        #expect(Recipients(.init()).remark(behind: Quota(.init()))?.hasPrefix("quota refuses nobody") == true)
        #expect(Recipients(.init()).remark(behind: Size(.init())) == nil)
    }

    @Test func `of a large group no more are asked about than need be`() async throws {
        let routes = (0..<1000).map { Route.mailbox(EmailAddress(localPart: "u\($0)", domain: "here.example")) }
        #expect(try await verdict(on: routes) == .continue)
        #expect(world.asked.count == 1)
    }
}
