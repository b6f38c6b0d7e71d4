import MailTypes
import NIOCore
import NIOSSL
import Synchronization

/// The files of one certificate.
public struct CertificateFiles: Sendable, Hashable {
    /// The server name it is for, `mx.example.org` or `*.example.org`; `nil` for everything else.
    public var name: String?
    /// The listener that shows this one to everybody, whatever the others show.
    public var listener: String?
    /// The chain in PEM, the server's own certificate first.
    public var certificate: String
    /// The private key in PEM.
    public var key: String

    public init(name: String? = nil, listener: String? = nil, certificate: String, key: String) {
        self.name = name
        self.listener = listener
        self.certificate = certificate
        self.key = key
    }
}

/// Certificates that cannot be used; the old ones stay.
public struct CertificateError: Error, CustomStringConvertible {
    public let file: String
    public let reason: String
    public var description: String { "\(file): \(reason)" }
}

/// The server's certificates. They can be replaced while connections are open: whoever shakes hands
/// afterwards gets the new ones.
public final class CertificateStore: Sendable {
    struct Identity: Sendable {
        var chain: [NIOSSLCertificateSource]
        var key: NIOSSLPrivateKeySource
    }

    struct Loaded: Sendable {
        var standard: Identity?
        var named: [String: Identity] = [:]
        /// By the listeners that have one of their own.
        var own: [String: Identity] = [:]
        var generation = 0

        /// What one listener has to show.
        func shown(by listener: String) -> Loaded {
            guard let identity = own[listener] else { return self }
            return Loaded(standard: identity, generation: generation)
        }

        /// The name under which a certificate for `serverName` is kept; `nil` is the standard one.
        func key(for serverName: String?) -> String? {
            guard let name = serverName?.asciiLowercased else { return nil }
            if named[name] != nil { return name }
            guard let dot = name.firstIndex(of: ".") else { return nil }
            let wildcard = "*" + name[dot...]
            return named[wildcard] != nil ? wildcard : nil
        }

        func identity(_ key: String?) -> Identity? { key.flatMap { named[$0] } ?? standard }
    }

    private let loaded = Mutex(Loaded())

    /// - Throws: ``CertificateError``.
    public init(_ files: [CertificateFiles]) throws { try reload(files) }

    /// Certificates that were read and can be used.
    public struct Readied: Sendable {
        fileprivate var loaded = Loaded()
    }

    /// Reads all files anew; if one is wrong nothing changes. Blocking: not for an event loop.
    /// - Throws: ``CertificateError``.
    public func reload(_ files: [CertificateFiles]) throws { use(try Self.ready(files)) }

    /// Reads all files, for ``use(_:)``. Blocking: not for an event loop.
    /// - Throws: ``CertificateError``.
    public static func ready(_ files: [CertificateFiles]) throws -> Readied {
        var readied = Readied()
        for one in files {
            let identity = try read(one)
            if let listener = one.listener {
                readied.loaded.own[listener] = identity
            } else if let name = one.name {
                readied.loaded.named[name.asciiLowercased] = identity
            } else {
                readied.loaded.standard = identity
            }
        }
        if readied.loaded.standard == nil {
            readied.loaded.standard = readied.loaded.named.min { $0.key < $1.key }?.value
        }
        return readied
    }

    /// Shows these from now on.
    public func use(_ readied: Readied) {
        loaded.withLock { loaded in
            var fresh = readied.loaded
            fresh.generation = loaded.generation + 1
            loaded = fresh
        }
    }

    var current: Loaded { loaded.withLock { $0 } }

    private static func read(_ files: CertificateFiles) throws -> Identity {
        let chain: [NIOSSLCertificate]
        do { chain = try NIOSSLCertificate.fromPEMFile(files.certificate) } catch {
            throw CertificateError(file: files.certificate, reason: "is no certificate chain in PEM (\(error))")
        }
        guard !chain.isEmpty else { throw CertificateError(file: files.certificate, reason: "holds no certificate") }
        let key: NIOSSLPrivateKey
        do { key = try NIOSSLPrivateKey(file: files.key, format: .pem) } catch {
            throw CertificateError(file: files.key, reason: "is no private key in PEM (\(error))")
        }
        let identity = Identity(chain: chain.map { .certificate($0) }, key: .privateKey(key))
        // A context is made to see whether the two belong together.
        do { _ = try NIOSSLContext(configuration: configuration(identity)) } catch {
            throw CertificateError(file: files.key, reason: "is not the key of \(files.certificate) (\(error))")
        }
        return identity
    }

    /// What TLS means here: version 1.2 at least, no client certificates. RFC 8996, RFC 8997.
    static func configuration(_ identity: Identity) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: identity.chain, privateKey: identity.key)
        configuration.minimumTLSVersion = .tlsv12
        configuration.shutdownTimeout = .seconds(1)
        return configuration
    }
}
