import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// How long a test waits for what must come: long, as sixteen tests share the machine, and none measures time.
let patience = Duration.seconds(60)

/// A client that says exactly what it is told to, octet by octet, and waits for what comes.
final class TestClient: Sendable {
    struct Timeout: Error, CustomStringConvertible {
        var wanted: String
        var got: String
        var description: String { "waited for \(wanted), got \(got.debugDescription)" }
    }

    let channel: any Channel
    private let inbox: Inbox

    private init(_ channel: any Channel, _ inbox: Inbox) {
        self.channel = channel
        self.inbox = inbox
    }

    deinit { channel.close(promise: nil) }

    static func connect(
        port: Int, to host: String = "127.0.0.1", from source: String? = nil, receiveBuffer: Int? = nil,
        saying early: [UInt8] = []
    ) async throws -> TestClient {
        let inbox = Inbox()
        // A machine that is busy with other tests may be slow to answer; that is not what is tested.
        var bootstrap = ClientBootstrap(group: LiveServer.group)
            .connectTimeout(.seconds(60))
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Receiver(inbox, early))
                }
            }
        if let receiveBuffer { bootstrap = bootstrap.channelOption(.socketOption(.so_rcvbuf), value: receiveBuffer) }
        let bound = source.flatMap { try? SocketAddress(ipAddress: $0, port: 0) }
        let channel = try await (bound.map { bootstrap.bind(to: $0) } ?? bootstrap)
            .connect(host: host, port: port).get()
        return TestClient(channel, inbox)
    }

    static func connect(path: String) async throws -> TestClient {
        let inbox = Inbox()
        let channel = try await ClientBootstrap(group: LiveServer.group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Receiver(inbox))
                }
            }
            .connect(unixDomainSocketPath: path).get()
        return TestClient(channel, inbox)
    }

    // MARK: - Talking

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    func send(_ octets: [UInt8]) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: octets)).get()
    }

    /// The next whole reply, without the line ends of its lines.
    func reply() async throws -> String {
        try await wait(for: "a reply") { octets in
            var end = 0
            while let line = octets[end...].firstIndex(of: 10) {
                let isLast = line - end < 4 || octets[end + 3] != UInt8(ascii: "-")
                end = line + 1
                if isLast { return end }
            }
            return nil
        }
    }

    /// Says one line and waits for its reply.
    @discardableResult
    func say(_ line: String) async throws -> String {
        try await send(line + "\r\n")
        return try await reply()
    }

    /// Waits until the server closes; what came before, unread.
    func end() async throws -> String {
        guard try await wait(until: { inbox.isClosed }) else { throw Timeout(wanted: "the end", got: inbox.text) }
        return inbox.take(all: true)
    }

    var isClosed: Bool { inbox.isClosed }
    var unread: String { inbox.text }
    /// What first went wrong with the connection.
    var failure: String? { inbox.failure }
    func takeAll() -> String { inbox.take(all: true) }

    /// The next octets, whatever they are; none after the end.
    func octets() async throws -> [UInt8] {
        var octets: [UInt8] = []
        _ = try await wait {
            let isClosed = inbox.isClosed
            octets = inbox.drain()
            return !octets.isEmpty || isClosed
        }
        return octets
    }

    /// Stops sending; replies still come.
    func finish() async throws { try await channel.close(mode: .output) }
    func close() async throws { try await channel.close() }

    private func wait(for what: String, _ end: @Sendable ([UInt8]) -> Int?) async throws -> String {
        var text: String?
        // Closed first: what came before the end is in the inbox by then.
        _ = try await wait {
            let isClosed = inbox.isClosed
            text = inbox.take(end)
            return text != nil || isClosed
        }
        if let text { return text }
        throw Timeout(wanted: what, got: inbox.text + (inbox.isClosed ? " and the end" : ""))
    }

    private func wait(until condition: () -> Bool) async throws -> Bool {
        let end = ContinuousClock.now + patience
        while !condition() {
            guard ContinuousClock.now < end else { return condition() }
            try await Task.sleep(for: .milliseconds(5))
        }
        return true
    }

    // MARK: - TLS

    /// Shakes hands; afterwards everything is encrypted, and `early` goes out with the end of the handshake.
    @discardableResult
    func startTLS(
        name: String? = nil, protocols: [String] = [], saying early: String = ""
    ) async throws -> TLSVersion? {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.applicationProtocols = protocols
        configuration.certificateVerification = .none
        let context = try NIOSSLContext(configuration: configuration)
        try await channel.eventLoop.submit { [channel] in
            let handler = try NIOSSLClientHandler(context: context, serverHostname: name)
            try channel.pipeline.syncOperations.addHandler(handler, position: .first)
            if !early.isEmpty {
                try channel.pipeline.syncOperations.addHandler(FlushGatherer(), position: .first)
                channel.writeAndFlush(ByteBuffer(string: early), promise: nil)
            }
        }.get()
        _ = try await wait { inbox.isSecure || inbox.isClosed }
        guard inbox.isSecure else { throw Timeout(wanted: "a handshake", got: inbox.text) }
        return try await channel.nioSSL_tlsVersion().get()
    }

    /// The name in the server's certificate.
    func certificateName() async throws -> String {
        let certificate = try await channel.nioSSL_peerCertificate().get()
        return certificate.map { "\($0)" } ?? ""
    }
}

