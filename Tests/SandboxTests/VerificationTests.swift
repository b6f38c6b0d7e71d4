import Foundation
import MailTypes
import Pipeline
import Testing

@testable import Sandbox

/// What libopendkim finds, as the worker tells it.
@Suite struct VerificationTests {
    static func verify(
        _ message: Message, keys: [String: LookUpAnswer] = SignedSample.keys, most: Int = 10
    ) throws -> [SignatureReport] {
        let verification = try SignatureVerification(DKIMLibrary(), message, most: most)
        let answers = verification.questions.map { ($0, keys[$0] ?? .nothing) }
        return verification.finish(with: Dictionary(uniqueKeysWithValues: answers))
    }

    static func one(_ name: String, keys: [String: LookUpAnswer] = SignedSample.keys) throws -> SignatureReport {
        let reports = try verify(SignedSample.message([name]), keys: keys)
        #expect(reports.count == 1)
        return try #require(reports.first)
    }

    @Test func `the example of RFC 8463 is valid twice`() throws {
        try SelfTest.run(DKIMLibrary())
        let reports = try Self.verify(Message(parsing: Bytes(SelfTest.octets)), keys: SelfTest.keys)
        #expect(reports.map(\.fault) == [nil, nil])
        #expect(reports.map(\.algorithm) == ["ed25519-sha256", "rsa-sha256"])
        #expect(reports.map(\.selector) == ["brisbane", "test"])
        #expect(reports.map(\.signature) == ["/gCrinpc", "F45dVWDf"])
        #expect(reports.map(\.keyBits) == [256, 1024])
        #expect(reports.allSatisfy { $0.domain == "football.example.com" && $0.identity == "@football.example.com" })
        #expect(reports.allSatisfy { $0.bodyLength == nil && $0.uncoveredFroms == 0 && !$0.isTest })
    }

    @Test(
        arguments: [
            ("plain", nil), ("simple", nil), ("edwards", nil), ("short", nil), ("old", nil), ("partial", nil),
            ("whole", nil), ("subdomain", nil), ("oversigned", nil), ("beyond", .shortBody), ("expired", .expired),
            ("noFrom", .unsignedFrom), ("stranger", .identity),
        ] as [(String, SignatureReport.Fault?)])
    func `a signature is valid, or has the fault that it was made with`(
        _ name: String, _ fault: SignatureReport.Fault?
    ) throws {
        let report = try Self.one(name)
        #expect(report.fault == fault, "\(report)")
        #expect((report.reason == nil) == (fault == nil))
        #expect(report.domain == "signer.example")
    }

    @Test func `each signature on a message has its own report, in order`() throws {
        let reports = try Self.verify(SignedSample.message(["plain", "expired", "edwards", "short"]))
        #expect(reports.map(\.selector) == ["long", "long", "edwards", "short"])
        #expect(reports.map(\.fault) == [nil, .expired, nil, nil])
        #expect(reports.map(\.keyBits) == [2048, 0, 256, 768])
    }

    @Test func `what l= covers is measured in canonical octets`() throws {
        #expect(try Self.one("partial").bodyLength == .init(signed: 11, whole: 23))
        #expect(try Self.one("whole").bodyLength == .init(signed: 23, whole: 23))
        #expect(try Self.one("plain").bodyLength == nil)
        let longer = try SignedSample.message(["partial"], body: "One line.\r\n<b>Anything</b>\r\n")
        let report = try #require(try Self.verify(longer).first)
        #expect(report.fault == nil)
        #expect(report.bodyLength == .init(signed: 11, whole: 28))
    }

    @Test(arguments: ["plain", "simple", "edwards", "whole"])
    func `a last line without an end is verified as if it had one`(_ name: String) throws {
        let open = String(SignedSample.body.dropLast())
        #expect(!open.hasSuffix("\n"))
        #expect(try Self.verify(SignedSample.message([name], body: open)).map(\.fault) == [nil])
    }

