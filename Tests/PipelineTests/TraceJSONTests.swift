import Foundation
import MailTypes
import Testing

@testable import Pipeline

@Suite struct TraceJSONTests {
    /// A trace in which everything is set that can be.
    static var full: Trace {
        var session = Session.sample
        session.hello = "mx.\"out\".example\\\n\u{1}é"
        session.helloVerb = .helo
        session.clientName = "mx.out.example"
        session.clientReverseName = "pool.out.example"
        session.serverAddress = "2001:db8::25"
        session.serverPort = 25
        session.tls = Session.TLS(version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", serverName: "mx")
        session.user = Session.User(mailbox: "anna@here.example", mechanism: "PLAIN")
        session.repliesPerRecipient = true
        var trace = Trace(id: Play.id, started: Date(timeIntervalSince1970: 1_700_000_000.25), session: session)
        trace.openings = [.sample, session]
        var said = EnvelopeRecipient("\"a b\"@here.example")
        said.parameters.notify = [.success, .delay]
        said.parameters.originalRecipient = "rfc822;x@y"
        trace.envelope = Envelope(sender: "a@out.example", recipients: [said, EnvelopeRecipient("b@here.example")])
        trace.envelope?.parameters.size = 12
        trace.envelope?.parameters.smtpUTF8 = true
        trace.asked = trace.envelope?.recipients ?? []
        let host = RelayHost(name: "192.0.2.1", port: 2525, language: .lmtp, security: .verified, credential: "c")
        let routes: [Route] = [.mailbox("b@here.example"), .exchanger(domain: "x.example"), .host(host), .discard]
        var recipient = Recipient(said, destinations: routes.map { Destination(address: "b@here.example", route: $0) })
        recipient.destinations[1].reversePath = "SRS0=x=y=z=\u{e9}@here.example"
        recipient.disposition = .junk
        trace.recipients = [recipient]
        trace.refused = [RefusedRecipient(address: "c@here.example", reply: Reply(550, .badDestinationMailbox, "No"))]
        trace.steps = verdicts.map(step) + [skipped, failed]
        trace.facts = zip(questions, answers).map { Fact($0, $1) }
        trace.symbols = [Symbol("BAD", points: -1.5, description: "bad"), Symbol("INF", points: 0, description: "")]
        let property = AuthenticationResults.Property("smtp.mailfrom", "a")
        trace.authentication.entries = [.init(method: "spf", result: .pass, reason: "r", properties: [property])]
        trace.replies = [Reply(250, "Plain"), Reply(451, .systemOther, lines: ["one", "two"])]
        trace.outcome = .deferred
        trace.size = 99
        trace.summary = ["from": "x\ty", "subject": "\u{7f} \u{2028}"]
        trace.queued = ["q-0", "q-1"]
        return trace
    }

    static let verdicts: [Verdict] = [
        .continue, .accept, .discard, .quarantine(reason: "why"), .reject(Reply(554, .deliveryNotAuthorized, "x")),
        .tempfail(Reply(450, .other, "y")),
    ]

    static func step(_ verdict: Verdict) -> TraceStep {
        var step = TraceStep(phase: .message, stage: "scripted", file: "50-scripted.toml")
        step.recipients = ["b@here.example"]
        step.scope = "here.example"
        step.finding = Finding(
            verdict,
            edits: [
                .score(Symbol("A", points: 0.1, description: "a")), .prependField(name: "X", value: "\"1\""),
                .appendField(name: "Y", value: "2"), .removeFields(at: [1, 3]), .replaceBody("body"),
                .spliceBody([BodySplice(1..<2, "odd")]),
                .insertField(name: "Z", value: " 3\n\t4", at: 2), .addRecipient("c@here.example"),
                .removeRecipient("d@here.example"), .changeSender(nil), .changeSender("e@here.example"),
                .authentication(.init(method: "dkim", result: .fail)), .disposition("b@here.example", .quarantine),
                .resolve("b@here.example", to: [Destination(address: "z@here.example", route: .discard)]),
                .resolve(
                    "b@here.example",
                    to: [Destination(address: "z@far.example", route: .discard, owner: "b@here.example")]),
                .unclaimed(Reply(550, .badDestinationMailbox, "No such user here")),
                .policy("b@here.example"), .standing(.open),
                .block(SendBlockOrder(.mailbox("b@here.example"), reason: "r")),
                .exempt(Exemption(reason: "r", origin: "o", entry: 7)),
            ], decidedBy: ["delay"], note: "noted")
        step.finding?.origins = ["junk": ValueOrigin(value: "5", origin: "audit 7 (here.example)")]
        step.decidedBy = ["delay": ValueOrigin(value: "\"5m\"", origin: "f:1:2")]
        step.microseconds = 12
        step.facts = 2..<5
        step.isApplied = false
        return step
    }

    static var skipped: TraceStep {
        var step = TraceStep(phase: .connect, stage: "a", file: "a")
        step.skipped = "unless tls"
        return step
    }

    static var failed: TraceStep {
        var step = TraceStep(phase: .hello, stage: "a", file: "a")
        step.failure = StageFailure("dead", timedOut: true)
        step.onFailure = .quarantine
        return step
    }

    static let moment = Date(timeIntervalSince1970: 1_700_000_001)
    static let questions: [Question] = [
        .time, .directory(.address("a@b.example")), .directory(.domain("b.example")),
        .directory(.maySend(mailbox: "a@b.example", as: "c@b.example")),
        .memory(.visit(table: "t", key: "k", at: moment, lifetime: "5m")),
        .memory(.peek(table: "t", key: "k", at: moment)),
        .memory(.count(table: "t", key: "k", amount: 2, window: "1h", at: moment)), .dns(DNSQuestion("b.example", .mx)),
        .directory(.address("x@b.example")), .directory(.domain("c.example")), .directory(.address("y@b.example")),
        .signatures(MessageHandle(.sample), most: 5),
        .publicSuffix("a.b.example"), .asciiDomain("bücher.example"), .publicSuffix(""),
        .directory(.signing("b.example")), .directory(.signing("c.example")),
        .publicSuffix("c"), .senderPolicy(policyQuestion), .listings(listingQuestion), .listings(listingQuestion),
        .lessons(LessonQuestion([2, 7, 9], scopes: [.global, .mailbox("a@b.example")])),
        .lessonScopes([.domain("b.example"), .mailbox("a@b.example")]),
        .directory(.thresholds(.global)), .directory(.thresholds(.mailbox("b@here.example"))),
        .directory(.listScopes(.domain("global"))), .directory(.listScopes(.global)), .directory(.listed(probe)),
        .directory(.authorLists(.domain("b.example"))),
        .directory(.smarthost(postOffice: "b")), .directory(.smarthost(postOffice: nil)),
        .directory(.relayDomain("b.example")), .directory(.relayDomain("c.example")),
        .directory(.sendStanding("a@b.example")), .directory(.sendStanding("b@b.example")),
        .spamScan(scanQuestion.recorded), policyQuestion(.rcpt), policyQuestion(.mail),
        milterQuestion(.connect), milterQuestion(.hello("mx")),
        milterQuestion(.sender(nil)), milterQuestion(.recipient("b@here.example")),
        milterQuestion(.message(MessageHandle(.sample), for: ["b@here.example"])),
        .lessons(LessonQuestion([], scopes: [])),
        .scan(MessageHandle(.sample), by: .clamd),
        .dns(DNSQuestion("c.example", .ptr)), .dns(DNSQuestion("d.example", .txt)), .dns(DNSQuestion("e.example", .a)),
        .dns(DNSQuestion("f.example", .aaaa)), .dns(DNSQuestion("g.example", .tlsa)),
        .directory(.address("z@b.example")), .asciiDomain("-"), .signatures(MessageHandle(.sample), most: 1),
        .senderPolicy(policyQuestion), .dns(DNSQuestion("h.example", .txt)),
        .directory(.address("r@b.example")), .directory(.domain("c.example")),
        .mailboxRoom("a@b.example", size: 7), .mailboxRoom("a@b.example", size: 1),
        .callout(CalloutQuestion(host: nil, address: "a@b.example")), .directory(.relayDomain("d.example")),
    ]
    static let answers: [Answer] = [
        .time(moment), .directory(.address(.mailbox("a@b.example"))),
        .directory(.domain(HostedDomain(name: "b.example", postOffice: "b", isEnabled: false))),
        .directory(.maySend(true)), .memory(.visit(nil)),
        .memory(.visit(Visits(first: moment, last: moment, count: 3))), .memory(.count(7)),
        .dns(.records([.exchanger(preference: 1, host: "mx"), .address("192.0.2.1")], isSecure: true)),
        .directory(.address(.expands(to: ["q@b.example"], kind: .group))), .directory(.domain(nil)),
        .failure(StageFailure("late", timedOut: true)), .signatures([report]),
        .failure(StageFailure("late", timedOut: true)), .publicSuffix("example"),
        .asciiDomain("xn--bcher-kva.example"), .publicSuffix(nil),
        .directory(
            .signing(
                SigningDomain(
                    name: "b.example",
                    active: [.init(name: "s1", algorithm: .ed25519SHA256, publicKey: "AAAA")]))),
        .directory(.signing(nil)),
        .senderPolicy(SenderPolicyReport(.fail, reason: "mechanism", explanation: "no")),
        .listings(.answered([Listing(name: "2.0.0.127", answers: ["127.0.0.2"])], unanswered: ["b.example"])),
        .listings(.passedOver("silent")),
        .lessons(
            LessonAnswer(
                margin: 0.5, scopes: [.global], spam: 30, ham: 40,
                tokens: [.init(hash: .max, thousandths: -250, spam: 1, ham: 20)])),
        .lessons(LessonAnswer()),
        .lessonScopes([.domain("b.example")]),
        .directory(.thresholds(nil)),
        .directory(.thresholds(SetThresholds(.standard, of: .mailbox("b@here.example"), audit: 3))),
        .directory(.listScopes([.mailbox("b@here.example"), .domain("global"), .global])),
        .directory(.listScopes([])), .directory(.listed([entry])),
        .directory(.authorLists([SenderList(scope: .global, action: .block)])),
        .directory(.smarthost(RelayHost(name: "smart.example", credential: "relay/1"))), .directory(.smarthost(nil)),
        .directory(.relayDomain(RelayDomain(name: "b.example", host: RelayHost(name: "192.0.2.1", port: 30)))),
        .directory(.relayDomain(nil)),
        .directory(
            .sendStanding(
                SendStanding(
                    mailbox: "a@b.example", postOffice: "b",
                    block: SendBlock(.postOffice("b"), reason: "r", since: moment), pardons: 1))),
        .directory(.sendStanding(nil)),
        .spamReport(
            SpamReport(score: 7.2, symbols: [Symbol("BAD", points: 7.5, description: "b")], server: "unix:/s")),
        .policy("PREPEND X: \"1\""), .policy(""), .milter(MilterReport(.continue)), .milter(MilterReport(.accept)),
        .milter(MilterReport(.tempfail(Reply(451, .systemOther, "y")))), .milter(MilterReport(.reject(nil))),
        .milter(
            MilterReport(
                .discard,
                changes: [
                    .addField(name: "A", value: " 1"), .insertField(at: 0, name: "B", value: "2\n\t3"),
                    .changeField(number: 1, name: "C", value: ""), .replaceBody(Bytes([0, 255, 10])),
                    .addRecipient("<c@d>"), .deleteRecipient("e@f"), .changeSender("<>", parameters: nil),
                    .changeSender("<g@h>", parameters: "SIZE=1"), .quarantine("why"),
                ])),
        .scan(ScanReport(["Some.Virus"], by: "clamd 1.4.6")),
        .dns(.records([.name("mx.\"b\".example"), .name("")], isSecure: false)),
        .dns(.records([.text([0, 34, 92, 255]), .text([])], isSecure: true)), .dns(.noData), .dns(.noName),
        .dns(.records([.tlsa(usage: 3, selector: 1, matching: 1, data: [1, 2])], isSecure: true)),
        .directory(.address(.foreign)), .asciiDomain(nil), .signatures([SignatureReport(), report]),
        .senderPolicy(SenderPolicyReport(.pass)), .dns(.records([], isSecure: false)),
        .directory(.address(.redirects("r@b.example", to: ["q@b.example"], keepsCopy: true))),
        .directory(.domain(HostedDomain(name: "b.example", postOffice: "b", catchAll: "r@b.example"))),
        .mailboxRoom(.unlimited), .mailboxRoom(.measured(octets: 1, quota: 2)), .callout(.accepted),
        .directory(.relayDomain(RelayDomain(name: "d.example", host: nil, asksServer: true, giveUpAfter: "10d"))),
    ]

    static let scanQuestion = SpamScanQuestion(
        .spamassassin, .sample,
        order: .init(
            servers: [.path("/s")], patience: "1s",
            of: Transaction(id: Play.id, hostname: "mx", session: .sample, services: Services(SmallWorld()))))

    static func milterQuestion(_ step: MilterQuestion.Step) -> Question {
        let limits = MilterQuestion.Limits(permissions: [], replyTimeout: "1s", largestBody: 1, mostConnections: 1)
        let transaction = Transaction(id: Play.id, hostname: "mx", session: .sample, services: Services(SmallWorld()))
        let order = MilterQuestion.Order(.path("/m"), limits, of: transaction, to: [])
        return .milter(MilterQuestion(step, order).recorded)
    }

    static func policyQuestion(_ state: PolicyQuestion.State) -> Question {
        let transaction = Transaction(id: Play.id, hostname: "mx", session: .sample, services: Services(SmallWorld()))
        let order = PolicyQuestion.Order(
            servers: [.path("/p")], patience: "1s", context: "", recipientCount: 0, of: transaction)
        let recipient: EmailAddress? = state == .rcpt ? "b@here.example" : nil
        return .policy(PolicyQuestion(state, sender: "a@out.example", recipient: recipient, order).recorded)
    }

    static let listingQuestion = ListingQuestion(zone: "zone.example", names: ["2.0.0.127", "b.example"])

    static let probe = ListProbe(
        scope: .mailbox("b@here.example"), client: "2001:db8::1", authors: ["a@out.example"], sender: nil)

    static var entry: ListEntry {
        var entry = ListEntry(
            id: 3, scope: .global, action: .allow, sender: .network("192.0.2.0/24"), author: "cli:root",
            created: moment, audit: 5)
        entry.match = .either
        entry.needs = .spf
        entry.reason = "why"
        entry.ends = moment
        return entry
    }

    static let policyQuestion = SenderPolicyQuestion(
        client: "2001:db8::1", hello: "mx.b.example", sender: ("\u{e9}", "b.example"), receiver: "mx", maxLookups: 3)

    static var report: SignatureReport {
        var report = SignatureReport()
        report.domain = "b.example"
        report.bodyLength = .init(signed: 3, whole: 5)
        report.fault = .body
        report.reason = "r"
        return report
    }

    @Test func `what is written is what is read`() throws {
        #expect(try Trace(json: Self.full.json) == Self.full)
    }

    @Test func `each question has its answer in the sample`() {
        #expect(Self.questions.count == Self.answers.count)
    }

    @Test func `octets are base64, and a list of numbers in older records`() throws {
        let body = Edit.replaceBody(Bytes([0, 255, 10]))
        let text = String(decoding: try JSONEncoder().encode(body), as: UTF8.self)
        #expect(text.contains("\"AP8K\""))
        let older = text.replacingOccurrences(of: "\"AP8K\"", with: "[0,255,10]")
        #expect(try JSONDecoder().decode(Edit.self, from: Data(older.utf8)) == body)
    }

    @Test func `an empty trace too`() throws {
        let trace = Trace(id: Play.id, started: Self.moment, session: .sample)
        #expect(try Trace(json: trace.json) == trace)
    }

    @Test func `what the encoder writes is the same thing`() throws {
        let encoded = try JSONEncoder().encode(Self.full)
        #expect(try Trace(json: encoded) == Trace(json: Self.full.json))
    }
}
