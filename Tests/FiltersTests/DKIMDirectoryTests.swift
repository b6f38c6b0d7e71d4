import Adapters
import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Synchronization
import Testing

@testable import Filters

/// Signing as the directory says: what operators change while mail flows.
@Suite struct DKIMDirectoryTests {
    typealias World = SignatureWorld

    /// The public key of a sample key, as the directory knows it.
    static func selector(_ name: String, _ pem: String = SampleKeys.rsa2048) throws -> SigningDomain.Selector {
        let key = try World.cryptography.signingKey(pem: Array(pem.utf8))
        return SigningDomain.Selector(
            name: name, algorithm: key.algorithm, publicKey: SelectorRecord.base64(key.publicKey))
    }

    static func services(
        _ active: [SigningDomain.Selector], _ change: (inout SigningSettings) -> Void = { _ in }
    ) -> MemoryServices {
        let services = MemoryServices()
        var domain = SigningDomain(name: "here.example", active: active)
        change(&domain.settings)
        services.directory.signing["here.example"] = domain
        return services
    }

    static let message = Message.sample(["From": "Bob <bob@here.example>"])
    static let session = Session.sample(language: .submission, user: "bob@here.example")

    static func sign(
        _ message: Message = message, _ session: Session = session, by services: any ServiceSource,
        _ policy: DKIMSign.Configuration = .init(), tools: StageTools = World.tools
    ) async throws -> Finding {
        try await DKIMSign(policy).equipped(with: tools)
            .message(message, in: .sample(session: session, services: services))
    }

    static func tags(_ finding: Finding) throws -> [String: String] {
        let value = try #require(finding.prepended("DKIM-Signature").first)
        let tags = try TagList(Array(value.utf8)[...]).tags
        return Dictionary(uniqueKeysWithValues: tags.map { ($0.name, String(decoding: $0.value, as: UTF8.self)) })
    }

    @Test func `the active keys of the directory sign, both kinds together`() async throws {
        let active = [try Self.selector("s1"), try Self.selector("e1", SampleKeys.ed25519)]
        let finding = try await Self.sign(by: Self.services(active))
        #expect(finding.note == "signed as here.example (s1, e1), by the directory")
        let signed = World.apply(finding, to: Self.message)
        #expect(try await World.checkDKIM(signed, in: World.zone()) == [.pass, .pass])
    }

    @Test func `traces from before domains could be disabled are read`() throws {
        let old = #"{"name":"here.example","active":[],"settings":{"sign":true,"subdomains":false}}"#
        let domain = try JSONDecoder().decode(SigningDomain.self, from: Data(old.utf8))
        #expect(domain == SigningDomain(name: "here.example", active: []))
        var disabled = domain
        disabled.isDisabled = true
        #expect(try JSONDecoder().decode(SigningDomain.self, from: JSONEncoder().encode(disabled)) == disabled)
    }

    @Test func `judged again without its key, it says what it would sign`() async throws {
        let active = [try Self.selector("s1"), try Self.selector("e1", SampleKeys.ed25519)]
        let services = Self.services(active)
        var tools = World.tools
        tools.keys = NoKeys()
        await #expect(throws: StageFailure.self) { try await Self.sign(by: services, tools: tools) }
        tools.mayLackKeys = true
        let finding = try await Self.sign(by: services, tools: tools)
        let note = try #require(finding.note)
        #expect(note == "would be signed as here.example (s1, e1), by the directory; the key is not here: none")
        #expect(KeyAbsence.claim(of: note) == (try await Self.sign(by: services)).note)
        #expect(KeyAbsence.claim(of: "signed as here.example (s1)") == nil)
        // Those that the file names are not missed before there is something to sign.
        var policy = DKIMSign.Configuration()
        policy.domains["here.example"] = DKIMSign.DomainSigning(active: ["s1"])
        let filed = try await Self.sign(by: MemoryServices(), policy, tools: tools)
        #expect(filed.note?.hasPrefix("would be signed as here.example (s1); the key is not here: ") == true)
        #expect(filed.edits.isEmpty && finding.edits.isEmpty)
        tools.mayLackKeys = false
        #expect(throws: SignatureFault.self) { try DKIMSign(policy).equipped(with: tools) }
    }

    private struct NoKeys: SigningKeyFiles {
        func contents(domain: String, selector: String) throws(CryptographyFailure) -> [UInt8] {
            throw CryptographyFailure("none")
        }

