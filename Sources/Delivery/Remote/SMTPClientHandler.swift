import MailTypes
import NIOCore
import NIOSSL
import NIOTLS
import Protocols
import Synchronization

/// What a connection is told to do.
enum SMTPOrder: Sendable {
    /// The content is what the pieces are together.
    case deliver(SMTPTransaction, [Bytes], @Sendable (SMTPTransactionResult) -> Void)
    case quit
}

/// Whether a connection takes orders. Said by its handler: the channel itself may live on for a while, as TLS waits for
/// the other side's goodbye.
final class SMTPConnectionState: Sendable {
    private let closed = Atomic(false)

    var isOpen: Bool { !closed.load(ordering: .acquiring) }
    func close() { closed.store(true, ordering: .releasing) }
}

/// Drives an ``SMTPClientMachine`` on its event loop: octets in, replies parsed, commands and content out.
final class SMTPClientHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = SMTPOrder
    typealias OutboundOut = ByteBuffer

    /// What is told of a connection once it can be used, or cannot; and what the server calls itself.
    typealias Opened = @Sendable (Result<Session, SMTPClientFailure>, _ hello: String?) -> Void

    /// What a server is like.
    struct Session: Sendable {
        var isEncrypted: Bool
        /// In one transaction, as far as the server says.
        var maxRecipients: Int?
    }

    /// What a time limit is for: one reply, or one piece of content.
    private struct Awaited: Equatable {
        var phase: SMTPPhase
        var replies: Int

        init(_ machine: SMTPClientMachine) {
            phase = machine.phase
            replies = machine.replies
        }
    }

    private struct Delivery {
        var transaction: SMTPTransaction
        var content: [Bytes]
        var completion: @Sendable (SMTPTransactionResult) -> Void
    }

    private var machine: SMTPClientMachine
    private let tls: @Sendable () throws -> NIOSSLClientHandler
    private let limits: SMTPTimeLimits
    private let state: SMTPConnectionState
    private var opened: Opened?
    private var input = ByteBuffer()
    private var delivery: Delivery?
    /// `nil`: the content goes as it is.
    private var encoder: SMTPContentEncoder?
    /// How much of the content has been handed on: whole pieces, and octets of the one that is next.
    private var sent = (pieces: 0, octets: 0)
    private var deadline = NIODeadline.now()
    /// What ``deadline`` is for.
    private var awaited: Awaited?
    private var timer: Scheduled<Void>?
    private var isClosed = false
    private var isHandshaking: Bool

    /// Octets of content that are encoded and written at a time.
    private static let chunk = 256 * 1024
    /// Octets that a server may send while nobody reads its replies.
    private static let maxUnread = 256 * 1024

    init(
        _ configuration: SMTPClientMachine.Configuration, tls: @escaping @Sendable () throws -> NIOSSLClientHandler,
        limits: SMTPTimeLimits, state: SMTPConnectionState, opened: @escaping Opened
    ) {
        machine = SMTPClientMachine(configuration)
        isHandshaking = configuration.encryption == .implicit
        self.tls = tls
        self.limits = limits
        self.state = state
        self.opened = opened
    }

    // MARK: Events of the channel

    func channelActive(context: ChannelHandlerContext) {
        watch(context)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var octets = unwrapInboundIn(data)
        if input.readableBytes == 0 { input = octets } else { input.writeBuffer(&octets) }
        guard input.readableBytes <= Self.maxUnread else {
            return lost(context, .malformed("the server sends more than anybody asked for"))
        }
        run(machine.next(&input), context)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent {
            let isStartTLS = !isHandshaking
            isHandshaking = false
            if isStartTLS { run(machine.tlsEstablished(), context) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case .handshake = machine.phase { return lost(context, .handshake(ConnectionTrouble.text(error))) }
        if isHandshaking { return lost(context, .handshake(ConnectionTrouble.text(error))) }
        if case NIOSSLError.uncleanShutdown = error { return lost(context, .closed) }
        lost(context, .network(ConnectionTrouble.text(error)))
    }

    func channelInactive(context: ChannelHandlerContext) {
        let isTLS = isHandshaking || machine.phase == .handshake
        lost(context, isTLS ? .handshake("the server closed the connection") : .closed)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        lost(context, .closed)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .deliver(let transaction, let content, let completion):
            if isClosed {
                completion(.unbegun(transaction))
            } else {
                delivery = Delivery(transaction: transaction, content: content, completion: completion)
                run(machine.begin(transaction), context)
            }
        case .quit:
            run(machine.quit(), context)
        }
        promise?.succeed()
    }

    // MARK: Actions of the machine

    private func run(_ first: SMTPClientMachine.Action, _ context: ChannelHandlerContext) {
        var action = first
        while !isClosed {
            switch action {
            case .wait:
                // Octets that make no reply yet are no reason to wait longer: a server could trickle for ever.
                if awaited != Awaited(machine) { watch(context) }
                return
            case .send(let octets):
                context.writeAndFlush(wrapOutboundOut(octets), promise: nil)
                watch(context)
                action = machine.next(&input)
            case .startTLS:
                return startTLS(context)
            case .ready:
                let session = Session(isEncrypted: machine.isEncrypted, maxRecipients: machine.maxRecipients)
                opened?(.success(session), machine.serverName)
                opened = nil
                return watch(context)
            case .sendContent:
                encoder = SMTPContentEncoder()
                sent = (0, 0)
                return sendContent(context)
            case .sendChunk(let command):
                context.write(wrapOutboundOut(command), promise: nil)
                encoder = nil
                sent = (0, 0)
                return sendContent(context)
            case .finished(let result):
                return finish(result, context)
            case .failed(let failure):
                opened?(.failure(failure), machine.serverName)
                opened = nil
                return close(context)
            case .close:
                return close(context)
            }
        }
    }

    private func finish(_ result: SMTPTransactionResult, _ context: ChannelHandlerContext) {
        let completion = delivery?.completion
        delivery = nil
        if result.isReusable { watch(context) } else { close(context) }
        // After the close, so that the connection is known to be closed by whoever hears of the end.
        completion?(result)
    }

    private func startTLS(_ context: ChannelHandlerContext) {
        do {
            try context.pipeline.syncOperations.addHandler(tls(), position: .first)
            watch(context)
        } catch {
            lost(context, .handshake(ConnectionTrouble.text(error)))
        }
    }

    /// Writes the content piece by piece: the next one when the last has left, so that a large message
    /// to a slow server takes no memory.
    private func sendContent(_ context: ChannelHandlerContext) {
        guard !isClosed, let content = delivery?.content else { return }
        let piece = sent.pieces < content.count ? content[sent.pieces] : .empty
        let part = piece[sent.octets..<sent.octets + Self.chunk]
        sent.octets += part.count
        if sent.octets >= piece.count { sent = (sent.pieces + 1, 0) }
        var octets = context.channel.allocator.buffer(capacity: part.count + part.count / 64 + 16)
        if encoder == nil { _ = part.withUnsafeBytes { octets.writeBytes($0) } }
        encoder?.encode(part, into: &octets)
        watch(context)
        let isLast = sent.pieces >= content.count
        if isLast { encoder?.finish(into: &octets) }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(octets)).assumeIsolated().whenSuccess {
            let (handler, context) = bound.value
            if isLast { handler.contentSent(context) } else { handler.sendContent(context) }
        }
    }

    /// All has left: only from now on can the server have taken the message.
    private func contentSent(_ context: ChannelHandlerContext) {
        guard !isClosed else { return }
        run(machine.contentSent(), context)
    }

    // MARK: The end

    private func lost(_ context: ChannelHandlerContext, _ reason: SMTPClientFailure.Reason) {
        guard !isClosed else { return }
        run(machine.lost(reason), context)
        close(context)
    }

    private func close(_ context: ChannelHandlerContext) {
        guard !isClosed else { return }
        isClosed = true
        state.close()
        timer?.cancel()
        timer = nil
        context.close(promise: nil)
        // Whoever still waits hears of it now, whatever the machine thought: nobody will come by later.
        let left = (opened, delivery)
        (opened, delivery) = (nil, nil)
        left.0?(.failure(SMTPClientFailure(machine.phase, .closed)), machine.serverName)
        if let delivery = left.1 { delivery.completion(.unbegun(delivery.transaction)) }
    }

    // MARK: Time

    /// Sets the limit of what the machine waits for from now on. One timer serves a whole session: when it
    /// fires early it only waits on.
    private func watch(_ context: ChannelHandlerContext) {
        guard !isClosed else { return }
        awaited = Awaited(machine)
        let isIdle = machine.phase == .reset && delivery == nil && opened == nil
        deadline = .now() + (isIdle ? limits.idle : limits[machine.phase])
        if let timer, timerDeadline <= deadline {
            _ = timer
            return
        }
        schedule(context)
    }

    private var timerDeadline = NIODeadline.now()

    private func schedule(_ context: ChannelHandlerContext) {
        timer?.cancel()
        timerDeadline = deadline
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(deadline: deadline) {
            let (handler, context) = bound.value
            handler.timer = nil
            guard !handler.isClosed else { return }
            if NIODeadline.now() >= handler.deadline {
                handler.lost(context, .timedOut)
            } else {
                handler.schedule(context)
            }
        }
    }
}

