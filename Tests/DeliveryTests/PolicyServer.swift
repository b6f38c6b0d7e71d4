import Foundation
import MailTypes
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A web server on loopback with one page.
final class PolicyServer: Sendable {
    static let usual = "version: STSv1\r\nmode: enforce\r\nmx: mx.plain.test\r\nmax_age: 86400\r\n"

    private struct State {
        var reply: String
        var questions: [String] = []
    }

    private let state: Mutex<State>
    private let channel = Mutex<(any Channel)?>(nil)

    private init(_ reply: String) { state = Mutex(State(reply: reply)) }

    static func start(
        _ page: String = usual, certificate: ExchangerCertificate = .right,
        on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) async throws -> PolicyServer {
        let server = PolicyServer(reply(page))
        let context = try certificate.serverContext()
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    try channel.pipeline.syncOperations.addHandler(Page(server))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        server.channel.withLock { $0 = channel }
        return server
    }

    static func reply(_ page: String, status: String = "200 OK", type: String = "text/plain; charset=utf-8") -> String {
        "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(page.utf8.count)\r\n"
            + "Location: https://elsewhere.test/\r\n\r\n\(page)"
    }

    var port: Int { channel.withLock { $0?.localAddress?.port } ?? 0 }
    var questions: [String] { state.withLock { $0.questions } }
    func stop() async { try? await channel.withLock { $0 }?.close() }

    /// The page, or a whole reply; an empty one is silence.
    func say(_ page: String) { state.withLock { $0.reply = Self.reply(page) } }
    func sayRaw(_ reply: String) { state.withLock { $0.reply = reply } }

    private final class Page: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let server: PolicyServer
        private var question = ""
        init(_ server: PolicyServer) { self.server = server }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            question += String(buffer: unwrapInboundIn(data))
            guard let head = question.range(of: "\r\n\r\n") else { return }
            let length = question.firstMatch(of: /Content-Length: (\d+)/).flatMap { Int($0.1) } ?? 0
            guard question[head.upperBound...].utf8.count >= length else { return }
            let reply = server.state.withLock { state in
                state.questions.append(question)
                return state.reply
            }
            question = ""
            if !reply.isEmpty { context.writeAndFlush(NIOAny(ByteBuffer(string: reply)), promise: nil) }
        }
    }
}
