public import MailTypes
public import NIOCore

/// The server's side of an SMTP, submission or LMTP session, without any I/O. RFC 5321 §4.1.4.
///
/// The machine is told what arrived and answers what is to be done. It never waits: what is not
/// its to decide it asks the driver, as a ``Question``, and is told the answer later.
///
///     connected --greeting--> commands <------------- final reply --------------+
///                              |    |                                           |
///                     AUTH <---+    +--MAIL, RCPT…--> DATA: content --> asked about the message
///                                                     BDAT: chunk, commands, chunk …
///
/// A transaction is a value that ends with its final reply: whatever that reply was, nothing of its envelope is left.
public struct SMTPServerMachine: Sendable {
    /// What the next octets are.
    ///
    /// - `connected`: nothing is read before the greeting; to `commands` or `closed`.
    /// - `commands`: lines; to every other state.
    /// - `login`: a line that answers a challenge; back to `commands`.
    /// - `data`: the message up to its dot; back to `commands`.
    /// - `chunk`: so many octets of the message; back to `commands`.
    /// - `swallowed`: so many octets of a chunk that was refused with this reply; back to `commands`.
    /// - `closed`: nothing is read any more.
    enum State: Sendable {
        case connected
        case commands
        case login(SASLExchange)
        case data
        case chunk(Chunk)
        case swallowed(octets: Int, then: Reply)
        case closed
    }

    struct Chunk: Sendable {
        let size: Int
        var remaining: Int
        let isLast: Bool
    }

    /// What lives from MAIL to the final reply.
    struct Transaction: Sendable {
        var envelope: Envelope
        var usesPRDR: Bool
        /// A recipient was named, whether or not it was taken.
        var hasTriedRecipients = false
        /// There once content has begun; a transaction with chunks goes on only with chunks.
        var content: SMTPContentReader?
    }

    /// The question that the driver has not answered yet.
    enum Open: Sendable {
        case greeting
        case hello(HelloVerb, String)
        case sender(Transaction)
        case recipient(EnvelopeRecipient)
        case contentBegins
        case message
        case login
    }

    public let configuration: Configuration

    /// The client spoke before the greeting. RFC 5321 §4.3.1.
    public internal(set) var spokeEarly = false
    /// The client sent on where it had to wait for a reply. RFC 2920 §3.1.
    public internal(set) var pipelinedWrongly = false
    /// The verb of the last accepted hello.
    public internal(set) var helloVerb: HelloVerb?
    /// What the client called itself in its last accepted hello.
    public internal(set) var helloName: String?
    public internal(set) var isEncrypted = false
    /// Octets that came in the clear behind STARTTLS, and were thrown away. RFC 3207 §6.
    public internal(set) var octetsBehindStartTLS = 0
    public internal(set) var isAuthenticated = false

    /// A MAIL was accepted and the transaction has not ended.
    public var isInTransaction: Bool { transaction != nil }
    /// The client asked for a reply per recipient in the transaction under way, or in the one that
    /// ``Question/sender(_:)`` is about.
    public var usesPRDR: Bool {
        if case .sender(let asked) = open { return asked.usesPRDR }
        return transaction?.usesPRDR ?? false
    }
    /// ``Question/message(_:)`` is to be answered with ``answeredEach(_:)``.
    public var repliesPerRecipient: Bool { usesPRDR || configuration.language == .lmtp }

    var state = State.connected
    var transaction: Transaction?
    var open: Open?
    var lines = SMTPLineReader()
    var tally = Tally()
    /// The client did not wait for the answer to the open question.
    var isImpatient = false

    /// What is counted against the configuration's limits.
    struct Tally: Sendable {
        var errors = 0
        var unknownBeforeHello = 0
        var junk = 0
        var refusedRecipients = 0
        var transactions = 0
    }

    public init(configuration: Configuration) {
        self.configuration = configuration
    }

    /// The client has connected. For implicit TLS, ``tlsEstablished()`` comes before.
    public mutating func start() -> Action {
        ask(.greeting, .greeting)
    }

    /// Takes from `input` what one action needs; what is left over stays in it for the next call.
    public mutating func next(_ input: inout ByteBuffer) -> Action {
        guard open == nil else { return .wait }
        // What consumes without an action (a command that only begins a chunk, octets that are thrown
        // away) goes on with what is left: after `wait`, only more octets can help.
        var left: Int
        var action: Action
        repeat {
            left = input.readableBytes
            action = step(&input)
        } while action.isWait && input.readableBytes < left
        return action
    }

