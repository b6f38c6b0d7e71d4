import Directory
import Foundation
import MailTypes
import Pipeline

/// A trace as programs read it: what `sluice try --json` and `sluice trace --json` print.
struct TraceReport: Encodable {
    struct ReplyReport: Encodable, Hashable {
        var code: Int
        var enhanced: String?
        var text: String

        init(_ reply: Reply) {
            code = reply.code
            enhanced = reply.status?.description
            text = reply.text
        }
    }

    struct RecipientReport: Encodable {
        var address: String
        /// `deliver`, `junk`, `quarantine`; `refused` for those that were turned away.
        var disposition: String
        /// `mailbox anna@acme.test`, `mx elsewhere.test`; several for an alias.
        var route: [String]
        var reply: ReplyReport?
    }

    struct StageReport: Encodable {
        var name: String
        var file: String
        var phase: Phase
        var recipients: [String]
        /// The domain whose own values were used.
        var scope: String?
        /// `continue`, `reject`, …; `skipped`, `failed`.
        var verdict: String
        var reply: ReplyReport?
        var note: String?
        var edits: [String]
        var applied: Bool
        var microseconds: Int
        var decidedBy: [String: ValueOrigin]
        var facts: [Int]
    }

    struct FactReport: Encodable {
        var question: String
        var answer: String
    }

    var id: String
    var started: Date
    var client: String
    var hello: String?
    var user: String?
    var from: String?
    var outcome: Trace.Outcome
    var reply: ReplyReport?
    var replies: [ReplyReport]
    var recipients: [RecipientReport]
    var score: Double
    var symbols: [Symbol]
    /// The value of an Authentication-Results field.
    var authentication: String
    var stages: [StageReport]
    var facts: [FactReport]
    var queued: [String]
    /// What became of the recipients after the reply.
    var deliveries: [DeliveryRecord]
    var size: Int?

    init(_ trace: Trace, hostname: String, deliveries: [DeliveryRecord] = []) {
        self.deliveries = deliveries
        id = trace.id.text
        started = trace.started
        client = trace.session.client.description
        hello = trace.session.hello
        user = trace.session.user?.mailbox.description
        from = trace.envelope.map { $0.sender?.description ?? "" }
        outcome = trace.outcome
        replies = trace.replies.map(ReplyReport.init)
        reply = (trace.replies.first ?? trace.refused.first?.reply).map(ReplyReport.init)
        recipients =
            trace.recipients.indices.map { RecipientReport(trace, at: $0) }
            + trace.refused.map { RecipientReport($0.address, refusedWith: $0.reply) }
        score = trace.score
        symbols = trace.symbols
        authentication = trace.authentication.value(hostname: hostname)
        stages = trace.steps.map(StageReport.init)
        facts = trace.facts.map { FactReport(question: $0.question.words, answer: $0.answer.words) }
        queued = trace.queued
        size = trace.size
    }
}

extension TraceReport.RecipientReport {
    /// One that was accepted at RCPT; the message may have been refused after that, to all or to this one.
    fileprivate init(_ trace: Trace, at place: Int) {
        let recipient = trace.recipients[place]
        let isEach = trace.replies.count == trace.recipients.count
        if let reply = isEach ? trace.replies[place] : trace.replies.first, !reply.isPositive {
            self.init(recipient.address, refusedWith: reply)
        } else {
            self.init(
                address: recipient.address.description, disposition: recipient.disposition.rawValue,
                route: recipient.destinations.map(\.words))
        }
    }

    fileprivate init(_ address: EmailAddress, refusedWith reply: Reply) {
        self.init(
            address: address.description, disposition: "refused", route: [], reply: TraceReport.ReplyReport(reply))
    }
}

extension TraceReport.StageReport {
    init(_ step: TraceStep) {
        name = step.stage.text
        file = step.file
        phase = step.phase
        recipients = step.recipients
        scope = step.scope
        if step.skipped != nil {
            verdict = "skipped"
        } else if step.failure != nil {
            verdict = "failed"
        } else {
            verdict = step.finding?.verdict.word ?? "continue"
        }
        reply = step.finding?.verdict.reply.map(TraceReport.ReplyReport.init)
        note = step.skipped ?? step.failure?.reason ?? step.finding?.note
        edits = step.finding?.edits.map(\.words) ?? []
        applied = step.isApplied
        microseconds = step.microseconds
        decidedBy = step.decidedBy
        facts = Array(step.facts)
    }
}

// MARK: - Words for people

extension Verdict {
    var word: String {
        switch self {
        case .continue: "continue"
        case .accept: "accept"
        case .reject: "reject"
        case .tempfail: "tempfail"
        case .quarantine: "quarantine"
        case .discard: "discard"
        }
    }

    var reply: Reply? {
        switch self {
        case .reject(let reply), .tempfail(let reply): reply
        case .continue, .accept, .quarantine, .discard: nil
        }
    }
}

