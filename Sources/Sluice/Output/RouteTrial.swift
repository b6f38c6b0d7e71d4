import Delivery
import Directory
import Foundation
import MailTypes
import Pipeline

/// The way of one address through those stages of the chain that say where mail goes.
struct RouteTrial {
    private let directory: MailDirectory
    private let chain: Chain
    private let hostname: String

    init(directory: MailDirectory, chain: Chain, hostname: String) {
        self.directory = directory
        self.hostname = hostname
        self.chain = Chain(chain.links.filter { $0.effects.contains(.routes) }, onMixed: chain.onMixed)
    }

    func run(to address: EmailAddress, from sender: EmailAddress?, client: IPAddress) async throws -> FoundRoute {
        let trace = await judge(to: address, from: sender, try await session(of: sender, client))
        return try FoundRoute(trace, of: address, directory)
    }

    /// What happens to a message for `address`.
    func judge(to address: EmailAddress, from sender: EmailAddress?, _ session: Session) async -> Trace {
        let source = RouteWorld(directory: directory)
        let now = Date()
        let id = TransactionID(
            milliseconds: UInt64(max(0, now.timeIntervalSince1970 * 1000)), random: .random(in: 0 ... .max))
        let judge = TransactionJudge(
            chain: chain, id: id, hostname: hostname, session: session, opening: Opening(), started: now,
            source: source)
        var replies: [Reply]?
        if await judge.sender(Envelope(sender: sender)).isPositive,
            await judge.recipient(EnvelopeRecipient(address)).isPositive
        {
            // Routes of members on other servers are set when the message is there.
            replies = await judge.message(Self.message(from: sender, to: address)).replies
        }
        return judge.trace(replies: replies, queued: ["trial"])
    }

    /// As the owner of the sender's mailbox sends, or as a stranger does.
    private func session(of sender: EmailAddress?, _ client: IPAddress) async throws -> Session {
        let user = try await mailbox(of: sender)
        return Self.session(user == nil ? .smtp : .submission, client, of: user)
    }

    static func session(_ language: Session.Language, _ client: IPAddress, of user: EmailAddress?) -> Session {
        var session = Session(language: language, listener: "route", client: client)
        session.hello = "localhost"
        session.helloVerb = .ehlo
        session.user = user.map { Session.User(mailbox: $0, mechanism: "PLAIN") }
        return session
    }

    /// The mailbox that an address is, if it is one here.
    func mailbox(of address: EmailAddress?) async throws(StageFailure) -> EmailAddress? {
        guard let address, case .address(let meaning) = try await directory.answer(.address(address)) else {
            return nil
        }
        switch meaning {
        case .mailbox(let box), .redirects(let box, _, _): return box
        case .disabled, .expands, .unknown, .atPartner, .unverified, .foreign: return nil
        }
    }

    func hosts(_ domain: String) async throws(StageFailure) -> Bool {
        guard case .domain(let found) = try await directory.answer(.domain(domain)) else { return false }
        return found != nil
    }

    /// Nothing in it but who it is from.
    private static func message(from sender: EmailAddress?, to address: EmailAddress) -> Message {
        let author = sender?.description ?? "postmaster@localhost"
        let header = Header(fields: [
            HeaderField(name: "From", value: author), HeaderField(name: "To", value: address.description),
        ])
        return Message(header: header, body: "\r\n")
    }
}

/// The directory and the clock: who says where mail goes asks for no more.
private struct RouteWorld: ServiceSource {
    let directory: MailDirectory

    func answer(_ question: Question) async throws(StageFailure) -> Answer {
        switch question {
        case .time: .time(Date())
        case .directory(let question): .directory(try await directory.answer(question))
        case .memory(.visit), .memory(.peek): .memory(.visit(nil))
        case .callout: .callout(.notAsked)
        default: throw StageFailure("a route needs no answer to this question")
        }
    }
}

/// How an address came to its routes.
struct FoundRoute: Encodable {
    /// One thing that was decided.
    struct Step: Encodable {
        var stage: String
        /// The file in `filters.d`.
        var file: String
        var text: String
        /// File, line and column with the value there, or the entry of the directory with its last change.
        var decidedBy: [String]
    }

    var address: String
    var from: String?
    var steps: [Step]
    var routes: [String]
    /// Why there are none.
    var reply: String?

    init(_ trace: Trace, of address: EmailAddress, _ directory: MailDirectory) throws {
        self.address = address.description
        from = trace.envelope?.sender?.description
        steps = try trace.steps.flatMap { step in try Self.steps(step, in: trace, directory) }
        let refusal = trace.replies.first { !$0.isPositive } ?? trace.refused.first?.reply
        reply = refusal.map { "\($0)" }
        let destinations = refusal != nil ? [] : trace.recipients.flatMap(\.destinations)
        routes = destinations.map(Self.words)
        for destination in destinations {
            guard case .mailbox(let mailbox) = destination.route else { continue }
            if let step = try Self.autoreply(of: mailbox, to: trace, directory) { steps.append(step) }
        }
    }

