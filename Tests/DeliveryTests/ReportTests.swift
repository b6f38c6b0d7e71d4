import Foundation
import MailTypes
import Synchronization
import Testing

@testable import Delivery
@testable import Queue

@Suite struct ReportTests {
    static let now = Date(timeIntervalSince1970: 1_795_230_000)
    static let id = QueueID(TransactionID(milliseconds: 1_795_229_000_000, random: 7))

    static func message(
        sender: EmailAddress? = "anna@here.test", to recipients: [EmailAddress] = ["bob@there.test"],
        _ change: (inout QueuedMessage) -> Void = { _ in }
    ) -> QueuedMessage {
        var message = QueuedMessage(
            id: id, sender: sender, parameters: MailParameters(), received: Date(timeIntervalSince1970: 1_795_229_000),
            arrival: "", recipients: recipients.map { QueueRecipient($0, route: .exchanger(domain: $0.domain)) },
            content: "Subject: Hi\r\nMessage-ID: <1@here.test>\r\n\r\nHello\r\n")
        change(&message)
        return message
    }

    static func attempt(
        _ number: Int = 0, _ result: Attempt.Result, attempts: Int = 0, age: Interval = "0s", warned: Bool = false
    ) -> Attempt {
        Attempt(
            claimed: Work.Recipient(number: number, attempts: attempts, age: age, warned: warned), result: result,
            host: RemoteHost(name: "mx.there.test", address: "192.0.2.1", port: 25))
    }

    static func plan(_ message: QueuedMessage, _ attempts: Attempt...) -> SettlementPlan {
        SettlementPlan(message, attempts, schedule: RetrySchedule(), now: now)
    }

    static func text(_ message: QueuedMessage, _ plan: SettlementPlan) throws -> String {
        let writer = ReportWriter(hostname: "mx.here.test", maxReturned: 1000, now: now)
        let submission = writer.submission(
            try #require(plan.reports.first), about: message, to: try #require(message.sender))
        #expect(submission.sender == nil)
        return String(decoding: submission.content.flatMap(\.array), as: UTF8.self)
    }

    static let refusal = Reply(550, .badDestinationMailbox, "No such user")

    @Test func `a failure report says who, why and what came back`() throws {
        let message = Self.message {
            $0.parameters.envelopeID = "E1"
            $0.recipients[0].said.parameters.originalRecipient = "rfc822;orig@x.test"
        }
        let text = try Self.text(message, Self.plan(message, Self.attempt(0, .failed(Self.refusal))))
        let id = Self.writer.id(
            of: Self.plan(message, Self.attempt(0, .failed(Self.refusal))).reports[0], about: message)
        let boundary = "=_\(id)"
        let expected = """
            From: Mail Delivery System <MAILER-DAEMON@mx.here.test>
            To: <anna@here.test>
            Subject: Undelivered mail returned to sender
            Date: Sat, 21 Nov 2026 03:00:00 +0000
            Message-ID: <\(id).report@mx.here.test>
            In-Reply-To: <1@here.test>
            References: <1@here.test>
            Auto-Submitted: auto-replied
            MIME-Version: 1.0
            Content-Type: multipart/report; report-type=delivery-status;
             boundary="\(boundary)"
            Content-Transfer-Encoding: 7bit

            --\(boundary)
            Content-Type: text/plain; charset=utf-8
            Content-Transfer-Encoding: 7bit

            This is the mail system at mx.here.test.

            Your message could not be delivered to the recipients below.
            It will not be tried again.

            <bob@there.test>
                mx.there.test[192.0.2.1]:25 said:
                550 No such user

            The message is attached.

            --\(boundary)
            Content-Type: message/delivery-status
            Content-Transfer-Encoding: 7bit

            Reporting-MTA: dns; mx.here.test
            Original-Envelope-Id: E1
            Arrival-Date: Sat, 21 Nov 2026 02:43:20 +0000

            Original-Recipient: rfc822; orig@x.test
            Final-Recipient: rfc822; bob@there.test
            Action: failed
            Status: 5.1.1
            Remote-MTA: dns; mx.there.test
            Diagnostic-Code: smtp; 550 5.1.1 No such user
            Last-Attempt-Date: Sat, 21 Nov 2026 03:00:00 +0000

            --\(boundary)
            Content-Type: message/rfc822
            Content-Transfer-Encoding: 7bit

            Subject: Hi
            Message-ID: <1@here.test>

            Hello

            --\(boundary)--

            """
        #expect(text.unfolded == expected.unfolded)
        #expect(text.utf8.filter { $0 == 10 }.count == text.utf8.filter { $0 == 13 }.count)
    }

    /// RFC 2045 §6.4, RFC 3464 §2.1: each part says what it is, and the whole is as wide as its widest part.
    @Test(arguments: [(false, false), (false, true), (true, false)])
    func `parts are labelled by their octets`(isBodyWide: Bool, isReplyWide: Bool) throws {
        let message = Self.message {
            if isBodyWide { $0.content = Bytes($0.content.array + "Grüße\r\n".utf8) }
        }
        let reply = Reply(550, .badDestinationMailbox, isReplyWide ? "Gibt es hier nicht, Grüße" : "No such user")
        let text = try Self.text(message, Self.plan(message, Self.attempt(0, .failed(reply))))
        let encodings = text.lines.filter { $0.hasPrefix("Content-Transfer-Encoding: ") }.map { $0.suffix(4) }
        func word(_ isWide: Bool) -> Substring { isWide ? "8bit" : "7bit" }
        #expect(encodings == [word(isBodyWide || isReplyWide), word(isReplyWide), "7bit", word(isBodyWide)])
        let status = try #require(text.utf8Split("message/delivery-status").last?.utf8Split("message/rfc822").first)
        #expect(status.utf8.allSatisfy { $0 < 0x80 })
    }

    /// RFC 3464 §2.1.2.
    @Test(arguments: [("mx.there.test", "mx.there.test"), ("127.0.0.1", "[127.0.0.1]"), ("::1", "[IPv6:::1]")])
    func `a host that is named by its address stands in brackets`(name: String, shown: String) throws {
        var attempt = Self.attempt(0, .failed(Self.refusal))
        attempt.host = RemoteHost(name: name, address: "192.0.2.1", port: 25)
        #expect(
            try Self.text(Self.message(), Self.plan(Self.message(), attempt)).contains("Remote-MTA: dns; \(shown)\r\n"))
    }

