import MailTypes
import Testing

@testable import Pipeline

@Suite struct TransactionJudgeTests {
    static let refusal = Reply(550, .deliveryNotAuthorized, "Not today")

    @Test func `what no stage refuses is taken, and the reply has the id`() async throws {
        let (outcome, _, trace) = await Play([.router]).run(to: ["bob@here.example"])
        let only = try #require(outcome)
        #expect(only.replies == [Reply(250, .other, "Taken as \(Play.id)")])
        #expect(only.copies.count == 1)
        #expect(only.copies[0].recipients.map(\.address) == ["bob@here.example"])
        #expect(trace.outcome == .accepted)
        #expect(trace.summary["subject"] == "Hello")
    }

    @Test func `a recipient that nobody routes is refused, whoever it is`() async {
        let (outcome, replies, trace) = await Play([.router]).run(to: ["nobody@here.example"])
        #expect(outcome == nil)
        #expect(replies[1].code == 550)
        #expect(replies[1].status?.description == "5.7.1")
        #expect(trace.outcome == .rejected)
        #expect(trace.refused.map(\.address) == ["nobody@here.example"])
    }

    @Test func `an empty chain is no open relay`() async {
        let (_, replies, _) = await Play([]).run(to: ["bob@elsewhere.example"])
        #expect(replies[1].code == 550)
    }

    @Test func `a refused message is refused with the stage's words and the id`() async throws {
        let chain = [Link.router, .scripted { _, _ throws(StageFailure) in Finding(.reject(Self.refusal)) }]
        let (outcome, _, trace) = await Play(chain).run(to: ["bob@here.example"])
        #expect(try #require(outcome).replies == [Reply(550, .deliveryNotAuthorized, "Not today [\(Play.id)]")])
        #expect(try #require(outcome).copies.isEmpty)
        #expect(trace.outcome == .rejected)
    }

    @Test func `a discarded message is answered as if taken, and nothing is queued`() async throws {
        let (outcome, _, trace) = await Play([.router, .scripted { _, _ throws(StageFailure) in Finding(.discard) }])
            .run(to: ["bob@here.example"])
        #expect(try #require(outcome).replies[0].code == 250)
        #expect(try #require(outcome).copies.isEmpty)
        #expect(trace.outcome == .discarded)
    }

    @Test func `a limit of text counts scalars, since one character may have any number of them`() {
        let marks = "a" + String(repeating: "\u{301}", count: 40_000)
        #expect(marks.count == 1 && marks.cut(toScalars: 200).unicodeScalars.count == 200)
        #expect("äöü".cut(toScalars: 2) == "äö" && "ab".cut(toScalars: 2) == "ab" && "".cut(toScalars: 2) == "")
        let header = Header(fields: [HeaderField(name: "Subject", value: marks)])
        let report = ScanReport([marks], by: marks)
        #expect(report.scanner.utf8.count <= 4 * ScanReport.longestName)
        #expect((report.findings.first ?? marks).utf8.count <= 4 * ScanReport.longestName)
        #expect((Message(header: header, body: Bytes([])).summary["subject"] ?? marks).utf8.count <= 800)
    }

    @Test func `an observed stage is traced and changes nothing`() async throws {
        var words = Link.Words()
        words.isObserved = true
        let link = Link.scripted(words: words) { _, _ throws(StageFailure) in Finding(.reject(Self.refusal)) }
        let (outcome, _, trace) = await Play([.router, link]).run(to: ["bob@here.example"])
        #expect(try #require(outcome).replies[0].code == 250)
        let step = try #require(trace.steps.last)
        #expect(step.finding?.verdict == .reject(Self.refusal))
        #expect(!step.isApplied)
    }