    /// What the mailbox does when the message has come, as far as the envelope says.
    private static func autoreply(
        of mailbox: EmailAddress, to trace: Trace, _ directory: MailDirectory
    ) throws -> Step? {
        guard let entry = try told({ try directory.autoreply(of: mailbox) }) else { return nil }
        let policy = AutoreplyPolicy(mailbox: mailbox, reply: entry.reply, hostname: "")
        let refusal = policy.refusal(
            from: trace.envelope?.sender, said: trace.envelope?.recipients.first?.address ?? mailbox,
            disposition: .deliver, received: trace.started)
        let words = refusal.map { "no reply: \($0)" } ?? AutoreplyCommand.report(entry)
        let change = try told { try directory.audit(object: mailbox.description, limit: 1_000) }
            .first { $0.verb == "mailbox.autoreply" }
        let decider = DecidingEntry(title: "autoreply of \(mailbox)", change: change)
        return Step(stage: "autoreply", file: "", text: "\(mailbox): \(words)", decidedBy: [decider.words])
    }

    private static func words(_ destination: Destination) -> String {
        let home = destination.owner.map { " (redirected from \($0))" } ?? ""
        return "\(destination.address) by \(destination.route.words)\(home)"
    }

    /// What a stage learnt from the directory, and what it made of that.
    private static func steps(_ step: TraceStep, in trace: Trace, _ directory: MailDirectory) throws -> [Step] {
        var steps: [Step] = []
        func add(_ text: String, _ decidedBy: [String]) {
            steps.append(Step(stage: step.stage.text, file: step.file, text: text, decidedBy: decidedBy))
        }
        for place in step.facts where trace.facts.indices.contains(place) {
            guard case .directory(let question) = trace.facts[place].question else { continue }
            if let (text, entry) = try learnt(question, trace.facts[place].answer, step, directory) {
                add(text, entry.map { [$0.words] } ?? [])
            }
        }
        let values = step.decidedBy.sorted { $0.key < $1.key }.map { key, value in
            "\(key) = \(value.value), \(value.origin)"
        }
        if let skipped = step.skipped { add("not asked: \(skipped)", []) }
        if let failure = step.failure { add("cannot decide: \(failure.reason)", []) }
        guard let finding = step.finding else { return steps }
        if case .reject(let reply) = finding.verdict {
            add("refused: \(reply)", values)
        } else if !values.isEmpty || finding.edits.contains(where: \.isAboutRoutes) {
            let edits = finding.edits.filter(\.isAboutRoutes).map(\.words)
            add(edits.isEmpty ? finding.note ?? "asked" : edits.joined(separator: "; "), values)
        }
        return steps
    }

    private static func learnt(
        _ question: DirectoryQuestion, _ answer: Answer, _ step: TraceStep, _ directory: MailDirectory
    ) throws -> (String, DecidingEntry?)? {
        switch (question, answer) {
        case (.address(let address), .directory(let answer)):
            ("\(address): \(answer.words)", try told { try directory.decidingEntry(of: address) })
        case (.domain(let name), .directory(.domain(let domain))):
            if let target = domain?.catchAll, step.stage == "catchall" {
                ("\(name): the catch-all is \(target)", try told { try directory.decidingCatchAll(of: name) })
            } else if domain == nil {
                ("\(name): not hosted here", nil)
            } else {
                nil
            }
        case (.relayDomain(let name), .directory(.relayDomain(let found?))):
            (
                found.isBackup
                    ? "\(name): all mail goes to its better exchangers, whose backup this server is"
                    : "\(name): all mail goes to \(found.route.words)",
                try told {
                    try directory.decidingChange(
                        of: found.name, verb: "relaydomain.", title: "relay domain \(found.name)")
                }
            )
        case (.splitDomain(let name), .directory(.splitDomain(let found?))) where step.phase == .recipient:
            (
                "\(name): who is not here is sought at \(Route.host(found.host).words)",
                try told {
                    try directory.decidingChange(
                        of: found.name, verb: "splitdomain.", title: "split domain \(found.name)")
                }
            )
        case (.smarthost(let office), .directory(.smarthost(let host?))):
            (
                "mail of \(office ?? "everybody") leaves through \(Route.host(host).words)",
                try told { try Self.smarthost(of: office, directory) }
            )
        default: nil
        }
    }

    /// The post office's own, or everybody's.
    private static func smarthost(of office: String?, _ directory: MailDirectory) throws -> DecidingEntry {
        let owners = try directory.smarthosts().map(\.postOffice)
        let owner = owners.contains(office) ? office : nil
        let object = owner ?? "everybody"
        return try directory.decidingChange(of: object, verb: "smarthost.", title: "smarthost of \(object)")
    }

    // MARK: For people

    private static let stageWidth = 12

    var text: String {
        var lines = [Terminal.styled(Terminal.harmless(address + (from.map { " from \($0)" } ?? "")), .bold)]
        for step in steps {
            let stage = step.stage.padding(toLength: Self.stageWidth, withPad: " ", startingAt: 0)
            lines.append("  \(stage) \(Terminal.harmless(step.text))")
            let space = String(repeating: " ", count: Self.stageWidth)
            lines += step.decidedBy.map { "  \(space) \(Terminal.styled(Terminal.harmless($0), .faint))" }
        }
        if let reply { lines.append("  " + Terminal.styled("refused", .red) + "      " + Terminal.harmless(reply)) }
        lines += routes.map { "  " + Terminal.styled("goes to", .green) + "      " + Terminal.harmless($0) }
        return lines.joined(separator: "\n")
    }
}

extension Edit {
    fileprivate var isAboutRoutes: Bool {
        switch self {
        case .resolve, .unclaimed: true
        default: false
        }
    }
}

extension DecidingEntry {
    /// `alias info@acme.test, audit 7 by cli:root`
    fileprivate var words: String {
        title + (change.map { ", audit \($0.number) by \($0.actor)" } ?? "")
    }
}