    @Test(arguments: ["\t", " \t"])
    func `a signature whose name has more behind it is broken, and costs the others nothing`(_ text: String) throws {
        let sound = try SignedSample.message(["plain"])
        let field = "DKIM-Signature\(text): \(try #require(SignedSample.signatures["plain"]))\r\n"
        let message = try Message(parsing: Bytes(Array(field.utf8) + sound.pieces.flatMap(\.array)))
        #expect(try Self.verify(message).map(\.fault) == [.syntax, nil])
    }

    // MARK: Changed mail

    @Test func `a change of the body or a signed field is found`() throws {
        let body = try SignedSample.message(["plain"], body: SignedSample.body + "More.\r\n")
        #expect(try Self.verify(body).map(\.fault) == [.body])
        let subject = SignedSample.header.replacing("Fixed", with: "Other")
        #expect(try Self.verify(SignedSample.message(["plain"], header: subject)).map(\.fault) == [.signature])
        let respaced = SignedSample.header.replacing("Fixed  words", with: "Fixed words ")
        #expect(try Self.verify(SignedSample.message(["plain"], header: respaced)).map(\.fault) == [nil])
        #expect(try Self.verify(SignedSample.message(["simple"], header: respaced)).map(\.fault) == [.signature])
    }

    @Test func `a second From that nobody signed is counted, unless the signature forbids it`() throws {
        let two = "From: Eve <eve@other.example>\r\n" + SignedSample.header
        let plain = try #require(try Self.verify(SignedSample.message(["plain"], header: two)).first)
        #expect(plain.fault == nil && plain.uncoveredFroms == 1)
        let oversigned = try #require(try Self.verify(SignedSample.message(["oversigned"], header: two)).first)
        #expect(oversigned.fault == .signature)
    }

    @Test func `a NUL in the header makes every signature unreadable`() throws {
        let hidden = SignedSample.header.replacing("words", with: "words\u{0} and more")
        #expect(try Self.verify(SignedSample.message(["plain"], header: hidden)).map(\.fault) == [.syntax])
    }

    @Test func `a word beyond what the library hashes is not passed over`() throws {
        let long = try SignedSample.message(["partial"], body: "One line.\r\n" + String(repeating: "x", count: 70_000))
        let reports = try Self.verify(long)
        #expect(reports.map(\.fault) == [.tooLarge], "\(reports)")
    }

    // MARK: Broken signatures

    @Test(
        arguments: [
            "", "v=1", "v=1; a=rsa-sha256; d=x; s=y; h=from; b=", "\u{1}\u{2}", "v=2; a=rsa-sha256; c=x/y; d=a.example",
            "v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=YQ==; b=YQ==; t=-5",
            "v=1; a=rsa-sha256; d=a example!; s=s; h=from; bh=YQ==; b=YQ==",
            "v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=YQ==; b=YQ==; x=18446744073709551615",
            "v=1; a=nothing; d=a.example; s=s; h=from; bh=YQ==; b=YQ==",
            "v=1; a=rsa-sha256; c=odd/odd; d=a.example; s=s; h=from; bh=YQ==; b=YQ==",
            "v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=YQ==; b=YQ==; l=-1", "=;=;=;", ";;;;", "b", "v=1;v=1;v",
        ])
    func `what cannot be read is no signature, and its neighbours stay valid`(_ value: String) throws {
        let good = try #require(SignedSample.signatures["plain"])
        let fields = "DKIM-Signature: \(value)\r\nDKIM-Signature: \(good)\r\nDKIM-Signature: \(value)\r\n"
        let text = fields + SignedSample.header + "\r\n" + SignedSample.body
        let reports = try Self.verify(Message(parsing: Bytes(Array(text.utf8))))
        #expect(reports.count == 3)
        #expect(reports.map { $0.result == .pass } == [false, true, false], "\(reports)")
    }

