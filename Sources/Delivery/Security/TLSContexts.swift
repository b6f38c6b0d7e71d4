import Foundation
import MailTypes
import NIOCore
import NIOPosix
import NIOSSL
import Pipeline
import Protocols
import Synchronization

/// What the certificates of one session proved.
final class CertificateRecord: Sendable {
    private let state = Mutex<CertificateVerdict?>(nil)

    var verdict: CertificateVerdict? {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }

    /// Why they prove nothing.
    var refusal: String? { if case .refuted(_, let words)? = verdict { words } else { nil } }

    var words: String? {
        switch verdict {
        case .proven(let words): words
        case .refuted(_, let words): words
        case nil: nil
        }
    }
}

/// TLS as a client, in the ways that delivery has.
final class TLSContexts: Sendable {
    /// How certificates are looked at, and the oldest version that is spoken.
    private enum Kind: Hashable {
        /// Not at all. RFC 7435: whatever certificate, rather than plaintext; old servers too.
        case any
        /// By NIOSSL: for hosts that the admin names.
        case verified
        /// By ``CertificateChecks``, where it matters; ``measured`` where it is only noted.
        case proven, measured
    }

    private let trustRoots: String?
    private let checks: (any CertificateChecks)?
    private let now: @Sendable () -> Date
    private let contexts = Mutex<[Kind: NIOSSLContext]>([:])

    init(trustRoots: String?, checks: (any CertificateChecks)? = nil, now: @escaping @Sendable () -> Date = { Date() })
    {
        self.trustRoots = trustRoots
        self.checks = checks
        self.now = now
    }

    /// A TLS client for one connection. The name goes into SNI, unless the host is known by address only.
    func handler(for target: Target, _ record: CertificateRecord) throws -> NIOSSLClientHandler {
        let name = target.decision?.serverName ?? target.name
        let isName = IPAddress(name) == nil && !name.contains("/") && !name.contains("[")
        let serverName = isName ? name : nil
        guard let decision = target.decision, let proof = decision.proof else {
            let context = try context(target.verifiesTLS ? .verified : .any)
            return try NIOSSLClientHandler(context: context, serverHostname: serverName)
        }
        let isEnforced = decision.isEnforced
        return try NIOSSLClientHandler(
            context: context(isEnforced ? .proven : .measured), serverHostname: serverName
        ) { [checks, now] chain, promise in
            let octets = chain.compactMap { try? $0.toDERBytes() }
            // Signatures take a while: not on the event loop.
            NIOThreadPool.singleton.submit { _ in
                let verdict =
                    checks?.verdict(on: octets, by: proof, at: now())
                    ?? .refuted(.other, "there is nobody here who checks certificates")
                record.verdict = verdict
                if case .proven = verdict {
                    promise.succeed(.certificateVerified)
                } else {
                    promise.succeed(isEnforced ? .failed : .certificateVerified)
                }
            }
        }
    }

    private func context(_ kind: Kind) throws -> NIOSSLContext {
        try contexts.withLock { contexts in
            if let made = contexts[kind] { return made }
            let made = try make(kind)
            contexts[kind] = made
            return made
        }
    }

    private func make(_ kind: Kind) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        switch kind {
        case .any:
            configuration.certificateVerification = .none
            configuration.minimumTLSVersion = .tlsv1
        case .verified:
            if let trustRoots { configuration.trustRoots = .file(trustRoots) }
        case .proven, .measured:
            // The name is the checks' affair as well.
            configuration.certificateVerification = .noHostnameVerification
            configuration.minimumTLSVersion = kind == .proven ? .tlsv12 : .tlsv1
        }
        return try NIOSSLContext(configuration: configuration)
    }
}
