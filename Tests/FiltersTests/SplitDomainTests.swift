import Adapters
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Domains of which another server has a part, through the stages that have to do with it.
@Suite struct SplitDomainTests {
    static let partner = RelayHost(name: "partner.example", port: 2525)
    let world: MemoryServices

    init() {
        var directory = SampleDirectory(mailboxes: ["bob@here.example", "all@here.example"])
        directory.domainAliases = ["new.example": "here.example"]
        directory.aliases = ["info@here.example": ["bob@here.example", "carl@here.example"]]
        directory.splitDomains = [
            SplitDomain(name: "here.example", host: Self.partner, networks: ["198.51.100.0/28"])
        ]
        world = MemoryServices(directory: directory)
    }

    private func judge(
        _ session: Session = .sample(), hasCatchAll: Bool = false,
        _ adjust: (inout SplitDomains.Configuration) -> Void = { _ in }
    ) throws -> TransactionJudge {
        var policy = SplitDomains.Configuration()
        adjust(&policy)
        var tools = StageTools(cryptography: LibcryptoSignatures(), keys: MemoryKeys())
        tools.reversePathSecrets = SampleSecrets()
        var links = [
            Link(number: 24, file: "24-recipients.toml", base: StageVariant(Recipients(Recipients.Configuration()))),
            Link(
                number: 27, file: "27-split-domain.toml",
                base: StageVariant(try SplitDomains(policy).equipped(with: tools))),
        ]
        if hasCatchAll {
            let stage = CatchAll(CatchAll.Configuration())
            links.append(Link(number: 31, file: "31-catchall.toml", base: StageVariant(stage)))
        }
        return TransactionJudge(
            chain: Chain(links), id: TransactionID(milliseconds: 0, random: 1), hostname: "mx.here.example",
            session: session, opening: Opening(), started: world.time.now, source: world)
    }

    /// Where mail goes, or the reply.
    private func way(
        of address: EmailAddress, from sender: EmailAddress? = "alice@out.example", _ judge: TransactionJudge,
        _ message: Message = .sample()
    ) async -> String {
        _ = await judge.sender(Envelope(sender: sender))
        let reply = await judge.recipient(EnvelopeRecipient(address))
        // Without the transaction's id.
        guard reply.isPositive else { return String("\(reply)".prefix { $0 != "[" }.dropLast()) }
        let outcome = await judge.message(message)
        guard let copy = outcome.copies.first else { return outcome.replies.map { "\($0)" }.joined() }
        return copy.recipients.flatMap(\.destinations).map { destination in
            switch destination.route {
            case .mailbox: "\(destination.address)"
            case .host(let host): "\(destination.address) at \(host.name)"
            case .exchanger, .discard: "elsewhere"
            }
        }.joined(separator: ", ")
    }

    private var callouts: Int { world.asked.count { if case .callout = $0 { true } else { false } } }

    // MARK: Whose it is