    /// Names that two readers might read as two, and what they are in the signature's place.
    @Test(
        arguments: [
            ("d", "signer.example'a.evil.example"), ("d", "signer.example(.evil.example"), ("d", "signer..example"),
            ("d", "\"signer.example\".evil.example"), ("d", "signer.example,evil.example"), ("d", ".signer.example"),
            ("d", "signer.example."), ("d", "signer.exämple"), ("d", String(repeating: "a", count: 64) + ".example"),
            ("s", "long._domainkey.signer.example'"), ("s", "long/../x"), ("s", "lo\\ng"), ("s", "long.."),
        ])
    func `R68: a domain or selector that is no name is asked for nowhere`(_ tag: String, _ name: String) throws {
        let good = try #require(SignedSample.signatures["plain"])
        let old = tag == "d" ? "d=signer.example" : "s=long"
        let field = "DKIM-Signature: \(good.replacing(old, with: "\(tag)=\(name)"))\r\n"
        let message = try Message(
            parsing: Bytes(Array((field + SignedSample.header + "\r\n" + SignedSample.body).utf8)))
        let verification = try SignatureVerification(DKIMLibrary(), message, most: 1)
        #expect(verification.questions == [])
        #expect(verification.finish(with: [:]).map(\.fault) == [.syntax])
    }

    @Test(arguments: ["d=other.example", "s=other", "h=to", "l=0", "a=rsa-sha1", "bh=AAAA", "x=1"])
    func `R66: a signature with a tag twice is none`(_ tag: String) throws {
        let good = try #require(SignedSample.signatures["partial"])
        for value in ["\(tag); \(good)", "\(good); \(tag)"] where good.contains("\(tag.prefix { $0 != "=" })=") {
            let field = "DKIM-Signature: \(value)\r\n"
            let message = try Message(
                parsing: Bytes(Array((field + SignedSample.header + "\r\n" + SignedSample.body).utf8)))
            #expect(try Self.verify(message).map(\.fault) == [.syntax])
        }
    }

    @Test func `R67: a body is hashed in four ways at most`() throws {
        let good = try #require(SignedSample.signatures["plain"])
        let fields = (0..<6).map { "DKIM-Signature: \(good.replacing("bh=", with: "l=\($0); bh="))\r\n" }.joined()
        let text = fields + "DKIM-Signature: \(good.replacing("h=from:to", with: "l=0; h=from:to"))\r\n"
        let message = try Message(
            parsing: Bytes(Array((text + SignedSample.header + "\r\n" + SignedSample.body).utf8)))
        let reports = try Self.verify(message)
        #expect(reports.map { $0.fault == .tooLarge } == [false, false, false, false, true, true, false])
        #expect(reports.allSatisfy { $0.fault != nil })
    }

    @Test func `h= without end is not read`() throws {
        let good = try #require(SignedSample.signatures["plain"])
        let names = String(repeating: ":x", count: 4000)
        let field = "DKIM-Signature: \(good.replacing("h=from", with: "h=from\(names)"))\r\n"
        let message = try Message(
            parsing: Bytes(Array((field + SignedSample.header + "\r\n" + SignedSample.body).utf8)))
        #expect(try Self.verify(message).map(\.fault) == [.tooLarge])
    }

    @Test func `only so many are looked at, and the rest have one report`() throws {
        let message = try SignedSample.message(Array(repeating: "plain", count: 12))
        let reports = try Self.verify(message, most: 3)
        #expect(reports.map(\.fault) == [nil, nil, nil, .surplus])
        #expect(try Self.verify(message, most: 12).map(\.fault) == Array(repeating: nil, count: 12))
    }

