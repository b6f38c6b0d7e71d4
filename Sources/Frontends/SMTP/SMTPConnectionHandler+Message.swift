import Logging
import MailTypes
import Metrics
import NIOCore
import Pipeline
import Protocols
import Queue

// From the first octet of a message to the reply that it is on stable storage.
extension SMTPConnectionHandler {
    func contentBegins() {
        openQuestion()
        guard let transaction else { return answer(.outOfStep) }
        guard let charge = ContentCharge(listener.shared.content, session.client) else {
            log(.notice, "too much of this client is unfinished", [:])
            // To a chunk it is said only behind the chunk's octets, when the transaction is forgotten.
            let reply = signed(.tooMuchUnfinished)
            transaction.ending = reply
            return answer(reply)
        }
        transaction.charge = charge
        let spool = ContentSpool(
            .init(
                memoryLimit: limits.contentMemory, directory: environment.temporaryDirectory,
                pool: listener.shared.pool),
            loop: loopContext.loop)
        spool.whenCaughtUp = { [weak self] in self?.proceed() }
        transaction.spool = spool
        clock.contentBegins()
        answer(Reply(354, "Start mail input; end with <CRLF>.<CRLF>"))
    }

    /// The content is complete: collect it, have it judged, store it, and only then say so.
    func message(_ envelope: Envelope) {
        let number = openQuestion()
        clock.contentEnds()
        guard let transaction, let spool = transaction.spool else { return answer(.outOfStep) }
        transaction.spool = nil
        transaction.charge?.end(isComplete: true)
        spool.whenCaughtUp = nil
        listener.metrics.octets.increment(by: spool.count)
        spool.finish { [self] result in
            guard isOpen(number) else { return }
            switch result {
            case .success(let content): judge(content, envelope, transaction)
            case .failure(let error):
                log(.error, "message cannot be spooled", ["reason": "\(error)"])
                let reply =
                    error.isOutOfSpace
                    ? Reply(452, .systemFull, "Insufficient system storage; try again later")
                    : Reply(451, .systemOther, "Local error in processing; try again later")
                conclude(transaction, envelope, .failed(reply.marked(with: transaction.id)))
            }
        }
    }

    private func judge(_ content: Bytes, _ envelope: Envelope, _ transaction: MailTransaction) {
        let message: Message
        do throws(MessageTooComplex) {
            message = try Message(parsing: content, limits: options.header)
        } catch {
            let reply = Reply(552, .messageTooBig, "Message refused: \(error)").marked(with: transaction.id)
            return conclude(transaction, envelope, .failed(reply))
        }
        transaction.message = message
        let began = NIODeadline.now()
        let judge = transaction.judge
        wait {
            await judge.value.message(message)
        } then: { [self] outcome in
            listener.metrics.judged.recordNanoseconds((NIODeadline.now() - began).nanoseconds)
            commit(outcome, envelope, transaction)
        }
    }

    // MARK: - The queue

    private func commit(_ outcome: Outcome, _ envelope: Envelope, _ transaction: MailTransaction) {
        let arrival = session.hello.map { "\($0) (\(session.client.literal))" } ?? session.client.literal
        let submissions = outcome.submissions(
            id: transaction.id, envelope: transaction.envelope, received: transaction.received, arrival: arrival)
        guard !submissions.isEmpty else {
            return conclude(transaction, envelope, Conclusion(replies: outcome.replies, queued: []))
        }
        transaction.isCommitting = true
        let began = NIODeadline.now()
        let loop = loopContext.loop
        let bound = NIOLoopBound((handler: self, transaction: transaction), eventLoop: loop)
        environment.acceptor.commit(submissions) { result in
            loop.execute {
                let (handler, transaction) = bound.value
                handler.listener.metrics.committed.recordNanoseconds((NIODeadline.now() - began).nanoseconds)
                handler.committed(result, outcome, envelope, transaction)
            }
        }
    }