    @Test(arguments: [
        (FailurePolicy.tempfail, 451), (.continue, 250), (.quarantine, 250),
    ])
    func `a stage that cannot decide leaves it to on_failure`(_ policy: FailurePolicy, _ code: Int) async throws {
        var words = Link.Words()
        words.onFailure = policy
        let link = Link.scripted(words: words) { _, _ throws(StageFailure) in throw StageFailure("the scanner is dead")
        }
        let (outcome, _, trace) = await Play([.router, link]).run(to: ["bob@here.example"])
        let only = try #require(outcome)
        #expect(only.replies[0].code == code)
        #expect(trace.steps.last?.failure?.reason == "the scanner is dead")
        #expect(trace.steps.last?.onFailure == policy)
        switch policy {
        case .tempfail: #expect(only.copies.isEmpty)
        case .continue: #expect(only.copies[0].message.header["X-Sluice-Unchecked"] != nil)
        case .quarantine: #expect(only.copies[0].recipients[0].disposition == .quarantine)
        }
    }

    @Test func `a service that hangs costs the stage's timeout and no more`() async throws {
        var words = Link.Words()
        words.timeout = "20ms"
        let link = Link.scripted(words: words) { _, transaction async throws(StageFailure) in
            _ = try await transaction.services.dns("out.example", .mx)
            return .none
        }
        let (outcome, _, trace) = await Play([.router, link]).run(to: ["bob@here.example"])
        #expect(try #require(outcome).replies[0].code == 451)
        #expect(trace.steps.last?.failure?.timedOut == true)
    }

    @Test func `a finding outside the declared effects is not applied`() async {
        let liar = Link(number: 10, file: "10-liar.toml", base: StageVariant(Liar()))
        let judge = Play([liar]).judge()
        let reply = await judge.sender(Envelope(sender: "a@out.example"))
        #expect(reply.code == 451)
        #expect(judge.trace().steps[0].failure != nil)
    }

    @Test func `later stages see what earlier ones changed`() async throws {
        let first = Link.scripted(50) { _, _ throws(StageFailure) in
            Finding(edits: [
                .prependField(name: "X-First", value: "1"), .removeFields(at: [1]), .replaceBody("Changed.\r\n"),
                .score(Symbol("A", points: 2.5, description: "a")),
            ])
        }
        let second = Link.scripted(60) { message, transaction throws(StageFailure) in
            let seen = message.header.fields.map(\.name).joined(separator: ",")
            let text = "\(seen) \(String(decoding: message.body.array, as: UTF8.self)) \(transaction.score)"
            return Finding(edits: [.appendField(name: "X-Seen", value: text)])
        }
        let (outcome, _, trace) = await Play([.router, first, second]).run(to: ["bob@here.example"])
        let message = try #require(outcome?.copies.first).message
        #expect(message.header["X-Seen"]?.value == "X-First,From Changed. 2.5")
        #expect(message.header["Subject"] == nil)
        #expect(trace.score == 2.5)
    }

    // MARK: Per recipient

    static let strict = StageVariant(
        Scripted { _, _ throws(StageFailure) in Finding(.reject(refusal)) }, scope: "strict.example")

    static var mixedChain: [Link] {
        [.router, .scripted(domains: ["strict.example": strict]) { _, _ throws(StageFailure) in .none }]
    }

    @Test func `a recipient with another policy is asked to come alone`() async {
        let (outcome, replies, _) = await Play(Self.mixedChain).run(to: ["bob@here.example", "eve@strict.example"])
        #expect(replies[2].code == 451)
        #expect(replies[2].status?.description == "4.5.3")
        #expect(outcome?.copies.flatMap(\.recipients).map(\.address) == ["bob@here.example"])
    }

    @Test func `domains whose tables say the same share one verdict`() async {
        func table(_ domain: String, _ value: String, line: Int) -> StageVariant {
            StageVariant(
                Scripted { _, _ throws(StageFailure) in .none }, scope: domain,
                values: ["junk": ValueOrigin(value: value, origin: "50.toml:\(line):1")])
        }
        let (here, strict) = ("here.example", "strict.example")
        for (value, codes) in [("5", [250, 250, 250, 250]), ("5.5", [250, 250, 451, 250])] {
            let link = Link.scripted(
                domains: [here: table(here, "5", line: 3), strict: table(strict, value, line: 6)]
            ) { _, _ throws(StageFailure) in .none }
            let (outcome, replies, trace) = await Play([.router, link]).run(
                to: ["bob@here.example", "eve@strict.example"])
            #expect((replies + (outcome?.replies ?? [])).map(\.code) == codes)
            #expect(trace.steps.filter { $0.phase == .message }.map(\.scope) == [here], "the first one's is named")
        }
    }

