public import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Sockets that are bound, and from which nobody accepts yet.
///
/// A low port takes rights that nothing which speaks with strangers should have: whoever has them binds, gives them
/// up, and only then makes the front-end that accepts.
public struct BoundSockets: Sendable {
    var sockets: [BindAddress: ListeningSocket] = [:]

    public init() {}

    /// Binds all addresses of these listeners; if one cannot be bound none is.
    /// - Throws: ``BindFailure``.
    public init(_ listeners: [ListenerOptions], on group: any EventLoopGroup) async throws {
        do {
            for options in listeners {
                for address in options.bind where sockets[address] == nil {
                    sockets[address] = try await ListeningSocket.bind(address, of: options, on: group)
                }
            }
        } catch {
            for socket in sockets.values { await socket.close() }
            throw error
        }
    }
}

/// What listens at one address: a socket for each event loop.
///
/// The system gives each connection to one of them, and its loop keeps it: a connection that is accepted on one loop
/// for another has to be handed over and back before it is greeted. socket(7), SO_REUSEPORT.
final class ListeningSocket: Sendable {
    /// Whom the new connections of a socket belong to; nobody before it accepts.
    private final class Owner: Sendable {
        private let current = Mutex<(frontend: SMTPFrontend, listener: SMTPListener)?>(nil)

        var value: (frontend: SMTPFrontend, listener: SMTPListener)? {
            get { current.withLock { $0 } }
            set { current.withLock { $0 = newValue } }
        }

        func setUp(_ channel: any Channel) throws {
            guard let (frontend, listener) = value else { return channel.close(promise: nil) }
            try frontend.setUp(channel, listener)
        }

        func note(_ failure: AcceptPauseHandler.Failure) {
            guard let (_, listener) = value else { return }
            failure.note(
                listener.metrics.acceptFailures, listener.shared.environment.logger, listener: listener.options.name)
        }
    }

    private let channels: [any Channel]
    private let owner: Owner
    /// What lies in the file system for it.
    private let file: SocketFile?

    private init(_ channels: [any Channel], _ owner: Owner, _ file: SocketFile? = nil) {
        self.channels = channels
        self.owner = owner
        self.file = file
    }

    var address: SocketAddress? { channels.first?.localAddress }

    var listener: SMTPListener? { owner.value?.listener }

    /// From now on connections are this listener's.
    func belongs(to listener: SMTPListener, of frontend: SMTPFrontend) {
        owner.value = (frontend, listener)
        // Where somebody else has the file, there is nothing to say.
        try? file?.setMode(listener.options.socketMode)
    }

    func accept() {
        for channel in channels { channel.setOption(.autoRead, value: true).whenFailure { _ in } }
    }

    func close() async {
        // Before the end: who finds no socket need not be refused by one that is closing.
        file?.remove()
        for channel in channels { try? await channel.close() }
    }

    static func bind(
        _ address: BindAddress, of listener: ListenerOptions, on group: any EventLoopGroup
    ) async throws(BindFailure) -> ListeningSocket {
        do { return try await open(address, of: listener, on: group) } catch {
            throw BindFailure(address, of: "listener \(listener.name)", error)
        }
    }

    private static func open(
        _ address: BindAddress, of listener: ListenerOptions, on group: any EventLoopGroup
    ) async throws -> ListeningSocket {
        let owner = Owner()
        switch address {
        case .ip: return ListeningSocket(try await openEach(address, of: listener, for: owner, on: group), owner)
        case .unix(let path): return try await open(path, of: listener, for: owner, on: group)
        }
    }

