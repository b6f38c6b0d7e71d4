import Logging
import MailTypes
import NIOCore
import Pipeline
import Protocols
import Queue

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

// The questions of the machine, apart from those about the message itself.
extension SMTPConnectionHandler {
    /// The client may be spoken to: at once, or after TLS.
    func begin() {
        state = .asking
        log(.debug, "connected", ["port": "\(session.clientPort)"])
        run(machine.start())
    }

    func ask(_ question: SMTPServerMachine.Question) {
        hear()
        switch question {
        case .greeting: greet()
        case .hello(let verb, let name): hello(verb, name)
        case .sender(let envelope): sender(envelope)
        case .recipient(let recipient): self.recipient(recipient)
        case .contentBegins: contentBegins()
        case .message(let envelope): message(envelope)
        case .login(let login): self.login(login)
        }
    }

    /// An answer that is known at once.
    func answer(_ reply: Reply) {
        if state != .asking { openQuestion() }
        hear()
        resume(machine.answered(reply))
    }

    // MARK: - Who cannot wait

    /// Looks whether there are octets that the client should not have sent yet, read or in the socket.
    /// In TLS, what lies in the socket need not be the session's; there only what is read counts.
    private func hear() {
        let manners = manners
        guard manners.mustWait, !manners.pipelinedWrongly, !manners.spokeEarly else { return }
        // In the turn in which they were read, nothing can have come since: that look at the socket is saved.
        heard(unread > 0 || isReading ? unread : waitingOctets)
    }

    /// What the machine knows of the client's manners. It is read in place: asked for one by one, each of them costs a
    /// copy of the machine.
    private var manners: (mustWait: Bool, spokeEarly: Bool, pipelinedWrongly: Bool, repliesPerRecipient: Bool) {
        func read(_ machine: inout SMTPServerMachine) -> (Bool, Bool, Bool, Bool) {
            (machine.mustClientWait, machine.spokeEarly, machine.pipelinedWrongly, machine.repliesPerRecipient)
        }
        return read(&machine)
    }

    /// Octets came while a question was open.
    func heard(_ count: Int) {
        let before = manners
        machine.inputBeforeReply(count)
        let after = manners
        if after.spokeEarly, !before.spokeEarly {
            log(.info, "client spoke before the greeting", ["octets": "\(count)"])
        }
        if after.pipelinedWrongly, !before.pipelinedWrongly {
            log(.info, "client did not wait for a reply", ["octets": "\(count)"])
        }
    }

