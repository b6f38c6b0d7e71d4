import Logging
import MailTypes
import Metrics
import NIOCore
import NIOTLS
import Pipeline
import Protocols

/// Drives one session's machine: octets in, replies out, questions to the chain.
///
///     starting ---> ready <---> asking          starting: waits for TLS from the first octet
///        |            |  \                      asking: one question is open, nothing is read
///        +--> closing <-- handshaking           closing: the last reply is on its way
///
/// Everything happens on the channel's event loop; what takes time is a task on that loop.
final class SMTPConnectionHandler: ChannelDuplexHandler, Ticking, Stoppable, HandshakeWitness {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum State {
        case starting, ready, asking, handshaking, closing, closed
    }

    let listener: SMTPListener
    let options: ListenerOptions
    let loopContext: LoopContext
    /// Names the connection where there is no transaction.
    let connectionID: TransactionID
    var machine: SMTPServerMachine
    var session: Session
    var opening = Opening()
    /// A refusal before MAIL has a trace already; further ones of this connection would have the same id.
    var isRefusalTraced = false
    var transaction: MailTransaction?
    var state = State.starting
    private(set) var context: ChannelHandlerContext?
    var clock = ConnectionClock()
    var hasHandshakeSlot = false

    /// What has come and was not looked at.
    private var input: ByteBuffer?
    /// Replies that wait to be sent together.
    private var output: ByteBuffer?
    /// Counts the questions, so that a late answer is not taken for another's.
    private var question = 0
    private(set) var isReading = false
    private var isProceeding = false
    private var isReadHeld = false
    /// The machine wants more octets than there are.
    private var isStarved = false
    private var inputEnded = false
    /// What the handshake has told.
    var tlsName: String?
    var knownSocket: NIOBSDSocket.Handle?
    var tlsCipher: String?
    private var hasBegun = false

    var environment: SMTPEnvironment { listener.shared.environment }
    var limits: ServerLimits { listener.shared.limits }

    init(_ listener: SMTPListener, _ options: ListenerOptions, client: IPAddress, port: Int, on loop: LoopContext) {
        self.listener = listener
        self.options = options
        loopContext = loop
        connectionID = listener.shared.environment.makeID()
        var configuration = options.machine
        configuration.offersStartTLS = options.tls == .starttls && listener.tls != nil
        if options.xclientFrom.contains(where: { $0.contains(client) }) {
            configuration.extensions.insert(.xclient)
        } else {
            configuration.extensions.remove(.xclient)
        }
        machine = SMTPServerMachine(configuration: configuration)
        session = Session(
            language: Session.Language(options.machine.language), listener: options.name, client: client,
            clientPort: port)
    }