    @Test func `R67: of too many the author's own is looked at, wherever it stands`() throws {
        let own = try #require(SignedSample.signatures["plain"])
        let others = (0..<30).map { "DKIM-Signature: \(own.replacing("d=signer", with: "d=other\($0)"))\r\n" }.joined()
        let text = others + "DKIM-Signature: \(own)\r\n" + SignedSample.header + "\r\n" + SignedSample.body
        let message = try Message(parsing: Bytes(Array(text.utf8)))
        let verification = try SignatureVerification(DKIMLibrary(), message, most: 10)
        #expect(verification.questions.count == 10 && verification.questions.last == "long._domainkey.signer.example")
        let reports = try Self.verify(message, most: 10)
        #expect(reports.map(\.fault) == Array(repeating: .noKey, count: 9) + [nil, .surplus])
    }

    static let tooLong = String(repeating: "x.", count: 200) + "example.org"

    @Test(
        arguments: [
            ("a@example.org", ["x.net", "example.org", "y.net"], 1),
            ("a@example.org", ["x.net", "mail.example.org", "example.org"], 2),
            ("a@mail.example.org", ["x.org", "example.org", "x.net"], 1),
            ("a@one.example.org", ["x.org", "b.a.example.org", "two.example.org"], 2),
            ("a@example.org", ["x.net", "EXAMPLE.org", "y.net"], 1),
            ("a@x.net, b@example.org", ["example.org", "z.net", "y.net"], 0),
            ("nobody", ["x.net", "example.org", "y.net"], 0), ("a@example.org", ["x.net", "y.net"], 0),
            ("a@example.org", ["badexample.org", "org", "x.example.org"], 2),
            ("a@example.org", ["", tooLong, "x.net"], 0),
            ("a@b\u{FC}cher.example", ["x.net", "list.example", "xn--bcher-kva.example"], 2),
        ] as [(String, [String], Int)])
    func `the nearer to the author, the earlier it is looked at`(
        _ author: String, _ signers: [String], _ chosen: Int
    ) throws {
        let signatures = signers.map { "DKIM-Signature: v=1; d = \($0); s=x\r\n" }.joined()
        let message = try Message(parsing: Bytes(Array((signatures + "From: \(author)\r\n\r\n").utf8)))
        #expect(SignatureChoice(in: message.header, most: 1).places == [chosen])
        #expect(SignatureChoice(in: message.header, most: signers.count).places == Set(signers.indices))
        #expect(SignatureChoice(in: message.header, most: 0).places == [])
    }

    @Test func `R67: what others want hashed takes no room from the author's signature`() throws {
        let junk = (0..<4).map {
            "DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=s; h=from; l=\($0); bh=AA; b=AA\r\n"
        }
        let sound = try SignedSample.message(["plain"]).pieces.flatMap(\.array)
        let message = try Message(parsing: Bytes(Array(junk.joined().utf8) + sound))
        let reports = try Self.verify(message)
        #expect(reports.last?.fault == nil && reports.last?.domain == "signer.example", "\(reports)")
        #expect(reports.count { $0.reason?.contains("too many ways") == true } == 1)
        // The library would go by the last of two.
        let twice = junk.map { $0.replacing("bh=AA", with: "l=\($0.utf8.count); bh=AA") }
        let other = try Message(parsing: Bytes(Array(twice.joined().utf8) + sound))
        #expect(try Self.verify(other).map(\.fault) == [.syntax, .syntax, .syntax, .syntax, nil])
    }

    @Test(arguments: ["!", "??", ".", "\"", "\u{E9}"])
    func `R65: a signature has one spelling`(_ octets: String) throws {
        let value = try #require(SignedSample.signatures["plain"])
        let place = try #require(value.range(of: "b=", options: .backwards))
        let other = value.replacingCharacters(in: place, with: "b=\(octets)")
        let text = "DKIM-Signature: \(other)\r\n\(SignedSample.header)\r\n\(SignedSample.body)"
        let message = try Message(parsing: Bytes(Array(text.utf8)))
        #expect(try Self.verify(message).map(\.fault) == [.syntax])
    }

    // MARK: Keys

