import MailTypes
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A next hop on loopback that behaves as its script says.
final class FakeServer: Sendable {
    /// What it says to a command, by its verb, CR LF left away; the first is used up first, the last one
    /// stays. `"EHLO in TLS"` is for what comes in TLS; `"."` is the end of the content, `"(content)"` what it says to
    /// its first line, `""` the greeting.
    struct Script: Sendable {
        var replies: [String: [String]] = [
            "": ["220 fake.test ESMTP"],
            "EHLO": ["250-fake.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 DSN"],
            "LHLO": ["250-fake.test\r\n250 PIPELINING"],
            "HELO": ["250 fake.test"], "MAIL": ["250 2.1.0 Ok"], "RCPT": ["250 2.1.5 Ok"], "DATA": ["354 Go"],
            ".": ["250 2.0.0 queued"], "BDAT": ["250 2.0.0 queued"], "RSET": ["250 Ok"], "QUIT": ["221 Bye"],
            "STARTTLS": ["220 Go"],
        ]
        /// Answers once for each recipient.
        var isLMTP = false
        /// Says yes to STARTTLS and then knows nothing of TLS.
        var breaksTLS = false
        /// After its reply to this verb it reads nothing more, and so does not see that the client goes.
        var deafAfter: String?
        /// What it shows in TLS; `nil`: ``TestCertificate``.
        var certificate: ExchangerCertificate?
        /// TLS begins with the first octet.
        var isImplicitTLS = false

        subscript(_ verb: String) -> [String] {
            get { replies[verb] ?? [] }
            set { replies[verb] = newValue }
        }
    }

    /// Closes, without a word unless there is one before it; `hang` says nothing.
    static let close = "(close)"
    static let hang = "(hang)"
    /// A reply whose end never comes, octet by octet.
    static let trickle = "(trickle)"

    struct Received: Sendable, Equatable {
        var sender: String
        var recipients: [String]
        /// As it came over the wire, the final dot excluded.
        var wire: String
        var connection: Int
    }

    struct Log: Sendable {
        var messages: [Received] = []
        var commands: [String] = []
        var connections = 0
    }

    let log = Mutex(Log())
    private let script: Mutex<Script>
    private let channel: Mutex<(any Channel)?> = Mutex(nil)
    let group: any EventLoopGroup

    init(_ script: Script = Script(), group: any EventLoopGroup) {
        self.script = Mutex(script)
        self.group = group
    }

    static func start(
        group: any EventLoopGroup, _ change: (inout Script) -> Void = { _ in }
    ) async throws -> FakeServer {
        var script = Script()
        change(&script)
        let server = FakeServer(script, group: group)
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let number = server.log.withLock { log in
                        log.connections += 1
                        return log.connections
                    }
                    if server.isImplicitTLS {
                        try channel.pipeline.syncOperations.addHandler(server.tlsHandler())
                    }
                    try channel.pipeline.syncOperations.addHandler(Session(server, number))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        server.channel.withLock { $0 = channel }
        return server
    }

    var port: Int { channel.withLock { $0?.localAddress?.port } ?? 0 }
    var messages: [Received] { log.withLock { $0.messages } }
    func stop() async { try? await channel.withLock { $0 }?.close() }

    fileprivate func reply(to verb: String) -> String {
        script.withLock { script in
            guard var queue = script.replies[verb], let first = queue.first else { return "500 What?" }
            if queue.count > 1 {
                queue.removeFirst()
                script.replies[verb] = queue
            }
            return first
        }
    }

    fileprivate func speaks(at verb: String) -> Bool { script.withLock { $0.replies[verb] != nil } }
    fileprivate var deafAfter: String? { script.withLock { $0.deafAfter } }
    fileprivate func tlsHandler() throws -> NIOSSLServerHandler {
        guard let certificate = script.withLock({ $0.certificate }) else { return try TestCertificate.serverHandler() }
        return NIOSSLServerHandler(context: try certificate.serverContext())
    }

    fileprivate var breaksTLS: Bool { script.withLock { $0.breaksTLS } }
    fileprivate var isImplicitTLS: Bool { script.withLock { $0.isImplicitTLS } }
    fileprivate var isLMTP: Bool { script.withLock { $0.isLMTP } }
}