    private func committed(
        _ result: Result<[QueueID], QueueFailure>, _ outcome: Outcome, _ envelope: Envelope,
        _ transaction: MailTransaction
    ) {
        switch result {
        case .success(let ids):
            let conclusion = Conclusion(replies: outcome.replies, queued: ids.map(\.description))
            // The client may have gone: the mail is taken nevertheless, and its trace says so.
            conclude(transaction, envelope, conclusion)
        case .failure(let failure):
            log(.error, "message cannot be queued", ["reason": "\(failure)", "id": "\(transaction.id)"])
            let reply = failure.reply.marked(with: transaction.id)
            let replies = outcome.replies.map { $0.isPositive ? reply : $0 }
            conclude(transaction, envelope, Conclusion(replies: replies, queued: []))
        }
    }

    // MARK: - The end of a transaction

    /// How a message ended.
    struct Conclusion {
        var replies: [Reply]
        var queued: [String]

        /// Refused or put off before anybody was judged: the same for all.
        static func failed(_ reply: Reply) -> Conclusion { Conclusion(replies: [reply], queued: []) }
    }

    private func conclude(_ ended: MailTransaction, _ envelope: Envelope, _ conclusion: Conclusion) {
        var conclusion = conclusion
        let isCurrent = transaction === ended && state == .asking
        if isCurrent { transaction = nil }
        let count = machine.repliesPerRecipient ? envelope.recipients.count : 1
        while conclusion.replies.count < count, let last = conclusion.replies.last { conclusion.replies.append(last) }
        let replies = conclusion.replies
        logEnd(ended, envelope, replies)
        finish(ended, replies: replies, queued: conclusion.queued)
        guard isCurrent else { return }
        if machine.repliesPerRecipient {
            resume(machine.answeredEach(replies))
        } else {
            resume(machine.answered(replies.first ?? .outOfStep))
        }
        flush()
    }

    func logEnd(_ ended: MailTransaction, _ envelope: Envelope, _ replies: [Reply]) {
        let seconds = Double((NIODeadline.now() - ended.began).nanoseconds) / 1e9
        log(
            .info, "message",
            [
                "id": "\(ended.id)", "from": "\(envelope.sender?.description ?? "<>")",
                "to": "\(envelope.recipients.prefix(8).map(\.address.description).joined(separator: ","))",
                "recipients": "\(envelope.recipients.count)", "reply": "\(replies.first?.description ?? "")",
                "ms": "\(Int(seconds * 1000))",
            ])
    }

    /// The end of a transaction with its connection, whoever has ended that.
    func giveUp(_ abandoned: MailTransaction) {
        let said = abandoned.ending.map { [$0] }
        if let said { logEnd(abandoned, abandoned.envelope, said) }
        finish(abandoned, replies: said, queued: [])
    }

    /// A refusal within a transaction names it, so that its trace can be found.
    func signed(_ reply: Reply) -> Reply {
        guard let transaction, !reply.isPositive else { return reply }
        return reply.naming(transaction.id)
    }

    /// The machine knows nothing of ids.
    func signed(_ action: SMTPServerMachine.Action) -> SMTPServerMachine.Action {
        guard transaction != nil else { return action }
        return switch action {
        case .send(let reply): .send(signed(reply))
        case .sendEach(let replies): .sendEach(replies.map(signed))
        case .close(let reply?): .close(signed(reply))
        default: action
        }
    }

    /// Hands the trace of a transaction that is over to whoever keeps traces, off the path of replies.
    func finish(_ ended: MailTransaction, replies: [Reply]?, queued: [String]) {
        let (judge, environment, metrics, message) = (ended.judge, environment, listener.metrics, ended.message)
        loopContext.loop.execute {
            let trace = judge.value.trace(replies: replies, queued: queued)
            metrics.count(.transactions, trace.outcome.rawValue)
            environment.traced(trace, message)
        }
    }
}

extension Reply {
    /// With this id at its end, whether or not it was there.
    func naming(_ id: TransactionID) -> Reply { text.hasSuffix("[\(id)]") ? self : marked(with: id) }

    static let tooMuchUnfinished = Reply(
        451, .deliveryNotAuthorized, "Too much unfinished mail from your address; try again later")
    static let overBudget = Reply(
        421, .securityOther, "Too much unfinished mail from your address; closing the connection")
}
