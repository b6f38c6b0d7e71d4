import Adapters
import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// What we sign and seal: it verifies here, and is written down for others to verify.
@Suite struct SigningSuiteTests {
    static let cryptography = LibcryptoSignatures()
    /// One message for another implementation.
    struct Case: Encodable {
        struct Record: Encodable {
            var name: String
            var value: String
        }

        var name: String
        var kind: String
        var message: String
        /// Signatures on it.
        var count: Int
        var zone: [Record]
    }

    static let domain = "here.example"
    static let user = EmailAddress(localPart: "bob", domain: domain)

    static let keys: MemoryKeys = {
        var keys = MemoryKeys()
        keys.add(domain, "rsa", pem: SampleKeys.rsa2048)
        keys.add(domain, "small", pem: SampleKeys.rsa1024)
        keys.add(domain, "ed", pem: SampleKeys.ed25519)
        return keys
    }()

    /// The true time, since others look at `t=` and `x=`.
    static let time = ManualTime(Date())

    static let tools = StageTools(cryptography: cryptography, keys: keys)

    static func records() throws -> [Case.Record] {
        try ["rsa", "small", "ed"].map { selector in
            let key = try cryptography.signingKey(pem: keys.contents(domain: domain, selector: selector))
            let kind = key.algorithm == .rsaSHA256 ? "rsa" : "ed25519"
            let value = "v=DKIM1; k=\(kind); p=\(String(decoding: Base64.encode(key.publicKey), as: UTF8.self))"
            return Case.Record(name: "\(selector)._domainkey.\(domain)", value: value)
        }
    }

    static let bodies: KeyValuePairs<String, String> = [
        "usual": "Hello.\r\n", "empty": "", "blank": "  \r\n\r\n", "odd": " a  b\t \r\n\r\nc\r\n\r\n\r\n",
        "open": "no end",
        "long": String(repeating: "A line of some length,  and another one.\r\n", count: 5000),
    ]

    static func message(_ body: String) -> Message {
        Message.sample(
            [
                "From": "Bob   <bob@here.example>", "Subject": String(repeating: "folded   subject ", count: 12),
                "Cc": "carl@far.example,\r\n\tdora@far.example",
            ], body: Bytes(Array(body.utf8)))
    }

    static func apply(_ finding: Finding, to message: Message) -> Message {
        var message = message
        for case .prependField(let name, let value) in finding.edits {
            message.header.prepend(HeaderField(name: name, value: value))
        }
        return message
    }

    static func text(_ message: Message) -> String {
        String(String.UnicodeScalarView(message.pieces.flatMap(\.array).map { Unicode.Scalar($0) }))
    }

    private static func signed(
        _ active: [String], _ modes: (Canonicalization, Canonicalization), _ message: Message, more: Bool
    ) async throws -> Finding {
        var policy = DKIMSign.Configuration()
        policy.domains = [domain: DKIMSign.DomainSigning(active: active)]
        (policy.headerCanonicalization, policy.bodyCanonicalization) = modes
        policy.minKeyBits = 1024
        (policy.length, policy.identity) = (more, more)
        let session = Session.sample(language: .submission, user: user)
        return try await DKIMSign(policy).equipped(with: tools)
            .message(message, in: .sample(session: session, services: MemoryServices(time: time)))
    }

    /// The manual's acceptance test is among them: rsa-sha256, relaxed/relaxed, 1024 bits, no `l=`, no `i=`.
    static func dkimCases() async throws -> [Case] {
        var cases: [Case] = []
        let modes = Canonicalization.allCases.flatMap { header in Canonicalization.allCases.map { (header, $0) } }
        for active in [["rsa"], ["small"], ["ed"], ["rsa", "ed"]] {
            for mode in modes {
                for (title, body) in bodies {
                    for more in [false, true] {
                        let message = Self.message(body)
                        let finding = try await signed(active, mode, message, more: more)
                        let name =
                            "\(active.joined(separator: "+")) \(mode.0.rawValue)/\(mode.1.rawValue) \(title)"
                            + (more ? " l= i=" : "")
                        cases.append(
                            Case(
                                name: name, kind: "dkim", message: text(apply(finding, to: message)),
                                count: finding.edits.count, zone: try records()))
                    }
                }
            }
        }
        return cases
    }

    /// Chains of one to four of our seals.
    private static func chainCases() async throws -> [Case] {
        var policy = ARCSealing.Configuration()
        (policy.domain, policy.selector, policy.recipients) = (domain, "rsa", .all)
        let sealer = try ARCSealing(policy).equipped(with: tools)
        let verifier = try ARC(ARC.Configuration()).equipped(with: tools)
        var zone = MemoryZone(try records().map { SuiteRecord(name: $0.name, type: "TXT", value: $0.value) })
        zone.time = time.now
        var cases: [Case] = []
        for (title, body) in bodies {
            var message = Self.message(body)
            for count in 1...4 {
                var transaction = Transaction.sample(services: zone)
                for case .authentication(let entry) in try await verifier.message(message, in: transaction).edits {
                    transaction.authentication.entries.append(entry)
                }
                message = apply(try await sealer.message(message, in: transaction), to: message)
                cases.append(
                    Case(
                        name: "\(count) seals, \(title)", kind: "arc", message: text(message), count: count,
                        zone: try records()))
            }
        }
        return cases
    }

    @Test func `what we sign verifies here, and is written down for others`() async throws {
        let cases = try await Self.dkimCases()
        let chains = try await Self.chainCases()
        #expect(cases.count == 192 && chains.count == 24)
        let zone = MemoryZone(try Self.records().map { SuiteRecord(name: $0.name, type: "TXT", value: $0.value) })
        for one in cases {
            let found = try await DKIMSuiteTests.check(try Message(parsing: Bytes(one.message.latin1)), in: zone)
            #expect(found == [SignatureOutcome](repeating: .pass, count: one.count), "\(one.name)")
        }
        guard let folder = ProcessInfo.processInfo.environment["SLUICE_SUITES_JSON"] else { return }
        let file = URL(filePath: "\(folder)/signed-by-sluice.json")
        try JSONEncoder().encode(cases + chains).write(to: file)
    }
}
