import Logging
import MailTypes
import Metrics
import NIOCore
import Pipeline
import Protocols

// What the mail server asks: the same questions to the chain as those of a listener of SMTP.
extension MilterConnectionHandler {
    func ask(_ question: MilterServerMachine.Question) {
        openQuestion()
        switch question {
        case .connect(let host, let peer): connect(host, peer)
        case .hello(let name): hello(name)
        case .mail(let path, let parameters): sender(path, parameters)
        case .recipient(let path, let parameters): recipient(path, parameters)
        case .message(let isTooLarge): message(isTooLarge: isTooLarge)
        }
    }

    // MARK: The client

    private func connect(_ host: String, _ peer: MilterPeer) {
        forgetSession()
        let session = Session(listener: options.name, host: host, peer, machine)
        self.session = session
        log(.debug, "client told by mail server", ["server": "\(self.peer)"])
        let chain = environment.chain()
        guard chain.asks(in: .connect) else {
            opening.connect(session: session)
            return answer(.goOn)
        }
        let (environment, id) = (environment, connectionID)
        wait {
            var opening = Opening()
            let refusal = await opening.connect(
                session: session, on: chain, id: id, hostname: environment.hostname, source: environment.services)
            return (opening, refusal)
        } then: { [self] opening, refusal in
            self.opening = opening
            connectRefusal = refusal
            if let refusal { refused(refusal, "greeting refused") }
            answer(refusal ?? .goOn)
        }
    }

    private func hello(_ name: String) {
        forgetTransaction()
        guard var greeted = session else { return answer(.outOfStep) }
        greeted.hello = name
        greeted.takeEncryption(machine)
        let chain = environment.chain()
        helloRefusal = nil
        session = greeted
        guard chain.asks(in: .hello) else {
            opening.hello(session: greeted)
            return answer(connectRefusal ?? .goOn)
        }
        let (environment, id, opening, session) = (environment, connectionID, opening, greeted)
        wait {
            var opening = opening
            let refusal = await opening.hello(
                session: session, on: chain, id: id, hostname: environment.hostname, source: environment.services)
            return (opening, refusal)
        } then: { [self] opening, refusal in
            self.opening = opening
            helloRefusal = refusal
            if let refusal { refused(refusal, "hello refused") }
            answer(connectRefusal ?? refusal ?? .goOn)
        }
    }

    /// A client that is turned away before MAIL: that is kept, if it may be.
    private func refused(_ reply: Reply, _ what: Logger.Message) {
        log(.info, what, ["reply": "\(reply)"])
        guard let session, !isRefusalTraced else { return }
        isRefusalTraced = true
        let seconds = Double(NIODeadline.now().uptimeNanoseconds) / 1e9
        guard listener.shared.refusalTraces.keeps(session.client, at: seconds) else { return }
        environment.traced(
            opening.trace(of: session, id: connectionID, started: environment.now(), reply: reply), nil)
    }

    func forgetSession() {
        (session, opening, connectRefusal, helloRefusal) = (nil, Opening(), nil, nil)
        isRefusalTraced = false
        connectionID = environment.makeID()
    }

    // MARK: The envelope

