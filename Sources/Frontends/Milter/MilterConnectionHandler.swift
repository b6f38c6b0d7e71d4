import Logging
import MailTypes
import Metrics
import NIOCore
import Pipeline
import Protocols

/// Drives one mail server's connection to us as to a milter: octets in, replies out, questions to the chain.
///
///     ready <---> asking          asking: one question is open, nothing is read
///       |           |
///       +-> closed <+
///
/// Everything happens on the channel's event loop; what takes time is a task on that loop. docs/milter.md.
final class MilterConnectionHandler: ChannelDuplexHandler, Ticking, Stoppable {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum State { case ready, asking, closed }

    let listener: SMTPListener
    let options: ListenerOptions
    let loopContext: LoopContext
    /// Who has connected: the mail server, not its client.
    let peer: IPAddress
    /// Names the session where there is no transaction.
    var connectionID: TransactionID
    var machine: MilterServerMachine
    /// The client's, when the server has told of one.
    var session: Session?
    var opening = Opening()
    /// What the client was refused with when it connected or greeted: it holds for what it does nevertheless.
    var connectRefusal: Reply?
    var helloRefusal: Reply?
    var isRefusalTraced = false
    var transaction: MailTransaction?
    /// The recipients that were taken.
    var recipients: [MilterConclusion.Told] = []
    private(set) var state = State.ready
    private var context: ChannelHandlerContext?
    private var clock = ConnectionClock()
    private var question = 0
    private var isReadHeld = false
    private var isProceeding = false
    private var nextProgress: NIODeadline?

    var environment: SMTPEnvironment { listener.shared.environment }
    var limits: ServerLimits { listener.shared.limits }
    var isStopping: Bool { clock.isStopping }

    init(_ listener: SMTPListener, _ options: ListenerOptions, peer: IPAddress, on loop: LoopContext) {
        self.listener = listener
        self.options = options
        self.peer = peer
        loopContext = loop
        connectionID = listener.shared.environment.makeID()
        machine = MilterServerMachine(
            .init(
                actions: Self.wantedActions, macros: MilterPlace.wanted,
                largestMessage: options.machine.maxMessageSize))
    }

    static let wantedActions: MilterActions = [
        .addHeaders, .changeHeaders, .changeBody, .addRecipients, .deleteRecipients, .changeSender, .quarantine,
    ]

