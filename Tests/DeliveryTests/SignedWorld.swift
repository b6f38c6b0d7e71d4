import Adapters
import Delivery
import Foundation
import MailTypes
import NIOPosix
import NIOSSL
import Pipeline
import Queue
import SluiceTesting
import Synchronization

/// A delivery agent whose DNS is a signed zone on loopback, asked by libunbound: `signed.test` is below the trust
/// anchor, `plain.test` and the rest is not. The exchangers `mx.signed.test` and `mx.plain.test` are a fake server.
final class SignedWorld: Sendable {
    let fixture = AgentFixture()
    let names: SignedNameServer
    let server: FakeServer
    let resolver: UnboundResolver
    /// What reports would be made of.
    let sessions = Mutex<[TLSSession]>([])
    private let folder = NSTemporaryDirectory() + "sluice-signed-\(UUID().uuidString)"

    static func start(
        _ change: (inout FakeServer.Script) -> Void = { _ in }
    ) async throws -> SignedWorld {
        let server = try await FakeServer.start(group: MultiThreadedEventLoopGroup.singleton) {
            $0["EHLO"] = ["250-fake.test\r\n250 STARTTLS"]
            $0["EHLO in TLS"] = ["250-fake.test\r\n250-8BITMIME\r\n250 REQUIRETLS"]
            $0.certificate = .right
            change(&$0)
        }
        let zone = try SignedZone("signed.test")
        let names = try await SignedNameServer.start(
            zone,
            [
                "signed.test": [.mx(10, "mx.signed.test")],
                "mx.signed.test": [.a("127.0.0.1")],
                "plain.test": [.mx(10, "mx.plain.test")],
                "mx.plain.test": [.a("127.0.0.1")],
                // Its own MX record is not signed, the exchanger is.
                "half.test": [.mx(10, "mx.signed.test")],
            ])
        return try SignedWorld(names, server)
    }

    /// Another one with the same servers, whose resolver knows nothing yet.
    func again() throws -> SignedWorld { try SignedWorld(names, server) }

    var roots: String { folder + "/roots.pem" }

    private init(_ names: SignedNameServer, _ server: FakeServer) throws {
        self.names = names
        self.server = server
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let anchor = folder + "/anchor.key"
        try names.zone.trustAnchor.write(toFile: anchor, atomically: false, encoding: .utf8)
        try ExchangerCertificate.authority.write(toFile: folder + "/roots.pem", atomically: false, encoding: .utf8)
        var options = UnboundResolver.Options()
        options.servers = [.init("127.0.0.1", port: names.port)]
        options.trustAnchor = anchor
        options.timeout = "20s"
        resolver = try UnboundResolver(options)
    }

    deinit {
        resolver.stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Where the TLSA records of the exchanger are.
    func owner(_ host: String = "mx.signed.test") -> String { "_\(server.port)._tcp.\(host)" }

    /// Delivers one message to `u@domain`; what became of it, and what the log was told.
    func deliver(
        to domain: String = "signed.test", policy: TLSPolicyTable = TLSPolicyTable(), trusted: Bool = false,
        sts: MTASTSFinding = .none, _ text: String = "Subject: Hi\r\n\r\nHello\r\n", requireTLS: Bool = false
    ) async -> DeliveryEvent? {
        let id = fixture.submit(
            to: [(EmailAddress(localPart: "u", domain: domain), .exchanger(domain: domain))], text
        ) { $0.parameters.requireTLS = requireTLS }
        await run(policy, trusted: trusted, sts: { _ in sts }) { _ = await fixture.settled(id) }
        // A report may have been delivered meanwhile.
        return fixture.events.withLock { $0.last { $0.id == id } }
    }

    func run(
        _ policy: TLSPolicyTable = TLSPolicyTable(), trusted: Bool = false,
        sts: @escaping @Sendable (String) async -> MTASTSFinding = { _ in .none }, _ body: () async -> Void
    ) async {
        await run(policies: { policy }, trusted: trusted, sts: sts, body)
    }

    /// With policies that may change meanwhile.
    func run(
        policies: @escaping @Sendable () -> TLSPolicyTable, trusted: Bool = false,
        sts: @escaping @Sendable (String) async -> MTASTSFinding = { _ in .none }, _ body: () async -> Void
    ) async {
        let (port, roots, resolver) = (server.port, roots, resolver)
        await fixture.run {
            $0.exchangerPort = port
            $0.maxConnectionsPerDestination = 1
            $0.idleTime = "10m"
            $0.addressFamilies = .onlyIPv4
        } hooks: {
            $0.resolve = { question async throws(StageFailure) in try await resolver.answer(question) }
            $0.validatesDNS = true
            $0.certificates = LibcryptoCertificates(trustRoots: trusted ? roots : "/dev/null")
            $0.tlsPolicy = { policies().policy(for: $0) }
            $0.mtaSTS = sts
            $0.tlsSession = { [weak self] session in self?.sessions.withLock { $0.append(session) } }
        } _: {
            await body()
        }
    }
}

extension SignedZone.Record {
    /// The record for a certificate, or for the authority.
    static func tlsa(
        _ usage: UInt8, _ selector: UInt8, _ matching: UInt8, _ certificate: ExchangerCertificate,
        authority: Bool = false
    ) throws -> SignedZone.Record {
        let one = try certificate.chain()[authority ? 1 : 0]
        let whole = selector == 0 ? try one.toDERBytes() : try one.extractPublicKey().toSPKIBytes()
        switch matching {
        case 1: return .tlsa(usage, selector, matching, CertificateDigest.sha256(whole))
        case 2: return .tlsa(usage, selector, matching, CertificateDigest.sha512(whole))
        default: return .tlsa(usage, selector, matching, whole)
        }
    }
}
