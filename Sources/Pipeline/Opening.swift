public import MailTypes
public import struct Foundation.Date

/// What was found of a connection before its first transaction; every transaction begins with it.
public struct Opening: Sendable {
    /// What the stages found of the client, apart from the transaction's own affairs.
    struct Notes: Sendable {
        var steps: [TraceStep] = []
        var sessions: [Session] = []
        var facts: [Fact] = []
        var symbols: [Symbol] = []
        var authentication = AuthenticationResults()
        var isDiscarded = false
        var quarantined: String?
        /// What is to stand at the top of the header, once there is one: the last on top.
        var fields: [HeaderField] = []
    }

    private var connected = Notes()
    var notes = Notes()
    /// What is open for this connection, until it ends.
    let resources = SessionResources()

    public init() {}

    /// Notes a client where no stage is asked whether it may connect. Another chain may want to ask.
    public mutating func connect(session: Session) {
        notes.sessions.append(session)
        connected = notes
    }

    /// Notes a greeting where no stage is asked about it.
    public mutating func hello(session: Session) {
        notes = connected
        notes.sessions.append(session)
    }

    /// Asks the stages of the connect phase; a reply is a refusal to greet.
    public mutating func connect(
        session: Session, on chain: Chain, id: TransactionID, hostname: String, source: any ServiceSource
    ) async -> Reply? {
        let refusal = await run(.connect, session, chain, id, hostname, source)
        connected = notes
        return refusal
    }

    /// Asks the stages of the hello phase; a client that greets again is judged anew.
    public mutating func hello(
        session: Session, on chain: Chain, id: TransactionID, hostname: String, source: any ServiceSource
    ) async -> Reply? {
        notes = connected
        return await run(.hello, session, chain, id, hostname, source)
    }

    /// The trace of a client that was turned away with `reply` before any transaction.
    public func trace(of session: Session, id: TransactionID, started: Date, reply: Reply) -> Trace {
        var trace = Trace(id: id, started: started, session: session)
        trace.openings = notes.sessions
        trace.steps = notes.steps
        trace.facts = notes.facts
        trace.symbols = notes.symbols
        trace.authentication = notes.authentication
        trace.replies = [reply]
        trace.outcome = reply.isTemporary ? .deferred : .rejected
        return trace
    }

    private mutating func run(
        _ phase: Phase, _ session: Session, _ chain: Chain, _ id: TransactionID, _ hostname: String,
        _ source: any ServiceSource
    ) async -> Reply? {
        notes.sessions.append(session)
        let record = FactRecord(notes.facts)
        let services = Services(source, record: record)
        var transaction = Transaction(id: id, hostname: hostname, session: session, services: services)
        transaction.resources = resources
        transaction.symbols = notes.symbols
        transaction.authentication = notes.authentication
        var refusal: Reply?
        for link in chain.links(in: phase) {
            let runner = StageRunner(link: link, phase: phase, subject: .client, variant: link.base)
            let (step, finding) = await runner.run(in: transaction)
            notes.steps.append(step)
            guard let finding else { continue }
            let course = notes.take(finding)
            transaction.symbols = notes.symbols
            transaction.authentication = notes.authentication
            if case .refuse(let reply) = course { refusal = reply.marked(with: id) }
            if course != .onward { break }
        }
        notes.facts = record.facts
        return refusal
    }
}

/// Where a finding about a client or a sender leads.
enum Course: Sendable, Hashable {
    case onward
    /// Later stages of this phase are not asked.
    case settled
    case refuse(Reply)
}

extension Opening.Notes {
    /// Applies a finding of the connect, hello or sender phase, where there is no message yet.
    mutating func take(_ finding: Finding) -> Course {
        for edit in finding.edits {
            switch edit {
            case .score(let symbol): symbols.append(symbol)
            case .authentication(let entry): authentication.entries.append(entry)
            case .prependField(let name, let value): prepend(name, value)
            case .appendField, .removeFields, .insertField, .replaceBody, .spliceBody, .resolve, .disposition,
                .addRecipient, .removeRecipient, .changeSender, .policy, .exempt, .standing, .block, .unclaimed:
                break
            }
        }
        return course(finding.verdict)
    }

    /// The same field about several recipients is one.
    mutating func prepend(_ name: String, _ value: String) {
        let field = HeaderField(name: name, value: value)
        if !fields.contains(field) { fields.append(field) }
    }

    private mutating func course(_ verdict: Verdict) -> Course {
        switch verdict {
        case .continue: return .onward
        case .accept: return .settled
        case .reject(let reply), .tempfail(let reply): return .refuse(reply)
        case .discard:
            isDiscarded = true
            return .onward
        case .quarantine(let reason):
            quarantined = reason
            return .onward
        }
    }
}

extension Reply {
    /// This reply with the transaction's id at its end, so that a sender's postmaster can name it.
    public func marked(with id: TransactionID) -> Reply {
        ending(in: " [\(id)]")
    }
}
