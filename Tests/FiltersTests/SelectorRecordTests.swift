import Adapters
import Foundation
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// What is published of a key, and what DNS has instead.
@Suite struct SelectorRecordTests {
    static let rsa = try? SignatureWorld.cryptography.signingKey(pem: Array(SampleKeys.rsa2048.utf8))
    static let ed25519 = try? SignatureWorld.cryptography.signingKey(pem: Array(SampleKeys.ed25519.utf8))

    static func record(_ key: (any SigningKey)?) throws -> SelectorRecord {
        let key = try #require(key)
        return SelectorRecord(algorithm: key.algorithm, publicKey: SelectorRecord.base64(key.publicKey))
    }

    @Test func `a record says what it must, and only what was asked for`() throws {
        var record = try Self.record(Self.ed25519)
        #expect(record.text == "v=DKIM1; k=ed25519; p=\(record.publicKey)")
        record.isTest = true
        record.granularity = "sales-*"
        record.notes = "made in \"2026\"; é=1 "
        #expect(
            record.text == "v=DKIM1; k=ed25519; t=y; g=sales-*; n=made in =222026=22=3B =C3=A9=3D1=20; "
                + "p=\(record.publicKey)")
        #expect(try KeyRecord(Array(record.text.utf8)).isTesting)
    }

    @Test func `a long record stands in strings of 255 octets, which joined are the record`() throws {
        let record = try Self.record(Self.rsa)
        #expect(record.strings.map(\.utf8.count).first == 255)
        #expect(record.strings.allSatisfy { $0.utf8.count <= 255 })
        #expect(record.strings.joined() == record.text)
        let line = record.zoneLine(name: "s1._domainkey.here.example")
        #expect(line.hasPrefix("s1._domainkey.here.example. IN TXT (\n    \"v=DKIM1; k=rsa; p="))
        #expect(line.split(separator: "\"").filter { !$0.contains("\n") }.joined() == record.text)
        let short = try Self.record(Self.ed25519)
        #expect(short.zoneLine(name: "e1.x") == "e1.x. IN TXT \"\(short.text)\"")
    }

    static let published: [(@Sendable (String) -> [String], String)] = [
        ({ [$0] }, "right"),
        ({ [$0 + ";"] }, "right"),
        ({ [$0.replacingOccurrences(of: "; ", with: ";\t")] }, "right"),
        ({ [$0.replacingOccurrences(of: "v=DKIM1; ", with: "")] }, "right"),
        ({ [$0.replacingOccurrences(of: "p=", with: "s=email; h=sha256; p=")] }, "right"),
        ({ _ in [] }, "missing"),
        ({ [$0, $0] }, "there are 2 TXT records"),
        ({ [$0, "v=spf1 -all"] }, "there are 2 TXT records"),
        ({ [$0.replacingOccurrences(of: "p=", with: "t=y; p=")] }, "take signatures for none"),
        ({ [$0.replacingOccurrences(of: "p=", with: "g=anna; p=")] }, "g= is anna, and should be *"),
        ({ [$0.replacingOccurrences(of: "p=", with: "h=sha1; p=")] }, "h= has no sha256"),
        ({ [$0.replacingOccurrences(of: "p=", with: "s=other; p=")] }, "s= has no email"),
        ({ [String($0.prefix(200))] }, "p= is"),
        ({ _ in ["v=DKIM1; p="] }, "withdrawn"),
        ({ _ in ["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="] }, "k= is for ed25519-sha256"),
        ({ _ in ["v=DKIM2; p=x"] }, "v= is not DKIM1"),
        ({ _ in ["hello"] }, "not a tag"),
    ]

    @Test(arguments: published.indices)
    func `what is published is compared`(_ place: Int) throws {
        let record = try Self.record(Self.rsa)
        let texts = Self.published[place].0(record.text)
        let answer: DNSAnswer =
            texts.isEmpty ? .noData : .records(texts.map { .text(Array($0.utf8)) }, isSecure: false)
        let found =
            switch record.publication(answer) {
            case .right: "right"
            case .missing: "missing"
            case .wrong(let reasons): reasons.joined(separator: "; ")
            }
        #expect(found.contains(Self.published[place].1), "\(found)")
    }

    @Test func `another key of the kind, and a test that is none, are seen`() throws {
        let mine = try Self.record(Self.rsa)
        let other = try Self.record(try SignatureWorld.cryptography.signingKey(pem: Array(SampleKeys.rsa1024.utf8)))
        #expect(mine.publication(Self.answer(other.text)) == .wrong(["p= is another key"]))
        var test = mine
        test.isTest = true
        #expect(test.publication(Self.answer(mine.text)) == .wrong(["t=y is missing"]))
        #expect(test.publication(Self.answer(test.text)) == .right)
        #expect(mine.publication(.noName) == .missing)
    }

    @Test(arguments: ["t=s", "t=y:s"])
    func `a key for the very domain alone is none for authors below it in the signature`(_ flags: String) throws {
        var record = try Self.record(Self.rsa)
        record.isTest = flags.contains("y")
        let answer = Self.answer("v=DKIM1; \(flags); p=\(record.publicKey)")
        #expect(record.publication(answer) == .right)
        guard case .wrong(let reasons) = record.publication(answer, signsBelow: true) else {
            Issue.record("it is not seen")
            return
        }
        #expect(reasons.count == 1 && reasons[0].hasPrefix("t=s makes"), "\(reasons)")
    }

    static func answer(_ text: String) -> DNSAnswer { .records([.text(Array(text.utf8))], isSecure: false) }
}
