import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Whatever a stage is asked, it finds nothing that it has not declared.
@Suite struct EffectsTests {
    /// Each stage with defaults, and once more with all that could make it act.
    static let stages: [any Stage] = [
        Access(Access.Configuration()), Access(access), EarlyTalker(EarlyTalker.Configuration()), EarlyTalker(talker),
        Rate(Rate.Configuration()), Rate(rate), Size(Size.Configuration()), Size(size),
        Transport(Transport.Configuration(routes: ["far.example": "smtp:inner.example", "here.example": "discard"])),
        Relay(Relay.Configuration()), Relay(relay), Senders(Senders.Configuration()),
        SendLimits(sendLimits),
        RelayDomains(.init()), Smarthost(.init()), equipped(SplitDomains(.init())),
        Recipients(Recipients.Configuration()), CatchAll(CatchAll.Configuration()),
        Greylist(Greylist.Configuration()), TraceFields(TraceFields.Configuration()),
        HeaderSanity(HeaderSanity.Configuration()), HeaderSanity(header), SPF(SPF.Configuration()), SPF(spf),
        DKIMVerify(DKIMVerify.Configuration()), DKIMVerify(dkim),
        DMARC(DMARC.Configuration()), DMARC(dmarc), Iprev(Iprev.Configuration()), Helo(Helo.Configuration()),
        Helo(helo),
        Results(Results.Configuration()), ClamAV(ClamAV.Configuration()), ClamAV(clamav),
        SenderLists(SenderLists.Configuration()), ScoreVerdict(ScoreVerdict.Configuration()),
        DNSBL(dnsbl), Milter(Milter.Configuration()), Policy(policy), Rspamd(Rspamd.Configuration()),
        Spamassassin(Spamassassin.Configuration()), Quota(Quota.Configuration()),
        ARC(ARC.Configuration()), FooterStage(FooterStage.Configuration()), FooterStage(footer),
        equipped(DKIMSign(dkimSign)), equipped(ARCSealing(arcSeal)),
        (try? SRSTests.stage()) ?? SRS(SRS.Configuration()),
    ]

    static func equipped<Kind: EquippedStage>(_ stage: Kind) -> any Stage {
        (try? stage.equipped(with: SignatureWorld.tools)) ?? stage
    }

    static let dkimSign = DKIMSignTests.policy {
        $0.domains["out.example"] = DKIMSign.DomainSigning(active: ["s1", "e1"])
        $0.users = .any
    }

    static let footer = FooterTests.policy { ($0.recipients, $0.networks) = (.all, ["0.0.0.0/0"]) }

    static let arcSeal = ARCSealTests.policy { $0.recipients = .all }

    static let access: Access.Configuration = {
        var policy = Access.Configuration()
        policy.allow = ["192.0.2.0/24"]
        policy.allowed = .accept
        policy.default = .deny
        return policy
    }()

    static let talker: EarlyTalker.Configuration = {
        var policy = EarlyTalker.Configuration()
        policy.early = .score
        policy.pipelining = .tempfail
        return policy
    }()

    static let rate: Rate.Configuration = {
        var policy = Rate.Configuration()
        policy.clientConnections = "0/1s"
        policy.clientMessages = "0/1s"
        policy.recipientMessages = "1/1s"
        return policy
    }()

    static let size: Size.Configuration = {
        var policy = Size.Configuration()
        policy.max = "100"
        return policy
    }()

    static let relay: Relay.Configuration = {
        var policy = Relay.Configuration()
        policy.networks = ["0.0.0.0/0"]
        return policy
    }()

    static let sendLimits: SendLimits.Configuration = {
        var policy = SendLimits.Configuration()
        policy.mailboxMessages = ["0/1s"]
        return policy
    }()

    static let clamav: ClamAV.Configuration = {
        var policy = ClamAV.Configuration()
        (policy.engine, policy.found, policy.limits, policy.macros) = (.clamd, .quarantine, .tag, .reject)
        return policy
    }()

    static let spf: SPF.Configuration = {
        var policy = SPF.Configuration()
        policy.none = .reject
        return policy
    }()

    static let dkim: DKIMVerify.Configuration = {
        var policy = DKIMVerify.Configuration()
        policy.none = .reject
        return policy
    }()

    static let dmarc: DMARC.Configuration = {
        var policy = DMARC.Configuration()
        policy.unknownDomain = .junk
        policy.badFrom = .quarantine
        return policy
    }()

    static let policy: Policy.Configuration = {
        var policy = Policy.Configuration()
        policy.states = PolicyQuestion.State.allCases
        return policy
    }()

    /// The world knows no such list: it says that it is silent.
    static let dnsbl: DNSBL.Configuration = {
        var policy = DNSBL.Configuration()
        policy.lists["a"] = .init(zone: "list.example")
        policy.lists["a"]?.refuse = true
        return policy
    }()

    static let helo: Helo.Configuration = {
        var policy = Helo.Configuration()
        policy.mismatch = .score
        return policy
    }()

    static let header: HeaderSanity.Configuration = {
        var policy = HeaderSanity.Configuration()
        policy.from = .score
        policy.complete = .always
        return policy
    }()

    static let sessions: [Session] = [Session.Language.smtp, .submission, .lmtp, .internal].flatMap { language in
        [nil, "bob@here.example"].flatMap { (user: EmailAddress?) in
            ["192.0.2.7", "2001:db8::1"].map { (client: IPAddress) in
                var session = Session.sample(language: language, client: client, user: user)
                session.spokeEarly = client.isIPv6
                session.pipelinedWrongly = user == nil
                return session
            }
        }
    }