    @Test func `with on_mixed junk the stricter recipient gets it as junk`() async throws {
        let (outcome, _, _) = await Play(Self.mixedChain, onMixed: .junk)
            .run(to: ["bob@here.example", "eve@strict.example"])
        let copies = try #require(outcome).copies
        #expect(outcome?.replies.map(\.code) == [250])
        #expect(copies.flatMap(\.recipients).map(\.disposition) == [.deliver, .junk])
    }

    /// Leaves a mark, as a stage behind the one that refuses: `received`, a signature.
    static let marking = Link.scripted(90) { _, _ throws(StageFailure) in
        Finding(edits: [.prependField(name: "X-Mark", value: "here")])
    }

    static func answering(_ finding: Finding, for domain: String = "strict.example", at number: Int = 50) -> Link {
        let own = StageVariant(Scripted { _, _ throws(StageFailure) in finding }, scope: domain)
        return .scripted(number, domains: [domain: own]) { _, _ throws(StageFailure) in .none }
    }

    static let later = Reply(451, .systemOther, "Later")

    @Test func `what is taken as junk has been through the rest of the chain`() async throws {
        let (outcome, _, trace) = await Play(Self.mixedChain + [Self.marking], onMixed: .junk)
            .run(to: ["bob@here.example", "eve@strict.example"])
        let copies = try #require(outcome).copies
        #expect(copies.count == 2)
        #expect(copies.allSatisfy { $0.message.header["X-Mark"] != nil })
        #expect(trace.steps.count { $0.file == "90-scripted.toml" } == 2)
    }

    @Test func `junk is not refused again, but it can be too early to judge it`() async throws {
        let to: [EmailAddress] = ["bob@here.example", "eve@strict.example"]
        let twice = Self.mixedChain + [Self.answering(Finding(.reject(Self.refusal)), at: 60)]
        let (taken, _, _) = await Play(twice, onMixed: .junk).run(to: to)
        #expect(taken?.replies.map(\.code) == [250])
        #expect(taken?.copies.flatMap(\.recipients).map(\.disposition) == [.deliver, .junk])
        let dead = Self.mixedChain + [Self.answering(Finding(.tempfail(Self.later)), at: 60)]
        let (deferred, _, _) = await Play(dead, onMixed: .junk).run(to: to)
        #expect(deferred?.replies.map(\.code) == [451])
        #expect(deferred?.copies.isEmpty == true)
        let dropped = Self.mixedChain + [Self.answering(Finding(.discard), at: 60)]
        let (rest, _, _) = await Play(dropped, onMixed: .junk).run(to: to)
        #expect(rest?.replies.map(\.code) == [250])
        #expect(rest?.copies.flatMap(\.recipients).map(\.address) == ["bob@here.example"])
    }

