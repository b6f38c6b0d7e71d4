import Adapters
import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// What signatures are made of: tags, keys, canonical forms.
@Suite struct SignatureTests {
    static let cryptography = LibcryptoSignatures()

    static func tags(_ text: String) throws(TagList.Fault) -> TagList { try TagList(Array(text.utf8)[...]) }

    // MARK: Tag lists

    @Test(
        arguments: [
            ("a=b", ["a": "b"]), ("a=b;", ["a": "b"]), ("a=b; ", ["a": "b"]),
            (" a = b ; c\t=\r\n d", ["a": "b", "c": "d"]),
            ("a=", ["a": ""]), ("a=b c;d=e=f", ["a": "b c", "d": "e=f"]), ("A=1;a=2", ["A": "1", "a": "2"]),
            ("n_1=x", ["n_1": "x"]), ("a=é", ["a": "é"]),
        ] as [(String, [String: String])])
    func `a tag list is read`(_ text: String, _ expected: [String: String]) throws {
        let read = try Self.tags(text)
        #expect(Dictionary(uniqueKeysWithValues: read.tags.map { ($0.name, read.text($0.name) ?? "") }) == expected)
    }

    @Test(arguments: ["", " ", ";", "a", "=b", "1=b", "a-b=c", "a=b;;c=d", "a=b;a=c", "a=b;;", "a=\u{1}", "a b=c"])
    func `what is no tag list is none at all`(_ text: String) {
        #expect(throws: TagList.Fault.self) { try Self.tags(text) }
    }

    @Test func `a list without end is none`() {
        let many = (0...TagList.most).map { "a\($0)=x" }.joined(separator: ";")
        #expect(throws: TagList.Fault.tooMany) { try Self.tags(many) }
    }

    @Test(
        arguments: [
            ("dGVzdA==", "test"), ("dGVzdA", "test"), (" dG\r\n\tVz dA = = ", "test"), ("dGVz", "tes"), ("", nil),
            ("dGVzd", nil),
            ("dGV*dA==", nil), ("====", nil), ("dG=zdA==", nil), ("dGVzdA====", nil),
        ] as [(String, String?)])
    func `base64 may be folded, and lack its padding`(_ text: String, _ expected: String?) {
        #expect(Array(text.utf8)[...].foldedBase64 == expected.map { Array($0.utf8) })
    }

    // MARK: Keys

    static let rsa = try? cryptography.signingKey(pem: Array(SampleKeys.rsa1024.utf8)).publicKey
    static let edKey = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

    @Test func `an RSA key is read from both of its forms`() throws {
        let info = try #require(Self.rsa)
        let key = try #require(RSAPublicKey.read(info))
        #expect(key.bits == 1024)
        // What stands in the bit string, behind 22 octets of header, is the bare key.
        #expect(RSAPublicKey.read(Array(info.dropFirst(22))) == key)
    }