    // MARK: - The channel's events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        loopContext.add(self)
        listener.metrics.connections.increment()
        listener.metrics.open.increment(by: 1)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end()
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        guard !hasBegun else { return }
        hasBegun = true
        if options.tls == .implicit {
            shakeHands()
        } else {
            begin()
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var octets = unwrapInboundIn(data)
        guard state != .closing, state != .closed else { return discard(octets.readableBytes) }
        isReading = true
        let count = octets.readableBytes
        if state == .asking { heard(count) }
        clock.received(count)
        if input == nil {
            input = octets
        } else {
            input?.discardReadBytes()
            input?.writeBuffer(&octets)
        }
        if unread > limits.maxInput * 4 + (1 << 20) {
            // Only a client that has closed its side can get here: it waits for no reply anyway.
            return abort("overflow")
        }
        if let charge = transaction?.charge, !charge.received(count) { return dismiss(.overBudget, "budget") }
        proceed()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        if state == .ready { flush() }
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if mayRead { context.read() } else { isReadHeld = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            clock.unreadSince = nil
            proceed()
        } else {
            clock.unreadSince = .now()
        }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case TLSUserEvent.handshakeCompleted(_): secured()
        case ChannelEvent.inputClosed:
            inputEnded = true
            if state == .closing || state == .handshaking { closeNow() } else { proceed() }
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if state == .handshaking || state == .starting {
            listener.metrics.count(.closed, "handshake")
            log(.info, "TLS handshake failed", ["reason": "\(error)"])
        } else if state != .closed {
            log(.debug, "connection broke", ["reason": "\(error)"])
        }
        closeNow()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func serverName(_ name: String?) { tlsName = name }
    func cipher(_ name: String) { tlsCipher = name }

    // MARK: - Reading

    private var mayRead: Bool {
        switch state {
        case .starting, .handshaking, .closing: true
        // Only to hear who cannot wait; of content and of a transaction's commands nothing is read ahead.
        case .asking: transaction == nil && input == nil && machine.mustClientWait
        case .closed: false
        case .ready:
            (input?.readableBytes ?? 0) < limits.maxInput && context?.channel.isWritable ?? false
                && !(transaction?.spool?.isBehind ?? false)
        }
    }

    /// Lets the channel read on if it had to wait and need not any longer.
    private func resumeReading() {
        guard isReadHeld, mayRead else { return }
        isReadHeld = false
        context?.read()
    }

    // MARK: - The machine

    /// Feeds the machine until it wants more, asks something, or the client does not read its replies.
    func proceed() {
        guard !isProceeding else { return }
        isProceeding = true
        isStarved = false
        while state == .ready, !isStarved, mayGoOn {
            var octets = input ?? ByteBuffer()
            input = nil
            let before = octets.readableBytes
            let action = signed(machine.next(&octets))
            let isTaken = octets.readableBytes < before
            if octets.readableBytes > 0 { input = octets }
            if action == .wait {
                // Something was taken without an action; only when nothing is, more is needed.
                isStarved = !isTaken
            } else {
                clock.progressed(within: options.commandTimeout)
                run(action)
                forgetEndedTransaction(after: action)
            }
        }
        isProceeding = false
        if state == .ready {
            if !isReading { flush() }
            if isStarved { starved() }
        }
        resumeReading()
    }

    private var mayGoOn: Bool {
        if transaction?.spool?.isBehind ?? false { return false }
        if let output, output.readableBytes >= limits.maxOutput { flush() }
        return context?.channel.isWritable ?? false
    }

    /// The machine waits for the client: the moment to leave, if somebody wants that.
    private func starved() {
        if inputEnded {
            closeNow()
        } else if clock.isStopping, transaction == nil {
            sayStopping()
        }
    }

    /// What the machine wants done.
    func run(_ action: SMTPServerMachine.Action) {
        switch action {
        case .wait: break
        case .send(let reply): put(reply)
        case .sendEach(let replies): for reply in replies { put(reply) }
        case .challenge(let text): put { SMTPReplyEncoder.write(challenge: text, to: &$0) }
        case .startTLS(let reply): startTLS(reply)
        case .ask(let question): ask(question)
        case .content(let octets): transaction?.spool?.append(octets)
        case .dropContent: transaction?.spoil()
        case .xclient(let told): xclient(told)
        case .close(let reply):
            if let reply {
                if !reply.isPositive {
                    log(.info, "sent away", ["reply": "\(reply)"])
                    transaction?.ending = reply
                }
                put(reply)
            }
            leave(isAgreed: reply?.isPositive ?? false)
        }
    }

    /// Goes on after an answer to the machine.
    func resume(_ action: SMTPServerMachine.Action) {
        guard state == .asking else { return }
        state = .ready
        clock.progressed(within: options.commandTimeout)
        let action = signed(action)
        run(action)
        forgetEndedTransaction(after: action)
        proceed()
    }

    /// RSET, a new hello, STARTTLS and content that is refused end a transaction in the machine;
    /// nothing of it may stay here.
    private func forgetEndedTransaction(after action: SMTPServerMachine.Action) {
        guard state != .asking, let ended = transaction, !machine.isInTransaction else { return }
        transaction = nil
        clock.contentEnds()
        ended.charge?.end(isComplete: ended.isSpoilt)
        var said = ended.ending.map { [$0] }
        if case .send(let reply) = action, !reply.isPositive { said = [reply] }
        if case .sendEach(let replies) = action { said = replies }
        if let said { logEnd(ended, ended.envelope, said) }
        finish(ended, replies: said, queued: [])
    }

    // MARK: - Questions

    /// Asks something that may take time; `then` is called on the loop, unless the connection has gone. What can be
    /// known at once is known when this returns, which most questions are.
    func wait<Answer: Sendable>(
        for work: @escaping @Sendable () async -> Answer, then: @escaping (Answer) -> Void
    ) {
        let number = openQuestion(takesTime: false)
        let bound = NIOLoopBound((handler: self, then: then), eventLoop: loopContext.loop)
        Task.immediate(executorPreference: loopContext.executor) {
            let answer = await work()
            let (handler, then) = bound.value
            if handler.isOpen(number) { then(answer) }
        }
        if isOpen(number), input == nil { flush() }
    }

    /// From now on nothing is read until ``resume(_:)``. What was to be sent goes out, unless the
    /// client has sent on and so does not wait for it. RFC 2920 §3.2.
    @discardableResult
    func openQuestion(takesTime: Bool = true) -> Int {
        state = .asking
        question += 1
        if takesTime, input == nil { flush() }
        return question
    }

    /// Whether the connection still wants the answer to this question.
    func isOpen(_ number: Int) -> Bool { state == .asking && question == number }

    /// Octets that have come and were not looked at.
    var unread: Int { input?.readableBytes ?? 0 }

    func dropInput() { input = nil }

    // MARK: - Writing

    func put(_ reply: Reply) { put { SMTPReplyEncoder.write(reply, to: &$0) } }

    private func put(_ write: (inout ByteBuffer) -> Void) {
        var buffer = output ?? context?.channel.allocator.buffer(capacity: 256) ?? ByteBuffer()
        output = nil
        write(&buffer)
        output = buffer
    }

    func flush() {
        guard let octets = output, octets.readableBytes > 0 else { return }
        output = nil
        context?.writeAndFlush(wrapOutboundOut(octets), promise: nil)
    }

    // MARK: - The end

    /// Sends what is to be sent and closes. The client's last words are read and thrown away meanwhile:
    /// closing with unread octets would reset the connection and take our last reply with it.
    ///
    /// - Parameter isAgreed: The client has asked for the end, and has nothing more to say.
    func leave(isAgreed: Bool = false) {
        guard state != .closing, state != .closed else { return }
        // Whoever is cut short as he speaks goes on. What an early talker has said was seen in the socket, not read.
        let isSilent = isAgreed || !isReading
        let isRead = unread == 0 && isSilent && waitingOctets == 0 && !machine.spokeEarly
        let isClean = isRead || session.tls != nil || inputEnded
        state = .closing
        input = nil
        // Whatever was coming in has no more time than any other last words.
        clock.contentEnds()
        clock.linger(within: options.writeTimeout)
        guard let context else { return }
        // An empty write comes behind all that waits.
        let octets = output ?? ByteBuffer()
        output = nil
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(octets)).whenComplete { _ in
            channel.close(mode: isClean ? .all : .output, promise: nil)
        }
        resumeReading()
    }

    private func discard(_ count: Int) {
        clock.discarded += count
        if clock.discarded > ConnectionClock.mostDiscarded { closeNow() }
    }

    func closeNow() {
        context?.close(promise: nil)
        end()
    }

    private func end() {
        guard state != .closed else { return }
        state = .closed
        input = nil
        output = nil
        loopContext.remove(self)
        releaseHandshakeSlot()
        listener.metrics.open.decrement(by: 1)
        if let abandoned = transaction {
            transaction = nil
            abandoned.charge?.end(isComplete: false)
            if !abandoned.isCommitting { giveUp(abandoned) }
        }
        log(.debug, "disconnected", [:])
    }
}