    private func sender(_ path: String, _ parameters: [String]) {
        // A server that goes on without an end of the transaction before has ended it.
        forgetTransaction()
        guard var session else { return answer(.outOfStep) }
        if let refusal = connectRefusal ?? helloRefusal { return answer(refusal) }
        if isStopping { return answer(.stopping) }
        let home = machine.home(else: environment.hostname)
        session.takeEncryption(machine)
        session.takeLogin(machine, home: home)
        self.session = session
        let envelope: Envelope
        do throws(Reply) {
            var said = try Envelope(milterPath: path, parameters, home: home)
            if let address = said.sender { said.sender = try address.inALabels(environment, else: .badSenderDomain) }
            envelope = said
        } catch { return answer(error) }
        let most = options.machine.maxMessageSize
        if let size = envelope.parameters.size, most > 0, size > most { return answer(.tooLarge) }
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
            return answer(.goOn)
        }
        wait {
            await judge.value.sender(envelope)
        } then: { [self] reply in
            if !reply.isPositive { conclude(begun, reply) }
            answer(reply)
        }
    }

    private func recipient(_ path: String, _ parameters: [String]) {
        guard let transaction else { return answer(connectRefusal ?? helloRefusal ?? .outOfStep) }
        let recipient: EnvelopeRecipient
        do throws(Reply) {
            var said = try EnvelopeRecipient(
                milterPath: path, parameters, home: machine.home(else: environment.hostname))
            said.address = try said.address.inALabels(environment, else: .badRecipientDomain)
            recipient = said
        } catch { return answer(error.naming(transaction.id)) }
        guard transaction.envelope.recipients.count < options.machine.maxRecipients else {
            return answer(Reply.tooManyTold.naming(transaction.id))
        }
        let judge = transaction.judge
        wait {
            await judge.value.recipient(recipient)
        } then: { [self] reply in
            if reply.isPositive {
                transaction.envelope.recipients.append(recipient)
                recipients.append(MilterConclusion.Told(path: path, address: recipient.address))
            } else {
                log(.info, "recipient refused", ["recipient": "\(recipient.address)", "reply": "\(reply)"])
            }
            answer(reply)
        }
    }

    // MARK: The message

    private func message(isTooLarge: Bool) {
        let number = openQuestion()
        contentEnds()
        guard let transaction, let spool = transaction.spool ?? emptySpool else { return answer(.outOfStep) }
        transaction.spool = nil
        spool.whenCaughtUp = nil
        guard !isTooLarge else { return refuse(transaction, .tooLarge) }
        // With nobody to judge it for it would be discarded, and nobody has said so.
        guard !recipients.isEmpty else { return refuse(transaction, .outOfStep) }
        listener.metrics.octets.increment(by: spool.count)
        willTakeTime()
        spool.finish { [self] result in
            guard isOpen(number) else { return }
            switch result {
            case .success(let content): judge(content, transaction)
            case .failure(let error):
                log(.error, "message cannot be spooled", ["reason": "\(error)"])
                let text = "Insufficient system storage; try again later"
                let reply = error.isOutOfSpace ? Reply(452, .systemFull, text) : .outOfStep
                refuse(transaction, reply)
            }
        }
    }

    /// For a message without an octet.
    private var emptySpool: ContentSpool? {
        let options = ContentSpool.Options(directory: environment.temporaryDirectory, pool: listener.shared.pool)
        return ContentSpool(options, loop: loopContext.loop)
    }

    private func judge(_ content: Bytes, _ transaction: MailTransaction) {
        let message: Message
        do throws(MessageTooComplex) {
            message = try Message(parsing: content, limits: options.header)
        } catch {
            return refuse(transaction, Reply(552, .messageTooBig, "Message refused: \(error)"))
        }
        transaction.message = message
        let began = NIODeadline.now()
        let judge = transaction.judge
        wait {
            await judge.value.message(message)
        } then: { [self] outcome in
            listener.metrics.judged.recordNanoseconds((NIODeadline.now() - began).nanoseconds)
            let judged = MilterConclusion.Judged(
                message: message, sender: transaction.envelope.sender, recipients: recipients,
                actions: machine.actions ?? [], id: transaction.id)
            let conclusion = MilterConclusion(outcome, of: judged)
            if !conclusion.missing.isEmpty || outcome.copies.count > 1 {
                log(
                    .error, "mail server cannot be told what the chain wants",
                    ["missing": "\(conclusion.missing.names)", "copies": "\(outcome.copies.count)"])
            }
            conclude(transaction, conclusion.reply)
            answer(conclusion.answer)
        }
    }

    private func refuse(_ refused: MailTransaction, _ reply: Reply) {
        let reply = reply.naming(refused.id)
        conclude(refused, reply)
        answer(reply)
    }

    // MARK: The end of a transaction

    /// The server has its answer, or gets it now.
    private func conclude(_ ended: MailTransaction, _ reply: Reply) {
        logEnd(ended, reply)
        transaction = nil
        recipients = []
        finish(ended, [reply])
    }

    /// The server has ended it: the client has begun anew, or somebody else has refused the message.
    func forgetTransaction() {
        guard let abandoned = transaction else { return }
        contentEnds()
        transaction = nil
        recipients = []
        abandoned.spool?.whenCaughtUp = nil
        finish(abandoned, nil)
    }

    private func logEnd(_ ended: MailTransaction, _ reply: Reply) {
        let envelope = ended.envelope
        log(
            .info, "message",
            [
                "id": "\(ended.id)", "from": "\(envelope.sender?.description ?? "<>")",
                "to": "\(envelope.recipients.prefix(8).map(\.address.description).joined(separator: ","))",
                "recipients": "\(envelope.recipients.count)", "reply": "\(reply)",
                "queue_id": "\(machine.macro("i") ?? "")",
                "ms": "\((NIODeadline.now() - ended.began).nanoseconds / 1_000_000)",
            ])
    }

    private func finish(_ ended: MailTransaction, _ replies: [Reply]?) {
        let (judge, environment, metrics, message) = (ended.judge, environment, listener.metrics, ended.message)
        loopContext.loop.execute {
            let trace = judge.value.trace(replies: replies)
            metrics.count(.transactions, trace.outcome.rawValue)
            environment.traced(trace, message)
        }
    }
}

extension EmailAddress {
    /// With its domain as it is looked up and compared.
    fileprivate func inALabels(_ environment: SMTPEnvironment, else malformed: Reply) throws(Reply) -> EmailAddress {
        guard domain.utf8.contains(where: { $0 >= 0x80 }) else { return self }
        guard let ascii = environment.domainToASCII(domain) else { throw malformed }
        return EmailAddress(localPart: localPart, domain: ascii)
    }
}

extension Reply {
    /// For the machine alone: a server hears no words where it may go on.
    fileprivate static let goOn = Reply(250, "")
    fileprivate static let stopping = Reply(451, .notAccepting, "The filter is stopping; try again later")
    fileprivate static let tooLarge = Reply(552, .messageTooBig, "The message is too large")
    fileprivate static let tooManyTold = Reply(452, .tooManyRecipients, "Too many recipients")
}
