import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing

/// A client that says exactly what it is told to, octet by octet, and waits for what comes.
final class Wire: Sendable {
    static let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)

    let channel: any Channel
    private let inbox: Inbox

    private init(_ channel: any Channel, _ inbox: Inbox) {
        self.channel = channel
        self.inbox = inbox
    }

    deinit { channel.close(promise: nil) }

    static func connect(port: Int, reads: Bool = true, from source: String? = nil) async throws -> Wire {
        let inbox = Inbox()
        let bootstrap = ClientBootstrap(group: group)
            .connectTimeout(.seconds(60))
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.autoRead, value: reads)
            .channelOption(.socketOption(.so_rcvbuf), value: reads ? 1 << 20 : 4096)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Receiver(inbox))
                }
            }
        let bound = source.flatMap { try? SocketAddress(ipAddress: $0, port: 0) }
        let channel = try await (bound.map { bootstrap.bind(to: $0) } ?? bootstrap)
            .connect(host: "127.0.0.1", port: port).get()
        return Wire(channel, inbox)
    }

    // MARK: - Talking

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    func send(_ octets: [UInt8]) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: octets)).get()
    }

    /// Sends without waiting until it is written, and without hearing of an end.
    func push(_ octets: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: octets), promise: nil) }

    /// The next whole reply, its lines as they came, without the last line end.
    func reply(within limit: Duration = .seconds(60)) async throws -> String {
        let end = ContinuousClock.now + limit
        while true {
            // Asked first: what came before the end is in the inbox by then.
            let isClosed = inbox.isClosed
            if let text = inbox.takeReply() { return text }
            if isClosed { throw Timeout("the end came instead of a reply, after \(inbox.text.debugDescription)") }
            if ContinuousClock.now > end { throw Timeout("no reply, only \(inbox.text.debugDescription)") }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// Says one line and waits for its reply.
    @discardableResult
    func say(_ line: String) async throws -> String {
        try await send(line + "\r\n")
        return try await reply()
    }

    /// Says one line, and expects a reply that begins so.
    @discardableResult
    func expect(_ line: String, _ start: String, sourceLocation: SourceLocation = #_sourceLocation) async throws
        -> String
    {
        let reply = try await say(line)
        #expect(reply.hasPrefix(start), "\(line)", sourceLocation: sourceLocation)
        return reply
    }

    /// Reads the greeting and says hello.
    @discardableResult
    func greet(_ verb: String = "EHLO") async throws -> String {
        _ = try await reply()
        return try await say("\(verb) client.test")
    }

    /// One whole transaction after a hello; the replies to the message.
    @discardableResult
    func deliver(
        _ message: String = "Subject: hello\r\n\r\nbody\r\n", from: String = "a@out.test",
        to: [String] = ["anna@acme.test"], replies: Int = 1
    ) async throws -> String {
        try await expect("MAIL FROM:<\(from)>", "250")
        for one in to { try await expect("RCPT TO:<\(one)>", "250") }
        try await expect("DATA", "354")
        let stuffed = message.replacingOccurrences(of: "\r\n.", with: "\r\n..")
        try await send(stuffed + ".\r\n")
        var last = ""
        for _ in 0..<replies { last = try await reply() }
        return last
    }

    /// Waits until the server closes; what came before, unread.
    @discardableResult
    func end(within limit: Duration = .seconds(60)) async throws -> String {
        guard await eventually(within: limit, { self.inbox.isClosed }) else {
            throw Timeout("the connection is still open, after \(inbox.text.debugDescription)")
        }
        return inbox.takeAll()
    }

    /// What has come and was not taken; nothing is waited for.
    var unread: String { inbox.text }
    var isClosed: Bool { inbox.isClosed }
    func takeAll() -> String { inbox.takeAll() }
    func takeOctets() -> [UInt8] { inbox.takeOctets() }

    func finish() async throws { try await channel.close(mode: .output) }
    func close() async { try? await channel.close() }

    // MARK: - TLS

    /// Shakes hands; afterwards everything is encrypted.
    func startTLS() async throws {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        let context = try NIOSSLContext(configuration: configuration)
        try await channel.eventLoop.submit { [channel] in
            let handler = try NIOSSLClientHandler(context: context, serverHostname: nil)
            try channel.pipeline.syncOperations.addHandler(handler, position: .first)
        }.get()
        _ = await eventually { self.inbox.isSecure || self.inbox.isClosed }
        guard inbox.isSecure else { throw Timeout("no TLS handshake") }
    }
}

/// What a client has received.
private final class Inbox: Sendable {
    private struct State {
        var octets: [UInt8] = []
        var isClosed = false
        var isSecure = false
    }
    private let state = Mutex(State())

    func add(_ octets: ByteBufferView) { state.withLock { $0.octets += octets } }
    func close() { state.withLock { $0.isClosed = true } }
    func secure() { state.withLock { $0.isSecure = true } }
    var isClosed: Bool { state.withLock { $0.isClosed } }
    var isSecure: Bool { state.withLock { $0.isSecure } }
    var text: String { state.withLock { String(decoding: $0.octets, as: UTF8.self) } }

    func takeOctets() -> [UInt8] {
        state.withLock { state in
            defer { state.octets = [] }
            return state.octets
        }
    }

    func takeAll() -> String { String(decoding: takeOctets(), as: UTF8.self) }

    func takeReply() -> String? {
        state.withLock { state in
            var end = 0
            while let line = state.octets[end...].firstIndex(of: 10) {
                let isLast = line - end < 4 || state.octets[end + 3] != UInt8(ascii: "-")
                end = line + 1
                guard isLast else { continue }
                defer { state.octets.removeFirst(end) }
                let text = state.octets[..<end]
                return String(decoding: text.dropLast(text.count > 1 && text[end - 2] == 13 ? 2 : 1), as: UTF8.self)
            }
            return nil
        }
    }
}

private final class Receiver: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let inbox: Inbox
    init(_ inbox: Inbox) { self.inbox = inbox }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        inbox.add(unwrapInboundIn(data).readableBytesView)
    }
    func channelInactive(context: ChannelHandlerContext) { inbox.close() }
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        inbox.close()
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if "\(event)".hasPrefix("handshakeCompleted") { inbox.secure() }
        if let event = event as? ChannelEvent, case .inputClosed = event { inbox.close() }
    }
}
