import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Mail for addresses that nobody has, through the stages that have to do with it.
@Suite struct CatchAllTests {
    let world: MemoryServices

    init() {
        var directory = SampleDirectory(
            domains: ["here.example", "bare.example"], mailboxes: ["anna@here.example", "bob@here.example"])
        directory.catchAlls = ["here.example": "all@here.example"]
        directory.aliases = ["all@here.example": ["anna@here.example"]]
        directory.domainAliases = ["new.example": "here.example"]
        directory.disabled = ["gone@here.example"]
        world = MemoryServices(directory: directory)
    }

    private func judge(_ policy: CatchAll.Configuration = CatchAll.Configuration()) -> TransactionJudge {
        let chain = Chain([
            Link(number: 24, file: "24-recipients.toml", base: StageVariant(Recipients(Recipients.Configuration()))),
            Link(number: 31, file: "31-catchall.toml", base: StageVariant(CatchAll(policy))),
        ])
        return TransactionJudge(
            chain: chain, id: TransactionID(milliseconds: 0, random: 1), hostname: "mx.here.example",
            session: .sample(), opening: Opening(), started: world.time.now, source: world)
    }

    /// The copies of a message for these, each as its mailboxes and what its field says.
    private func copies(
        _ recipients: [EmailAddress], _ message: Message = .sample(),
        _ policy: CatchAll.Configuration = CatchAll.Configuration()
    ) async -> [String] {
        let judge = judge(policy)
        _ = await judge.sender(Envelope(sender: "alice@out.example"))
        for recipient in recipients {
            let reply = await judge.recipient(EnvelopeRecipient(recipient))
            #expect(reply.isPositive, "\(recipient): \(reply)")
        }
        return await judge.message(message).copies.map { copy in
            let ends = Set(copy.recipients.flatMap(\.destinations).map { "\($0.route)" }).count
            let boxes = Set(copy.recipients.flatMap(\.destinations).compactMap(\.mailbox?.description)).sorted()
            let list = copy.message.header.fields(named: "X-Sluice-Catch-All").map(\.value)
            return "\(ends) \(boxes.joined(separator: " ")): \(list.joined(separator: " | "))"
        }.sorted()
    }

    @Test func `many recipients are one copy with their list, which no other copy carries`() async {
        #expect(
            await copies(["x@here.example", "bob@here.example", "y@new.example", "z+a@here.example"]) == [
                "1 anna@here.example: x@here.example, y@new.example, z+a@here.example", "1 bob@here.example: ",
            ])
        #expect(await copies(["bob@here.example", "anna@here.example"]) == ["2 anna@here.example bob@here.example: "])
    }

    @Test func `a field of that name that came along goes`() async {
        let forged = Message.sample(["x-sluice-catch-all": "eve@far.example"])
        #expect(await copies(["bob@here.example"], forged) == ["1 bob@here.example: "])
        #expect(await copies(["x@here.example"], forged) == ["1 anna@here.example: x@here.example"])
    }

    @Test func `the list is limited, and can be left out`() async {
        var policy = CatchAll.Configuration()
        policy.maxListed = 2
        let many: [EmailAddress] = ["v@here.example", "w@here.example", "x@here.example", "y@here.example"]
        #expect(
            await copies(many, .sample(), policy)
                == ["1 anna@here.example: v@here.example, w@here.example (and 2 more)"])
        policy.field = ""
        #expect(await copies(many, .sample(), policy) == ["1 anna@here.example: "])
    }

    @Test func `two catch-alls are two copies`() async {
        world.directory.catchAlls["bare.example"] = "bob@here.example"
        #expect(
            await copies(["x@here.example", "y@bare.example"])
                == ["1 anna@here.example: x@here.example", "1 bob@here.example: y@bare.example"])
    }

    @Test(
        arguments: [
            ("x@bare.example", "550 5.1.1"), ("gone@here.example", "550 5.2.1"), ("eve@far.example", "550 5.7.1"),
        ] as [(EmailAddress, String)])
    func `the others are refused as without it`(_ address: EmailAddress, _ code: String) async {
        let judge = judge()
        _ = await judge.sender(Envelope(sender: nil))
        let reply = await judge.recipient(EnvelopeRecipient(address))
        #expect("\(reply)".hasPrefix(code), "\(reply)")
        #expect(judge.trace().refused.map(\.address) == [address])
    }

    @Test func `a catch-all that leads nowhere refuses`() async {
        world.directory.catchAlls["here.example"] = "gone@here.example"
        let judge = judge()
        _ = await judge.sender(Envelope(sender: nil))
        #expect("\(await judge.recipient(EnvelopeRecipient("x@here.example")))".hasPrefix("550 5.2.1"))
        world.directory.catchAlls["here.example"] = "all@here.example"
        world.directory.aliases["all@here.example"] = ["all@here.example"]
        #expect("\(await judge.recipient(EnvelopeRecipient("y@here.example")))".hasPrefix("550 5.4.6"))
    }

    @Test func `policies are those of the reader`() async throws {
        world.directory.domains.insert("far.test")
        world.directory.mailboxes.insert("carl@far.test")
        world.directory.catchAlls["here.example"] = "carl@far.test"
        let judge = judge()
        _ = await judge.sender(Envelope(sender: nil))
        _ = await judge.recipient(EnvelopeRecipient("x@here.example"))
        let copy = try #require(await judge.message(.sample()).copies.first)
        #expect(copy.recipients[0].policyScope == .mailbox("carl@far.test"))
    }

    @Test func `asked before the addresses are known it takes nothing, and that is told`() {
        let chain = Chain([
            Link(number: 20, file: "20-catchall.toml", base: StageVariant(CatchAll(CatchAll.Configuration()))),
            Link(number: 24, file: "24-recipients.toml", base: StageVariant(Recipients(Recipients.Configuration()))),
        ])
        #expect(chain.lints.map(\.message).contains { $0.hasPrefix("catchall takes nothing: it is asked before") })
        let alone = Chain([Link(number: 31, file: "31.toml", base: StageVariant(CatchAll(CatchAll.Configuration())))])
        #expect(alone.lints.map(\.message).contains { $0.contains("the stage \"recipients\" is missing") })
    }
}
