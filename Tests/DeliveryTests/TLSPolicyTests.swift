import MailTypes
import Pipeline
import SluiceTesting
import Synchronization
import Testing

@testable import Delivery

/// What the admin asks of a domain's exchangers.
@Suite(.serialized) struct TLSPolicyTests {
    @Test func `the nearest entry holds`() {
        var table = TLSPolicyTable(standard: TLSPolicy(.opportunistic, source: "usual"))
        for pattern in ["example.org", ".example.org", ".a.example.org", ".test"] {
            table.add(TLSPolicy(.required, source: pattern), for: pattern)
        }
        let cases = [
            "example.org": "example.org", "EXAMPLE.org": "example.org", "b.example.org": ".example.org",
            "a.example.org": ".example.org", "c.a.example.org": ".a.example.org", "x.y.test": ".test",
            "test": "usual", "example.com": "usual", "notexample.org": "usual", "": "usual", ".": "usual",
        ]
        for (domain, source) in cases { #expect(table.policy(for: domain).source == source, "\(domain)") }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var level: TLSPolicy.Level
        var domain = "signed.test"
        var isOffered = true
        var isTrusted = false
        var shown = ExchangerCertificate.right
        var hasTLSA = false
        var word: String
        var isEncrypted = true
        var testDescription: String {
            "\(level) \(domain)\(isOffered ? "" : " in clear")\(isTrusted ? " trusted" : "") \(shown)"
                + "\(hasTLSA ? " TLSA" : "")"
        }
    }

    static let cases = [
        Case(level: .none, word: "relayed", isEncrypted: false),
        Case(level: .none, hasTLSA: true, word: "relayed", isEncrypted: false),
        Case(level: .opportunistic, isOffered: false, word: "relayed", isEncrypted: false),
        Case(level: .required, isOffered: false, word: "deferred"),
        Case(level: .required, shown: .expired, word: "relayed"),
        Case(level: .verified, isTrusted: true, word: "relayed"),
        Case(level: .verified, domain: "plain.test", isTrusted: true, word: "relayed"),
        Case(level: .verified, word: "deferred"),
        Case(level: .verified, isTrusted: true, shown: .otherName, word: "deferred"),
        Case(level: .verified, isTrusted: true, shown: .expired, word: "deferred"),
        Case(level: .verified, isOffered: false, isTrusted: true, word: "deferred"),
        Case(level: .verified, hasTLSA: true, word: "relayed"),
        Case(level: .dane, hasTLSA: true, word: "relayed"),
        Case(level: .dane, isTrusted: true, word: "deferred"),
        Case(level: .dane, domain: "half.test", hasTLSA: true, word: "deferred"),
        Case(level: .dane, domain: "plain.test", isTrusted: true, word: "deferred"),
        Case(level: .mtaSTS, isTrusted: true, hasTLSA: true, word: "deferred"),
    ]

    @Test(arguments: cases)
    func `a level is a promise`(_ one: Case) async throws {
        let world = try await SignedWorld.start {
            $0.certificate = one.shown
            if !one.isOffered { $0["EHLO"] = ["250 fake.test"] }
        }
        if one.hasTLSA { world.names.set(world.owner(), [try .tlsa(3, 1, 1, .right)]) }
        var policy = TLSPolicyTable()
        policy.add(TLSPolicy(one.level, source: "sluice.toml:7:1: the line"), for: one.domain)
        let event = await world.deliver(to: one.domain, policy: policy, trusted: one.isTrusted)
        #expect(event?.outcome.rawValue == one.word)
        #expect(event?.host?.policy?.hasSuffix("sluice.toml:7:1: the line") == true)
        if one.word == "relayed" {
            #expect(event?.host?.tls == one.isEncrypted)
        } else {
            #expect(world.server.messages.isEmpty)
        }
    }
}
