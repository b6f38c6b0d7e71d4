import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// What follows from the score, and what a message carries of it.
@Suite struct ThresholdsTests {
    let world = MemoryServices()

    static func transaction(
        _ score: Double, to recipients: [EmailAddress] = ["bob@here.example"], user: EmailAddress? = nil,
        _ services: MemoryServices
    ) -> Transaction {
        var transaction = Transaction.sample(
            session: .sample(user: user), recipients: recipients.map(Recipient.local), services: services)
        transaction.symbols = [Symbol("TESTED", points: score, description: "a test has said so")]
        return transaction
    }

    func finding(_ score: Double, _ change: (inout Transaction) -> Void = { _ in }) async throws -> Finding {
        var transaction = Self.transaction(score, world)
        change(&transaction)
        return try await ScoreVerdict(ScoreVerdict.Configuration()).message(.sample(), in: transaction)
    }

    // MARK: Bands

    static let bands: [(Double, Verdict, [String])] = [
        (0, .continue, ["defer"]), (3.99, .continue, ["defer"]),
        (6, .continue, ["junk", "reject"]), (14.99, .continue, ["junk", "reject"]),
        (15, .reject(ScoreVerdict.refusal), ["reject"]),
    ]

    @Test(arguments: bands)
    func `a score has one consequence`(_ score: Double, _ verdict: Verdict, _ decided: [String]) async throws {
        let finding = try await finding(score)
        #expect(finding.verdict == verdict)
        #expect(finding.decidedBy == decided)
        #expect(finding.fields["X-Spam"] == (score >= 6 ? "Yes" : nil))
        #expect(finding.dispositions == (score >= 6 && score < 15 ? ["bob@here.example": .junk] : [:]))
        #expect(finding.fields["X-Spam-Score"] == "\(score)")
    }

