import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct RecipientsTests {
    let world = MemoryServices(directory: directory)
    let stage = Recipients(Recipients.Configuration())

    static let directory: SampleDirectory = {
        var directory = SampleDirectory(mailboxes: ["anna@here.example", "bob@here.example"])
        directory.disabled = ["gone@here.example"]
        directory.aliases = [
            "info@here.example": ["anna@here.example"],
            "two@here.example": ["info@here.example", "bob@here.example", "anna@here.example"],
            "out@here.example": ["carl@far.example", "CARL@far.example"],
            "half@here.example": ["nobody@here.example", "gone@here.example", "bob@here.example"],
            "empty@here.example": [],
            "dead@here.example": ["gone@here.example"],
            "self@here.example": ["self@here.example"],
            "loop-a@here.example": ["loop-b@here.example", "bob@here.example"],
            "loop-b@here.example": ["loop-c@here.example"],
            "loop-c@here.example": ["LOOP-A@here.example"],
            "side@here.example": ["loop-b@here.example", "loop-a@here.example"],
        ]
        directory.groups = ["all@here.example": ["two@here.example", "info@here.example", "out@here.example"]]
        return directory
    }()

    private func ask(_ address: EmailAddress, _ policy: Recipients.Configuration? = nil) async throws -> Finding {
        let stage = policy.map(Recipients.init) ?? stage
        return try await stage.recipient(.said(address), in: .sample(services: world))
    }

    private static func mailbox(_ address: EmailAddress, in mailbox: EmailAddress? = nil) -> Destination {
        Destination(address: address, route: .mailbox(mailbox ?? address))
    }

    static let anna = mailbox("anna@here.example")
    static let bob = mailbox("bob@here.example")
    static let carl = Destination(address: "carl@far.example", route: .exchanger(domain: "far.example"))

    @Test(
        arguments: [
            ("anna@here.example", [anna]),
            ("ANNA@here.example", [mailbox("ANNA@here.example", in: "anna@here.example")]),
            ("anna+news@here.example", [mailbox("anna+news@here.example", in: "anna@here.example")]),
            ("info@here.example", [anna]), ("two@here.example", [bob, anna]), ("out@here.example", [carl]),
            ("half@here.example", [bob]), ("all@here.example", [anna, carl, bob]),
        ] as [(EmailAddress, [Destination])])
    func `an address is followed to its ends, each once`(_ address: EmailAddress, _ ends: [Destination]) async throws {
        let finding = try await ask(address)
        guard case .resolve(address, let found)? = finding.edits.first else {
            Issue.record("not resolved: \(finding)")
            return
        }
        #expect(Set(found) == Set(ends))
        #expect(found.count == ends.count)
        #expect(finding.verdict == .continue)
    }

    @Test(
        arguments: [
            ("nobody@here.example", Reply(550, .badDestinationMailbox, "No such user here")),
            ("empty@here.example", Reply(550, .badDestinationMailbox, "No such user here")),
            ("gone@here.example", Reply(550, .mailboxDisabled, "Mailbox is disabled")),
            ("dead@here.example", Reply(550, .mailboxDisabled, "Mailbox is disabled")),
            ("self@here.example", Reply(550, .routingLoop, "Address leads back to itself")),
            ("loop-a@here.example", Reply(550, .routingLoop, "Address leads back to itself")),
            ("side@here.example", Reply(550, .routingLoop, "Address leads back to itself")),
            ("eve@far.example", Reply(550, .deliveryNotAuthorized, "Relaying is not permitted")),
            ("postmaster@here.example", Reply(550, .badDestinationMailbox, "No such user here")),
        ] as [(EmailAddress, Reply)])
    func `what leads nowhere is refused`(_ address: EmailAddress, _ reply: Reply) async throws {
        let finding = try await ask(address)
        #expect(finding.verdict == .reject(reply))
        #expect(finding.edits == [])
    }

    @Test func `who has a route is not asked about`() async throws {
        let routed = Recipient(EnvelopeRecipient("eve@far.example"), destinations: [Self.carl])
        #expect(try await stage.recipient(routed, in: .sample(services: world)) == .none)
        #expect(world.asked.isEmpty)
    }

    @Test func `the depth is limited`() async throws {
        for step in 0..<20 {
            world.directory.aliases[EmailAddress(localPart: "deep\(step)", domain: "here.example")] =
                [EmailAddress(localPart: "deep\(step + 1)", domain: "here.example")]
        }
        world.directory.mailboxes.insert("deep20@here.example")
        #expect(try await ask("deep10@here.example").verdict == .continue)
        let finding = try await ask("deep9@here.example")
        #expect(finding.verdict == .reject(Reply(550, .routingLoop, "Address leads through too many others")))
        #expect(finding.decidedBy == ["max_depth"])
    }

    @Test(arguments: [(1000, true), (1001, false), (10_000, false)])
    func `the number of members is limited`(_ count: Int, _ passes: Bool) async throws {
        world.directory.groups["many@here.example"] = (0..<count).map {
            EmailAddress(localPart: "user\($0)", domain: "far.example")
        }
        var policy = Recipients.Configuration()
        policy.maxMembers = 1000
        let finding = try await ask("many@here.example", policy)
        #expect((finding.verdict == .continue) == passes)
        #expect(world.asked.count <= 1001)
        if !passes { #expect(finding.decidedBy == ["max_members"]) }
    }

    @Test func `many small groups are a large one`() async throws {
        for outer in 0..<40 {
            let inner = EmailAddress(localPart: "inner\(outer)", domain: "here.example")
            world.directory.groups["outer@here.example", default: []].append(inner)
            world.directory.groups[inner] = (0..<40).map {
                EmailAddress(localPart: "u\(outer)-\($0)", domain: "far.example")
            }
        }
        var policy = Recipients.Configuration()
        policy.maxMembers = 1000
        let finding = try await ask("outer@here.example", policy)
        #expect(finding.verdict == .reject(Reply(550, .listExpansion, "Address stands for too many others")))
    }

    @Test func `what leads to a group of as many as allowed is refused as little as the group`() async throws {
        let members = (0..<1000).map { EmailAddress(localPart: "u\($0)", domain: "far.example") }
        world.directory.groups["full@here.example"] = members
        world.directory.aliases["other@here.example"] = ["full@here.example"]
        world.directory.groups["both@here.example"] = ["full@here.example", "other@here.example", members[0]]
        world.directory.domainAliases["new.example"] = "here.example"
        // Each behind an alias of its own.
        world.directory.groups["single@here.example"] = (0..<1000).map {
            EmailAddress(localPart: "a\($0)", domain: "here.example")
        }
        for (number, member) in members.enumerated() {
            world.directory.aliases[EmailAddress(localPart: "a\(number)", domain: "here.example")] = [member]
        }
        var policy = Recipients.Configuration()
        policy.maxMembers = 1000
        for address: EmailAddress in [
            "full@here.example", "other@here.example", "both@here.example", "full@new.example", "single@here.example",
        ] {
            let finding = try await ask(address, policy)
            #expect(finding.verdict == .continue, "\(address)")
            guard case .resolve(_, let ends)? = finding.edits.first else { continue }
            #expect(ends.count == 1000)
        }
        world.directory.aliases["other@here.example"] = ["full@here.example", "bob@here.example"]
        #expect(try await ask("other@here.example", policy).decidedBy == ["max_members"])
    }

    @Test(arguments: ["postmaster@here.example", "Postmaster@mx.here.example", "postmaster@"] as [EmailAddress])
    func `postmaster is read by whom the option names`(_ address: EmailAddress) async throws {
        var policy = Recipients.Configuration()
        policy.postmaster = "info@here.example"
        #expect(try await ask(address, policy).edits == [.resolve(address, to: [Self.anna])])
        policy.postmaster = "carl@far.example"
        #expect(try await ask(address, policy).edits == [.resolve(address, to: [Self.carl])])
    }

    @Test func `a postmaster of one's own comes first`() async throws {
        var policy = Recipients.Configuration()
        policy.postmaster = "anna@here.example"
        world.directory.aliases["postmaster@here.example"] = ["bob@here.example"]
        #expect(
            try await ask("postmaster@here.example", policy).edits == [
                .resolve("postmaster@here.example", to: [Self.bob])
            ])
    }

    // MARK: Redirections and aliases of domains

    /// Anna's mail goes to carl and the two; bob's to anna, and stays with him; new.example is here.example.
    private func redirect() {
        world.directory.redirections = [
            "anna@here.example": ["carl@far.example", "dora@here.example"], "bob@here.example": ["anna@here.example"],
        ]
        world.directory.keepingCopies = ["bob@here.example"]
        world.directory.mailboxes.insert("dora@here.example")
        world.directory.domainAliases = ["new.example": "here.example"]
    }

    private static let dora = mailbox("dora@here.example")
    private static let redirected = Destination(
        address: "carl@far.example", route: .exchanger(domain: "far.example"), owner: "anna@here.example")

    @Test(
        arguments: [
            ("anna@here.example", [redirected, dora]), ("bob@here.example", [bob, redirected, dora]),
            ("info@here.example", [redirected, dora]), ("anna+x@new.example", [redirected, dora]),
            ("bob@new.example", [bob, redirected, dora]), ("dora@new.example", [dora]),
        ] as [(EmailAddress, [Destination])])
    func `a redirection is followed, and keeps a copy where that was said`(
        _ address: EmailAddress, _ ends: [Destination]
    ) async throws {
        redirect()
        #expect(try await ask(address).edits == [.resolve(address, to: ends)])
    }

    @Test func `a redirection may not come back at run time either`() async throws {
        redirect()
        world.directory.redirections["dora@here.example"] = ["bob@new.example"]
        #expect(
            try await ask("bob@here.example").verdict
                == .reject(Reply(550, .routingLoop, "Address leads back to itself")))
    }

    @Test func `a name of a domain is no step of the way`() async throws {
        redirect()
        for step in 0..<10 {
            world.directory.aliases[EmailAddress(localPart: "deep\(step)", domain: "here.example")] =
                [EmailAddress(localPart: "deep\(step + 1)", domain: "new.example")]
        }
        world.directory.mailboxes.insert("deep10@here.example")
        #expect(try await ask("deep0@new.example").verdict == .continue)
    }

    @Test(arguments: ["nobody@here.example", "nobody+x@new.example"] as [EmailAddress])
    func `what nobody has is left to who takes such`(_ address: EmailAddress) async throws {
        redirect()
        var transaction = Transaction.sample(services: world)
        let reply = Reply(550, .badDestinationMailbox, "No such user here")
        #expect(try await stage.recipient(.said(address), in: transaction).verdict == .reject(reply))
        transaction.claimsFollow = true
        let finding = try await stage.recipient(.said(address), in: transaction)
        #expect(finding.verdict == .continue && finding.edits == [.unclaimed(reply)])
        // Somebody has these, and nobody gets their mail.
        for known: EmailAddress in ["empty@here.example", "dead@here.example", "gone@new.example"] {
            guard case .reject = try await stage.recipient(.said(known), in: transaction).verdict else {
                Issue.record("\(known) was not refused")
                continue
            }
        }
    }

    @Test func `a lost directory is a failure and not an unknown user`() async throws {
        world.fail(with: StageFailure("gone"))
        await #expect(throws: StageFailure("gone")) { try await ask("anna@here.example") }
    }
}