/// Sends what is written in one turn of the loop with one call, so that it arrives together.
private final class FlushGatherer: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    private var isPlanned = false

    func flush(context: ChannelHandlerContext) {
        guard !isPlanned else { return }
        isPlanned = true
        context.eventLoop.assumeIsolated().execute {
            self.isPlanned = false
            context.flush()
        }
    }
}

/// What a client has received.
final class Inbox: Sendable {
    private struct State {
        var octets: [UInt8] = []
        var isClosed = false
        var isSecure = false
        var failure: String?
    }
    private let state = Mutex(State())

    func add(_ octets: [UInt8]) { state.withLock { $0.octets += octets } }
    func close() { state.withLock { $0.isClosed = true } }
    func fail(_ reason: String) { state.withLock { $0.failure = $0.failure ?? reason } }
    var failure: String? { state.withLock { $0.failure } }
    func secure() { state.withLock { $0.isSecure = true } }
    var isClosed: Bool { state.withLock { $0.isClosed } }
    var isSecure: Bool { state.withLock { $0.isSecure } }
    var text: String { state.withLock { String(decoding: $0.octets, as: UTF8.self) } }

    func take(_ end: ([UInt8]) -> Int?) -> String? {
        state.withLock { state in
            guard let end = end(state.octets) else { return nil }
            let text = String(decoding: state.octets[..<end], as: UTF8.self)
            state.octets.removeFirst(end)
            return text.hasSuffix("\r\n") ? String(text.unicodeScalars.dropLast(2).map(Character.init)) : text
        }
    }

    /// All that has come, to the octet.
    func drain() -> [UInt8] {
        state.withLock { state in
            defer { state.octets = [] }
            return state.octets
        }
    }

    func take(all: Bool) -> String { take { $0.count } ?? "" }
}

private final class Receiver: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let inbox: Inbox
    private let early: [UInt8]

    init(_ inbox: Inbox, _ early: [UInt8] = []) {
        self.inbox = inbox
        self.early = early
    }

    func channelActive(context: ChannelHandlerContext) {
        if !early.isEmpty { context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: early)), promise: nil) }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        inbox.add(Array(unwrapInboundIn(data).readableBytesView))
    }
    func channelInactive(context: ChannelHandlerContext) { inbox.close() }
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        inbox.fail("\(error)")
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if "\(event)".hasPrefix("handshakeCompleted") { inbox.secure() }
        if let event = event as? ChannelEvent, case .inputClosed = event { inbox.close() }
    }
}
