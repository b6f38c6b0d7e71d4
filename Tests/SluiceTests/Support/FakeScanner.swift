import NIOCore
import NIOPosix
import Synchronization

/// A scanner that says what a test wants: it answers once it has read `size` octets behind the head, and hangs up.
final class FakeScanner: Sendable {
    private let channel: any Channel
    private let heard = Mutex<[String]>([])
    private let open = Mutex(0)
    let port: Int

    /// - Parameter answer: `nil`: it never answers; empty: it hangs up at once.
    static func start(_ answer: String?, path: String? = nil) async throws -> FakeScanner {
        let box = Box()
        let bootstrap = ServerBootstrap(group: Wire.group).childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                guard let scanner = box.scanner.withLock({ $0 }) else { throw ChannelError.ioOnClosedChannel }
                try channel.pipeline.syncOperations.addHandler(Handler(scanner, answer))
            }
        }
        let channel =
            if let path {
                try await bootstrap.bind(unixDomainSocketPath: path).get()
            } else {
                try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
            }
        let scanner = FakeScanner(channel)
        box.scanner.withLock { $0 = scanner }
        return scanner
    }

    private init(_ channel: any Channel) {
        self.channel = channel
        port = channel.localAddress?.port ?? 0
    }

    /// The requests that have come whole.
    var requests: [String] { heard.withLock { $0 } }
    /// Connections that are open now.
    var connections: Int { open.withLock { $0 } }

    func stop() async { try? await channel.close() }

    private final class Box: Sendable {
        let scanner = Mutex<FakeScanner?>(nil)
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let scanner: FakeScanner
        private let answer: String?
        private var input = ""

        init(_ scanner: FakeScanner, _ answer: String?) {
            self.scanner = scanner
            self.answer = answer
        }

        func channelActive(context: ChannelHandlerContext) {
            scanner.open.withLock { $0 += 1 }
            if answer == "" { context.close(promise: nil) }
        }

        func channelInactive(context: ChannelHandlerContext) { scanner.open.withLock { $0 -= 1 } }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            input += String(buffer: unwrapInboundIn(data))
            guard
                let head = input.firstRange(of: "\r\n\r\n"),
                let size = input.firstMatch(of: /(?i)content-length: (\d+)/).flatMap({ Int($0.1) }),
                input[head.upperBound...].utf8.count >= size
            else { return }
            scanner.heard.withLock { $0.append(input) }
            guard let answer else { return }
            let channel = context.channel
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer))).whenComplete { _ in
                channel.close(promise: nil)
            }
        }
    }
}