    static let recipients: [Recipient] = [
        .said("bob@here.example"), .said("info@here.example"), .said("nobody@here.example"), .said("eve@far.example"),
        .said("u%far.example@here.example"), .local("bob@here.example"), unclaimed,
        .said("SRS0=ytk1on=G3=out.example=alice@here.example"),
        Recipient(
            EnvelopeRecipient("info@here.example"),
            destinations: [Destination(address: "eve@far.example", route: .exchanger(domain: "far.example"))]),
    ]

    static let unclaimed: Recipient = {
        var recipient = Recipient.said("nobody@here.example")
        recipient.unclaimed = Reply(550, .badDestinationMailbox, "No such user here")
        return recipient
    }()

    static let messages: [Message] = [
        .sample(), .sample(["From": nil]), .sample(["From": "x", "Date": nil, "Message-ID": nil]),
        .sample(["Authentication-Results": "mx.here.example; spf=pass", "X-Spam-Flag": "NO", "Bcc": "c@x.example"]),
        .sample(["Delivered-To": "bob@here.example"]), Message(header: Header(), body: .empty),
    ]

    @Test(arguments: stages.indices)
    func `findings stay within the declared effects`(_ place: Int) async throws {
        let stage = Self.stages[place]
        let world = MemoryServices()
        world.report(Self.report, by: .rspamd)
        world.report(Self.report, by: .spamassassin)
        world.answerAsMilter(MilterTests.allChanges)
        world.policyAction = "PREPEND X-Policy: asked"
        world.scan = ScanReport(
            ["Some.Virus", "Heuristics.Limits.Exceeded.MaxFiles", "Heuristics.OLE2.ContainsMacros.VBA"], by: "scanner")
        world.directory.aliases["info@here.example"] = ["bob@here.example", "eve@far.example"]
        world.directory.smarthosts[""] = RelayHost(name: "smart.example")
        world.directory.relayDomains = [RelayDomain(name: "far.example", host: RelayHost(name: "relay.example"))]
        world.directory.catchAlls["here.example"] = "info@here.example"
        world.directory.lists = [ListsTests.entry(.block, .domain("out.example"), of: .global)]
        if stage is Quota { world.fills["bob@here.example"] = .measured(octets: 10, quota: 10) }
        if stage is SplitDomains {
            world.directory.splitDomains = [SplitDomain(name: "here.example", host: RelayHost(name: "far.example"))]
        }
        var acted = false
        for session in Self.sessions {
            for sender: EmailAddress? in [nil, "alice@out.example", "bob@here.example"] {
                for finding in try await findings(of: stage, session, sender, world) {
                    #expect(finding.effects.isSubset(of: stage.currentEffects))
                    #expect(stage.currentEffects.isSubset(of: type(of: stage).effects))
                    acted = acted || finding != .none
                }
            }
        }
        let isQuiet = stage is Access || stage is Size || stage is Rate
        #expect(acted || isQuiet, "the inputs must make it act")
    }

    private static let report = SpamReport(
        score: 3, symbols: [Symbol("X", points: 2, description: "")], server: "unix:/s")

    private func findings(
        of stage: any Stage, _ session: Session, _ sender: EmailAddress?, _ world: MemoryServices
    ) async throws -> [Finding] {
        var transaction = Transaction.sample(session: session, sender: sender, services: world)
        transaction.envelope?.parameters.size = 1000
        var findings: [Finding] = []
        if let stage = stage as? any ConnectStage { findings.append(try await stage.connect(transaction)) }
        if let stage = stage as? any HelloStage { findings.append(try await stage.hello(transaction)) }
        if let stage = stage as? any SenderStage { findings.append(try await stage.sender(transaction)) }
        if let stage = stage as? any RecipientStage {
            for recipient in Self.recipients { findings.append(try await stage.recipient(recipient, in: transaction)) }
        }
        if let stage = stage as? any MessageStage {
            for message in Self.messages {
                for recipient in Self.recipients {
                    transaction.recipients = [recipient]
                    findings.append(try await stage.message(message, in: transaction))
                }
            }
        }
        return findings
    }

    @Test(arguments: stages.indices)
    func `judging again from the recorded facts finds the same`(_ place: Int) async throws {
        let stage = Self.stages[place]
        for session in Self.sessions {
            let world = MemoryServices()
            world.report(Self.report, by: .rspamd)
            world.report(Self.report, by: .spamassassin)
            let live = Transaction.sample(session: session, services: world)
            let first = try await asked(stage, live)
            let replayed = Transaction.sample(session: session, services: Record(live.services.facts))
            #expect(try await asked(stage, replayed) == first)
        }
    }

    private func asked(_ stage: any Stage, _ transaction: Transaction) async throws -> [Finding] {
        var findings: [Finding] = []
        if let stage = stage as? any SenderStage { findings.append(try await stage.sender(transaction)) }
        if let stage = stage as? any RecipientStage {
            for recipient in Self.recipients { findings.append(try await stage.recipient(recipient, in: transaction)) }
        }
        if let stage = stage as? any MessageStage {
            findings.append(try await stage.message(.sample(), in: transaction))
        }
        return findings
    }
}

/// Answers each question as it was answered, in the same order, and knows nothing else.
private actor Record: ServiceSource {
    private var facts: [Fact]

    init(_ facts: [Fact]) { self.facts = facts }

    func answer(_ question: Question) async throws(StageFailure) -> Answer {
        guard let place = facts.firstIndex(where: { $0.question == question }) else {
            throw StageFailure("was not asked before: \(question)")
        }
        return facts.remove(at: place).answer
    }
}
