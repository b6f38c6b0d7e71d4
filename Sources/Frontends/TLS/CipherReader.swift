import NIOCore

/// Reads the chosen cipher suite off the ServerHello, which goes out in the clear: the TLS library does
/// not tell it. Steps aside after the first record. RFC 8446 §4.1.3, RFC 5246 §7.4.1.3.
final class CipherReader: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let told: (String) -> Void
    private var isDone = false

    init(_ told: @escaping (String) -> Void) { self.told = told }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        context.write(data, promise: promise)
        guard !isDone else { return }
        isDone = true
        if let name = Self.cipher(in: unwrapOutboundIn(data)) { told(name) }
        // Not at once: the flush that follows comes through here, too.
        context.eventLoop.assumeIsolated().execute {
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
        }
    }

    /// record header (5), handshake header (4), version (2), random (32), session id, cipher suite (2)
    static func cipher(in record: ByteBuffer) -> String? {
        let start = record.readerIndex
        guard
            record.getInteger(at: start, as: UInt8.self) == 22, record.getInteger(at: start + 5, as: UInt8.self) == 2,
            let length = record.getInteger(at: start + 43, as: UInt8.self),
            let number = record.getInteger(at: start + 44 + Int(length), as: UInt16.self)
        else { return nil }
        return names[number]
    }

    /// What BoringSSL offers for TLS 1.2 and 1.3, by the registry of RFC 8447 §8.
    private static let names: [UInt16: String] = [
        0x1301: "TLS_AES_128_GCM_SHA256",
        0x1302: "TLS_AES_256_GCM_SHA384",
        0x1303: "TLS_CHACHA20_POLY1305_SHA256",
        0x009C: "TLS_RSA_WITH_AES_128_GCM_SHA256",
        0x009D: "TLS_RSA_WITH_AES_256_GCM_SHA384",
        0x002F: "TLS_RSA_WITH_AES_128_CBC_SHA",
        0x0035: "TLS_RSA_WITH_AES_256_CBC_SHA",
        0xC009: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
        0xC00A: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        0xC013: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        0xC014: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        0xC02B: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        0xC02C: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        0xC02F: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        0xC030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        0xCCA8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        0xCCA9: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ]
}