    /// RFC 8689 §5.
    @Test func `a message with REQUIRETLS comes back with it, and only its header`() throws {
        let message = Self.message {
            $0.parameters.requireTLS = true
            $0.parameters.ret = .full
        }
        let plan = Self.plan(message, Self.attempt(0, .failed(Self.refusal)))
        let writer = ReportWriter(hostname: "mx.here.test", maxReturned: 1000, now: Self.now)
        let report = writer.submission(try #require(plan.reports.first), about: message, to: "anna@here.test")
        #expect(report.parameters.requireTLS)
        let text = try Self.text(message, plan)
        #expect(text.contains("text/rfc822-headers") && text.contains("Subject: Hi\r\n") && !text.contains("Hello"))
    }

    @Test func `one report for several recipients that failed in one round`() throws {
        let message = Self.message(to: ["b@t.test", "c@t.test"])
        let plan = Self.plan(message, Self.attempt(0, .failed(Self.refusal)), Self.attempt(1, .failed(Self.refusal)))
        #expect(plan.reports.count == 1 && plan.reports.first?.subjects.count == 2)
        #expect(try Self.text(message, plan).unfolded.contains("Final-Recipient: rfc822; c@t.test"))
    }

    @Test func `only the header comes back where that was asked, or the message is large`() throws {
        let plan = Self.plan(Self.message(), Self.attempt(0, .failed(Self.refusal)))
        let asked = Self.message { $0.parameters.ret = .headers }
        let large = Self.message { $0.content = Bytes($0.content.array + [UInt8](repeating: 120, count: 1000)) }
        for message in [asked, large] {
            let text = try Self.text(message, plan)
            #expect(text.contains("text/rfc822-headers"))
            #expect(!text.contains("Hello"))
        }
    }

    @Test func `addresses in UTF-8 make a report of RFC 6533`() throws {
        let message = Self.message(to: ["böb@there.test"])
        let plan = Self.plan(message, Self.attempt(0, .failed(Self.refusal)))
        let text = try Self.text(message, plan)
        for type in ["message/global-delivery-status", "message/global\r\n", "Final-Recipient: utf-8; böb@there.test"] {
            #expect(text.unfolded.contains(type.unfolded))
        }
    }

    @Test(arguments: [(true, "message/global"), (false, "message/rfc822")])
    func `a header is UTF-8 where its sender has said so`(isDeclared: Bool, type: String) throws {
        let message = Self.message {
            $0.parameters.smtpUTF8 = isDeclared
            $0.content = Bytes("Subject: Grüße\r\n".utf8 + $0.content.array)
        }
        let text = try Self.text(message, Self.plan(message, Self.attempt(0, .failed(Self.refusal))))
        #expect(text.contains("Content-Type: \(type)\r\nContent-Transfer-Encoding: 8bit\r\n"))
    }

    /// RFC 6533 §3.
    @Test(arguments: [("bob@there.test", "utf-8; j\\x{FC}rgen@x.test"), ("böb@there.test", "utf-8; jürgen@x.test")])
    func `an original recipient in UTF-8 is told in the report's own form`(to: EmailAddress, told: String) throws {
        let message = Self.message(to: [to]) {
            $0.recipients[0].said.parameters.originalRecipient = "utf-8;jürgen@x.test"
        }
        let text = try Self.text(message, Self.plan(message, Self.attempt(0, .failed(Self.refusal))))
        #expect(text.unfolded.contains("\nOriginal-Recipient: \(told)\n"))
    }

    @Test func `no line of a stranger's reply becomes a field`() throws {
        let message = Self.message {
            $0.recipients[0].said.parameters.originalRecipient = "rfc822;x\r\nAction: delivered"
        }
        let reply = Reply(550, .other, "no\r\n\r\nFinal-Recipient: rfc822; evil@x.test")
        let text = try Self.text(message, Self.plan(message, Self.attempt(0, .failed(reply))))
        let status = try #require(text.utf8Split("message/delivery-status").last?.utf8Split("message/rfc822").first)
        #expect(status.lines.filter { $0.hasPrefix("Final-Recipient:") }.count == 1)
        #expect(status.lines.filter { $0.hasPrefix("Action:") }.count == 1)
    }

    // MARK: When

    @Test func `NOTIFY decides what is reported`() {
        let cases: [(RecipientParameters.Notify?, Attempt.Result, Bool)] = [
            (nil, .failed(Self.refusal), true), (.failure, .failed(Self.refusal), true),
            (.never, .failed(Self.refusal), false),
            (.success, .failed(Self.refusal), false), (nil, .delivered, false), (.success, .delivered, true),
            (.success, .relayed(Reply(250, "Ok"), reports: true), false),
            (.success, .relayed(Reply(250, "Ok"), reports: false), true),
        ]
        for (notify, result, isReported) in cases {
            let message = Self.message { $0.recipients[0].said.parameters.notify = notify }
            #expect(Self.plan(message, Self.attempt(0, result)).reports.isEmpty == !isReported)
        }
    }

    @Test func `a delay is told once`() {
        let later = Attempt.Result.deferred(Reply(451, .noAnswer, "Later"))
        #expect(Self.plan(Self.message(), Self.attempt(0, later, attempts: 1, age: "1h")).reports.isEmpty)
        let due = Self.plan(Self.message(), Self.attempt(0, later, attempts: 5, age: "5h"))
        #expect(due.reports.map(\.kind) == [.delayed])
        #expect(Self.plan(Self.message(), Self.attempt(0, later, attempts: 6, age: "6h", warned: true)).reports.isEmpty)
    }

    @Test func `when time is up the last problem is told`() {
        let later = Attempt.Result.deferred(Reply(451, .noAnswer, "Later"))
        let plan = Self.plan(Self.message(), Self.attempt(0, later, attempts: 20, age: "31h", warned: true))
        #expect(plan.reports.map(\.kind) == [.failed])
        #expect(plan.outcomes[0].result.reply?.status?.description == "5.4.7")
        #expect(plan.outcomes[0].result.reply?.text.contains("Later") == true)
    }

    @Test func `a report's own failure is held, never reported`() {
        let plan = Self.plan(Self.message(sender: nil), Self.attempt(0, .failed(Self.refusal)))
        #expect(plan.reports.isEmpty && plan.heldFor != nil)
        #expect(plan.outcomes.map(\.result.word) == ["deferred"])
    }

    static let writer = ReportWriter(hostname: "mx.here.test", maxReturned: 1000, now: now)

    @Test func `two reports on one message have two ids, one repeated has one`() {
        let message = Self.message(to: ["b@t.test", "c@t.test"])
        let first = Self.plan(message, Self.attempt(0, .failed(Self.refusal))).reports[0]
        let second = Self.plan(message, Self.attempt(1, .failed(Self.refusal))).reports[0]
        let id = Self.writer.id(of: first, about: message)
        #expect(id == Self.writer.id(of: first, about: message))
        #expect(id != Self.writer.id(of: second, about: message))
        #expect(id.transaction == message.id.transaction && id.isDerived)
    }

    @Test func `the reports on two copies of one transaction have two ids`() {
        let message = Self.message()
        var copy = message
        copy.id = QueueID(message.id.transaction, copy: 1)
        let report = Self.plan(message, Self.attempt(0, .failed(Self.refusal))).reports[0]
        #expect(Self.writer.id(of: report, about: message) != Self.writer.id(of: report, about: copy))
    }

    @Test func `a report can be read again`() {
        let long = EmailAddress(localPart: String(repeating: "x", count: 60), domain: "long.t.test")
        let names: [EmailAddress] = ["b@t.test", "c@t.test", "böb@t.test", long]
        for names in [names, names.filter { $0 != "böb@t.test" }] {
            let message = Self.message(to: names)
            let plan = Self.plan(message, Self.attempt(0, .failed(Self.refusal)))
            var report = plan.reports[0]
            report.subjects = names.indices.dropFirst().map { .init(number: $0, reply: Self.refusal) }
            let made = Self.writer.submission(report, about: message, to: "anna@here.test")
            let reading = ReportReading(
                QueuedMessage(
                    id: made.id, sender: nil, parameters: made.parameters, received: made.received, arrival: "",
                    recipients: [], content: Bytes(made.content.flatMap(\.array))))
            for subject in report.subjects {
                #expect(reading.tells(.failed, subject, of: message))
                #expect(!reading.tells(.delayed, subject, of: message))
            }
            #expect(!reading.tells(.failed, .init(number: 0), of: message))
        }
    }

    // MARK: Through the agent

    let fixture = AgentFixture()

    func failing() -> (EmailAddress, Route) { ("bob@gone.test", .exchanger(domain: "gone.test")) }

    @Test func `a report is safe in the queue before the failure is settled, and is delivered`() async throws {
        let id = fixture.submit(to: [failing()])
        await fixture.run {
            _ = await fixture.settled(id)
            await fixture.queue.until { $0.count == 2 && $0.values.allSatisfy { !$0.outcomes.isEmpty } }
        }
        let log = fixture.queue.log
        let commit = try #require(log.firstIndex { $0.hasPrefix("commit") })
        let settle = try #require(log.firstIndex { $0.hasPrefix("settle \(id) 0 failed") })
        #expect(commit < settle)
        #expect(fixture.mail(of: "anna@here.test").first?.contains("5.1.2") == true)
    }

    /// Puts a report on some recipients into the queue, as a process did that died before it could settle them.
    func report(on numbers: [Int], of id: QueueID, under other: QueueID? = nil) throws -> QueueID {
        let message = try #require(fixture.queue.entries[id]?.message)
        var report = Self.plan(message, Self.attempt(numbers[0], .failed(Self.refusal))).reports[0]
        report.subjects = numbers.map { .init(number: $0, reply: Self.refusal) }
        var submission = Self.writer.submission(report, about: message, to: "anna@here.test")
        if let other {
            let text = String(decoding: submission.content.flatMap(\.array), as: UTF8.self)
            let changed = text.replacingOccurrences(of: "\(submission.id)", with: "\(other)")
            submission.content = [Bytes(Array(changed.utf8))]
            submission.id = other
        }
        submission.recipients = [QueueRecipient("anna@here.test", route: .mailbox("anna@here.test"))]
        submission.holdReason = "for the test"
        fixture.queue.add(submission)
        return submission.id
    }

    /// All recipients fail at once, some of whom a report in the queue has told of already.
    @Test(arguments: [([0], ["c", "d"]), ([0, 1], ["d"]), ([0, 1, 2], []), ([1], ["b", "d"])])
    func `a crash between report and settlement makes no second report, and loses none`(
        told: [Int], names: [String]
    ) async throws {
        let recipients = ["b", "c", "d"].map { EmailAddress(localPart: $0, domain: "gone.test") }
        let id = fixture.submit(to: recipients.map { ($0, .exchanger(domain: "gone.test")) })
        fixture.queue.recover(id, due: Date())
        let earlier = try report(on: told, of: id)
        await fixture.run {
            let outcomes = await fixture.settled(id)
            #expect((0..<3).allSatisfy { outcomes[$0]?.word == "failed" })
        }
        let later = fixture.queue.entries.values.filter { $0.message.id != id && $0.message.id != earlier }
        #expect(later.count == (names.isEmpty ? 0 : 1))
        let text = later.map { String(decoding: $0.message.content.array, as: UTF8.self) }.joined()
        for name in ["b", "c", "d"] {
            #expect(text.contains("Final-Recipient: rfc822; \(name)@gone.test") == names.contains(name))
        }
    }

    @Test func `a report whose id another one has gets another id`() async throws {
        let id = fixture.submit(to: [failing(), ("eve@gone.test", .exchanger(domain: "gone.test"))])
        let message = try #require(fixture.queue.entries[id]?.message)
        let first = Self.plan(message, Self.attempt(0, .failed(Self.refusal))).reports[0]
        let taken = try report(on: [1], of: id, under: Self.writer.id(of: first, about: message))
        await fixture.run { #expect(await fixture.settled(id)[0]?.word == "failed") }
        #expect(fixture.queue.entries.count == 3)
        let own = try #require(fixture.queue.entries.values.first { ![id, taken].contains($0.message.id) })
        #expect(String(decoding: own.message.content.array, as: UTF8.self).contains("bob@gone.test"))
    }

    @Test func `mail from nobody that fails is held`() async throws {
        let id = fixture.submit(to: [failing()], from: nil)
        await fixture.run { await fixture.queue.until { $0[id]?.heldFor != nil } }
        #expect(fixture.queue.entries.count == 1)
    }

    @Test func `mail whose sender does not exist is held`() async throws {
        let id = fixture.submit(to: [failing()], from: "nobody@here.test")
        await fixture.run { await fixture.queue.until { $0[id]?.heldFor != nil } }
        #expect(fixture.queue.entries[id]?.outcomes[0]?.word == "deferred")
    }

    @Test func `while a report cannot be queued the failure waits`() async throws {
        fixture.queue.refuseCommits(.outOfSpace)
        let id = fixture.submit(to: [failing()])
        await fixture.run { #expect(await fixture.settled(id)[0]?.word == "returned") }
    }
}

extension String {
    /// Lines joined where a field is folded, and line ends as in Swift source.
    fileprivate var unfolded: String {
        lines.joined(separator: "\n").replacingOccurrences(of: "\n ", with: " ").replacingOccurrences(
            of: "\n\t", with: " "
        )
        .replacingOccurrences(of: ";  ", with: "; ")
    }

    fileprivate var lines: [String] {
        utf8.split(separator: 10, omittingEmptySubsequences: false).map {
            String(decoding: $0.last == 13 ? $0.dropLast() : $0, as: UTF8.self)
        }
    }

    fileprivate func utf8Split(_ separator: String) -> [String] { components(separatedBy: separator) }
}
