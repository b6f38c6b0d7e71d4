public import NIOCore
import Logging
import MailTypes
import NIOPosix
import Protocols
import Synchronization

/// The listeners of SMTP, submission and LMTP.
///
/// Sockets whose address stays the same stay open when the listeners change; open connections keep
/// the options they began with.
public final class SMTPFrontend: Sendable {
    /// The listener that the new connections of a socket belong to.
    private final class Slot: Sendable {
        private let current: Mutex<SMTPListener>
        init(_ listener: SMTPListener) { current = Mutex(listener) }
        var listener: SMTPListener {
            get { current.withLock { $0 } }
            set { current.withLock { $0 = newValue } }
        }
    }

    /// One listening socket.
    private struct Socket {
        let channel: any Channel
        let slot: Slot
        init(_ channel: any Channel, _ slot: Slot) {
            self.channel = channel
            self.slot = slot
        }
    }

    private struct State {
        var listeners: [String: SMTPListener] = [:]
        var sockets: [BindAddress: Socket] = [:]
        var loops: [ObjectIdentifier: NIOLoopBound<LoopContext>] = [:]
        var isStopping = false
    }

    private let group: any EventLoopGroup
    private let shared: SharedState
    private let state = Mutex(State())

    /// - Parameter group: Its loops run the sessions; it is not shut down by ``stop()``.
    public init(
        group: any EventLoopGroup, environment: SMTPEnvironment, limits: ServerLimits = ServerLimits(),
        logins: LoginThrottle = LoginThrottle()
    ) {
        self.group = group
        let pool = NIOThreadPool(numberOfThreads: max(1, limits.spoolThreads))
        pool.start()
        shared = SharedState(environment: environment, limits: limits, throttle: logins, pool: pool)
    }

    // MARK: - What is open

    /// Where a listener really listens, for port 0.
    public func addresses(of name: String) -> [SocketAddress] {
        state.withLock { state in
            let sockets = state.sockets.values.filter { $0.slot.listener.options.name == name }
            return sockets.compactMap(\.channel.localAddress)
        }
    }

    /// Connections that are let in at once: ``ServerLimits/maxConnections``, or fewer where the process may open
    /// fewer files.
    public var mostConnections: Int { shared.mostConnections }

    /// Open connections of all listeners.
    public var openConnections: Int { shared.budget.count }

    // MARK: - Listening

    /// Makes the listeners these: binds what is new, keeps what has the same address, closes the rest.
    /// If one address cannot be bound nothing changes.
    public func listen(_ all: [ListenerOptions]) async throws {
        let known = state.withLock { $0 }
        var listeners: [String: SMTPListener] = [:]
        var wanted: [BindAddress: SMTPListener] = [:]
        for options in all {
            let old = known.listeners[options.name]
            let listener: SMTPListener
            if let old, old.options.tls == options.tls {
                listener = old
            } else {
                listener = SMTPListener(options, shared: shared)
            }
            listeners[options.name] = listener
            for address in options.bind { wanted[address] = listener }
        }
        var sockets = known.sockets.filter { wanted[$0.key] != nil }
        var fresh: [Socket] = []
        do {
            for options in all {
                for address in options.bind where sockets[address] == nil {
                    guard let listener = listeners[options.name] else { continue }
                    let socket = try await bind(address, listener, backlog: options.backlog)
                    sockets[address] = socket
                    fresh.append(socket)
                }
            }
        } catch {
            for socket in fresh { try? await socket.channel.close() }
            throw error
        }
        for options in all { listeners[options.name]?.options = options }
        for (address, socket) in sockets {
            if let listener = wanted[address] { socket.slot.listener = listener }
        }
        let (made, kept) = (listeners, sockets)
        state.withLock { state in
            state.listeners = made
            state.sockets = kept
        }
        for (address, socket) in known.sockets where wanted[address] == nil { try? await socket.channel.close() }
    }