extension Destination {
    fileprivate var words: String { route.words + (reversePath.map { " as from \($0)" } ?? "") }
}

extension [String] {
    private static var mostTold: Int { 10 }

    /// What is said several times is said once, with its count: a group's thousands of members often go one way.
    var countedTogether: String {
        var counts: [String: Int] = [:]
        for words in self { counts[words, default: 0] += 1 }
        var told: Set<String> = []
        let kinds = filter { told.insert($0).inserted }
        let first = kinds.prefix(Self.mostTold).map { words in
            let count = counts[words, default: 1]
            return count == 1 ? words : "\(words) for \(count) addresses"
        }
        let rest = kinds.count - first.count
        return first.joined(separator: ", ") + (rest > 0 ? ", and \(rest) more" : "")
    }
}

extension Edit {
    var words: String {
        switch self {
        case .score(let symbol): "score \(symbol.name) \(symbol.points)"
        case .authentication(let entry): "\(entry.method)=\(entry.result.rawValue)"
        case .prependField(let name, let value), .appendField(let name, let value): "add \(name): \(value)"
        case .insertField(let name, let value, let place): "insert \(name):\(value) at \(place)"
        case .removeFields(let places): "remove \(Terminal.counted(places.count, "field"))"
        case .replaceBody(let body): "replace the body (\(body.count) octets)"
        case .spliceBody(let splices):
            "change the body (\(splices.reduce(0) { $0 + $1.range.count }) octets become "
                + "\(splices.reduce(0) { $0 + $1.octets.count }))"
        case .resolve(let address, let destinations):
            "\(address) goes to \(destinations.map(\.words).countedTogether)"
        case .disposition(let address, let disposition): "\(address): \(disposition.rawValue)"
        case .addRecipient(let address): "add \(address)"
        case .removeRecipient(let address): "remove \(address)"
        case .changeSender(let address): "now from <\(address?.description ?? "")>"
        case .policy(let name): "will be judged by \(name)"
        case .exempt(let exemption): "sets the score aside: \(exemption.reason)"
        case .block(let order): "keeps \(order.party) from sending: \(order.reason)"
        case .unclaimed(let reply): "refused with \(reply.code) unless a later stage takes it"
        case .standing(.listed): "is on a list"
        case .standing(.open): "may be on a list, which the message tells"
        }
    }
}

extension Route {
    var words: String {
        switch self {
        case .mailbox(let box): "mailbox \(box)"
        case .exchanger(let domain): "mx \(domain)"
        case .host(let host):
            ([host] + host.fallbacks).map { "\($0.language.rawValue) \($0.name):\($0.port)" }
                .joined(separator: ", else ")
        case .discard: "discard"
        }
    }
}

extension Question {
    var words: String {
        switch self {
        case .time: "time"
        case .directory(.address(let address)): "directory: address \(address)"
        case .directory(.domain(let domain)): "directory: domain \(domain)"
        case .directory(.maySend(let mailbox, let address)): "directory: may \(mailbox) send as \(address)"
        case .directory(.sendStanding(let mailbox)): "directory: may \(mailbox) send at all"
        case .directory(.smarthost(let name)): "directory: the smarthost of \(name ?? "everybody")"
        case .directory(.relayDomain(let domain)): "directory: where all mail for \(domain) goes"
        case .directory(.splitDomain(let domain)): "directory: who else has a part of \(domain)"
        case .directory(.signing(let domain)): "directory: who signs for \(domain)"
        case .directory(.thresholds(let scope)): "directory: thresholds for \(scope)"
        case .directory(.listScopes(let scope)): "directory: who around \(scope) has lists"
        case .directory(.authorLists(let scope)): "directory: which lists around \(scope) have authors"
        case .directory(.footers(let domain)): "directory: footers for \(domain)"
        case .directory(.listed(let probe)):
            "directory: entries of \(probe.scope) about \(probe.client), \(probe.senders)"
        case .memory(.visit(let table, let key, _, _)): "memory: visit of \(key) in \(table)"
        case .memory(.peek(let table, let key, _)): "memory: what is known of \(key) in \(table)"
        case .memory(.count(let table, let key, let amount, let window, _)):
            "memory: \(amount) more for \(key) in \(table) within \(window)"
        case .dns(let question): "dns: \(question.name) \(String(describing: question.type).uppercased())"
        case .signatures(let handle, let most): "signatures: the first \(most) of a message of \(handle.size) octets"
        case .senderPolicy(let question): "libspf2: may \(question.client) send for \(question.domain)"
        case .scan(let handle, let engine): "\(engine.rawValue): viruses in a message of \(handle.size) octets"
        case .publicSuffix(let domain): "public suffix of \(domain)"
        case .asciiDomain(let domain): "\(domain) in A-labels"
        case .spamScan(let question):
            "\(question.scanner.rawValue): a message of \(question.message.size) octets"
        case .milter(let question): "\(question.milter): \(question.step.words)"
        case .policy(let question):
            "policy: \(question.state.rawValue)"
                + (question.sender.map { " from <\($0)>" } ?? "") + (question.recipient.map { " to <\($0)>" } ?? "")
        case .callout(let question):
            "does \(question.host.map { "\($0.name):\($0.port)" } ?? "its best exchanger") take \(question.address)"
        case .mailboxRoom(let mailbox, let size): "room for \(size) octets in \(mailbox)"
        case .listings(let question): "\(question.zone): \(question.names.joined(separator: ", "))"
        case .lessons(let question):
            "lessons: \(question.scopes.map(\.text).joined(separator: ", ")), of \(question.count) tokens"
        case .lessonScopes(let scopes): "lessons: which of \(scopes.map(\.text).joined(separator: ", "))"
        }
    }
}

