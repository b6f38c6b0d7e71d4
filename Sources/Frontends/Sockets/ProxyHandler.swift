import MailTypes
import NIOCore
import Protocols

/// Reads the PROXY header that a listed peer must send first, before TLS and everything else, and then
/// makes way for the session. HAProxy's proxy-protocol.txt.
final class ProxyHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// Sets up the session for the client; `nil` is the proxy itself.
    private let opened: (ProxyHeader.Endpoint?) throws -> Void
    private let failed: (String) -> Void
    private let timeout: TimeAmount
    /// The session wants to shake hands before it gets octets; otherwise it wants to see who speaks early.
    private let isEncrypted: Bool
    private var input: ByteBuffer?
    private var alarm: Scheduled<Void>?
    private var isDone = false

    init(
        timeout: TimeAmount, isEncrypted: Bool, opened: @escaping (ProxyHeader.Endpoint?) throws -> Void,
        failed: @escaping (String) -> Void
    ) {
        self.timeout = timeout
        self.isEncrypted = isEncrypted
        self.opened = opened
        self.failed = failed
    }

    func channelActive(context: ChannelHandlerContext) {
        // Not passed on: the session begins when it is known whose it is.
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        alarm = context.eventLoop.scheduleTask(in: timeout) {
            let (handler, context) = bound.value
            handler.fail(context, "no PROXY header in time")
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        alarm?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var octets = unwrapInboundIn(data)
        guard !isDone else { return context.fireChannelRead(data) }
        if input == nil { input = octets } else { input?.writeBuffer(&octets) }
        guard var known = input else { return }
        switch ProxyHeader.parse(&known) {
        case .wait: input = known
        case .refused: fail(context, "not a PROXY header")
        case .header(let header):
            input = nil
            proceed(context, header, rest: known)
        }
    }

    private func proceed(_ context: ChannelHandlerContext, _ header: ProxyHeader, rest: ByteBuffer) {
        isDone = true
        alarm?.cancel()
        var client: ProxyHeader.Endpoint?
        if case .proxied(let source, _) = header { client = source }
        do { try opened(client) } catch { return context.close(promise: nil) }
        if isEncrypted { context.fireChannelActive() }
        if rest.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(rest)) }
        if !isEncrypted { context.fireChannelActive() }
        context.fireChannelReadComplete()
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func fail(_ context: ChannelHandlerContext, _ reason: String) {
        guard !isDone else { return }
        isDone = true
        alarm?.cancel()
        failed(reason)
        context.close(promise: nil)
    }
}

/// Tells a client that it is not let in, and closes; nothing else is made for it.
final class RefusalHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let reply: Reply

    init(_ reply: Reply) { self.reply = reply }

    func channelActive(context: ChannelHandlerContext) {
        var octets = context.channel.allocator.buffer(capacity: 128)
        SMTPReplyEncoder.write(reply, to: &octets)
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(octets)).whenComplete { _ in channel.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}
}