    private func bind(_ address: BindAddress, _ listener: SMTPListener, backlog: Int) async throws -> Socket {
        let slot = Slot(listener)
        var bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: CInt(clamping: backlog))
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    // Out of descriptors: accepting pauses and goes on by itself.
                    let pause = AcceptBackoffHandler(backoffProvider: { _ in Self.acceptPause })
                    try channel.pipeline.syncOperations.addHandler(pause)
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.recvAllocator, value: Self.receive)
            .childChannelOption(.writeBufferWaterMark, value: Self.waterMark)
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture { try setUp(channel, slot.listener) }
            }
        if case .ip = address {
            // No SO_REUSEPORT: two servers that share a port by mistake would each take half of the mail.
            bootstrap = bootstrap.serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelOption(.socketOption(.so_keepalive), value: 1)
        }
        // An IPv6 socket is for IPv6 only, so that 0.0.0.0 and [::] can stand side by side.
        if address.isIPv6 { bootstrap = bootstrap.serverChannelOption(Self.onlyIPv6, value: 1) }
        if case .unix(let path) = address {
            let channel = try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
            return Socket(channel, slot)
        }
        return Socket(try await bootstrap.bind(to: address.socketAddress()).get(), slot)
    }

    private static let acceptPause = TimeAmount.milliseconds(200)
    private static let receive = AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 2048, maximum: 65536)
    private static let waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 4096, high: 16384)
    private static let onlyIPv6 = ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only)

    // MARK: - A new connection

    private func setUp(_ channel: any Channel, _ listener: SMTPListener) throws {
        let options = listener.options
        let peer = Self.peer(of: channel)
        guard options.proxyFrom.contains(where: { $0.contains(peer.address) }) else {
            return try open(channel, listener, options, peer)
        }
        let logger = shared.environment.logger
        let proxy = ProxyHandler(
            timeout: options.proxyTimeout.timeAmount, isEncrypted: options.tls == .implicit
        ) { client in
            try self.open(channel, listener, options, client ?? peer)
        } failed: { reason in
            listener.metrics.count(.closed, "proxy")
            logger.notice(
                "proxy refused",
                metadata: ["client": "\(peer.address)", "listener": "\(options.name)", "reason": "\(reason)"])
        }
        try channel.pipeline.syncOperations.addHandler(proxy)
    }

    private func open(
        _ channel: any Channel, _ listener: SMTPListener, _ options: ListenerOptions, _ peer: ProxyHeader.Endpoint
    ) throws {
        let operations = channel.pipeline.syncOperations
        if let refusal = listener.admit(peer.address, options) {
            shared.environment.logger.info(
                "connection refused",
                metadata: ["client": "\(peer.address)", "listener": "\(options.name)", "reply": "\(refusal)"])
            // In TLS nobody could read it before a handshake, which would cost what is to be saved.
            if options.tls == .implicit { return channel.close(promise: nil) }
            return try operations.addHandler(RefusalHandler(refusal))
        }
        channel.closeFuture.whenComplete { _ in listener.leave(peer.address) }
        let loop = loopContext(for: channel.eventLoop)
        let handler = SMTPConnectionHandler(listener, options, client: peer.address, port: peer.port, on: loop)
        try operations.addHandler(handler)
        if state.withLock({ $0.isStopping }) { channel.close(promise: nil) }
    }

    private func loopContext(for loop: any EventLoop) -> LoopContext {
        state.withLock { state in
            if let known = state.loops[ObjectIdentifier(loop)] { return known }
            let made = NIOLoopBound(LoopContext(loop, interval: shared.limits.tick.timeAmount), eventLoop: loop)
            state.loops[ObjectIdentifier(loop)] = made
            return made
        }.value
    }

    /// A client on a socket of the file system is on this machine.
    private static func peer(of channel: any Channel) -> ProxyHeader.Endpoint {
        guard let remote = channel.remoteAddress, let text = remote.ipAddress, let address = IPAddress(text) else {
            return ProxyHeader.Endpoint("127.0.0.1", 0)
        }
        return ProxyHeader.Endpoint(address, remote.port ?? 0)
    }

    // MARK: - The end

    /// Stops listening, lets transactions under way finish for ``ServerLimits/stopTimeout``, tells everybody
    /// else 421 4.3.2, and returns when all connections are closed. RFC 5321 §3.8.
    public func stop() async {
        let (sockets, loops) = state.withLock { state in
            state.isStopping = true
            defer { state.sockets = [:] }
            return (Array(state.sockets.values), Array(state.loops.values))
        }
        for socket in sockets { try? await socket.channel.close() }
        for loop in loops { loop.each { $0.stop() } }
        let deadline = NIODeadline.now() + shared.limits.stopTimeout.timeAmount
        while openConnections > 0, NIODeadline.now() < deadline { try? await Task.sleep(for: Self.stopPoll) }
        for loop in loops { loop.each { $0.stopNow() } }
        let end = NIODeadline.now() + .seconds(2)
        while openConnections > 0, NIODeadline.now() < end { try? await Task.sleep(for: Self.stopPoll) }
        try? await shared.pool.shutdownGracefully()
    }

    /// How often a stop looks whether everybody has gone.
    private static let stopPoll = Duration.milliseconds(20)
}

extension NIOLoopBound<LoopContext> {
    fileprivate func each(_ body: @escaping @Sendable (SMTPConnectionHandler) -> Void) {
        eventLoop.execute {
            for case let handler as SMTPConnectionHandler in value.all { body(handler) }
        }
    }
}