extension Answer {
    var words: String {
        switch self {
        case .time(let date): date.formatted(.iso8601)
        case .directory(let answer): answer.words
        case .memory(.visit(nil)): "never seen"
        case .memory(.visit(let visits?)):
            "first \(visits.first.formatted(.iso8601)), last \(visits.last.formatted(.iso8601)), \(visits.count) times"
        case .memory(.count(let count)): "\(count)"
        case .dns(.records(let records, let isSecure)):
            records.map { "\($0)" }.joined(separator: ", ") + (isSecure ? " (secure)" : "")
        case .dns(.noData): "no such record"
        case .dns(.noName): "no such name"
        case .signatures(let reports):
            reports.isEmpty ? "none" : reports.map(\.words).joined(separator: "; ")
        case .senderPolicy(let report):
            report.result.rawValue + (report.reason.map { " (\($0))" } ?? "")
        case .scan(let report):
            (report.findings.isEmpty ? "nothing" : report.findings.joined(separator: ", ")) + " by \(report.scanner)"
        case .publicSuffix(let name), .asciiDomain(let name): name ?? "no domain"
        case .listings(let answer): answer.words
        case .lessons(let answer): answer.words
        case .lessonScopes(let scopes): scopes.isEmpty ? "none" : scopes.map(\.text).joined(separator: ", ")
        case .spamReport(let report): "\(report.server): \(report.score) points, \(report.symbols.count) symbols"
        case .policy(let action): action
        case .callout(let report): report.words
        case .mailboxRoom(let fill): fill.words
        case .milter(let report):
            report.changes.isEmpty
                ? report.verdict.words
                : "\(report.verdict.words), \(Terminal.counted(report.changes.count, "change"))"
        case .failure(let failure): "failed: \(failure.reason)"
        }
    }
}

extension MilterQuestion.Step {
    fileprivate var words: String {
        switch self {
        case .connect: "the client"
        case .hello(let name): "hello \(name)"
        case .sender(let address): "from <\(address?.description ?? "")>"
        case .recipient(let address): "to <\(address)>"
        case .message(let handle, _): "a message of \(handle.size) octets"
        }
    }
}

extension MilterReport.Verdict {
    fileprivate var words: String {
        switch self {
        case .continue: "continue"
        case .accept: "accept"
        case .discard: "discard"
        case .reject(let reply): reply.map { "reject (\($0))" } ?? "reject"
        case .tempfail(let reply): reply.map { "tempfail (\($0))" } ?? "tempfail"
        }
    }
}

extension ListingAnswer {
    fileprivate var words: String {
        switch self {
        case .passedOver(let reason): "passed over: \(reason)"
        case .answered(let listings, let unanswered):
            ((listings.isEmpty ? ["none of them"] : listings.map(\.words)) + unanswered.map { "no answer about \($0)" })
                .joined(separator: ", ")
        }
    }
}

extension Listing {
    fileprivate var words: String { "\(name) (\(answers.map(\.description).joined(separator: " ")))" }
}

extension LessonAnswer {
    fileprivate var words: String {
        guard let margin else { return "not enough was taught" }
        return "margin \(margin.formatted(.number.precision(.fractionLength(2)))), of \(spam) lessons of spam and "
            + "\(ham) of good mail"
    }
}

extension SignatureReport {
    fileprivate var words: String {
        "\(selector) of \(domain): \(result.rawValue)" + (reason.map { " (\($0))" } ?? "")
    }
}

extension AuthenticationResults {
    /// `mx.example.org; spf=pass smtp.mailfrom=a.test; …` RFC 8601 §2.2.
    func value(hostname: String) -> String {
        guard !entries.isEmpty else { return "\(hostname); none" }
        let parts = entries.map { entry in
            var words = ["\(entry.method)=\(entry.result.rawValue)"]
            if let reason = entry.reason { words.append("reason=\"\(reason)\"") }
            words += entry.properties.map { "\($0.name)=\($0.value)" }
            return words.joined(separator: " ")
        }
        return "\(hostname); " + parts.joined(separator: "; ")
    }
}
