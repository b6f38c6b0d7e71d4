public import Logging
import Metrics
public import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// The HTTP listener for operators: `GET /metrics` for Prometheus and `GET /health` for whoever watches.
public final class StatusServer: Sendable {
    /// Connections at once; for each one more the oldest is closed.
    public static let mostConnections = 64
    /// From the connection to the last octet of the answer, unless something else is asked for.
    public static let usualTimeout = TimeAmount.seconds(10)
    /// Octets of all header fields of a request.
    public static let longestHeader = 16 << 10

    private let group: any EventLoopGroup
    private let registry: MetricsRegistry
    private let health: @Sendable () -> Health
    private let timeout: TimeAmount
    private let logger: Logger
    private let acceptFailures: Counter
    /// In the order in which they came.
    private let open = Mutex<[any Channel]>([])
    private let channels = Mutex<[any Channel]>([])

    /// How the server is.
    public struct Health: Sendable {
        /// `false` makes the answer 503.
        public var isWell: Bool
        /// For people; one line each. A server that is well in spite of some is degraded: a part of it fails, and
        /// nobody is helped by taking the whole out of service.
        public var details: [String]

        /// The first line of the answer.
        public var word: String { !isWell ? "not well" : details.isEmpty ? "ok" : "degraded" }

        public init(isWell: Bool, details: [String] = []) {
            self.isWell = isWell
            self.details = details
        }
    }

    public init(
        group: any EventLoopGroup, registry: MetricsRegistry, timeout: TimeAmount = usualTimeout,
        logger: Logger = Logger(label: "sluice"), health: @escaping @Sendable () -> Health
    ) {
        self.group = group
        self.registry = registry
        self.timeout = timeout
        self.logger = logger
        acceptFailures = .acceptFailures("metrics", registry)
        self.health = health
    }

    /// Listens at this address besides those before; the answer tells the port that the system chose for port 0.
    /// - Throws: ``BindFailure``.
    @discardableResult
    public func start(_ address: BindAddress) async throws(BindFailure) -> SocketAddress? {
        let bound = try await bind(address)
        accept()
        return bound
    }

    /// Binds an address, from which nobody is accepted before ``accept()``: a low port takes rights that nothing
    /// which speaks with strangers should have.
    /// - Throws: ``BindFailure``.
    @discardableResult
    public func bind(_ address: BindAddress) async throws(BindFailure) -> SocketAddress? {
        do {
            let channel = try await bootstrap.bind(to: address.socketAddress()).get()
            channels.withLock { $0.append(channel) }
            return channel.localAddress
        } catch {
            throw BindFailure(address, of: "[metrics]", error)
        }
    }

    /// From now on there are answers at all addresses that are bound.
    public func accept() {
        for channel in channels.withLock({ $0 }) {
            channel.setOption(.autoRead, value: true).whenFailure { _ in }
        }
    }

    private var bootstrap: ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.autoRead, value: false)
            .serverChannelInitializer { [acceptFailures, logger] channel in
                channel.eventLoop.makeCompletedFuture {
                    let pause = AcceptPauseHandler { $0.note(acceptFailures, logger, listener: "metrics") }
                    try channel.pipeline.syncOperations.addHandler(pause)
                }
            }
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture { try setUp(channel) }
            }
    }

    public func stop() async {
        let open = channels.withLock { channels in
            defer { channels = [] }
            return channels
        }
        for channel in open { try? await channel.close() }
    }

    private func setUp(_ channel: any Channel) throws {
        // A crowd that asks nothing must keep nobody out; who came first has had the most time to ask and to read.
        let oldest = open.withLock { open in
            open.append(channel)
            return open.count > Self.mostConnections ? open.removeFirst() : nil
        }
        oldest?.close(promise: nil)
        channel.closeFuture.whenComplete { [self] _ in open.withLock { open in open.removeAll { $0 === channel } } }
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderListSize = Self.longestHeader
        let operations = channel.pipeline.syncOperations
        try operations.addHandler(HTTPResponseEncoder())
        try operations.addHandler(ByteToMessageHandler(HTTPRequestDecoder(limitConfiguration: limits)))
        try operations.addHandler(StatusHandler(answer: answer))
        channel.eventLoop.scheduleTask(in: timeout) { channel.close(promise: nil) }
    }

    private func answer(_ head: HTTPRequestHead) -> StatusHandler.Answer {
        guard head.method == .GET || head.method == .HEAD else { return .init(.methodNotAllowed, "only GET\n") }
        switch head.uri.prefix(while: { $0 != "?" }) {
        case "/metrics": return .init(.ok, registry.exposition(), type: "text/plain; version=0.0.4; charset=utf-8")
        case "/health":
            let health = health()
            let lines = [health.word] + health.details
            return .init(health.isWell ? .ok : .serviceUnavailable, lines.joined(separator: "\n") + "\n")
        default: return .init(.notFound, "there are /metrics and /health\n")
        }
    }
}

/// Answers one request and closes.
private final class StatusHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    struct Answer {
        var status: HTTPResponseStatus
        var text: String
        var type: String
        init(_ status: HTTPResponseStatus, _ text: String, type: String = "text/plain; charset=utf-8") {
            self.status = status
            self.text = text
            self.type = type
        }
    }

    private let answer: (HTTPRequestHead) -> Answer
    private var isAnswered = false

    init(answer: @escaping (HTTPRequestHead) -> Answer) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // The body, if any, is not read: the answer needs none, and the connection ends with it.
        guard case .head(let head) = unwrapInboundIn(data), !isAnswered else { return }
        send(answer(head), body: head.method != .HEAD, context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if isAnswered || !(error is HTTPParserError) { return context.close(promise: nil) }
        send(Answer(.badRequest, "that is not HTTP\n"), body: true, context)
    }

    private func send(_ answer: Answer, body: Bool, _ context: ChannelHandlerContext) {
        isAnswered = true
        let content = ByteBuffer(string: answer.text)
        let headers: HTTPHeaders = [
            "content-type": answer.type, "content-length": "\(content.readableBytes)", "connection": "close",
            "x-content-type-options": "nosniff", "cache-control": "no-store",
        ]
        let head = HTTPResponseHead(version: .http1_1, status: answer.status, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if body { context.write(wrapOutboundOut(.body(.byteBuffer(content))), promise: nil) }
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
    }
}