    @Test func `a key's name is asked once`() throws {
        let message = try SignedSample.message(["plain", "simple", "edwards"])
        let verification = try SignatureVerification(DKIMLibrary(), message, most: 5)
        #expect(verification.questions == ["long._domainkey.signer.example", "edwards._domainkey.signer.example"])
    }

    @Test func `what DNS has at the key's name decides`() throws {
        let name = "long._domainkey.signer.example"
        let key = "v=DKIM1; p=\(SignedSample.longKey)"
        let other = "v=spf1 -all"
        let rows: [(LookUpAnswer, SignatureReport.Fault?)] = [
            (.nothing, .noKey), (.failed, .unreachableKey), (.records([]), .noKey),
            (SignedSample.text(key), nil), (SignedSample.text(other, key), nil), (SignedSample.text(key, key), .badKey),
            (SignedSample.text("v=DKIM1; p="), .revokedKey), (SignedSample.text(other), .badKey),
            (SignedSample.text("v=DKIM2; p=x"), .badKey), (SignedSample.text("k=ed448; p=x"), .badKey),
            (SignedSample.text("s=web; p=\(SignedSample.longKey)"), .badKey),
            (SignedSample.text("h=sha1; p=\(SignedSample.longKey)"), .badKey),
            (SignedSample.text("p=!!!"), .badKey), (SignedSample.text(""), .badKey),
            (SignedSample.text("n=" + String(repeating: "x", count: 2000) + "; p=x"), .badKey),
            (SignedSample.text("p=\(SignedSample.shortKey)"), .signature),
            (SignedSample.text("v=DKIM1\u{0}; p=x"), .badKey),
            (SignedSample.text("\(key); p=\(SignedSample.shortKey)"), .badKey),
            (SignedSample.text("p=; \(key)"), .badKey),
            (SignedSample.text("\(key); n=a; n=b"), .badKey),
            (SignedSample.text(String(repeating: ";", count: 900)), .badKey),
        ]
        for (answer, fault) in rows {
            let report = try Self.one("plain", keys: [name: answer])
            #expect(report.fault == fault, "\(answer): \(report)")
        }
    }

    @Test func `an RSA key may come without its envelope`() throws {
        // What follows the 24 octets (32 letters) of the envelope is the bare key.
        let bare = String(SignedSample.longKey.dropFirst(32))
        let name = "long._domainkey.signer.example"
        let spaced = bare.prefix(40) + " \t" + bare.dropFirst(40)
        for record in ["p=\(bare)", "v=DKIM1; k=rsa; p = \(spaced); t=y"] {
            #expect(try Self.one("plain", keys: [name: SignedSample.text(record)]).fault == nil)
        }
    }

    @Test func `a key's flags are told, or obeyed`() throws {
        let key = "p=\(SignedSample.longKey)"
        let name = "long._domainkey.signer.example"
        #expect(try Self.one("plain", keys: [name: SignedSample.text("t=y; \(key)")]).isTest)
        #expect(try Self.one("subdomain", keys: [name: SignedSample.text("t=s; \(key)")]).fault == .identity)
        #expect(try Self.one("plain", keys: [name: SignedSample.text("t=s; \(key)")]).fault == nil)
    }

    @Test func `an Ed25519 signature needs a key that says so`() throws {
        let name = "edwards._domainkey.signer.example"
        for record in ["p=\(SignedSample.edwardsKey)", "k=rsa; p=\(SignedSample.edwardsKey)"] {
            #expect(try Self.one("edwards", keys: [name: SignedSample.text(record)]).fault == .badKey)
        }
    }

    @Test func `signatures of one domain are told apart by as much of b= as it takes`() {
        #expect(SignatureBeginning.length(["abcdefghij", "klmnopqrst"]) == 8)
        #expect(SignatureBeginning.length(["abcdefghij", "abcdefghik"]) == 10)
        #expect(SignatureBeginning.length(["abcdefghij", "abcdefghij"]) == 8)
        #expect(SignatureBeginning.length([]) == 8)
    }
}