    @Test func `no part and no change of a key is taken for one, and none traps`() throws {
        let info = try #require(Self.rsa)
        for count in 0..<info.count { #expect(RSAPublicKey.read(Array(info.prefix(count))) == nil) }
        for place in info.indices {
            for value in [0x00, 0x7F, 0x80, 0xFF] as [UInt8] {
                var changed = info
                changed[place] = value
                guard let key = RSAPublicKey.read(changed) else { continue }
                #expect(try !Self.cryptography.verify([1, 2, 3], of: [4], by: key))
            }
        }
        #expect(RSAPublicKey.read(info + [0]) == nil)
    }

    @Test(
        arguments: [
            ("v=DKIM1; k=ed25519; p=\(edKey)", nil), ("k=ed25519; p=\(edKey); x=y", nil),
            ("v=DKIM1; k=ed25519; h=sha1:sha256; s=*; t=y:s; n=a note; p=\(edKey)", nil),
            ("k=ed25519; s=email:tlsrpt; p=\(edKey)", nil), ("v=DKIM1; p=", "the key is withdrawn"),
            ("v=DKIM2; p=\(edKey)", "v= is not"), ("k=ed25519; v=DKIM1; p=\(edKey)", "v= is not"),
            ("k=ed25519; h=sha1; p=\(edKey)", "h= has no sha256"),
            ("k=ed25519; s=tlsrpt; p=\(edKey)", "s= has no email"),
            ("k=dsa; p=\(edKey)", "k=dsa"), ("p=\(edKey)", "no RSA key"), ("k=ed25519; p=AAAA", "no Ed25519 key"),
            ("k=ed25519", "no p="), ("v=DKIM1; k=rsa; omgwhatsgoingon", "is not a tag"), ("p=*", "not base64"),
            ("v=spf1 -all", "v= is not"),
        ] as [(String, String?)])
    func `a key record is a key, or says why not`(_ text: String, _ fault: String?) {
        do throws(KeyRecord.Fault) {
            let record = try KeyRecord(Array(text.utf8))
            #expect(fault == nil)
            #expect(record.key.algorithm == .ed25519SHA256 && record.key.bits == 256)
            #expect(record.isTesting == text.contains("t=y") && record.isStrict == text.contains(":s;"))
        } catch {
            #expect(fault.map { "\(error)".contains($0) } == true, "\(error)")
        }
    }

    @Test func `a record without end is none`() {
        let text = "k=ed25519; p=\(Self.edKey); n=" + String(repeating: "x", count: KeyRecord.longest)
        #expect(throws: KeyRecord.Fault.self) { try KeyRecord(Array(text.utf8)) }
    }

    @Test func `of several records the first that is a key counts`() throws {
        let records = ["v=spf1 -all", "k=ed25519; p=\(Self.edKey)"].map { DNSRecord.text(Array($0.utf8)) }
        #expect(try KeyRecord.choose(records).get().key.bits == 256)
        #expect(throws: KeyRecord.Fault.self) { try KeyRecord.choose([]).get() }
    }

    // MARK: Canonical forms

    /// RFC 6376 §3.4.5, and what its sections say beside.
    @Test(
        arguments: [
            (" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"), ("", "\r\n", ""),
            ("\r\n\r\n", "\r\n", ""),
            (" \r\n\t\r\n", " \r\n\t\r\n", ""), ("a", "a\r\n", "a\r\n"), ("a ", "a \r\n", "a\r\n"),
            ("\r\na", "\r\na\r\n", "\r\na\r\n"),
            ("a\r\n \r\nb\r\n", "a\r\n \r\nb\r\n", "a\r\n\r\nb\r\n"), ("a\rb\r\n", "a\rb\r\n", "a\rb\r\n"),
            ("a \r b\nc \n", "a \r b\nc \n\r\n", "a \r b\nc \n\r\n"), ("\r", "\r\r\n", "\r\r\n"),
            ("a\r\n\r", "a\r\n\r\r\n", "a\r\n\r\r\n"), ("a\r\r\n", "a\r\r\n", "a\r\r\n"),
            ("  a  b\t\tc  \r\n", "  a  b\t\tc  \r\n", " a b c\r\n"),
        ])
    func `a body has its canonical forms`(_ body: String, _ simple: String, _ relaxed: String) {
        let octets = Bytes(Array(body.utf8))
        #expect(String(decoding: SignatureFuzzing.canonical(octets, .simple), as: UTF8.self) == simple)
        #expect(String(decoding: SignatureFuzzing.canonical(octets, .relaxed), as: UTF8.self) == relaxed)
    }

    @Test func `a body larger than every buffer comes out as a small one does`() async throws {
        let line = "word  word\tword \r\n"
        let body = Bytes(Array(String(repeating: line + "\r\n", count: 20_000).utf8) + [.cr, .lf])
        let expected = String(repeating: "word word word\r\n\r\n", count: 20_000).dropLast(1)
        #expect(String(decoding: SignatureFuzzing.canonical(body, .relaxed), as: UTF8.self) == String(expected))
        let digest = try await BodyDigest.of(body, .relaxed, Self.cryptography)
        #expect(digest.total == expected.utf8.count && digest.covered == digest.total)
        let half = try await BodyDigest.of(body, .relaxed, length: 40_000, Self.cryptography)
        #expect(half.covered == 40_000 && half.total == digest.total)
        let begin = Bytes(Array(expected.utf8.prefix(40_000)))
        let expectedHalf = try Self.cryptography.sha256 { sink in begin.withUnsafeBytes { sink($0) } }
        #expect(half.value == expectedHalf)
    }

    @Test(
        arguments: [
            ("A: X\r\n", "a:X\r\n"), ("B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"),
            ("SUBJect:\r\n  x\r\n \ty  z\r\n", "subject:x y z\r\n"),
            ("Empty:\r\n", "empty:\r\n"), ("Empty: \r\n \r\n", "empty:\r\n"),
        ])
    func `a field has its relaxed form`(_ raw: String, _ expected: String) throws {
        let field = try #require(Self.fields(raw).first)
        var relaxed: [UInt8] = []
        HeaderCanonicalization.append(field, .relaxed, to: &relaxed)
        #expect(String(decoding: relaxed, as: UTF8.self) == expected)
        var simple: [UInt8] = []
        HeaderCanonicalization.append(field, .simple, to: &simple)
        #expect(String(decoding: simple, as: UTF8.self) == raw)
    }

    @Test(
        arguments: [
            ("a=1; b=abc", "a=1; b="), ("b=abc; a=1", "b=; a=1"), (" b = a\r\n b ; bh=x", " b =; bh=x"),
            ("bh=b=c; b=", "bh=b=c; b="),
            ("B=x; bb=y", "B=x; bb=y"), ("a=1;b=x;", "a=1;b=;"), ("b", "b"),
        ])
    func `the signature is taken out of its own field, and nothing else is`(_ value: String, _ expected: String) {
        let left = HeaderCanonicalization.withoutSignature(Array(value.utf8)[...])
        #expect(String(decoding: left, as: UTF8.self) == expected)
    }

    static func fields(_ raw: String) throws -> [HeaderField] {
        try Message(parsing: Bytes(Array("\(raw)\r\n".utf8))).header.fields
    }

    @Test func `names mean fields from below, and then nothing`() throws {
        let header = Header(fields: try Self.fields("A: 1\r\nB: 2\r\na: 3\r\n"))
        let octets = SignedFields.canonicalized(["A", "x", "a", "A", "b"], of: header, .relaxed)
        #expect(String(decoding: octets, as: UTF8.self) == "a:3\r\na:1\r\nb:2\r\n")
    }

    /// What a fuzzer found first, again and again: pieces of what is right, in any order, with any octets between.
    @Test func `no octets at all make any of it trap`() {
        var random = SeededRandom(6376)
        let pieces = [
            Self.good, "v=DKIM1; k=ed25519; p=\(Self.edKey)", "ARC-Seal: i=1; cv=none; ",
            "ARC-Message-Signature: i=1; ", ";", "=", "b=",
            "\r\n", " ", "\r", "\n", "\r\n\r\n", ":", "ARC-Authentication-Results: i=1; x", "From: a@b.example\r\n",
        ].map { Array($0.utf8) }
        for _ in 0..<5000 {
            var octets: [UInt8] = []
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                octets += pieces[Int.random(in: pieces.indices, using: &random)]
                if Bool.random(using: &random) { octets.append(UInt8.random(in: 0...255, using: &random)) }
            }
            SignatureFuzzing.tags(octets)
            SignatureFuzzing.message(octets)
        }
    }