    // MARK: The channel's events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        loopContext.add(self)
        clock.expect(within: options.commandTimeout)
        listener.metrics.connections.increment()
        listener.metrics.open.increment(by: 1)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end()
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard state != .closed else { return }
        let octets = unwrapInboundIn(data)
        clock.received(octets.readableBytes)
        machine.received(octets.readableBytesView)
        proceed()
    }

    func read(context: ChannelHandlerContext) {
        if mayRead { context.read() } else { isReadHeld = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        clock.unreadSince = context.channel.isWritable ? nil : .now()
        if context.channel.isWritable { proceed() }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Who says no more wants no answer either.
        if case .inputClosed? = event as? ChannelEvent { closeNow() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if state != .closed { log(.debug, "connection broke", ["reason": "\(error)"]) }
        closeNow()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    // MARK: The machine

    private var mayRead: Bool { state == .ready && !(transaction?.spool?.isBehind ?? false) }

    func proceed() {
        guard !isProceeding else { return }
        isProceeding = true
        defer { isProceeding = false }
        do throws(MilterFault) {
            while mayRead, context?.channel.isWritable ?? false {
                let action = try machine.next()
                if action == .wait { break }
                clock.expect(within: options.commandTimeout)
                run(action)
            }
        } catch {
            listener.metrics.count(.closed, "protocol")
            log(.warning, "mail server at fault", ["reason": "\(error.reason)"])
            return closeNow()
        }
        if state == .ready, clock.isStopping, transaction == nil { return leave() }
        guard isReadHeld, mayRead else { return }
        isReadHeld = false
        context?.read()
    }

    private func run(_ action: MilterServerMachine.Action) {
        switch action {
        case .wait: break
        case .send(let octets):
            send(octets)
            if session == nil { tellOfMissingActions() }
        case .ask(let question): ask(question)
        case .content(let octets): take(octets)
        case .abort: forgetTransaction()
        case .beginAnew:
            forgetTransaction()
            forgetSession()
        case .close: closeNow()
        }
    }

    /// What the chain wants and the server does not let it do ends in 451, one message after the other: better to be
    /// told of it at once.
    private func tellOfMissingActions() {
        let missing = Self.wantedActions.subtracting(machine.actions ?? Self.wantedActions)
        guard !missing.isEmpty else { return }
        log(
            .notice, "mail server lets a milter do less than the chain may want",
            ["missing": "\(missing.names)", "version": "\(machine.version ?? 0)"])
    }

    private func send(_ octets: [UInt8]) {
        context?.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: octets)), promise: nil)
    }

    private func take(_ octets: [UInt8]) {
        guard let transaction else { return }
        if transaction.spool == nil {
            let spool = ContentSpool(
                .init(
                    memoryLimit: limits.contentMemory, directory: environment.temporaryDirectory,
                    pool: listener.shared.pool), loop: loopContext.loop)
            spool.whenCaughtUp = { [weak self] in self?.proceed() }
            transaction.spool = spool
            clock.contentBegins()
        }
        transaction.spool?.append(ByteBuffer(bytes: octets))
    }

    func contentEnds() { clock.contentEnds() }

    // MARK: Questions

    /// Asks something that may take time; `then` is called on the loop, unless the connection has gone.
    func wait<Answer: Sendable>(
        for work: @escaping @Sendable () async -> Answer, then: @escaping (Answer) -> Void
    ) {
        let number = openQuestion()
        let bound = NIOLoopBound((handler: self, then: then), eventLoop: loopContext.loop)
        Task.immediate(executorPreference: loopContext.executor) {
            let answer = await work()
            let (handler, then) = bound.value
            if handler.isOpen(number) { then(answer) }
        }
    }

    @discardableResult
    func openQuestion() -> Int {
        state = .asking
        question += 1
        return question
    }

    func isOpen(_ number: Int) -> Bool { state == .asking && question == number }

    /// While this question is open the server hears from time to time that its answer will come.
    func willTakeTime() { nextProgress = .now() + limits.milterProgress.timeAmount }

    func answer(_ reply: Reply) { answer(MilterAnswer(MilterAnswer.Verdict(reply))) }

    func answer(_ answer: MilterAnswer) {
        guard state != .closed else { return }
        state = .ready
        nextProgress = nil
        clock.expect(within: options.commandTimeout)
        do throws(MilterFault) { run(try machine.answered(answer)) } catch {
            log(.error, "no answer for the mail server", ["reason": "\(error.reason)"])
            return closeNow()
        }
        proceed()
    }

    // MARK: Time

    func tick(_ now: NIODeadline) {
        if clock.isUnread(at: now, options) { return abort("unread") }
        switch state {
        case .asking:
            guard let next = nextProgress, now >= next, let octets = machine.progress else { return }
            nextProgress = now + limits.milterProgress.timeAmount
            send(octets)
        case .ready:
            if transaction?.spool?.isBehind ?? false { return clock.held(until: now) }
            if let word = clock.lateness(at: now, options) { abort(word) }
        case .closed: break
        }
    }

    func stop() {
        clock.isStopping = true
        if state == .ready { proceed() }
    }

    func stopNow() {
        guard state != .closed else { return }
        listener.metrics.count(.closed, "stopping")
        closeNow()
    }

    private func leave() {
        listener.metrics.count(.closed, "stopping")
        closeNow()
    }

    private func abort(_ reason: String) {
        listener.metrics.count(.closed, reason)
        log(.info, "connection ended", ["reason": "\(reason)"])
        closeNow()
    }

    // MARK: The end

    func closeNow() {
        // What was said before goes out first.
        context?.close(promise: nil)
        end()
    }

    private func end() {
        guard state != .closed else { return }
        state = .closed
        loopContext.remove(self)
        listener.metrics.open.decrement(by: 1)
        forgetTransaction()
        log(.debug, "disconnected", [:])
    }

    func log(_ level: Logger.Level, _ message: Logger.Message, _ more: @autoclosure () -> Logger.Metadata) {
        let logger = environment.logger
        guard level >= logger.logLevel else { return }
        var metadata: Logger.Metadata = [
            "client": "\(session?.client ?? peer)", "listener": "\(options.name)",
            "id": "\(transaction?.id ?? connectionID)",
        ]
        metadata.merge(more()) { $1 }
        logger.log(level: level, message, metadata: metadata)
    }
}