    private mutating func step(_ input: inout ByteBuffer) -> Action {
        switch state {
        case .connected:
            return .wait
        case .commands:
            return nextCommand(&input)
        case .login(let exchange):
            return nextResponse(&input, exchange)
        case .data:
            return nextData(&input)
        case .chunk(let chunk):
            return nextOfChunk(&input, chunk)
        case .swallowed(let octets, let reply):
            return swallow(&input, octets, reply)
        case .closed:
            input.moveReaderIndex(to: input.writerIndex)
            return .close(nil)
        }
    }

    /// The pipeline's answer to the question that was asked.
    public mutating func answered(_ reply: Reply) -> Action {
        guard let question = open.take() else { return close(.outOfStep) }
        if reply.code == 421 {
            transaction = nil
            return close(reply)
        }
        if let end = endOfPatience() { return end }
        switch question {
        case .greeting:
            return greeted(reply)
        case .hello(let verb, let name):
            return welcomed(reply, verb, name)
        case .sender(let new):
            if reply.isPositive {
                transaction = new
                tally.transactions += 1
            }
            return .send(reply)
        case .recipient(let recipient):
            return recipientAnswered(reply, recipient)
        case .contentBegins:
            return contentAnswered(reply)
        case .message:
            return messageAnswered(reply)
        case .login:
            return close(.outOfStep)
        }
    }

    /// The answers to ``Question/message(_:)``, one for each accepted recipient in their order. RFC 2033 §4.2.
    ///
    /// With PRDR, the machine puts 353 before and the final reply behind them.
    public mutating func answeredEach(_ replies: [Reply]) -> Action {
        guard case .message = open.take(), let ended = transaction.take() else { return close(.outOfStep) }
        tally.junk = 0
        // Exactly one reply per recipient, whatever the driver brings: a client that waits for
        // another one hangs, and one that gets another takes it for the next command's.
        var each = Array(replies.prefix(ended.envelope.recipients.count))
        while each.count < ended.envelope.recipients.count { each.append(.noVerdict) }
        guard configuration.language != .lmtp else { return .sendEach(each) }
        // The reply to the message is the one that names it, whoever has got it first.
        let refusal = each.first(where: \.isTemporary) ?? each.first ?? .noVerdict
        let final = each.first(where: \.isPositive) ?? refusal
        guard ended.usesPRDR else { return .send(final) }
        return .sendEach([.analysisStarted] + each + [final])
    }

    /// The session is encrypted from here on; all that was said before is forgotten. RFC 3207 §4.2.
    public mutating func tlsEstablished() {
        isEncrypted = true
        isAuthenticated = false
        forgetHello()
        lines = SMTPLineReader()
        if case .closed = state { return }
        if open == nil, case .login = state { state = .commands }
    }

    /// The client must see the answer to the open question before it may send anything.
    ///
    /// The last commands of a group by RFC 2920 §3.1; where the client may not pipeline, MAIL and RCPT as well. The
    /// reply to a message is none of them: by then the message may be taken, and the reply must say so.
    public var mustClientWait: Bool {
        switch open {
        case .greeting, .hello, .login: true
        case .sender, .recipient: !mayPipeline
        case .contentBegins: if case .data = state { true } else { false }
        case .message, nil: false
        }
    }

    /// So many octets came before the answer to the open question was written.
    public mutating func inputBeforeReply(_ octets: Int) {
        guard octets > 0, mustClientWait else { return }
        if case .connected = state {
            spokeEarly = true
        } else {
            pipelinedWrongly = true
            isImpatient = true
        }
    }

    mutating func ask(_ question: Question, _ kind: Open) -> Action {
        open = kind
        return .ask(question)
    }

    mutating func close(_ reply: Reply?) -> Action {
        state = .closed
        open = nil
        transaction = nil
        return .close(reply)
    }

    /// A mistake of the client: too many of them, and it is sent away. RFC 5321 §4.5.3.2 has no limit; peers use 20.
    mutating func mistake(_ reply: Reply) -> Action {
        tally.errors += 1
        guard tally.errors < configuration.maxErrors else { return close(.tooManyErrors) }
        return .send(reply)
    }

    mutating func forgetHello() {
        helloVerb = nil
        helloName = nil
        transaction = nil
    }
}
