import NIOCore
import NIOSSL
import Protocols
import Synchronization

/// One listener's TLS: its own contexts, one per server name, made from the store's certificates
/// when they are first needed. Since no two listeners share a context, a ticket that one has
/// given is worth nothing at another.
final class ListenerTLS: Sendable {
    private struct Made {
        var generation = 0
        var contexts: [String?: NIOSSLContext] = [:]
    }

    struct NoCertificate: Error {}

    private let store: CertificateStore
    /// What is spoken here, by the names of RFC 7301 §3.1.
    private let protocols: [String]
    private let listener: String
    private let made = Mutex(Made())

    init(_ store: CertificateStore, of listener: ListenerOptions) {
        self.store = store
        self.listener = listener.name
        protocols = listener.machine.language == .lmtp ? ["lmtp"] : ["smtp", "esmtp"]
    }

    /// The context for a client that asked for `serverName`.
    func context(for serverName: String?) throws -> NIOSSLContext {
        let loaded = store.current.shown(by: listener)
        let key = loaded.key(for: serverName)
        return try made.withLock { made in
            if made.generation != loaded.generation { made = Made(generation: loaded.generation) }
            if let known = made.contexts[key] { return known }
            guard let identity = loaded.identity(key) else { throw NoCertificate() }
            var configuration = CertificateStore.configuration(identity)
            configuration.applicationProtocols = protocols
            let context = try NIOSSLContext(configuration: configuration)
            made.contexts[key] = context
            return context
        }
    }

    /// Expects a handshake before `handler`, which is told the server name that the client asked for.
    func begin(before handler: some ChannelHandler & HandshakeWitness, on channel: any Channel) throws {
        let reader = ClientHelloHandler(protocols) { hello in
            let tls = NIOSSLServerHandler(context: try self.context(for: hello.serverName))
            let operations = channel.pipeline.syncOperations
            handler.serverName(hello.serverName)
            try operations.addHandler(tls, position: .before(handler))
            try operations.addHandler(CipherReader { handler.cipher($0) }, position: .before(tls))
        }
        try channel.pipeline.syncOperations.addHandler(reader, position: .before(handler))
    }
}

/// Wants to know what a handshake has brought.
protocol HandshakeWitness: AnyObject {
    /// The server name that the client asked for. RFC 6066 §3.
    func serverName(_ name: String?)
    /// The cipher suite that was chosen, by its registered name.
    func cipher(_ name: String)
}
