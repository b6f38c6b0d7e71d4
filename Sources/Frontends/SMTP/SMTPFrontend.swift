public import NIOCore
import Logging
import MailTypes
import NIOPosix
import Protocols
import Synchronization

/// The listeners of SMTP, submission, LMTP and the milter protocol.
///
/// Sockets whose address stays the same stay open when the listeners change; open connections keep
/// the options they began with.
public final class SMTPFrontend: Sendable {
    private struct State {
        var listeners: [String: SMTPListener] = [:]
        var sockets: [BindAddress: ListeningSocket] = [:]
        var loops: [ObjectIdentifier: NIOLoopBound<LoopContext>] = [:]
        var isStopping = false
    }

    private let group: any EventLoopGroup
    private let shared: SharedState
    private let state: Mutex<State>
    /// Two changes at once would each close or forget what the other has opened.
    private let changes = OneByOne()

    /// - Parameters:
    ///   - group: Its loops run the sessions; it is not shut down by ``stop()``.
    ///   - sockets: What was bound before; the first ``listen(_:whenBound:)`` accepts from those it wants and closes
    ///     the others.
    public init(
        group: any EventLoopGroup, environment: SMTPEnvironment, limits: ServerLimits = ServerLimits(),
        logins: LoginThrottle = LoginThrottle(), sockets: BoundSockets = BoundSockets()
    ) {
        self.group = group
        state = Mutex(State(sockets: sockets.sockets))
        let pool = NIOThreadPool(numberOfThreads: max(1, limits.spoolThreads))
        pool.start()
        shared = SharedState(environment: environment, limits: limits, throttle: logins, pool: pool)
    }

    // MARK: - What is open

    /// Where a listener really listens, for port 0.
    public func addresses(of name: String) -> [SocketAddress] {
        state.withLock { state in
            state.sockets.values.filter { $0.listener?.options.name == name }.compactMap(\.address)
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
    ///
    /// - Parameter whenBound: Called when nothing can fail any more and before anybody accepts from the new sockets.
    /// - Throws: ``FrontendStopped`` after ``stop()``, and what the system says to an address.
    public func listen(
        _ all: [ListenerOptions], whenBound: @escaping @Sendable () -> Void = {}
    ) async throws {
        try await changes.run { [self] () async throws in try await change(to: all, whenBound) }
    }

    private func change(to all: [ListenerOptions], _ whenBound: () -> Void) async throws {
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
        let kept = known.sockets.filter { wanted[$0.key] != nil }
        let fresh = try await bind(all, beside: kept)
        let (made, sockets) = (listeners, kept.merging(fresh) { old, _ in old })
        let isTaken = state.withLock { state in
            guard !state.isStopping else { return false }
            state.listeners = made
            state.sockets = sockets
            return true
        }
        guard isTaken else {
            // The stop has closed what was open, and waits for no more.
            for socket in fresh.values { await socket.close() }
            throw FrontendStopped()
        }
        for options in all { listeners[options.name]?.options = options }
        for (address, socket) in sockets {
            if let listener = wanted[address] { socket.belongs(to: listener, of: self) }
        }
        whenBound()
        for socket in sockets.values { socket.accept() }
        for (address, socket) in known.sockets where wanted[address] == nil { await socket.close() }
    }

    private func bind(
        _ all: [ListenerOptions], beside kept: [BindAddress: ListeningSocket]
    ) async throws -> [BindAddress: ListeningSocket] {
        let missing = all.map { options in
            var options = options
            options.bind.removeAll { kept[$0] != nil }
            return options
        }
        return try await BoundSockets(missing, on: group).sockets
    }

    // MARK: - A new connection

    func setUp(_ channel: any Channel, _ listener: SMTPListener) throws {
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
            // A mail server knows what to do without a milter; these words it would not understand.
            if options.tls == .implicit || options.isMilter { return channel.close(promise: nil) }
            return try operations.addHandler(RefusalHandler(refusal))
        }
        channel.closeFuture.whenComplete { _ in listener.leave(peer.address) }
        let loop = loopContext(for: channel.eventLoop)
        if options.isMilter {
            try operations.addHandler(MilterConnectionHandler(listener, options, peer: peer.address, on: loop))
        } else {
            let handler = SMTPConnectionHandler(listener, options, client: peer.address, port: peer.port, on: loop)
            try operations.addHandler(handler)
        }
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
        for socket in sockets { await socket.close() }
        // A change that was under way closes what it has bound.
        await changes.run { () async in }
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

/// Listeners cannot be changed any more: the front-end has stopped.
public struct FrontendStopped: Error, CustomStringConvertible {
    public var description: String { "the server is stopping" }
}

extension NIOLoopBound<LoopContext> {
    fileprivate func each(_ body: @escaping @Sendable (any Stoppable) -> Void) {
        eventLoop.execute {
            for case let handler as any Stoppable in value.all { body(handler) }
        }
    }
}