    @Test(arguments: [OnMixed.junk, .split])
    func `one that cannot be judged now puts the message off for all`(_ onMixed: OnMixed) async throws {
        // The link fails for one domain only: its scanner is dead.
        let dead = StageVariant(
            Scripted { _, _ throws(StageFailure) in throw StageFailure("dead") }, scope: "strict.example")
        let failing = Link.scripted(domains: ["strict.example": dead]) { _, _ throws(StageFailure) in .none }
        var play = Play([.router, failing], onMixed: onMixed)
        let to: [EmailAddress] = ["bob@here.example", "eve@strict.example"]
        let (outcome, replies, trace) = await play.run(to: to)
        guard onMixed == .junk else { return #expect(replies.map(\.code) == [250, 250, 451]) }
        #expect(outcome?.replies.map(\.code) == [451])
        #expect(outcome?.copies.isEmpty == true, "nothing passes unjudged")
        #expect(trace.outcome == .deferred)
        play.session.repliesPerRecipient = true
        #expect(await play.run(to: to).0?.replies.map(\.code) == [250, 451])
    }

    @Test(arguments: [OnMixed.split, .junk])
    func `that one recipient's mail is discarded takes nothing for another`(_ onMixed: OnMixed) async throws {
        let refusing = Link.scripted { _, _ throws(StageFailure) in Finding(.reject(Self.refusal)) }
        let chain = [Link.router, .discarding, refusing]
        let pair: [EmailAddress] = ["bob@here.example", "void@here.example"]
        for to in [pair, pair.reversed()] {
            let (outcome, replies, _) = await Play(chain, onMixed: onMixed).run(to: to)
            #expect(replies.map(\.code) == [250, 250, 250])
            #expect(outcome?.replies.map(\.code) == [550])
            #expect(outcome?.copies.isEmpty == true)
        }
        let alone = await Play(chain, onMixed: onMixed).run(to: ["void@here.example"]).0
        #expect(alone?.replies.map(\.code) == [250])
        let divided = [
            Link.router, Self.answering(Finding(.discard), for: "void.example"),
            Self.answering(Finding(.reject(Self.refusal)), at: 60),
        ]
        let (outcome, _, _) = await Play(divided, onMixed: .junk).run(to: ["a@void.example", "eve@strict.example"])
        #expect(outcome?.replies.map(\.code) == [550], "nobody gets it, so nobody gets it as junk")
        #expect(outcome?.copies.isEmpty == true)
    }

    @Test func `a verdict nobody could foresee refuses for all where recipients are split`() async throws {
        // A message stage moves one recipient into a domain with rules of its own.
        let moving = Link(number: 45, file: "45-moving.toml", base: StageVariant(Moving()))
        let (outcome, _, _) = await Play([.router, moving] + Self.mixedChain.dropFirst())
            .run(to: ["bob@here.example", "moved@here.example"])
        #expect(outcome?.replies.map(\.code) == [550])
        #expect(outcome?.copies.isEmpty == true)
    }

    @Test func `a thousand recipients get each their own verdict`() async throws {
        var play = Play([.router, Self.answering(Finding(.reject(Self.refusal)))])
        play.session.repliesPerRecipient = true
        let recipients = (0..<1000).map {
            EmailAddress(localPart: "p\($0 / 2)", domain: $0 % 2 == 0 ? "here.example" : "strict.example")
        }
        let outcome = await play.run(to: recipients + [EmailAddress(localPart: "P7", domain: "strict.example")]).0
        #expect(outcome?.replies.map(\.code) == (0..<1000).map { $0 % 2 == 0 ? 250 : 550 } + [550])
        #expect(outcome?.copies.flatMap(\.recipients).count == 500)
    }

    @Test func `where each recipient is answered, each gets its own verdict`() async throws {
        var play = Play(Self.mixedChain)
        play.session.repliesPerRecipient = true
        let (outcome, _, _) = await play.run(to: ["eve@strict.example", "bob@here.example"])
        #expect(outcome?.replies.map(\.code) == [550, 250])
        #expect(outcome?.copies.flatMap(\.recipients).map(\.address) == ["bob@here.example"])
    }

    static let numbered = Link(number: 60, file: "60-numbered.toml", base: StageVariant(Numbered()))

    @Test func `a recipient with values of its own is asked to come alone`() async {
        let (outcome, replies, _) = await Play([.router, Self.numbered])
            .run(to: ["bob1@here.example", "eve5@here.example", "al1@here.example", "ann@here.example"])
        #expect(replies.map(\.code) == [250, 250, 451, 250, 451])
        #expect(outcome?.copies.flatMap(\.recipients).map(\.address) == ["bob1@here.example", "al1@here.example"])
    }

    @Test func `where each is answered, a stage is asked once for all with the same values`() async throws {
        var play = Play([.router, Self.numbered])
        play.session.repliesPerRecipient = true
        let (outcome, _, trace) = await play.run(
            to: ["ann@here.example", "eve5@here.example", "bob1@here.example", "eva5@here.example"])
        #expect(outcome?.replies.map(\.code) == [250, 550, 250, 550])
        let steps = trace.steps.filter { $0.phase == .message && $0.stage == "numbered" }
        #expect(
            steps.map(\.recipients) == [
                ["ann@here.example"], ["eve5@here.example", "eva5@here.example"], ["bob1@here.example"],
            ])
        #expect(try Trace(json: trace.json) == trace)
    }

