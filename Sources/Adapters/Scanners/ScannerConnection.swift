import MailTypes
import NIOCore
import NIOPosix
import Pipeline
import Protocols

/// One request to a scanner and its answer, over a connection of their own.
struct ScannerConnection<Reader: ScannerReplyReader>: Sendable {
    let address: ScannerAddress
    let patience: Duration
    /// Octets that are sent, one piece after the other.
    let pieces: [Bytes]
    /// What comes first.
    let head: [UInt8]
    let reader: Reader

    /// How long a connection may take to come about.
    private static var connectLimit: TimeAmount { .seconds(3) }

    /// - Throws: Also when the task is cancelled; the connection is closed in any case.
    func answer(on group: any EventLoopGroup) async throws(StageFailure) -> Reader.Reply {
        let loop = group.next()
        let promise = loop.makePromise(of: Reader.Reply.self)
        let handler = ScannerHandler(reader: reader, promise: promise)
        let limit = loop.scheduleTask(in: .nanoseconds(Int64(patience / .nanoseconds(1)))) {
            promise.fail(StageFailure("no answer in time", timedOut: true))
        }
        do {
            let channel = try await connect(on: loop, handler)
            promise.futureResult.whenComplete { _ in
                limit.cancel()
                channel.close(promise: nil)
            }
            return try await withTaskCancellationHandler {
                send(over: channel, promise)
                return try await promise.futureResult.get()
            } onCancel: {
                loop.execute { promise.fail(StageFailure("cancelled")) }
            }
        } catch let failure as StageFailure {
            throw failure
        } catch {
            promise.fail(error)
            limit.cancel()
            throw StageFailure(unreachable: error)
        }
    }

    private func connect(on loop: any EventLoop, _ handler: ScannerHandler<Reader>) async throws -> any Channel {
        let bootstrap = ClientBootstrap(group: loop).connectTimeout(Self.connectLimit)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler) }
            }
        switch address {
        case .path(let path): return try await bootstrap.connect(unixDomainSocketPath: path).get()
        case .host(let name, let port):
            return try await bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .connect(host: name, port: port).get()
        }
    }

    /// Octets of a message that are copied at a time.
    private static var longestPiece: Int { 256 << 10 }

    private func send(over channel: any Channel, _ promise: EventLoopPromise<Reader.Reply>) {
        channel.write(ByteBuffer(bytes: head), promise: nil)
        for piece in pieces {
            for start in stride(from: 0, to: piece.count, by: Self.longestPiece) {
                let part = piece[start..<min(start + Self.longestPiece, piece.count)]
                channel.write(part.withUnsafeBytes { ByteBuffer(bytes: $0) }, promise: nil)
            }
        }
        // A scanner may answer before it has read everything; what it says counts then.
        channel.flush()
    }
}

/// Feeds what comes to a reader.
private final class ScannerHandler<Reader: ScannerReplyReader>: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let reader: NIOLoopBoundBox<Reader>
    private let promise: EventLoopPromise<Reader.Reply>

    init(reader: Reader, promise: EventLoopPromise<Reader.Reply>) {
        self.reader = NIOLoopBoundBox.makeBoxSendingValue(reader, eventLoop: promise.futureResult.eventLoop)
        self.promise = promise
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        take(reader.value.read(unwrapInboundIn(data).readableBytesView))
    }

    func channelInactive(context: ChannelHandlerContext) {
        take(reader.value.end())
        promise.fail(StageFailure("it hung up"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(StageFailure("the connection broke: \(error)"))
        context.close(promise: nil)
    }

    private func take(_ progress: ScannerProgress<Reader.Reply>) {
        switch progress {
        case .unfinished: break
        case .finished(let reply): promise.succeed(reply)
        case .broken(let reason): promise.fail(StageFailure(reason))
        }
    }
}