    @Test func `what lives here stays, the rest goes to the partner, in the domain's own name`() async throws {
        #expect(await way(of: "bob@here.example", try judge()) == "bob@here.example")
        #expect(callouts == 0)
        #expect(await way(of: "carl@here.example", try judge()) == "carl@here.example at partner.example")
        #expect(await way(of: "carl@new.example", try judge()) == "carl@here.example at partner.example")
        #expect(
            await way(of: "info@here.example", try judge()) == "bob@here.example, carl@here.example at partner.example")
        #expect(await way(of: "u%far@here.example", try judge()) == "550 5.7.1 Address is not accepted")
        #expect(await way(of: "x@far.example", try judge()).hasPrefix("550 5.7.1"))
    }

    @Test func `the partner is asked once, and believed for a while`() async throws {
        for _ in 0..<3 { _ = await way(of: "carl@here.example", try judge()) }
        #expect(callouts == 1)
        world.time.advance(by: "25h")
        world.callout = .refused(Reply(550, .badDestinationMailbox, "no such user"))
        for _ in 0..<3 {
            #expect(await way(of: "carl@here.example", try judge()) == "550 5.1.1 No such user here")
        }
        #expect(callouts == 2)
        world.time.advance(by: "11m")
        world.callout = .accepted
        #expect(await way(of: "carl@here.example", try judge()) == "carl@here.example at partner.example")
        #expect(callouts == 3)
    }

    @Test func `while it cannot be asked mail waits, or is taken`() async throws {
        for report: CalloutReport in [
            .unreachable("down"), .refused(Reply(550, .deliveryNotAuthorized, "you are blocked")),
            .refused(Reply(452, .systemFull, "full")),
        ] {
            world.callout = report
            #expect(await way(of: "carl@here.example", try judge()).hasPrefix("451 4.4.1"), "\(report)")
            let accepting = try judge { $0.partnerDown = .accept }
            #expect(await way(of: "carl@here.example", accepting) == "carl@here.example at partner.example")
        }
        #expect(callouts == 6, "nothing was learnt")
    }

    @Test func `for a report nobody is asked, but what is known counts`() async throws {
        world.callout = .refused(Reply(550, "no such user"))
        #expect(
            await way(of: "dora@here.example", from: nil, try judge()) == "dora@here.example at partner.example")
        #expect(callouts == 0)
        #expect(await way(of: "dora@here.example", try judge()).hasPrefix("550 5.1.1"))
        #expect(await way(of: "dora@here.example", from: nil, try judge()).hasPrefix("550 5.1.1"))
        world.directory.splitDomains[0].asksPartner = false
        #expect(await way(of: "dora@here.example", try judge()) == "dora@here.example at partner.example")
    }

    @Test func `a catch-all gets what the partner does not have`() async throws {
        world.directory.catchAlls = ["here.example": "all@here.example"]
        #expect(
            await way(of: "carl@here.example", try judge(hasCatchAll: true)) == "carl@here.example at partner.example")
        world.callout = .refused(Reply(550, .badDestinationMailbox, "no such user"))
        #expect(await way(of: "dora@here.example", try judge(hasCatchAll: true)) == "all@here.example")
        #expect(
            await way(of: "erna@here.example", try judge(.sample(client: "198.51.100.3"), hasCatchAll: true))
                == "all@here.example")
    }

    @Test func `nothing goes back to where it comes from`() async throws {
        let judge = try judge(.sample(client: "198.51.100.3"))
        #expect(await way(of: "carl@here.example", judge) == "550 5.1.1 No such user here")
        #expect(callouts == 0)
        let own = try self.judge(.sample(language: .internal, client: "198.51.100.3"))
        #expect(await way(of: "carl@here.example", own) == "carl@here.example at partner.example")
    }

    @Test func `which refusals are about the address`() {
        let about = [
            Reply(550, .badDestinationMailbox, "x"), Reply(550, "x"), Reply(551, "x"), Reply(553, "x"),
            Reply(550, .mailboxDisabled, "x"), Reply(550, .other, "x"), Reply(551, .destinationMoved, "x"),
        ]
        let other = [
            Reply(450, .badDestinationMailbox, "x"), Reply(550, .deliveryNotAuthorized, "x"), Reply(554, "x"),
            Reply(552, .mailboxFull, "x"), Reply(530, "x"), Reply(503, "x"), Reply(550, .routingLoop, "x"),
        ]
        for reply in about { #expect(reply.isAboutAddress, "\(reply)") }
        for reply in other { #expect(!reply.isAboutAddress, "\(reply)") }
    }

    // MARK: Loops

    /// What a message for these would have in it.
    private func mark(_ address: EmailAddress) async throws -> String {
        let judge = try judge()
        _ = await judge.sender(Envelope(sender: "alice@out.example"))
        #expect(await judge.recipient(EnvelopeRecipient(address)).isPositive)
        let copies = await judge.message(.sample()).copies
        return try #require(copies.first?.message.header.fields(named: HopMarks.field).first).value
    }

    @Test func `a message that comes back for the same address is refused`() async throws {
        let value = try await mark("carl@here.example")
        let back = Message.sample(["Sluice-Hop": value])
        #expect(await way(of: "carl@here.example", try judge(), back).hasPrefix("554 5.4.6"))
        #expect(await way(of: "Carl@new.example", try judge(), back).hasPrefix("554 5.4.6"))
        // The partner's user has forwarded it: to somebody here, or to another one there.
        #expect(await way(of: "bob@here.example", try judge(), back) == "bob@here.example")
        #expect(await way(of: "dora@here.example", try judge(), back) == "dora@here.example at partner.example")
        // A user may send what lies in his mailbox.
        let user = try judge(.sample(language: .submission, user: "bob@here.example"))
        #expect(await way(of: "carl@here.example", user, back) == "carl@here.example at partner.example")
        world.time.advance(by: "121h")
        #expect(await way(of: "carl@here.example", try judge(), back) == "carl@here.example at partner.example")
    }

    @Test func `nobody else makes such a mark`() async throws {
        let value = try await mark("carl@here.example")
        let later = value.replacing("t=", with: "t=1")
        for forged in ["", "t=1; h=x", later, String(value.dropLast(3)), "h=" + value, value.replacing("h=", with: "")]
        {
            let back = Message.sample(["Sluice-Hop": forged])
            #expect(
                await way(of: "carl@here.example", try judge(), back) == "carl@here.example at partner.example",
                "\(forged)")
        }
        #expect(!value.contains("carl"))
    }

    @Test func `many addresses have one mark`() throws {
        let marks = HopMarks(
            secrets: [Array("secret".utf8)], lifetime: 60, cryptography: LibcryptoSignatures())
        let many = (0...HopMarks.most).map { EmailAddress(localPart: "u\($0)", domain: "here.example") }
        let value = try marks.value(for: many, at: 1_000)
        #expect(value.utf8.count < 50)
        let header = Header(fields: [HeaderField(name: HopMarks.field, value: value)])
        #expect(try marks.returned(["x@here.example"], in: header, at: 1_060) == "x@here.example")
        #expect(try marks.returned(["x@here.example"], in: header, at: 1_061) == nil)
        let hundred = Array(many.dropLast())
        let long = Header(fields: [
            HeaderField(name: HopMarks.field, value: try marks.value(for: hundred, at: 1_000))
        ])
        for address in hundred { #expect(try marks.returned([address], in: long, at: 1_000) == address) }
        #expect(try marks.returned([many[HopMarks.most]], in: long, at: 1_000) == nil)
    }

    // MARK: What the partner sends

    @Test func `what the partner sends in the domain's name is no forgery`() async throws {
        world.set("here.example", .txt, .records([.text(Array("v=spf1 -all".utf8))], isSecure: false))
        let reject = DNSAnswer.records([.text(Array("v=DMARC1; p=reject".utf8))], isSecure: false)
        world.set("_dmarc.here.example", .txt, reject)
        let message = Message.sample(["From": "Carl <carl@here.example>"])
        for (client, result): (IPAddress, AuthenticationResults.Result) in [
            ("198.51.100.3", .pass), ("198.51.100.16", .fail),
        ] {
            var transaction = Transaction.sample(
                session: .sample(client: client), sender: "carl@here.example", services: world)
            let spf = try await SPF(SPF.Configuration()).sender(transaction)
            #expect(spf.entries(of: "spf").first?.hasPrefix(result.rawValue) == true, "\(spf)")
            let dmarc = try await DMARC(DMARC.Configuration()).message(message, in: transaction)
            #expect(dmarc.entries(of: "dmarc").first?.hasPrefix(result.rawValue) == true, "\(dmarc)")
            // A report has no sender; and other domains are none of the partner's.
            transaction.envelope?.sender = nil
            let report = try await DMARC(DMARC.Configuration()).message(message, in: transaction)
            #expect(report.entries(of: "dmarc").first?.hasPrefix(result.rawValue) == true)
        }
        world.set("out.example", .txt, .records([.text(Array("v=spf1 -all".utf8))], isSecure: false))
        let foreign = Transaction.sample(session: .sample(client: "198.51.100.3"), services: world)
        let spf = try await SPF(SPF.Configuration()).sender(foreign)
        #expect(spf.entries(of: "spf").first?.hasPrefix("fail") == true, "\(spf)")
    }

    @Test func `its place in the chain`() throws {
        let stage = StageVariant(SplitDomains(SplitDomains.Configuration()))
        let recipients = StageVariant(Recipients(Recipients.Configuration()))
        let catchAll = StageVariant(CatchAll(CatchAll.Configuration()))
        let late = Chain([
            Link(number: 20, file: "20-split-domain.toml", base: stage),
            Link(number: 24, file: "24-recipients.toml", base: recipients),
        ])
        #expect(late.lints.contains { $0.message.hasPrefix("split-domain takes nothing: it is asked before") })
        let behind = Chain([
            Link(number: 24, file: "24-recipients.toml", base: recipients),
            Link(number: 31, file: "31-catchall.toml", base: catchAll),
            Link(number: 32, file: "32-split-domain.toml", base: stage),
        ])
        #expect(behind.lints.contains { $0.message.hasPrefix("split-domain is asked behind catchall") })
    }
}