    @Test func `in shadow a stage goes by each recipient's values, and divides nothing`() async throws {
        var words = Link.Words()
        words.isObserved = true
        let shadow = Link(number: 60, file: "60-numbered.toml", base: StageVariant(Numbered()), words: words)
        let (outcome, replies, trace) = await Play([.router, shadow])
            .run(to: ["bob1@here.example", "eve5@here.example", "eva5@here.example"])
        #expect(replies.map(\.code) == [250, 250, 250, 250] && outcome?.replies.map(\.code) == [250])
        #expect(outcome?.copies.map(\.recipients.count) == [3])
        let steps = trace.steps.filter { $0.phase == .message && $0.stage == "numbered" }
        #expect(steps.map(\.recipients) == [["bob1@here.example"], ["eve5@here.example", "eva5@here.example"]])
        let refusal = Verdict.reject(Reply(550, .deliveryNotAuthorized, "Not for 5"))
        #expect(steps.map { $0.finding?.verdict } == [.continue, refusal])
        #expect(try Trace(json: trace.json) == trace)
    }

    @Test func `a recipient said twice is delivered once`() async throws {
        let (outcome, replies, _) = await Play([.router]).run(to: ["bob@here.example", "BOB@here.example"])
        #expect(replies.map(\.code) == [250, 250, 250])
        #expect(outcome?.copies.flatMap(\.recipients).count == 1)

        var play = Play([.router])
        play.session.repliesPerRecipient = true
        let (each, _, _) = await play.run(to: ["bob@here.example", "BOB@here.example"])
        #expect(each?.replies.map(\.code) == [250, 250])
        #expect(each?.copies.flatMap(\.recipients).count == 1)
    }

    // MARK: Judged again

    @Test func `the same facts give the same findings`() async throws {
        let clocked = Link(number: 10, file: "10-clocked.toml", base: StageVariant(Clocked()))
        let play = Play([clocked, .router])
        let (_, _, trace) = await play.run(to: ["bob@here.example"])
        #expect(trace.score == 1)
        let again = await trace.judgedAgain(on: play.chain, hostname: "mx.here.example", message: .sample)
        #expect(again.steps.map(\.finding) == trace.steps.map(\.finding))
        #expect(again.replies == trace.replies)
    }

    @Test func `a greeting is judged again where nobody was asked about the connection`() async throws {
        let greeter = Link(number: 10, file: "10-greeter.toml", base: StageVariant(Greeter()))
        var play = Play([greeter, .router])
        play.session.hello = "client.example"
        var opening = Opening()
        opening.connect(session: .sample)
        _ = await opening.hello(
            session: play.session, on: play.chain, id: Play.id, hostname: "mx.here.example", source: play.source)
        play.opening = opening
        let (_, _, trace) = await play.run(to: ["bob@here.example"])
        #expect(trace.score == 3)
        let again = await trace.judgedAgain(on: play.chain, hostname: "mx.here.example", message: .sample)
        #expect(again.steps.map(\.finding) == trace.steps.map(\.finding))
        #expect(again.score == 3)
    }

    @Test func `a chain that asks at the greeting is tried on a session where nobody was asked`() async throws {
        var play = Play([.router])
        play.session.hello = "client.example"
        play.opening.connect(session: .sample)
        play.opening.hello(session: play.session)
        let (_, _, trace) = await play.run(to: ["bob@here.example"])
        let greeter = Link(number: 10, file: "10-greeter.toml", base: StageVariant(Greeter()))
        let again = await trace.judgedAgain(on: Chain([greeter, .router]), hostname: "mx", message: .sample)
        #expect(again.score == 3)
    }

    @Test func `what was never asked has no answer in the record`() async throws {
        let (_, _, trace) = await Play([.router]).run(to: ["bob@here.example"])
        let clocked = Link(number: 10, file: "10-clocked.toml", base: StageVariant(Clocked()))
        let again = await trace.judgedAgain(on: Chain([clocked, .router]), hostname: "mx", message: .sample)
        #expect(again.steps.first?.failure != nil)
    }
}
