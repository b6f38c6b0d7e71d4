import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A web server on loopback that takes whatever is posted.
final class PostServer: Sendable {
    private let channel: any Channel
    private let taken: Taken
    let port: Int

    private final class Taken: Sendable {
        let all = Mutex<[[UInt8]]>([])
    }

    static func start(_ context: NIOSSLContext) async throws -> PostServer {
        let taken = Taken()
        let channel = try await ServerBootstrap(group: Wire.group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    try channel.pipeline.syncOperations.addHandler(Question(taken))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return PostServer(channel, taken)
    }

    private init(_ channel: any Channel, _ taken: Taken) {
        self.channel = channel
        self.taken = taken
        port = channel.localAddress?.port ?? 0
    }

    /// Questions with their bodies, as they came.
    var questions: [[UInt8]] { taken.all.withLock { $0 } }
    func stop() async { try? await channel.close() }

    private final class Question: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let taken: Taken
        private var octets: [UInt8] = []

        init(_ taken: Taken) { self.taken = taken }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            octets += unwrapInboundIn(data).readableBytesView
            let text = String(decoding: octets, as: UTF8.self)
            guard let length = text.firstMatch(of: /Content-Length: (\d+)\r\n/).flatMap({ Int($0.1) }),
                let end = Self.body(in: octets), octets.count - end >= length
            else { return }
            taken.all.withLock { $0.append(octets) }
            octets = []
            let reply = ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            context.writeAndFlush(NIOAny(reply), promise: nil)
        }

        /// Where the body begins.
        static func body(in octets: [UInt8]) -> Int? {
            octets.indices.first { octets[$0...].starts(with: "\r\n\r\n".utf8) }.map { $0 + 4 }
        }
    }

    /// What stands behind the header of a question.
    static func body(of question: [UInt8]) -> [UInt8] {
        Question.body(in: question).map { Array(question[$0...]) } ?? []
    }
}
