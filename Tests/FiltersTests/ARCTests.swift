import Adapters
import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// What is made of chains; that they are validated rightly, the third-party suite shows.
@Suite struct ARCTests {
    typealias World = SignatureWorld

    static func chain(_ sealers: [String], dmarc: String? = nil) async throws -> Message {
        let zone = try World.zone()
        var message = Message.sample()
        for sealer in sealers { message = try await World.passOn(message, by: sealer, dmarc: dmarc, in: zone) }
        return message
    }

    @Test func `without seals there is no chain, and nothing is asked`() async throws {
        let finding = try await World.verify(.sample(), in: MemoryZone())
        #expect(World.entry(finding)?.result == AuthenticationResults.Result.none)
        #expect(finding.verdict == .continue)
        // Nor are tools needed.
        #expect(try await ARC(.init()).message(.sample(), in: .sample()) == finding)
    }

    @Test(arguments: [1, 2, 5])
    func `a chain passes, with its sealers in order`(_ count: Int) async throws {
        let sealers = (0..<count).map { World.domains[$0 % 3] }
        let finding = try await World.verify(try await Self.chain(sealers), in: World.zone())
        let entry = try #require(World.entry(finding))
        #expect(entry.result == .pass, "\(finding.note ?? "")")
        #expect(
            entry.properties == [.init("header.oldest-pass", "0"), .init("arc.chain", sealers.joined(separator: ":"))])
    }

    @Test func `a change on the way leaves the chain whole, and is seen`() async throws {
        let zone = try World.zone()
        let first = try await World.passOn(.sample(), by: "far.example", in: zone)
        let second = try await World.passOn(first, by: "lists.example", in: zone) { $0.body = "Hello.\r\nA list.\r\n" }
        let entry = try #require(World.entry(try await World.verify(second, in: zone)))
        #expect(entry.result == .pass)
        #expect(entry.properties.first == .init("header.oldest-pass", "2"))
        var third = second
        third.body = "Buy.\r\n"
        #expect(World.entry(try await World.verify(third, in: zone))?.result == .fail)
    }

    @Test(arguments: [("s1", "pass"), ("e1", "pass"), ("weak", "pass")])
    func `keys of both kinds are checked`(_ selector: String, _ result: String) async throws {
        let zone = try World.zone()
        let message = try await World.passOn(.sample(), by: "far.example", selector: selector, in: zone)
        #expect(World.entry(try await World.verify(message, in: zone))?.result.rawValue == result)
        var policy = ARC.Configuration()
        policy.minKeyBits = 2048
        let strict = World.entry(try await World.verify(message, policy, in: zone))
        #expect(strict?.result == (selector == "weak" ? .fail : .pass))
    }

    @Test func `a key that cannot be had leaves it open`() async throws {
        let message = try await Self.chain(["far.example"])
        var zone = MemoryZone()
        zone.silence("s1._domainkey.far.example")
        let finding = try await World.verify(message, in: zone)
        #expect(World.entry(finding)?.result == .temperror)
        #expect(finding.verdict == .continue)
        var policy = ARC.Configuration()
        policy.temperror = .tempfail
        guard case .tempfail(let reply) = try await World.verify(message, policy, in: zone).verdict else {
            Issue.record("not put off")
            return
        }
        #expect(reply.code == 451 && reply.status?.description == "4.7.29")
    }

    @Test func `a broken chain costs nothing, or points, or the message`() async throws {
        var message = try await Self.chain(["far.example"])
        message.body = "Other.\r\n"
        let zone = try World.zone()
        #expect(try await World.verify(message, in: zone).edits.count == 1)
        var policy = ARC.Configuration()
        policy.fail = .score
        #expect(try await World.verify(message, policy, in: zone).points == ["ARC_FAIL": 1.0])
        policy.fail = .reject
        guard case .reject(let reply) = try await World.verify(message, policy, in: zone).verdict else {
            Issue.record("not refused")
            return
        }
        #expect(reply.code == 550 && reply.status?.description == "5.7.29")
        #expect(reply.text.contains("the body has changed"))
    }

    @Test func `a longer chain than allowed fails`() async throws {
        let message = try await Self.chain(["far.example", "lists.example"])
        var policy = ARC.Configuration()
        policy.maxSets = 1
        #expect(World.entry(try await World.verify(message, policy, in: World.zone()))?.result == .fail)
    }

    @Test func `a seal that calls the chain broken ends it, unasked`() async throws {
        var message = try await Self.chain(["far.example"])
        let places = message.header.fields.indices.filter { message.header.fields[$0].isNamed("ARC-Seal") }
        let value = message.header.fields[places[0]].value.replacing("cv=none", with: "cv=fail")
        message.header.replace(at: places[0], with: HeaderField(name: "ARC-Seal", value: value))
        let finding = try await World.verify(message, in: MemoryZone())
        #expect(finding.note?.contains("has found it broken") == true)
    }

    @Test func `many seals with bodies hashed in many ways cost no more than a few hashes`() async throws {
        let zone = try World.zone()
        var verifier = SignatureVerifier(.sample(), World.cryptography, Services(zone), leastBits: 1024)
        for length in 0..<20 {
            let value = SignatureTests.good + "; l=\(length)"
            let signature = try MessageSignature(dkim: HeaderField(name: "DKIM-Signature", value: value))
            guard case .fail(let reason) = try await verifier.check(signature) else {
                Issue.record("passed")
                return
            }
            #expect(reason.contains("too many ways") == (length >= SignatureVerifier.mostDigests), "\(reason)")
        }
    }

    // MARK: Time, and what must be signed

    /// A chain of one set with other tags in its signature, both signed anew.
    static func sealed(
        headers names: [String] = ["From", "To"], results found: String = "none", tags: [String: String] = [:],
        sealTags: [String: String] = [:]
    ) async throws -> Message {
        let key = try World.cryptography.signingKey(pem: Array(SampleKeys.rsa2048.utf8))
        var message = Message.sample()
        func value(_ name: String, _ more: [(String, String)], over octets: [UInt8]) throws -> String {
            var writer = SignatureWriter()
            for (name, text) in [("i", "1"), ("a", "rsa-sha256"), ("d", "far.example"), ("s", "s1")] + more {
                writer.add(name, text)
            }
            return try writer.signed(octets, name: name, .relaxed, by: key)
        }
        let hash = try await BodyDigest.of(message.body, .relaxed, World.cryptography).value
        let results = HeaderField(name: ARCField.results.name, value: "i=1; far.example; \(found)")
        let own = tags.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        let body = [("c", "relaxed/relaxed"), ("h", names.joined(separator: ":"))]
        let signature = HeaderField(
            name: ARCField.signature.name,
            value: try value(
                ARCField.signature.name,
                body + [("bh", String(decoding: Base64.encode(hash), as: UTF8.self))] + own,
                over: SignedFields.canonicalized(names, of: message.header, .relaxed)))
        var octets: [UInt8] = []
        HeaderCanonicalization.append(results, .relaxed, to: &octets)
        HeaderCanonicalization.append(signature, .relaxed, to: &octets)
        let more = [("cv", "none")] + sealTags.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        let seal = HeaderField(name: ARCField.seal.name, value: try value(ARCField.seal.name, more, over: octets))
        for field in [results, signature, seal] { message.header.prepend(field) }
        return try Message(parsing: Bytes(message.pieces.flatMap(\.array)))
    }

    /// The clock says 1700000000.
    @Test(
        arguments: [
            ([:], [:], nil), (["t": "1700000000"], ["t": "1700000300"], nil), (["x": "1700000000"], [:], nil),
            (["t": "5", "x": "1700000001"], [:], nil), (["x": "1699999999"], [:], "signature 1: it has expired"),
            (["t": "1700000301"], [:], "signature 1: its t= lies ahead of us"),
            ([:], ["t": "1700000301"], "seal 1: its t= lies ahead of us"), ([:], ["x": "1"], nil),
            (["t": "9", "x": "9"], [:], "ARC-Message-Signature: x= is not behind t="),
        ] as [([String: String], [String: String], String?)])
    func `what has expired or lies ahead does not hold`(
        _ tags: [String: String], _ sealTags: [String: String], _ reason: String?
    ) async throws {
        let message = try await Self.sealed(tags: tags, sealTags: sealTags)
        let entry = try #require(World.entry(try await World.verify(message, in: World.zone())))
        #expect(entry.result == (reason == nil ? .pass : .fail) && entry.reason == reason)
    }

    @Test func `a chain that leaves From open holds, and nobody speaks for it`() async throws {
        var policy = ARC.Configuration()
        policy.trusted = ["far.example"]
        for (names, isHeard) in [(["from"], true), (["From", "To"], true), (["To", "Subject"], false), ([], false)] {
            let message = try await Self.sealed(headers: names, results: Self.seenPass)
            let entry = try #require(World.entry(try await World.verify(message, policy, in: World.zone())))
            #expect(entry.result == .pass)
            #expect((entry["policy.trusted-sealer"] != nil) == isHeard, "\(names)")
        }
    }

    @Test func `a chain that leaves the end of the body open holds, and nobody speaks for it`() async throws {
        var policy = ARC.Configuration()
        policy.trusted = ["far.example"]
        let message = try await Self.sealed(results: Self.seenPass, tags: ["l": "8"])
        let entry = try #require(World.entry(try await World.verify(message, policy, in: World.zone())))
        #expect(entry.result == .pass && entry["policy.trusted-sealer"] == nil, "\(entry)")
    }

    @Test func `what has no From is not sealed`() async throws {
        let bare = Message.sample(["From": nil])
        let sealed = try await World.passOn(bare, by: "far.example", in: World.zone())
        #expect(sealed.header["ARC-Seal"] == nil)
    }

    // MARK: Trust

    static let seenPass = "dmarc=pass header.from=out.example"

    /// Sealers in order, the trusted ones, what all of them have seen of DMARC, and who speaks for it.
    @Test(
        arguments: [
            (["far.example"], ["far.example"], seenPass, "far.example pass"),
            (["far.example"], ["far.example"], "dmarc=fail header.from=out.example", "far.example fail"),
            (["far.example"], ["FAR.example"], "dmarc=pass header.from=OUT.example", "far.example pass"),
            (["far.example"], ["far.example"], "dmarc=pass header.from=alice@out.example", "far.example pass"),
            (["far.example"], ["far.example"], "dmarc=pass header.from=xout.example", nil),
            (["far.example"], ["far.example"], "dmarc=pass", nil),
            (["far.example"], ["far.example"], "dmarc=pass header.from=other.example", nil),
            (["far.example"], ["far.example"], "spf=pass", nil),
            (["far.example"], ["far.example"], "\(seenPass); dmarc=fail", nil), (["far.example"], [], seenPass, nil),
            (["far.example", "lists.example"], ["far.example"], seenPass, nil),
            (["far.example", "lists.example"], ["lists.example"], seenPass, "lists.example pass"),
            (["far.example", "lists.example"], ["lists.example", "far.example"], seenPass, "far.example pass"),
            (
                ["here.example", "far.example", "lists.example"], ["lists.example", "here.example"], seenPass,
                "lists.example pass"
            ),
        ] as [([String], [String], String, String?)])
    func `the first of the trusted sealers at the end that has seen a pass speaks for DMARC`(
        _ sealers: [String], _ trusted: [String], _ seen: String, _ expected: String?
    ) async throws {
        var policy = ARC.Configuration()
        policy.trusted = trusted.map { DomainText(stringLiteral: $0) }
        let finding = try await World.verify(try await Self.chain(sealers, dmarc: seen), policy, in: World.zone())
        let entry = try #require(World.entry(finding))
        #expect(entry.result == .pass)
        let words = ["policy.trusted-sealer", "policy.sealed-dmarc"].compactMap { name in
            entry.properties.first { $0.name == name }?.value
        }
        #expect(words == expected.map { $0.split(separator: " ").map(String.init) } ?? [])
        #expect(finding.decidedBy == (expected == nil ? [] : ["trusted"]))
        #expect(finding.note?.contains("is trusted") == (expected != nil))
    }

    @Test func `an author's domain may be sealed in A-labels`() async throws {
        let zone = try World.zone()
        var policy = ARC.Configuration()
        policy.trusted = ["far.example"]
        let message = try await World.passOn(
            .sample(["From": "ulf@b\u{FC}cher.example"]), by: "far.example",
            dmarc: "dmarc=pass header.from=xn--bcher-kva.example", in: zone)
        let entry = World.entry(try await World.verify(message, policy, in: zone))
        #expect(entry?["policy.sealed-dmarc"] == "pass")
    }

    @Test func `one who has not looked is passed over, and a pass counts before a failure`() async throws {
        let zone = try World.zone()
        var policy = ARC.Configuration()
        policy.trusted = ["far.example", "lists.example", "here.example"]
        var message = try await World.passOn(.sample(), by: "far.example", dmarc: "spf=pass", in: zone)
        message = try await World.passOn(
            message, by: "lists.example", dmarc: "dmarc=fail header.from=out.example", in: zone)
        let failed = World.entry(try await World.verify(message, policy, in: zone))
        #expect(failed?.properties.last == .init("policy.sealed-dmarc", "fail"))
        message = try await World.passOn(message, by: "here.example", dmarc: Self.seenPass, in: zone)
        let passed = World.entry(try await World.verify(message, policy, in: zone))
        #expect(
            passed?.properties.suffix(2) == [
                .init("policy.trusted-sealer", "here.example"), .init("policy.sealed-dmarc", "pass"),
            ])
    }

    @Test(arguments: ["lists example", "x.", "", ".x", "a..b", "münchen.example", "a@b.example"])
    func `a name that is none cannot be trusted`(_ name: String) throws {
        #expect(throws: DecodingError.self) { try decode([DomainText].self, "[\"\(name)\"]") }
    }
}
