import Foundation
import MailTypes
import Pipeline
import Sandbox
import SluiceTesting
import Testing

@testable import Filters

/// OpenDKIM verifies what Sluice signs, and Sluice what OpenDKIM signs, each with its real stages.
@Suite struct OpenDKIMTests {
    static let verifying = """
        Mode v
        TestPublicKeys FOLDER/keys
        AlwaysAddARHeader yes
        AuthservID mx.there.example
        RequireSafeKeys no

        """

    private static func keys() throws -> String {
        try SigningSuiteTests.records().map { "\($0.name) \($0.value)\n" }.joined()
    }

    /// The results that OpenDKIM gives to a message's signatures.
    private static func verdicts(_ said: String) -> [String] {
        let results = OpenDKIMPeer.field("Authentication-Results", in: said) ?? ""
        return results.matches(of: /dkim=([a-z]+)/).map { String($0.1) }
    }

    @Test func `what we sign verifies in OpenDKIM, in all canonical forms, with RSA, Ed25519 and both`() async throws {
        let peer = try OpenDKIMPeer()
        defer { peer.remove() }
        let cases = try await SigningSuiteTests.dkimCases()
        let said = try peer.judge(cases.map(\.message.latin1), Self.verifying, files: ["keys": try Self.keys()])
        for (one, said) in zip(cases, said) {
            #expect(
                Self.verdicts(said) == Array(repeating: "pass", count: one.count), "\(one.name): \(said.prefix(3000))")
        }
    }

    @Test func `what was changed behind our back does not`() async throws {
        let peer = try OpenDKIMPeer()
        defer { peer.remove() }
        let cases = try await SigningSuiteTests.dkimCases().filter { $0.name.hasSuffix(" usual") }
        #expect(cases.count == 16)
        let changed = cases.map { $0.message.replacing("Hello.", with: "Hullo.").latin1 }
        let said = try peer.judge(changed, Self.verifying, files: ["keys": try Self.keys()])
        for (one, said) in zip(cases, said) {
            #expect(
                Self.verdicts(said) == Array(repeating: "fail", count: one.count), "\(one.name): \(said.prefix(3000))")
        }
    }

    // MARK: Signed by OpenDKIM

    struct Key: Sendable, CustomTestStringConvertible {
        let selector: String
        let algorithm: String
        let pem: String
        var testDescription: String { "\(algorithm) with \(selector)" }
    }

    static let signers = [
        Key(selector: "rsa", algorithm: "rsa-sha256", pem: SampleKeys.rsa2048),
        Key(selector: "small", algorithm: "rsa-sha256", pem: SampleKeys.rsa1024),
        Key(selector: "ed", algorithm: "ed25519-sha256", pem: SampleKeys.ed25519),
    ]

    /// Debian's OpenDKIM makes Ed25519 signatures that it does not find valid itself, nor does dkimpy.
    @Test(arguments: signers)
    func `what OpenDKIM signs verifies here as it verifies there, in all canonical forms`(_ key: Key) async throws {
        let peer = try OpenDKIMPeer()
        defer { peer.remove() }
        let records = try SigningSuiteTests.records().map { SuiteRecord(name: $0.name, type: "TXT", value: $0.value) }
        let world = DKIMSuiteTests.World(MemoryZone(records))
        defer { world.pool.stop() }
        let messages = SigningSuiteTests.bodies.map { ($0.key, SigningSuiteTests.message($0.value)) }
        for header in Canonicalization.allCases {
            for body in Canonicalization.allCases {
                let settings = """
                    Mode s
                    Domain \(SigningSuiteTests.domain)
                    Selector \(key.selector)
                    KeyFile FOLDER/key.pem
                    SignatureAlgorithm \(key.algorithm)
                    Canonicalization \(header.rawValue)/\(body.rawValue)
                    OversignHeaders From
                    RequireSafeKeys no

                    """
                let octets = messages.map { $0.1.pieces.flatMap(\.array) }
                let said = try peer.judge(octets, settings, files: ["key.pem": key.pem])
                var own: [(String, Message)] = []
                for ((title, message), said) in zip(messages, said) {
                    let value = try #require(OpenDKIMPeer.field("DKIM-Signature", in: said), "\(said)")
                    #expect(value.contains("a=\(key.algorithm);"))
                    let field = Array("DKIM-Signature:\(value.hasPrefix(" ") ? "" : " ")\(value)\r\n".utf8)
                    let signed = try Message(parsing: Bytes(field + message.pieces.flatMap(\.array)))
                    own.append(("\(header.rawValue)/\(body.rawValue) \(title)", signed))
                }
                let verified = try peer.judge(
                    own.map { $0.1.pieces.flatMap(\.array) }, Self.verifying, files: ["keys": try Self.keys()])
                for ((title, signed), said) in zip(own, verified) {
                    let isValid = Self.verdicts(said) == ["pass"]
                    #expect(isValid || key.algorithm == "ed25519-sha256", "\(title): \(said.prefix(3000))")
                    let wanted: AuthenticationResults.Result = isValid ? .pass : .fail
                    #expect(try await DKIMSuiteTests.results(signed, in: world) == [wanted], "\(title)")
                    #expect(try await (DKIMSuiteTests.check(signed, in: world.zone) == [.pass]) == isValid, "\(title)")
                    var changed = signed
                    changed.body = Bytes(Array("x".utf8) + signed.body.array)
                    #expect(try await DKIMSuiteTests.results(changed, in: world) == [.fail], "\(title)")
                }
            }
        }
    }
}