/// How long each phase of a session may take.
struct SMTPTimeLimits: Sendable {
    var connect: TimeAmount
    /// A session that nobody uses; the worker that holds it ends it earlier.
    var idle: TimeAmount
    private var greeting, hello, handshake, mail, recipient, data, content, final, quit: TimeAmount

    init(_ options: DeliveryOptions) {
        func amount(_ interval: Interval) -> TimeAmount { .nanoseconds(interval.nanoseconds) }
        connect = amount(options.connectTimeout)
        idle = amount(options.idleTime) + .seconds(60)
        greeting = amount(options.greetingTimeout)
        hello = amount(options.helloTimeout)
        handshake = amount(options.handshakeTimeout)
        mail = amount(options.mailTimeout)
        recipient = amount(options.recipientTimeout)
        data = amount(options.dataTimeout)
        content = amount(options.contentTimeout)
        final = amount(options.finalTimeout)
        quit = amount(options.quitTimeout)
    }

    subscript(_ phase: SMTPPhase) -> TimeAmount {
        switch phase {
        case .connect: connect
        case .greeting: greeting
        case .hello, .startTLS, .auth, .reset: hello
        case .handshake: handshake
        case .mail: mail
        case .recipient: recipient
        case .data: data
        case .content: content
        case .final: final
        case .quit: quit
        }
    }
}

extension SMTPTransactionResult {
    /// The connection was closed before the server heard of the message.
    static func unbegun(_ transaction: SMTPTransaction) -> SMTPTransactionResult {
        let outcome = Outcome.broken(SMTPClientFailure(.reset, .closed))
        return SMTPTransactionResult(
            outcomes: Array(repeating: outcome, count: transaction.envelope.recipients.count), passedDSN: false,
            isReusable: false)
    }
}
