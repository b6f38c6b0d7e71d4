import Directory
import MailTypes
import Pipeline
import Testing

@Suite struct SplitEntryTests {
    private static func split(_ sample: Sample, _ domain: String) async throws -> SplitDomain? {
        guard case .splitDomain(let found) = try await sample.directory.answer(.splitDomain(domain)) else {
            return nil
        }
        return found
    }

    static let login = SealedLogin(name: "anna", sealedPassword: [1, 2, 3])

    private static func sample() throws -> Sample {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addSplitDomain(
                "acme.test", partner: NewRelay(host: "192.0.2.9", port: 25, security: .opportunistic),
                networks: ["198.51.100.0/24"])
            try changes.addPartner(
                NewRelay(host: "Other.example", port: 587, security: .verified, login: login), to: "acme.test")
        }
        return sample
    }

    @Test func `partners are tried in their order, and known by their addresses`() async throws {
        let sample = try Self.sample()
        try sample.directory.change(by: "test") { try $0.addDomainAlias("new.test", of: "acme.test") }
        for name in ["acme.test", "ACME.test", "new.test"] {
            let split = try #require(try await Self.split(sample, name))
            #expect(split.name == "acme.test" && split.asksPartner)
            #expect(split.host.name == "192.0.2.9" && split.host.credential == nil)
            let next = RelayHost(name: "other.example", port: 587, security: .verified, credential: "partner/2")
            #expect(split.host.fallbacks == [next])
            #expect(split.networks == ["198.51.100.0/24", "192.0.2.9"])
        }
        #expect(try await Self.split(sample, "other.test") == nil)
        #expect(try await Self.split(sample, "") == nil)
        let meaning = try await sample.meaning(of: "nobody@acme.test")
        #expect(meaning == .atPartner(try #require(try await Self.split(sample, "acme.test")).host))
        #expect(try await sample.meaning(of: "anna@acme.test") == .mailbox("anna@acme.test"))
        // Members may be at the partner.
        try sample.directory.change(by: "test") { try $0.addAlias("far@acme.test", members: ["carla@acme.test"]) }
        let report = try sample.directory.routeReport()
        #expect(report.faults.isEmpty, "\(report)")
    }

    @Test func `switched off, it is not split`() async throws {
        let sample = try Self.sample()
        try sample.directory.change(by: "test") { try $0.setSplitDomain("acme.test", enabled: false) }
        #expect(try await Self.split(sample, "acme.test") == nil)
        #expect(try await sample.meaning(of: "nobody@acme.test") == .unknown)
        try sample.directory.change(by: "test") {
            try $0.setSplitDomain("acme.test", enabled: true, networks: [], asksPartner: false)
        }
        let split = try #require(try await Self.split(sample, "acme.test"))
        #expect(!split.asksPartner && split.networks == ["192.0.2.9"])
        try sample.directory.change(by: "test") { try $0.removeSplitDomain("acme.test") }
        #expect(try await Self.split(sample, "acme.test") == nil)
        let verbs = try sample.directory.audit(object: "acme.test", limit: 5).map(\.verb)
        #expect(
            verbs == [
                "splitdomain.remove", "splitdomain.set", "splitdomain.set", "splitdomain.set", "splitdomain.add",
            ])
        let audit = try sample.directory.audit(object: "acme.test", limit: 3)
        #expect(!audit.contains { $0.after?.contains("ealed") == true })
    }

    @Test func `a login goes to its own host and port`() async throws {
        let sample = try Self.sample()
        let directory = sample.directory
        #expect(try await directory.relayLogin("partner/2", host: "OTHER.example", port: 587) == Self.login)
        #expect(try await directory.relayLogin("partner/2", host: "other.example", port: 25) == nil)
        #expect(try await directory.relayLogin("partner/2", host: "192.0.2.9", port: 587) == nil)
        #expect(try await directory.relayLogin("relay/2", host: "other.example", port: 587) == nil)
        #expect(try await directory.relayLogin("partner/1", host: "192.0.2.9", port: 25) == nil)
        // Named again it keeps its place and its id, with another login.
        let newer = SealedLogin(name: "bert", sealedPassword: [4])
        try directory.change(by: "test") {
            try $0.addPartner(
                NewRelay(host: "other.example", port: 587, security: .implicit, login: newer), to: "acme.test")
        }
        #expect(try await directory.relayLogin("partner/2", host: "other.example", port: 587) == newer)
        #expect(try directory.splitDomains().first?.partners.map(\.host) == ["192.0.2.9", "other.example"])
    }

    @Test func `what cannot be is refused`() throws {
        let sample = try Self.sample()
        let plain = NewRelay(host: "third.example", port: 25, security: .none, login: Self.login)
        #expect(throws: DirectoryError.self) {
            try sample.directory.change(by: "test") { try $0.addPartner(plain, to: "acme.test") }
        }
        let host = NewRelay(host: "third.example", port: 25, security: .none)
        for domain in ["far.test", "acme.test"] {
            #expect(throws: DirectoryError.self) {
                try sample.directory.change(by: "test") { try $0.addSplitDomain(domain, partner: host) }
            }
        }
        try sample.directory.change(by: "test") {
            try $0.removePartner("192.0.2.9", port: 25, from: "acme.test")
        }
        #expect(throws: DirectoryError.self, "the last one stays") {
            try sample.directory.change(by: "test") {
                try $0.removePartner("other.example", port: 587, from: "acme.test")
            }
        }
        for number in 1..<DirectoryLimits.partners {
            try sample.directory.change(by: "test") {
                try $0.addPartner(
                    NewRelay(host: "h\(number).example", port: 25, security: .none), to: "acme.test")
            }
        }
        #expect(throws: DirectoryError.self, "too many") {
            try sample.directory.change(by: "test") { try $0.addPartner(host, to: "acme.test") }
        }
    }
}
