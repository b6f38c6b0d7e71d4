import Foundation
import MailTypes
import NIOCore
import NIOPosix
import Pipeline
import Protocols
import Synchronization

/// One connection to a milter.
final class MilterConnection: Sendable {
    /// How long a connection may take to come about.
    private static let connectLimit = TimeAmount.seconds(3)

    private struct State {
        var channel: (any Channel)?
        var isClosed = false
        var hasHungUp = false
    }

    private let milter: ScannerAddress
    private let limits: MilterQuestion.Limits
    private let state = Mutex(State())

    init(to milter: ScannerAddress, _ limits: MilterQuestion.Limits) {
        self.milter = milter
        self.limits = limits
    }

    /// The milter has ended it, and not in the middle of an answer.
    var hasHungUp: Bool { state.withLock { $0.hasHungUp } }

    func open(on group: any EventLoopGroup) async throws(StageFailure) {
        let machine = MilterClientMachine(MilterClientMachine.Configuration(limits))
        let patience = TimeAmount.nanoseconds(Int64(limits.replyTimeout.duration / .nanoseconds(1)))
        let bootstrap = ClientBootstrap(group: group).connectTimeout(Self.connectLimit)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = MilterHandler(machine, patience: patience)
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
        let channel: any Channel
        do {
            switch milter {
            case .path(let path): channel = try await bootstrap.connect(unixDomainSocketPath: path).get()
            case .host(let name, let port):
                channel = try await bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .connect(host: name, port: port).get()
            }
        } catch { throw StageFailure(unreachable: error) }
        let isClosed = state.withLock { state in
            state.channel = channel
            return state.isClosed
        }
        if isClosed { channel.close(promise: nil) }
    }

    /// - Returns: The answer, and whether the milter wants to hear no more of the session.
    func answer(to story: MilterStory) async throws(StageFailure) -> (MilterAnswer, isSettled: Bool) {
        guard let channel = state.withLock({ $0.channel }) else { throw StageFailure("there is no connection") }
        let loop = channel.eventLoop
        let promise = loop.makePromise(of: (MilterAnswer, isSettled: Bool).self)
        do {
            return try await withTaskCancellationHandler {
                loop.execute {
                    do {
                        try channel.pipeline.syncOperations.handler(type: MilterHandler.self).ask(story, promise)
                    } catch { promise.fail(MilterHungUp()) }
                }
                return try await promise.futureResult.get()
            } onCancel: {
                loop.execute { promise.fail(StageFailure("cancelled")) }
            }
        } catch is MilterHungUp {
            state.withLock { $0.hasHungUp = true }
            throw StageFailure("it has hung up")
        } catch let failure as StageFailure { throw failure } catch { throw StageFailure("\(error)") }
    }

    /// Says goodbye, if it can be heard.
    func close() {
        let channel = state.withLock { state in
            state.isClosed = true
            return state.channel.take()
        }
        guard let channel else { return }
        channel.eventLoop.execute {
            if let handler = try? channel.pipeline.syncOperations.handler(type: MilterHandler.self) {
                handler.finish()
            } else {
                channel.close(promise: nil)
            }
        }
    }
}

/// The milter has closed the connection before it said anything to the question.
private struct MilterHungUp: Error {}

/// Feeds what comes to the machine, and sends what it says; on the channel's loop alone.
private final class MilterHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var machine: MilterClientMachine
    private let patience: TimeAmount
    private var context: ChannelHandlerContext?
    private var promise: EventLoopPromise<(MilterAnswer, isSettled: Bool)>?
    private var limit: Scheduled<Void>?
    /// Something has come since the question was asked.
    private var hasHeard = false

    init(_ machine: MilterClientMachine, patience: TimeAmount) {
        self.machine = machine
        self.patience = patience
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func ask(_ story: MilterStory, _ promise: EventLoopPromise<(MilterAnswer, isSettled: Bool)>) {
        guard let context, context.channel.isActive else { return promise.fail(MilterHungUp()) }
        guard self.promise == nil, machine.canTell(story) else {
            return promise.fail(StageFailure("the conversation is about another client"))
        }
        self.promise = promise
        hasHeard = false
        machine.ask(story)
        pump(context)
    }

    func finish() {
        guard let context else { return }
        limit?.cancel()
        if promise == nil, context.channel.isActive, !machine.farewell.isEmpty {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: machine.farewell)), promise: nil)
        }
        context.close(promise: nil)
    }

    private func pump(_ context: ChannelHandlerContext) {
        while promise != nil, context.channel.isWritable {
            switch machine.next() {
            case .send(let octets):
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: octets)), promise: nil)
            case .wait: return startClock(context)
            case .answer(let answer):
                limit?.cancel()
                promise.take()?.succeed((answer, machine.isSettled))
            }
        }
        // A milter that does not read is one that hangs.
        if promise != nil { startClock(context) }
    }

    private func startClock(_ context: ChannelHandlerContext) {
        limit?.cancel()
        limit = context.eventLoop.assumeIsolated().scheduleTask(in: patience) { [weak self] in
            self?.fail(StageFailure("no reply in time", timedOut: true))
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        hasHeard = true
        do throws(MilterFault) { try machine.received(unwrapInboundIn(data).readableBytesView) } catch {
            return fail(StageFailure(error.reason))
        }
        pump(context)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        pump(context)
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        let failure: any Error =
            hasHeard ? StageFailure("it has hung up in the middle of an answer") : MilterHungUp()
        fail(failure)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(StageFailure("the connection broke: \(error)"))
    }

    private func fail(_ error: any Error) {
        limit?.cancel()
        promise.take()?.fail(error)
        context?.close(promise: nil)
    }
}

extension StageFailure {
    /// Why there is no connection, for the operator.
    init(unreachable error: any Error) {
        switch error {
        case let error as NIOConnectionError:
            if let lookup = error.dnsAError {
                self.init("its name cannot be looked up: \(lookup)")
            } else if let first = error.connectionErrors.first {
                self.init(unreachable: first.error)
            } else {
                self.init("it cannot be reached")
            }
        case let error as IOError: self.init(String(cString: strerror(error.errnoCode)))
        case ChannelError.connectTimeout: self.init("no connection in time", timedOut: true)
        default: self.init("it cannot be reached: \(error)")
        }
    }
}