    /// Octets that lie in the socket, not read; in TLS they may be the end of the handshake.
    var waitingOctets: Int {
        // A socket that was closed may be somebody else's by now.
        guard session.tls == nil, let context, context.channel.isActive, let socket = socket(of: context) else {
            return 0
        }
        var count: CInt = 0
        return ioctl(socket, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
    }

    /// Asked of the channel once, and not by the pipeline's own way: what casts to a protocol with the type of its
    /// transport is looked up anew each time.
    private func socket(of context: ChannelHandlerContext) -> NIOBSDSocket.Handle? {
        if let knownSocket { return knownSocket }
        func socket(of core: some NIOTransportAccessibleChannelCore) -> NIOBSDSocket.Handle? {
            (try? core.withUnsafeTransport { $0 as? NIOBSDSocket.Handle }) ?? nil
        }
        guard let core = context.channel._channelCore as? any NIOTransportAccessibleChannelCore else { return nil }
        knownSocket = socket(of: core)
        return knownSocket
    }

    // MARK: - Greeting and hello

    private func greet() {
        let number = openQuestion()
        // What comes along with the end of a handshake is heard in this turn of the loop, but after it.
        guard options.greetDelay.seconds > 0 || session.tls != nil else { return askToGreet() }
        let delay = options.greetDelay.timeAmount
        loopContext.loop.assumeIsolated().scheduleTask(in: delay) { [weak self] in
            guard let self, isOpen(number) else { return }
            askToGreet()
        }
    }

    func askToGreet() {
        takeFlags()
        let chain = environment.chain()
        // Only a proxy's client has said hello before the greeting.
        let asksHello = session.hello != nil && chain.asks(in: .hello)
        guard chain.asks(in: .connect) || asksHello else {
            opening = Opening()
            opening.connect(session: session)
            return welcome(greeting)
        }
        let (environment, session, id) = (environment, session, connectionID)
        wait {
            var opening = Opening()
            var refusal = await opening.connect(
                session: session, on: chain, id: id, hostname: environment.hostname, source: environment.services)
            if asksHello, refusal == nil {
                refusal = await opening.hello(
                    session: session, on: chain, id: id, hostname: environment.hostname,
                    source: environment.services)
            }
            return (opening, refusal)
        } then: { [self] opening, refusal in
            self.opening = opening
            if let refusal { log(.info, "greeting refused", ["reply": "\(refusal)"]) }
            welcome(refusal ?? greeting)
        }
    }

    /// Lets the client in, or says why not.
    private func welcome(_ reply: Reply) {
        if state != .asking { openQuestion() }
        hear()
        takeFlags()
        let action = machine.answered(reply)
        // The machine may refuse who was welcome to the chain: an early talker.
        guard case .close(let refusal?) = action else { return resume(action) }
        let signed = refusal.naming(connectionID)
        trace(refusal: signed, of: session)
        resume(.close(signed))
    }

    /// Keeps what was found of a client that is turned away before MAIL, if it may be kept.
    private func trace(refusal reply: Reply, of session: Session) {
        guard !isRefusalTraced else { return }
        isRefusalTraced = true
        let seconds = Double(NIODeadline.now().uptimeNanoseconds) / 1e9
        guard listener.shared.refusalTraces.keeps(session.client, at: seconds) else { return }
        environment.traced(
            opening.trace(of: session, id: connectionID, started: environment.now(), reply: reply), nil)
    }

    private var greeting: Reply {
        let configuration = options.machine
        let name = configuration.language == .lmtp ? "LMTP" : "ESMTP"
        return Reply(220, "\(configuration.hostname) \(name) \(configuration.software)")
    }

    private func hello(_ verb: SMTPServerMachine.HelloVerb, _ name: String) {
        openQuestion()
        takeFlags()
        var greeted = session
        greeted.hello = name
        greeted.helloVerb = Session.HelloVerb(verb)
        let chain = environment.chain()
        guard chain.asks(in: .hello) else {
            session = greeted
            opening.hello(session: greeted)
            return answer(Reply(250, options.machine.hostname))
        }
        let (environment, id, opening, session) = (environment, connectionID, opening, greeted)
        let hostname = options.machine.hostname
        wait {
            var opening = opening
            let refusal = await opening.hello(
                session: session, on: chain, id: id, hostname: environment.hostname, source: environment.services)
            return (opening, refusal)
        } then: { [self] opening, refusal in
            self.opening = opening
            if let refusal {
                log(.info, "hello refused", ["reply": "\(refusal)"])
                trace(refusal: refusal, of: session)
            } else {
                self.session = session
            }
            answer(refusal ?? Reply(250, hostname))
        }
    }

    /// What the machine has noticed of the client's manners.
    private func takeFlags() {
        let manners = manners
        session.spokeEarly = manners.spokeEarly
        session.pipelinedWrongly = manners.pipelinedWrongly
        session.repliesPerRecipient = manners.repliesPerRecipient
    }

    // MARK: - Envelope

    private func sender(_ said: Envelope) {
        openQuestion()
        let address = said.sender.map(inALabels)
        if case .some(nil) = address { return answer(.badSenderDomain) }
        let envelope = Envelope(sender: address ?? nil, parameters: said.parameters)
        if clock.isStopping { return sayStopping() }
        takeFlags()
        if let failure = environment.acceptor.refusal(forSize: envelope.parameters.size ?? 0) {
            log(.warning, "nothing can be taken", ["reason": "\(failure)"])
            return answer(failure.reply)
        }
        let chain = environment.chain()
        let (id, received) = (environment.makeID(), environment.now())
        let judge = NIOLoopBound(
            TransactionJudge(
                chain: chain, id: id, hostname: environment.hostname, session: session, opening: opening,
                started: received, source: environment.services), eventLoop: loopContext.loop)
        let begun = MailTransaction(id: id, judge: judge, envelope: envelope, received: received)
        transaction = begun
        guard chain.asks(in: .sender) else {
            judge.value.note(envelope)
            return answer(Reply(250, .other, "Sender accepted"))
        }
        wait {
            await judge.value.sender(envelope)
        } then: { [self] reply in
            if !reply.isPositive { refused(begun, reply) }
            answer(reply)
        }
    }

    private func recipient(_ said: EnvelopeRecipient) {
        openQuestion()
        takeFlags()
        guard let address = inALabels(said.address) else { return answer(.badRecipientDomain) }
        var parameters = said.parameters
        if !mayHearOfSuccess { parameters.notify = parameters.notify?.withoutSuccess }
        let recipient = EnvelopeRecipient(address, parameters: parameters)
        guard let transaction else { return answer(.outOfStep) }
        let judge = transaction.judge
        wait {
            await judge.value.recipient(recipient)
        } then: { [self] reply in
            if reply.isPositive {
                transaction.envelope.recipients.append(recipient)
            } else {
                log(.info, "recipient refused", ["recipient": "\(recipient.address)", "reply": "\(reply)"])
            }
            answer(reply)
        }
    }

    /// A report of success goes to whoever the envelope names. Only those who are known to write in their own
    /// name may have it sent, or anybody's mailbox could be filled from here.
    private var mayHearOfSuccess: Bool {
        session.user != nil || options.successReportsFrom.contains { $0.contains(session.client) }
    }

    /// The address with its domain as it is looked up and compared; `nil` where it has no such form.
    private func inALabels(_ address: EmailAddress) -> EmailAddress? {
        guard address.domain.utf8.contains(where: { $0 >= 0x80 }) else { return address }
        return environment.domainToASCII(address.domain).map {
            EmailAddress(localPart: address.localPart, domain: $0)
        }
    }

    /// The sender was refused: that was this transaction.
    private func refused(_ refused: MailTransaction, _ reply: Reply) {
        transaction = nil
        logEnd(refused, refused.envelope, [reply])
        finish(refused, replies: [reply], queued: [])
    }
}

extension Reply {
    static let badSenderDomain = Reply(553, .badSenderSyntax, "The sender's domain is not a valid name")
    static let badRecipientDomain = Reply(553, .badDestinationSyntax, "The recipient's domain is not a valid name")
    /// A question came where none can: our own bug, which must not become a trap.
    static let outOfStep = Reply(451, .systemOther, "Internal error; try again later")
}

extension RecipientParameters.Notify {
    /// `SUCCESS` alone becomes `FAILURE`: a sender who asked for something must not hear nothing.
    fileprivate var withoutSuccess: Self { self == .success ? .failure : subtracting(.success) }
}

extension Session.HelloVerb {
    init(_ verb: SMTPServerMachine.HelloVerb) {
        switch verb {
        case .helo: self = .helo
        case .ehlo: self = .ehlo
        case .lhlo: self = .lhlo
        }
    }
}

extension Session.Language {
    init(_ language: SMTPServerMachine.Language) {
        switch language {
        case .smtp: self = .smtp
        case .submission: self = .submission
        case .lmtp: self = .lmtp
        }
    }
}
