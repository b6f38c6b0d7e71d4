import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// The next server: takes what comes, and keeps every octet of it.
final class Sink: Sendable {
    struct Message: Sendable {
        var sender: String
        var recipients: [String]
        /// As it came, dots still doubled, without the final dot.
        var content: [UInt8]
        var text: String { String(decoding: content, as: UTF8.self) }
    }

    private struct State {
        var messages: [Message] = []
        var octets: [UInt8] = []
        var connections = 0
        var answer: @Sendable (String) -> String?
        var pause: EventLoopPromise<Void>?
        var waiting = 0
    }

    private let state: Mutex<State>
    private let channel: any Channel
    /// For who says STARTTLS.
    fileprivate let tls: NIOSSLContext?
    let port: Int

    /// `answer` may say something else to a command than the usual; the end of a message is asked as `.`.
    static func start(
        port: Int = 0, host: String = "127.0.0.1", tls: NIOSSLContext? = nil,
        answer: @escaping @Sendable (String) -> String? = { _ in nil }
    ) async throws -> Sink {
        let box = Box()
        let channel = try await ServerBootstrap(group: Wire.group)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let sink = box.sink else { throw ChannelError.ioOnClosedChannel }
                    try channel.pipeline.syncOperations.addHandler(SinkHandler(sink))
                }
            }
            .bind(host: host, port: port).get()
        let sink = Sink(channel, tls, answer)
        box.sink = sink
        return sink
    }

    private final class Box: Sendable {
        private let held = Mutex<Sink?>(nil)
        var sink: Sink? {
            get { held.withLock { $0 } }
            set { held.withLock { $0 = newValue } }
        }
    }

    private init(
        _ channel: any Channel, _ tls: NIOSSLContext?, _ answer: @escaping @Sendable (String) -> String?
    ) {
        self.channel = channel
        self.tls = tls
        port = channel.localAddress?.port ?? 0
        state = Mutex(State(answer: answer))
    }

    var messages: [Message] { state.withLock { $0.messages } }
    /// Everything that ever came, over all connections.
    var octets: [UInt8] { state.withLock { $0.octets } }
    var connections: Int { state.withLock { $0.connections } }

    func answers(_ answer: @escaping @Sendable (String) -> String?) { state.withLock { $0.answer = answer } }

    /// Messages that wait for their answer.
    var waiting: Int { state.withLock { $0.waiting } }

    /// No message is answered until ``resume()``.
    func pause() { state.withLock { $0.pause = channel.eventLoop.makePromise() } }

    func resume() {
        let pause = state.withLock { state in
            defer { (state.pause, state.waiting) = (nil, 0) }
            return state.pause
        }
        pause?.succeed()
    }

    func stop() async { try? await channel.close() }

    func messages(count: Int, within limit: Duration = .seconds(60)) async throws -> [Message] {
        guard await eventually(within: limit, { self.messages.count >= count }) else {
            throw Timeout("the sink has \(messages.count) messages, not \(count)")
        }
        return messages
    }

    fileprivate func opened() { state.withLock { $0.connections += 1 } }
    fileprivate func heard(_ octets: ByteBufferView) { state.withLock { $0.octets += octets } }
    fileprivate func took(_ message: Message) { state.withLock { $0.messages.append(message) } }
    fileprivate func answer(_ command: String) -> String? { state.withLock { $0.answer }(command) }

    /// What a message that has come now waits for.
    fileprivate func pauseBeforeAnswer() -> EventLoopFuture<Void>? {
        state.withLock { state in
            if state.pause != nil { state.waiting += 1 }
            return state.pause?.futureResult
        }
    }
}

private final class SinkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let sink: Sink
    private var input: [UInt8] = []
    private var isData = false
    private var message = Sink.Message(sender: "", recipients: [], content: [])

    init(_ sink: Sink) { self.sink = sink }

    func channelActive(context: ChannelHandlerContext) {
        sink.opened()
        write(sink.answer("") ?? "220 sink.test ESMTP", context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let octets = unwrapInboundIn(data).readableBytesView
        sink.heard(octets)
        input += octets
        while step(context) {}
    }

    private func step(_ context: ChannelHandlerContext) -> Bool {
        if isData { return content(context) }
        guard let end = input.firstIndex(of: 10) else { return false }
        let line = String(decoding: input[..<end].filter { $0 != 13 }, as: UTF8.self)
        input.removeFirst(end + 1)
        let verb = line.prefix(4).uppercased()
        let answer = sink.answer(line)
        let isTaken = answer?.hasPrefix("2") ?? true
        switch verb {
        case "EHLO", "LHLO":
            write(answer ?? "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 DSN", context)
        case "MAIL":
            if isTaken { message = Sink.Message(sender: Self.path(line), recipients: [], content: []) }
            write(answer ?? "250 ok", context)
        case "RCPT":
            if isTaken { message.recipients.append(Self.path(line)) }
            write(answer ?? "250 ok", context)
        case "DATA":
            isData = message.recipients.isEmpty == false && answer == nil
            write(answer ?? (isData ? "354 go" : "503 no recipients"), context)
        case "STAR" where sink.tls != nil:
            write("220 go", context)
            guard let tls = sink.tls else { break }
            try? context.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls), position: .first)
        case "QUIT":
            write("221 bye", context)
            context.close(promise: nil)
        default: write(answer ?? "250 ok", context)
        }
        return true
    }

    private func content(_ context: ChannelHandlerContext) -> Bool {
        let mark = Array("\r\n.\r\n".utf8)
        let end: Int?
        if input.starts(with: mark.dropFirst(2)) { end = -2 } else { end = input.range(of: mark)?.lowerBound }
        guard let end else { return false }
        message.content = Array(input[..<max(0, end + 2)])
        input.removeFirst(end + mark.count)
        isData = false
        guard let pause = sink.pauseBeforeAnswer() else {
            answerMessage(context)
            return true
        }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        pause.hop(to: context.eventLoop).whenSuccess {
            let (handler, context) = bound.value
            handler.answerMessage(context)
        }
        return true
    }

    private func answerMessage(_ context: ChannelHandlerContext) {
        let answer = sink.answer(".")
        if answer?.hasPrefix("2") ?? true { sink.took(message) }
        write(answer ?? "250 ok", context)
    }

    private static func path(_ line: String) -> String {
        line.split(separator: "<", maxSplits: 1).last.map { String($0.prefix { $0 != ">" }) } ?? ""
    }

    private func write(_ text: String, _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text + "\r\n")), promise: nil)
        if text.hasPrefix("421") { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

extension Array<UInt8> {
    fileprivate func range(of part: [UInt8]) -> Range<Int>? {
        guard count >= part.count, let first = part.first else { return nil }
        var start = 0
        while let place = self[start...].firstIndex(of: first), place + part.count <= count {
            if self[place..<(place + part.count)].elementsEqual(part) { return place..<(place + part.count) }
            start = place + 1
        }
        return nil
    }
}