    /// One socket for each loop, where the system can share a port among them; else one for all.
    private static func openEach(
        _ address: BindAddress, of listener: ListenerOptions, for owner: Owner, on group: any EventLoopGroup
    ) async throws -> [any Channel] {
        func open(_ place: SocketAddress, on group: any EventLoopGroup, joins: Bool = false) async throws -> any Channel
        {
            var bootstrap = bootstrap(for: owner, on: group, backlog: listener.backlog)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                // Connections have these from the socket that they come by: two calls less for each. socket(7), tcp(7).
                .serverChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .serverChannelOption(.socketOption(.so_keepalive), value: 1)
            // An IPv6 socket is for IPv6 only, so that 0.0.0.0 and [::] can stand side by side.
            if address.isIPv6 { bootstrap = bootstrap.serverChannelOption(onlyIPv6, value: 1) }
            if joins { bootstrap = bootstrap.serverChannelOption(reusePort, value: 1) }
            return try await bootstrap.bind(to: place).get()
        }
        let loops = Array(group.makeIterator())
        guard sharesPorts, let loop = loops.first else { return [try await open(address.socketAddress(), on: group)] }
        // The first shares with nobody, so that two servers with one port by mistake, of which each would take half of
        // the mail, are told; then it shares with those that follow.
        let first = try await open(address.socketAddress(), on: loop)
        guard loops.count > 1, let place = first.localAddress else { return [first] }
        var channels = [first]
        do {
            try await first.setOption(reusePort, value: 1).get()
            for loop in loops.dropFirst() { channels.append(try await open(place, on: loop, joins: true)) }
            return channels
        } catch {
            for channel in channels { try? await channel.close() }
            // Some that call themselves Linux do not let anybody join later.
            return [try await open(place, on: group)]
        }
    }

    /// Elsewhere the option means that the youngest socket gets all.
    #if os(Linux)
        private static let sharesPorts = true
    #else
        private static let sharesPorts = false
    #endif

    /// One socket in the file system: there is no second of its name.
    private static func open(
        _ path: String, of listener: ListenerOptions, for owner: Owner, on group: any EventLoopGroup
    ) async throws -> ListeningSocket {
        if try await isServed(path, on: group) { throw IOError(errnoCode: EADDRINUSE, reason: "bind \(path)") }
        let channel = try await bootstrap(for: owner, on: group, backlog: listener.backlog)
            .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        let file = SocketFile(path)
        do { try file?.setMode(listener.socketMode) } catch {
            file?.remove()
            try? await channel.close()
            throw error
        }
        return ListeningSocket([channel], owner, file)
    }

    private static func bootstrap(for owner: Owner, on group: any EventLoopGroup, backlog: Int) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: CInt(clamping: backlog))
            .serverChannelOption(.autoRead, value: false)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptPauseHandler { owner.note($0) })
                }
            }
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try setOptions(of: channel)
                    try owner.setUp(channel)
                }
            }
    }

    /// At once: the bootstrap's own way takes a future for each option.
    private static func setOptions(of channel: any Channel) throws {
        let options = channel.syncOptions
        try options?.setOption(.allowRemoteHalfClosure, value: true)
        try options?.setOption(.recvAllocator, value: receive)
        try options?.setOption(.writeBufferWaterMark, value: waterMark)
    }

    /// Whether somebody listens there: a socket in the file system can be taken away from under a living server.
    /// - Throws: What keeps us from knowing.
    private static func isServed(_ path: String, on group: any EventLoopGroup) async throws -> Bool {
        do {
            let channel = try await ClientBootstrap(group: group).connect(unixDomainSocketPath: path).get()
            try? await channel.close()
            return true
        } catch let error as IOError {
            switch error.errnoCode {
            case ECONNREFUSED, ENOENT: return false
            // It is alive, and its queue is full.
            case EAGAIN: return true
            // A mode that keeps its own user out: a socket of ours, which only a server that has died leaves behind.
            case EACCES where SocketFile(path)?.isOwn == true: return false
            default: throw error
            }
        }
    }

    private static let receive = AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 2048, maximum: 65536)
    private static let waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 4096, high: 16384)
    private static let reusePort = ChannelOptions.Types.SocketOption(
        level: .socket, name: NIOBSDSocket.Option(rawValue: SO_REUSEPORT))
    private static let onlyIPv6 = ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only)
}