        func stamp(domain: String, selector: String) throws(CryptographyFailure) -> KeyFileStamp {
            throw CryptographyFailure("none")
        }
    }

    @Test func `a disabled domain does not sign, by nobody's word`() async throws {
        let services = MemoryServices()
        var domain = SigningDomain(name: "here.example", active: [])
        domain.settings.sign = false
        domain.isDisabled = true
        services.directory.signing["here.example"] = domain
        var policy = DKIMSign.Configuration()
        policy.domains["here.example"] = DKIMSign.DomainSigning(active: ["s1"])
        policy.networks = ["192.0.2.0/24"]
        let session = Session.sample()
        let finding = try await Self.sign(Self.message, session, by: services, policy)
        #expect(finding.note == "not signed: here.example is disabled, by the directory" && finding.edits.isEmpty)
    }

    @Test func `its settings hold, and what it leaves open is as the file has it`() async throws {
        var policy = DKIMSign.Configuration()
        policy.headerCanonicalization = .simple
        policy.identity = true
        let services = Self.services([try Self.selector("s1")]) {
            $0.bodyCanonicalization = .simple
            $0.identity = false
            $0.length = true
        }
        let tags = try Self.tags(try await Self.sign(by: services, policy))
        #expect(tags["c"] == "simple/simple" && tags["i"] == nil && tags["l"] == "8")
    }

    /// Author, what the directory says for here.example, domains of the file, and who signs with what.
    static let precedence: [(String, Bool?, [String: Bool], String)] = [
        ("here.example", true, [:], "here.example s1"),
        ("here.example", true, ["here.example": true], "here.example s1"),
        ("here.example", nil, ["here.example": true], "here.example s2"),
        ("sub.here.example", true, [:], "here.example s1"),
        ("sub.here.example", false, [:], "-"),
        ("sub.here.example", true, ["sub.here.example": false], "sub.here.example s2"),
        ("sub.here.example", false, ["sub.here.example": false], "sub.here.example s2"),
        ("sub.here.example", false, ["here.example": true], "-"),
        ("far.example", true, ["here.example": true], "-"),
    ]

    @Test(arguments: precedence)
    func `the directory goes before the file, the nearer domain before the farther`(
        _ author: String, _ subdomains: Bool?, _ filed: [String: Bool], _ expected: String
    ) async throws {
        let services = MemoryServices()
        if let subdomains {
            services.directory = Self.services([try Self.selector("s1")]) { $0.subdomains = subdomains }.directory
        }
        var policy = DKIMSign.Configuration()
        policy.users = .any
        for (name, subdomains) in filed {
            policy.domains[name] = DKIMSign.DomainSigning(active: ["s2"])
            policy.domains[name]?.subdomains = subdomains
        }
        let finding = try await Self.sign(.sample(["From": "bob@\(author)"]), by: services, policy)
        let tags = finding.edits.isEmpty ? nil : try Self.tags(finding)
        #expect(tags.map { "\($0["d"] ?? "") \($0["s"] ?? "")" } ?? "-" == expected)
    }

    @Test func `signing can be off, and a domain may have no active key`() async throws {
        let off = try await Self.sign(by: Self.services([try Self.selector("s1")]) { $0.sign = false })
        #expect(off.edits == [] && off.note == "not signed: here.example does not sign, by the directory")
        let none = try await Self.sign(by: Self.services([]))
        #expect(none.edits == [] && none.note == "not signed: here.example has no active key, by the directory")
    }