    @Test func `what is deferred passes when it comes back, from whatever client, with its score`() async throws {
        let first = try await finding(4)
        let later = "Please send this message again in 300 seconds"
        #expect(first.verdict == .tempfail(Reply(451, .deliveryNotAuthorized, later)))
        #expect(first.decidedBy == ["defer", "junk", "delay"])
        world.time.advance(by: "299s")
        #expect(
            try await finding(4).verdict
                == .tempfail(Reply(451, .deliveryNotAuthorized, "Please send this message again in 1 seconds")))
        world.time.advance(by: "1s")
        let last = try await finding(5.5) { $0.session = .sample(client: "198.51.100.9") }
        #expect(last.verdict == .continue)
        #expect(last.fields["X-Spam-Score"] == "5.5")
        #expect(last.fields["X-Spam"] == nil)
        #expect(last.note?.contains("came back after 300 s and passes") == true)
    }

    @Test func `what has waited at greylisting is not put off once more, and others are`() async throws {
        let greylist = Greylist(Greylist.Configuration())
        let stage = ScoreVerdict(ScoreVerdict.Configuration())
        let transaction = Self.transaction(4, world)
        _ = try await greylist.recipient(.said("bob@here.example"), in: transaction)
        world.time.advance(by: "5m")
        #expect(try await greylist.recipient(.said("bob@here.example"), in: transaction).verdict == .continue)
        let both = Self.transaction(4, to: ["bob@here.example", "eve@here.example"], world)
        #expect(try await stage.message(.sample(), in: both).verdict != .continue)
        let finding = try await stage.message(.sample(), in: transaction)
        #expect(finding.verdict == .continue && finding.fields["X-Spam-Score"] == "4.0")
        #expect(finding.note?.contains("came back after 300 s and passes") == true)
    }

    @Test func `waiting helps no other message, sender or recipient, and no score of junk`() async throws {
        let stage = ScoreVerdict(ScoreVerdict.Configuration())
        _ = try await finding(4)
        world.time.advance(by: "1h")
        #expect(try await finding(6).dispositions == ["bob@here.example": .junk])
        #expect(try await finding(15).verdict == .reject(ScoreVerdict.refusal))
        let others: [(Message, Transaction)] = [
            (.sample(["Message-ID": "<2@out.example>"]), Self.transaction(4, world)),
            (.sample(["Subject": "Other"]), Self.transaction(4, world)),
            (.sample(), Self.transaction(4, to: ["eve@here.example"], world)),
            (.sample(), Self.transaction(4, to: ["bob@here.example", "eve@here.example"], world)),
        ]
        for (message, transaction) in others {
            let finding = try await stage.message(message, in: transaction)
            #expect(finding.effects.contains(.tempfails))
            #expect(finding.fields["X-Spam"] == nil)
        }
        var stranger = Self.transaction(4, world)
        stranger.envelope = Envelope(sender: "carl@out.example")
        #expect(try await stage.message(.sample(), in: stranger).effects.contains(.tempfails))
        #expect(try await finding(4).verdict == .continue)
    }

    @Test func `what gets its Message-ID and Date here is known again all the same`() async throws {
        let stage = ScoreVerdict(ScoreVerdict.Configuration())
        func verdict(_ number: UInt32, _ identifier: String?, _ subject: String = "x") async throws -> Verdict {
            var transaction = Transaction(
                id: TransactionID(milliseconds: 1_795_219_200_000 + UInt64(number) * 60_000, random: number),
                hostname: "mx.here.example", session: .sample(), services: Services(world))
            transaction.recipients = [Recipient.local("bob@here.example")]
            transaction.symbols = [Symbol("TESTED", points: 4, description: "")]
            let message = Message(
                header: Header(fields: [
                    HeaderField(name: "Subject", value: subject), HeaderField(name: "Date", value: "at \(number)"),
                    HeaderField(name: "Message-ID", value: identifier ?? "<\(transaction.id)@mx.here.example>"),
                ]), body: Bytes(Array("body\r\n".utf8)))
            return try await stage.message(message, in: transaction).verdict
        }
        for identifier in [nil, "<its.own@out.example>"] {
            #expect(try await verdict(1, identifier) != .continue)
            world.time.advance(by: "300s")
            #expect(try await verdict(2, identifier, "other") != .continue)
            #expect(try await verdict(3, identifier) == .continue)
        }
    }

    @Test func `who comes back too late begins anew`() async throws {
        _ = try await finding(4)
        world.time.advance(by: "2d")
        #expect(try await finding(4).effects.contains(.tempfails))
    }

    @Test func `a long way to many recipients asks for the first of them only`() async throws {
        let many = (0..<500).map { EmailAddress(localPart: "u\($0)", domain: "here.example") }
        let stage = ScoreVerdict(ScoreVerdict.Configuration())
        _ = try await stage.message(.sample(), in: Self.transaction(4, to: many, world))
        // Of each of the first fifty: was it deferred, and has it waited elsewhere?
        #expect(world.asked.count < 110)
    }

    // MARK: Whose thresholds

    static let own = SetThresholds.sample((1, 2, 3), .mailbox("bob@here.example"), 7)
    static let domains = SetThresholds.sample((2, 3, 5), .domain("here.example"), 6)
    static let everybodys = SetThresholds.sample((3, 5, 9), .global, 5)

    /// What the directory has, whether the file has a table of the domain, what the recipient is judged by, and where
    /// `reject` stands.
    static let precedence: [([SetThresholds], Bool, String?, Double, String?)] = [
        ([], false, nil, 15, nil), ([], true, nil, 15, nil),
        ([everybodys], false, "defer=3 junk=5 reject=9", 9, "audit 5 (global)"), ([everybodys], true, nil, 15, nil),
        ([everybodys, domains], false, "defer=2 junk=3 reject=5", 5, "audit 6 (here.example)"),
        ([everybodys, domains], true, "defer=2 junk=3 reject=5", 5, "audit 6 (here.example)"),
        ([domains, own], true, "defer=1 junk=2 reject=3", 3, "audit 7 (bob@here.example)"),
        ([own, everybodys], false, "defer=1 junk=2 reject=3", 3, "audit 7 (bob@here.example)"),
    ]

    @Test(arguments: precedence)
    func `the nearest word counts`(
        _ set: [SetThresholds], _ hasTable: Bool, _ policy: String?, _ reject: Double, _ origin: String?
    ) async throws {
        world.directory.thresholds = set
        let stage = ScoreVerdict(ScoreVerdict.Configuration())
        var transaction = Transaction.sample(services: world)
        transaction.ownOptions = hasTable ? ["reject"] : []
        let named = try await stage.recipient(.local("bob@here.example"), in: transaction)
        #expect(named.edits == (policy.map { [.policy($0)] } ?? []))
        let finding = try await finding(reject) {
            $0.policy = policy
            $0.ownOptions = hasTable ? ["reject"] : []
        }
        #expect(finding.verdict == .reject(ScoreVerdict.refusal))
        #expect(finding.origins?["reject"]?.origin == origin)
        let less = try await self.finding(reject - 0.01) {
            $0.policy = policy; $0.ownOptions = hasTable ? ["reject"] : []
        }
        #expect(less.verdict != .reject(ScoreVerdict.refusal))
    }

    @Test func `a table of the domain that sets no threshold leaves everybody's in force`() async throws {
        world.directory.thresholds = [Self.everybodys]
        let finding = try await finding(9) {
            $0.ownOptions = ["delay"]
            $0.policy = Self.everybodys.values.description
        }
        #expect(finding.effects.contains(.rejects))
    }

    @Test func `equal thresholds are one policy, whoever set them`() async throws {
        let other = SetThresholds.sample((2, 3, 5), .domain("there.example"), 8)
        world.directory.thresholds = [Self.domains, other, .sample((4, 6, 15), .mailbox("eve@here.example"), 9)]
        let stage = ScoreVerdict(ScoreVerdict.Configuration())
        func named(_ recipient: EmailAddress) async throws -> [Edit] {
            try await stage.recipient(.local(recipient), in: .sample(services: world)).edits
        }
        let here = try await named("bob@here.example")
        #expect(here == [.policy("defer=2 junk=3 reject=5")])
        #expect(try await named("dan@there.example") == here)
        #expect(try await named("eve@here.example") == [], "they are the file's")
        let finding = try await finding(5) {
            $0.recipients = [.local("bob@here.example"), .local("dan@there.example"), .local("carl@there.example")]
            $0.policy = "defer=2 junk=3 reject=5"
        }
        #expect(finding.verdict == .reject(ScoreVerdict.refusal))
        #expect(finding.origins?["reject"]?.origin == "audit 6 (here.example), audit 8 (there.example)")
        #expect(finding.note == "score 5.0: reject (thresholds of here.example, there.example)")
    }

    @Test func `what was compared at RCPT holds for the message, whatever is set meanwhile`() async throws {
        world.directory.thresholds = [Self.own]
        let finding = try await finding(4.5) { $0.policy = "defer=2 junk=4 reject=off" }
        #expect(finding.dispositions == ["bob@here.example": .junk])
        #expect(finding.note == "score 4.5: junk (thresholds as they were at RCPT)" && finding.origins == nil)
    }

    @Test func `a message for nobody is judged, and nothing is counted from no wait`() async throws {
        let finding = try await finding(4) { $0.recipients = [] }
        #expect(finding.verdict == .continue && finding.note?.hasSuffix("came back after 0 s and passes") == true)
        var judgement = ScoreJudgement(4, .defer, by: ThresholdsInForce(values: .standard, sources: []))
        for seconds in [Double.infinity, .nan, -.infinity, 1e300] {
            judgement.waited = .over(seconds)
            #expect(judgement.note.hasSuffix(" s and passes"))
            judgement.waited = .waiting(seconds)
            _ = (judgement.note, ScoreVerdict.Configuration().rest(after: judgement.waited))
        }
    }

    // MARK: Own users

    static let users: [(ScoreVerdict.Configuration.OwnUsers, Double, Bool, Bool)] = [
        (.reject, 14.9, false, false), (.reject, 15, true, false), (.ignore, 99, false, false),
        (.judge, 6, false, true), (.judge, 15, true, true),
    ]

    @Test(arguments: users)
    func `mail of own users goes by a rule of its own`(
        _ rule: ScoreVerdict.Configuration.OwnUsers, _ score: Double, isRefused: Bool, isMarked: Bool
    ) async throws {
        var policy = ScoreVerdict.Configuration()
        policy.ownUsers = rule
        let transaction = Self.transaction(score, user: "bob@here.example", world)
        let finding = try await ScoreVerdict(policy).message(.sample(["X-Spam-Flag": "NO"]), in: transaction)
        #expect(finding.effects.contains(.rejects) == isRefused)
        #expect((finding.fields["X-Spam"] != nil) == isMarked)
        #expect((finding.fields["X-Spam-Status"] != nil) == isMarked)
        #expect(finding.removed.count == 1, "a forged field goes, whoever wrote it")
    }

    @Test func `mail of own users is never put off`() async throws {
        #expect(
            try await finding(5) { $0.session.user = .init(mailbox: "bob@here.example", mechanism: "PLAIN") }.verdict
                == .continue)
        #expect(try await finding(5) { $0.session.language = .internal }.verdict == .continue)
    }

    // MARK: Fields

    @Test func `forged fields go, however they are written`() async throws {
        let message = Message.sample([
            "X-Spam": "No", "x-sPAM-status": "No", "X-Spam-Flag": "NO", "X-Spamd-Result": "x", "X-Spa": "stays",
            "X-Spammer": "goes", "X-SP": "stays",
        ])
        let finding = try await ScoreVerdict(.init()).message(message, in: Self.transaction(0, world))
        let gone = finding.removed.map { message.header.fields[$0].name }
        #expect(gone == ["X-Spam", "x-sPAM-status", "X-Spam-Flag", "X-Spamd-Result", "X-Spammer"])
    }

    @Test func `the status says each symbol with its points and its meaning, the weightiest first`() async throws {
        let finding = try await finding(0) {
            $0.symbols = [
                Symbol("SMALL", points: 0.5, description: "a little; (odd)"),
                Symbol("GOOD", points: -1, description: ""), Symbol("BIG", points: 6, description: "much"),
            ]
        }
        #expect(
            finding.fields["X-Spam-Status"]
                == "No, score=5.5 defer=4 junk=6 reject=15 result=defer; BIG=6 (much); GOOD=-1; "
                + "SMALL=0.5 (a little, [odd])")
    }

    @Test func `what strangers made part of a description cannot break the field, and its length has an end`()
        async throws
    {
        let finding = try await finding(0) {
            $0.symbols = (0..<400).map { number in
                let text = "x\r\nX-Injected: yes\u{0}\u{1B}é" + String(repeating: "y", count: 500)
                return Symbol("S\(number)", points: 0.01, description: text)
            }
        }
        let value = try #require(finding.fields["X-Spam-Status"])
        #expect(value.utf8.count < SpamStatus.longestValue + 400)
        #expect(value.contains("more"))
        let raw = HeaderField(name: "X-Spam-Status", value: value).raw
        #expect(raw.allSatisfy { ($0 >= 0x20 && $0 < 0x7F) || $0 == 0x0D || $0 == 0x0A })
        let lines = raw.split(separator: 0x0A)
        #expect(lines.allSatisfy { $0.count <= 999 })
        #expect(lines.dropFirst().allSatisfy { $0.first == 0x20 }, "one field it stays")
    }

    @Test func `who is junk for another reason is marked as junk`() async throws {
        let finding = try await finding(0) { $0.recipients[0].disposition = .junk }
        #expect(finding.fields["X-Spam"] == "Yes")
        #expect(finding.fields["X-Spam-Status"]?.hasPrefix("Yes, ") == true)
    }

    @Test func `a held message stays held`() async throws {
        #expect(try await finding(6) { $0.recipients[0].disposition = .quarantine }.dispositions == [:])
    }

    // MARK: Exemptions

    @Test(arguments: [(0.0, false), (4, true), (6, true), (15, true)])
    func `an exemption sets the score's consequences aside, and says so`(_ score: Double, _ isNoted: Bool) async throws
    {
        let finding = try await finding(score) {
            $0.exemption = Exemption(reason: "allow out.example", origin: "audit 3 (global)", entry: 9)
        }
        #expect(finding.verdict == .continue && finding.dispositions.isEmpty && finding.fields["X-Spam"] == nil)
        #expect(finding.fields["X-Spam-Score"] == "\(score)")
        #expect(finding.fields["X-Spam-Status"]?.contains("exempt=(allow out.example)") == true)
        #expect(finding.note?.contains("allow out.example, audit 3 (global)") == true)
        let used = world.asked.contains {
            if case .memory(.visit("lists.used", "9", _, _)) = $0 { true } else { false }
        }
        #expect(used == isNoted, "it has changed an outcome, or it has not")
    }
}

extension SetThresholds {
    static func sample(_ values: (Double, Double, Double), _ scope: PolicyScope, _ audit: Int64) -> SetThresholds {
        let thresholds = try? Thresholds(defer: values.0, junk: values.1, reject: values.2)
        return SetThresholds(thresholds ?? .standard, of: scope, audit: audit)
    }
}

extension Finding {
    /// The fields that it adds, by their names.
    var fields: [String: String] {
        var fields: [String: String] = [:]
        for case .prependField(let name, let value) in edits { fields[name] = value }
        return fields
    }

    var dispositions: [EmailAddress: Disposition] {
        var found: [EmailAddress: Disposition] = [:]
        for case .disposition(let address, let disposition) in edits { found[address] = disposition }
        return found
    }
}
