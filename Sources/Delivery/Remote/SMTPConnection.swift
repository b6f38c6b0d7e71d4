import MailTypes
import NIOCore
import NIOPosix
import NIOSSL
import Protocols
import Synchronization

/// A session with another server, ready for messages one after the other.
final class SMTPConnection: Sendable {
    let host: RemoteHost
    /// The most recipients of one transaction, as far as the server says. RFC 9422 §4.2.
    let maxRecipients: Int?
    private let channel: any Channel
    private let state: SMTPConnectionState

    private init(host: RemoteHost, maxRecipients: Int?, channel: any Channel, state: SMTPConnectionState) {
        self.host = host
        self.maxRecipients = maxRecipients
        self.channel = channel
        self.state = state
    }

    var isOpen: Bool { state.isOpen }

    /// Connects, greets, makes TLS and logs in, as far as asked.
    ///
    /// `notes` is told what became known of the session, also where it fails.
    static func open(
        _ target: Target, _ configuration: SMTPClientMachine.Configuration, tls: TLSContexts, limits: SMTPTimeLimits,
        group: any EventLoopGroup, notes: SessionNotes = SessionNotes()
    ) async throws(SMTPClientFailure) -> SMTPConnection {
        let answer = Answer<Result<SMTPClientHandler.Session, SMTPClientFailure>>()
        let record = notes.certificates
        let state = SMTPConnectionState()
        let bootstrap = ClientBootstrap(group: group)
            .connectTimeout(limits.connect)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let makeTLS: @Sendable () throws -> NIOSSLClientHandler = { try tls.handler(for: target, record) }
                    let handler = SMTPClientHandler(configuration, tls: makeTLS, limits: limits, state: state) {
                        notes.hello = $1
                        answer.give($0)
                    }
                    if configuration.encryption == .implicit {
                        try channel.pipeline.syncOperations.addHandler(makeTLS())
                    }
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
        let channel: any Channel
        do { channel = try await connect(bootstrap, target) } catch { throw failure(error) }
        notes.source = channel.localAddress?.ipAddress.flatMap { IPAddress($0) }
        var host = target.host
        let session: SMTPClientHandler.Session
        do throws(SMTPClientFailure) { session = try await answer.value().get() } catch {
            // The library knows no more than that it was refused.
            guard case .handshake = error.reason, let words = record.refusal else { throw error }
            throw SMTPClientFailure(error.phase, .handshake(words))
        }
        host.tls = session.isEncrypted
        host.certificate = session.isEncrypted ? record.words : nil
        return SMTPConnection(host: host, maxRecipients: session.maxRecipients, channel: channel, state: state)
    }

    private static func connect(_ bootstrap: ClientBootstrap, _ target: Target) async throws -> any Channel {
        switch target.endpoint {
        case .path(let path):
            return try await bootstrap.connect(unixDomainSocketPath: path).get()
        case .address(let address, let port):
            var bootstrap = bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1)
            if let source = target.source {
                bootstrap = bootstrap.bind(to: try SocketAddress(ipAddress: "\(source)", port: 0))
            }
            return
                try await bootstrap
                .connect(to: SocketAddress(ipAddress: "\(address)", port: port)).get()
        }
    }

    private static func failure(_ error: any Error) -> SMTPClientFailure {
        if case ChannelError.connectTimeout? = error as? ChannelError { return SMTPClientFailure(.connect, .timedOut) }
        return SMTPClientFailure(.connect, .network(ConnectionTrouble.text(error)))
    }

    /// Hands over a message, its content in pieces. Never fails as a whole: the result says what became of each
    /// recipient.
    func deliver(_ transaction: SMTPTransaction, _ content: [Bytes]) async -> SMTPTransactionResult {
        let answer = Answer<SMTPTransactionResult>()
        let order = SMTPOrder.deliver(transaction, content) { answer.give($0) }
        // A failure: the channel was closed before the order reached it.
        channel.writeAndFlush(order).whenFailure { _ in answer.give(.unbegun(transaction)) }
        return await answer.value()
    }

    /// Says goodbye; nobody waits for it.
    func quit() { channel.writeAndFlush(SMTPOrder.quit, promise: nil) }

    /// Breaks the connection off.
    func abort() { channel.close(promise: nil) }
}

/// What became known of one session while it was opened.
final class SessionNotes: Sendable {
    let certificates = CertificateRecord()
    private let state = Mutex<(source: IPAddress?, hello: String?)>((nil, nil))

    /// The address here.
    var source: IPAddress? {
        get { state.withLock { $0.source } }
        set { state.withLock { $0.source = newValue } }
    }

    /// What the server calls itself.
    var hello: String? {
        get { state.withLock { $0.hello } }
        set { state.withLock { $0.hello = newValue } }
    }
}

/// One value that is given once and awaited once; whoever gives first decides.
final class Answer<Value: Sendable>: Sendable {
    private enum State {
        case open
        case awaited(CheckedContinuation<Value, Never>)
        case given(Value)
    }

    private let state = Mutex(State.open)

    func give(_ value: Value) {
        let waiter = state.withLock { state -> CheckedContinuation<Value, Never>? in
            switch state {
            case .open:
                state = .given(value)
                return nil
            case .awaited(let continuation):
                state = .given(value)
                return continuation
            case .given:
                return nil
            }
        }
        waiter?.resume(returning: value)
    }

    func value() async -> Value {
        await withCheckedContinuation { continuation in
            let ready = state.withLock { state -> Value? in
                if case .given(let value) = state { return value }
                state = .awaited(continuation)
                return nil
            }
            if let ready { continuation.resume(returning: ready) }
        }
    }
}

extension Target {
    var host: RemoteHost {
        switch endpoint {
        case .address(let address, let port):
            var host = RemoteHost(name: name, address: address, port: port)
            host.policy = decision?.reason
            return host
        case .path(let path): return RemoteHost(name: path, address: nil, port: 0)
        }
    }
}
