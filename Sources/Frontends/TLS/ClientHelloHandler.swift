import NIOCore
import Protocols

/// Reads the ClientHello before the TLS library does: for the name that the client asks for, and for
/// the protocols that it speaks.
///
/// A browser that an attacker has led here offers HTTP. Its handshake must fail, or what it sends in
/// TLS would be read as mail, under this server's certificate (ALPACA). RFC 7301 §3.2.
final class ClientHelloHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Why a handshake does not begin.
    struct Refusal: Error, CustomStringConvertible {
        let description: String
    }

    /// Fatal alerts. RFC 8446 §6.2.
    private enum Alert: UInt8 {
        case decodeError = 50
        case internalError = 80
        case noApplicationProtocol = 120
    }

    private let protocols: [String]
    /// Puts the TLS library into the pipeline, behind this handler.
    private let begin: (ClientHello) throws -> Void
    private var input: ByteBuffer?
    private var isDone = false

    /// - Parameter protocols: What is spoken here, by its ALPN names.
    init(_ protocols: [String], begin: @escaping (ClientHello) throws -> Void) {
        self.protocols = protocols
        self.begin = begin
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDone else { return context.fireChannelRead(data) }
        var octets = unwrapInboundIn(data)
        if input == nil { input = octets } else { input?.writeBuffer(&octets) }
        guard let known = input else { return }
        switch ClientHello.read(known) {
        case .wait:
            if known.readableBytes > 2 * ClientHello.maxOctets { refuse(context, .decodeError, "ClientHello too long") }
        case .malformed:
            refuse(context, .decodeError, "not a ClientHello")
        case .hello(let hello):
            proceed(context, hello, known)
        }
    }

    private func proceed(_ context: ChannelHandlerContext, _ hello: ClientHello, _ octets: ByteBuffer) {
        if let offered = hello.protocols, !offered.contains(where: protocols.contains) {
            let reason = "the client speaks \(offered.joined(separator: ","))"
            return refuse(context, .noApplicationProtocol, reason)
        }
        do { try begin(hello) } catch { return refuse(context, .internalError, "\(error)") }
        isDone = true
        input = nil
        context.fireChannelRead(wrapInboundOut(octets))
        context.fireChannelReadComplete()
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    /// Says so in the clear, as nothing is encrypted yet.
    private func refuse(_ context: ChannelHandlerContext, _ alert: Alert, _ reason: String) {
        isDone = true
        input = nil
        // alert(21), version 3.3, two octets: fatal(2) and which
        let record = ByteBuffer(bytes: [21, 3, 3, 0, 2, 2, alert.rawValue])
        context.writeAndFlush(wrapOutboundOut(record), promise: nil)
        context.fireErrorCaught(Refusal(description: reason))
    }
}
