import Adapters
import Foundation
import MailTypes
import Pipeline
import SluiceTesting

@testable import Filters

/// Domains with keys, which are published: `s1` is an RSA key, `e1` an Ed25519 key, `weak` one of 1024 bits.
enum SignatureWorld {
    static let cryptography = LibcryptoSignatures()
    static let domains = [
        "here.example", "lists.example", "far.example", "sub.here.example", "out.example", "xn--bcher-kva.example",
    ]

    static let keys: MemoryKeys = {
        var keys = MemoryKeys()
        for domain in domains {
            keys.add(domain, "s1", pem: SampleKeys.rsa2048)
            keys.add(domain, "s2", pem: SampleKeys.rsa2048)
            keys.add(domain, "e1", pem: SampleKeys.ed25519)
            keys.add(domain, "weak", pem: SampleKeys.rsa1024)
            keys.add(domain, "junk", pem: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        }
        return keys
    }()

    static let tools = StageTools(cryptography: cryptography, keys: keys)

    static func record(_ pem: String) throws -> String {
        let key = try cryptography.signingKey(pem: Array(pem.utf8))
        let kind = key.algorithm == .rsaSHA256 ? "rsa" : "ed25519"
        return "v=DKIM1; k=\(kind); p=\(String(decoding: Base64.encode(key.publicKey), as: UTF8.self))"
    }

    static func zone() throws -> MemoryZone {
        var zone = MemoryZone()
        for domain in domains {
            zone.add("s1._domainkey.\(domain)", text: try record(SampleKeys.rsa2048))
            zone.add("s2._domainkey.\(domain)", text: try record(SampleKeys.rsa2048))
            zone.add("e1._domainkey.\(domain)", text: try record(SampleKeys.ed25519))
            zone.add("weak._domainkey.\(domain)", text: try record(SampleKeys.rsa1024))
        }
        return zone
    }

    /// The message with what a stage has found put into it, as the chain does.
    static func apply(_ finding: Finding, to message: Message) -> Message {
        var message = message
        for case .prependField(let name, let value) in finding.edits {
            message.header.prepend(HeaderField(name: name, value: value))
        }
        // Once through the wire, as the next server reads it.
        let octets = message.pieces.flatMap(\.array)
        return (try? Message(parsing: Bytes(octets))) ?? message
    }

    /// Checks every DKIM-Signature, from the top.
    static func checkDKIM(_ message: Message, in zone: MemoryZone) async throws -> [SignatureOutcome] {
        var verifier = SignatureVerifier(message, cryptography, Services(zone), leastBits: 1024)
        var outcomes: [SignatureOutcome] = []
        for field in message.header.fields(named: "DKIM-Signature") {
            do throws(SignatureFault) {
                let signature = try MessageSignature(dkim: field)
                outcomes.append(await outcome(of: signature, &verifier))
            } catch { outcomes.append(.fail(error.description)) }
        }
        return outcomes
    }

    private static func outcome(
        of signature: MessageSignature, _ verifier: inout SignatureVerifier
    ) async -> SignatureOutcome {
        do { return try await verifier.check(signature) } catch { return .unknown(error.reason) }
    }

    /// What the stage `arc` finds.
    static func verify(
        _ message: Message, _ policy: ARC.Configuration = .init(), in zone: MemoryZone
    ) async throws -> Finding {
        try await ARC(policy).equipped(with: tools).message(message, in: .sample(services: zone))
    }

    static func entry(_ finding: Finding) -> AuthenticationResults.Entry? {
        for case .authentication(let entry) in finding.edits { return entry }
        return nil
    }

    /// The message as a server of that domain passes it on: verified, changed, sealed.
    static func passOn(
        _ message: Message, by domain: String, selector: String = "s1", dmarc: String? = nil, in zone: MemoryZone,
        change: (inout Message) -> Void = { _ in }
    ) async throws -> Message {
        var policy = ARCSealing.Configuration()
        policy.domain = domain
        policy.selector = selector
        policy.recipients = .all
        policy.minKeyBits = 1024
        var transaction = Transaction.sample(services: zone)
        if let entry = entry(try await verify(message, in: zone)) { transaction.authentication.entries.append(entry) }
        if let dmarc {
            let parsed = ParsedAuthenticationResults(parsing: Array("mx.\(domain); \(dmarc)".utf8)[...])
            transaction.authentication.entries += parsed.results.entries
        }
        var changed = message
        change(&changed)
        let stage = try ARCSealing(policy).equipped(with: tools)
        return apply(try await stage.message(changed, in: transaction), to: changed)
    }
}

extension Finding {
    /// The values of fields of that name which it puts on top.
    func prepended(_ wanted: String) -> [String] {
        edits.compactMap { edit in
            guard case .prependField(let name, let value) = edit, name == wanted else { return nil }
            return value
        }
    }
}