private final class Session: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let server: FakeServer
    private let number: Int
    private var input = ByteBuffer()
    private var content: ByteBuffer?
    /// Octets of a chunk that are still to come.
    private var chunk: Int?
    private var message: FakeServer.Received
    private var isDeaf = false
    private var isInTLS = false
    private var trickle: RepeatedTask?

    init(_ server: FakeServer, _ number: Int) {
        self.server = server
        self.number = number
        message = .init(sender: "", recipients: [], wire: "", connection: number)
    }

    func channelActive(context: ChannelHandlerContext) { say("", context) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var octets = unwrapInboundIn(data)
        input.writeBuffer(&octets)
        while !isDeaf {
            if chunk != nil {
                if readChunk(context) { continue } else { break }
            }
            guard let line = nextLine() else { break }
            if content == nil {
                obey(line, context)
            } else {
                if content?.readableBytes == 0, server.speaks(at: "(content)") { say("(content)", context) }
                read(line, context)
            }
        }
        context.flush()
    }

    func channelInactive(context: ChannelHandlerContext) { trickle?.cancel() }

    private func nextLine() -> ByteBuffer? {
        guard let end = input.readableBytesView.firstIndex(of: 10) else { return nil }
        return input.readSlice(length: end - input.readerIndex + 1)
    }

    private func read(_ line: ByteBuffer, _ context: ChannelHandlerContext) {
        guard line.readableBytesView.elementsEqual(".\r\n".utf8) else {
            content?.writeImmutableBuffer(line)
            return
        }
        finish(".", context)
    }

    /// `false`: more octets are needed.
    private func readChunk(_ context: ChannelHandlerContext) -> Bool {
        guard let left = chunk else { return false }
        guard var part = input.readSlice(length: min(left, input.readableBytes)) else { return false }
        content?.writeBuffer(&part)
        let rest = left - part.readerIndex
        chunk = rest == 0 ? nil : rest
        if rest == 0 { finish("BDAT", context) }
        return rest == 0
    }

    private func finish(_ verb: String, _ context: ChannelHandlerContext) {
        message.wire = String(buffer: content ?? ByteBuffer())
        content = nil
        for _ in 0..<(server.isLMTP ? message.recipients.count : 1) {
            let reply = server.reply(to: verb)
            // DATA may have been pipelined behind recipients that were all refused. Noted first: who hears the reply
            // may look at once.
            if !message.recipients.isEmpty, reply.hasPrefix("250") || reply == FakeServer.close {
                server.log.withLock { $0.messages.append(message) }
            }
            say(reply, to: verb, context)
        }
        message.recipients = []
    }

    private func obey(_ line: ByteBuffer, _ context: ChannelHandlerContext) {
        let text = String(buffer: line).filter { $0 != "\r\n" && $0 != "\n" }
        server.log.withLock { $0.commands.append(text) }
        let verb = String(text.prefix { $0 != " " && $0 != ":" })
        if verb == "BDAT" {
            content = ByteBuffer()
            chunk = Int(text.split(separator: " ")[1])
            return
        }
        let isSaidInTLS = isInTLS && server.speaks(at: "\(verb) in TLS")
        let reply = say(isSaidInTLS ? "\(verb) in TLS" : verb, context)
        let isYes = reply.hasPrefix("250") || reply.hasPrefix("354")
        let path = text.drop { $0 != "<" }.dropFirst().prefix { $0 != ">" }
        switch verb {
        case "MAIL": message.sender = String(path)
        case "RCPT" where isYes: message.recipients.append(String(path))
        case "RSET": message.recipients = []
        case "DATA" where reply.hasPrefix("354"): content = ByteBuffer()
        case "STARTTLS" where reply.hasPrefix("220") && !server.breaksTLS:
            isInTLS = true
            if let handler = try? server.tlsHandler() {
                try? context.pipeline.syncOperations.addHandler(handler, position: .first)
            }
        case "QUIT": context.close(promise: nil)
        default: break
        }
    }

    @discardableResult
    private func say(_ verb: String, _ context: ChannelHandlerContext) -> String {
        let reply = server.reply(to: verb)
        say(reply, to: verb, context)
        return reply
    }

    private func say(_ reply: String, to verb: String, _ context: ChannelHandlerContext) {
        if reply.hasSuffix(FakeServer.close) {
            let words = reply.dropLast(FakeServer.close.count)
            context.writeAndFlush(NIOAny(ByteBuffer(substring: words)), promise: nil)
            context.close(promise: nil)
        } else if reply == FakeServer.trickle {
            let channel = context.channel
            trickle = context.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(50)) { _ in
                channel.writeAndFlush(ByteBuffer(string: "2"), promise: nil)
            }
        } else if reply != FakeServer.hang {
            let line = reply + (reply.hasSuffix("\n") ? "" : "\r\n")
            context.writeAndFlush(NIOAny(ByteBuffer(string: line)), promise: nil)
        }
        if verb == server.deafAfter {
            isDeaf = true
            context.channel.setOption(.autoRead, value: false).whenFailure { _ in }
        }
    }
}