    @Test func `only the algorithm that is set signs; without a key for it that is a failure`() async throws {
        let both = [try Self.selector("s1"), try Self.selector("e1", SampleKeys.ed25519)]
        let finding = try await Self.sign(by: Self.services(both) { $0.algorithm = .ed25519SHA256 })
        #expect(finding.prepended("DKIM-Signature").count == 1)
        #expect(try Self.tags(finding)["a"] == "ed25519-sha256")
        await #expect(throws: StageFailure("no active key of here.example is for rsa-sha256")) {
            try await Self.sign(by: Self.services([both[1]]) { $0.algorithm = .rsaSHA256 })
        }
    }

    @Test func `a 1024-bit key signs where the operator has made one`() async throws {
        let finding = try await Self.sign(by: Self.services([try Self.selector("weak", SampleKeys.rsa1024)]))
        #expect(try Self.tags(finding)["s"] == "weak")
    }

    @Test(arguments: ["nokey", "junk", "s1"])
    func `an active key that cannot be used is a failure, which says why`(_ name: String) async throws {
        // s1 is there, and is not the one that the directory knows.
        let selector = try Self.selector(name, SampleKeys.rsa1024)
        do {
            _ = try await Self.sign(by: Self.services([selector]))
            Issue.record("signed")
        } catch let failure as StageFailure {
            #expect(failure.reason.hasPrefix("the active key \(name) of here.example cannot be used: "))
            #expect(name != "s1" || failure.reason.hasSuffix("its file holds another key than the directory knows"))
        }
    }

    @Test func `of what strangers write the directory is not asked`() async throws {
        let services = Self.services([try Self.selector("s1")])
        #expect(try await Self.sign(Self.message, .sample(), by: services) == .none)
        #expect(services.asked.isEmpty)
    }

    @Test func `judged again from the facts alone, it signs alike; no fact holds a secret`() async throws {
        let services = Self.services([try Self.selector("s1"), try Self.selector("e1", SampleKeys.ed25519)])
        let transaction = Transaction.sample(session: Self.session, services: services)
        let stage = try DKIMSign(DKIMSign.Configuration()).equipped(with: World.tools)
        let finding = try await stage.message(Self.message, in: transaction)
        let facts = try JSONEncoder().encode(transaction.services.facts)
        let kept = try JSONDecoder().decode([Fact].self, from: facts)
        #expect(kept == transaction.services.facts)
        #expect(try await Self.sign(by: RecordedSource(kept)) == finding)
        let text = String(decoding: facts, as: UTF8.self)
        #expect(text.contains("rsa-sha256") && !text.contains("PRIVATE"))
        for line in SampleKeys.rsa2048.split(separator: "\n").dropFirst(8) { #expect(!text.contains(line)) }
    }

    // MARK: Files that change

    /// Files that count how often they are read.
    final class ChangingKeys: SigningKeyFiles {
        private let state = Mutex((pem: SampleKeys.rsa2048, change: 0, reads: 0, isGone: false))

        var reads: Int { state.withLock { $0.reads } }
        func replace(by pem: String) { state.withLock { ($0.pem, $0.change) = (pem, $0.change + 1) } }
        func remove() { state.withLock { $0.isGone = true } }

        func contents(domain: String, selector: String) throws(CryptographyFailure) -> [UInt8] {
            state.withLock { state in
                state.reads += 1
                return Array(state.pem.utf8)
            }
        }

        func stamp(domain: String, selector: String) throws(CryptographyFailure) -> KeyFileStamp {
            let (change, isGone) = state.withLock { ($0.change, $0.isGone) }
            if isGone { throw CryptographyFailure("No such file or directory") }
            return KeyFileStamp(inode: 1, size: 1, seconds: change, nanoseconds: 0)
        }
    }

    @Test func `a key is read once, and again when its file is another`() async throws {
        let files = ChangingKeys()
        let tools = StageTools(cryptography: World.cryptography, keys: files)
        let old = Self.services([try Self.selector("s1")])
        for _ in 0..<3 { _ = try await Self.sign(by: old, tools: tools) }
        #expect(files.reads == 1)
        files.replace(by: SampleKeys.ed25519)
        await #expect(throws: StageFailure.self) { try await Self.sign(by: old, tools: tools) }
        let new = Self.services([try Self.selector("s1", SampleKeys.ed25519)])
        #expect(try Self.tags(try await Self.sign(by: new, tools: tools))["a"] == "ed25519-sha256")
        #expect(files.reads == 2)
        files.remove()
        await #expect(throws: StageFailure.self) { try await Self.sign(by: new, tools: tools) }
    }

    @Test func `no more keys are kept than stated`() throws {
        let files = ChangingKeys()
        let tools = StageTools(cryptography: World.cryptography, keys: files)
        func read(_ number: Int) throws {
            _ = try tools.readKeys.key(domain: "d\(number).example", selector: "s1", from: files, World.cryptography)
        }
        for number in 0...SigningKeyCache.most { try read(number) }
        #expect(tools.readKeys.count == SigningKeyCache.most)
        // The last ones are at hand, the first one was let go.
        try read(SigningKeyCache.most)
        #expect(files.reads == SigningKeyCache.most + 1)
        try read(0)
        #expect(files.reads == SigningKeyCache.most + 2)
    }
}