    // MARK: Signatures

    static let good = "v=1; a=rsa-sha256; d=Example.org; s=s1; h=from : To; bh=dGVzdA==; b=dGVzdA=="

    @Test func `a signature is read`() throws {
        let field = HeaderField(
            name: "DKIM-Signature", value: "\(Self.good); i=a@x.example.org; l=5; t=7; x=9; q=dns/txt")
        let signature = try MessageSignature(dkim: field)
        #expect(signature.base.keyName == "s1._domainkey.example.org")
        #expect(signature.signedNames == ["from", "To"])
        #expect(signature.headerMode == .simple && signature.bodyMode == .simple)
        #expect(signature.length == 5 && signature.expiry == 9 && signature.base.time == 7)
    }

    @Test(
        arguments: [
            ("v=1", "v=2", "v= is not 1"), ("rsa-sha256", "rsa-sha1", "broken or unknown"),
            ("d=Example.org", "d=a..b", "d= is"),
            ("s=s1", "s=", "s= is"), ("h=from : To", "h=to", "From is not signed"), ("bh=dGVzdA==", "bh=?", "bh= is"),
            ("b=dGVzdA==", "b=", "b= is"), ("v=1", "v=1; c=relaxed/x", "c= is not known"),
            ("v=1", "v=1; l=-1", "l= is no number"),
            ("v=1", "v=1; i=a@example.com", "i= is not"), ("v=1", "v=1; i=a@badexample.org", "i= is not"),
            ("v=1", "v=1; t=9; x=8", "x= is not behind t="), ("v=1", "v=1; t=9; x=9", "x= is not behind t="),
            ("v=1", "v=1; q=http", "q= has no"), ("v=1", "v=1; l=99999999999999999999", "l= is no number"),
            ("d=Example.org; ", "", "d= is"),
        ])
    func `a signature with a fault is none`(_ part: String, _ wrong: String, _ reason: String) {
        let value = Self.good.replacing(part, with: wrong, maxReplacements: 1)
        do throws(SignatureFault) {
            _ = try MessageSignature(dkim: HeaderField(name: "DKIM-Signature", value: value))
            Issue.record("taken: \(value)")
        } catch { #expect(error.description.contains(reason), "\(error)") }
    }

    @Test(
        arguments: [
            ("example.org", "example.org", true), ("a.example.org", "example.org", true),
            ("aexample.org", "example.org", false),
            (".example.org", "example.org", false), ("org", "example.org", false),
        ])
    func `a domain is within itself and what is above it`(_ name: String, _ parent: String, _ expected: Bool) {
        #expect(DomainName.isWithin(name, parent) == expected)
    }
}
