import Directory
import MailTypes
import Pipeline
import Testing

@Suite struct RelayEntryTests {
    private static func host(_ sample: Sample, _ office: String?) async throws -> RelayHost? {
        guard case .smarthost(let host) = try await sample.directory.answer(.smarthost(postOffice: office)) else {
            return nil
        }
        return host
    }

    static let login = SealedLogin(name: "anna", sealedPassword: [1, 2, 3])

    @Test func `a post office's server comes before everybody's`() async throws {
        let sample = try Sample()
        #expect(try await Self.host(sample, "acme") == nil)
        try sample.directory.change(by: "test") { changes in
            try changes.addPostOffice("other")
            try changes.setSmarthost(
                NewRelay(host: "All.example", port: 25, security: .opportunistic), postOffice: nil)
            try changes.setSmarthost(
                NewRelay(host: "own.example", port: 587, security: .verified, login: Self.login), postOffice: "ACME")
        }
        let all = RelayHost(name: "all.example", port: 25)
        let own = RelayHost(name: "own.example", port: 587, security: .verified, credential: "relay/2")
        #expect(try await Self.host(sample, nil) == all)
        #expect(try await Self.host(sample, "other") == all)
        #expect(try await Self.host(sample, "acme") == own)
        #expect(try sample.directory.smarthosts().map(\.postOffice) == [nil, "acme"])
        try sample.directory.change(by: "test") { try $0.removeSmarthost(postOffice: "acme") }
        #expect(try await Self.host(sample, "acme") == all)
        try sample.directory.change(by: "test") { try $0.removePostOffice("other") }
        let verbs = try sample.directory.audit(object: "acme", limit: 2).map(\.verb)
        #expect(verbs == ["smarthost.remove", "smarthost.set"])
    }

    @Test func `a login goes to its own host and port, and is not in the audit log`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.setSmarthost(
                NewRelay(host: "own.example", port: 587, security: .verified, login: Self.login), postOffice: nil)
        }
        let directory = sample.directory
        #expect(try await directory.relayLogin("relay/1", host: "OWN.example", port: 587) == Self.login)
        #expect(try await directory.relayLogin("relay/1", host: "own.example", port: 25) == nil)
        #expect(try await directory.relayLogin("relay/1", host: "evil.example", port: 587) == nil)
        for name in ["relay/2", "relay/", "relay/x", "1", ""] {
            #expect(try await directory.relayLogin(name, host: "own.example", port: 587) == nil)
        }
        let audit = try directory.audit(object: "everybody", limit: 1).first
        #expect(audit?.after?.contains("own.example") == true && audit?.after?.contains("ealed") == false)

        // Another password for the same server finds what is queued; another server has another login.
        let newer = SealedLogin(name: "anna", sealedPassword: [4])
        try directory.change(by: "test") { changes in
            try changes.setSmarthost(
                NewRelay(host: "own.example", port: 587, security: .implicit, login: newer), postOffice: nil)
        }
        #expect(try await directory.relayLogin("relay/1", host: "own.example", port: 587) == newer)
        try directory.change(by: "test") { changes in
            try changes.setSmarthost(
                NewRelay(host: "new.example", port: 587, security: .verified, login: Self.login), postOffice: nil)
        }
        #expect(try await directory.relayLogin("relay/1", host: "own.example", port: 587) == nil)
        #expect(try await directory.relayLogin("relay/1", host: "new.example", port: 587) == nil)
        #expect(try await Self.host(sample, nil)?.credential == "relay/2")
    }

    @Test func `a domain's mail goes to another server until that is taken back`() async throws {
        let sample = try Sample()
        func found(_ name: String) async throws -> RelayDomain? {
            guard case .relayDomain(let found) = try await sample.directory.answer(.relayDomain(name)) else {
                return nil
            }
            return found
        }
        try sample.directory.change(by: "test") { changes in
            try changes.addRelayDomain(
                "Partner.test", to: NewRelay(host: "192.0.2.1", port: 30, security: .none), postOffice: "acme",
                onlyAuthenticated: true)
        }
        let host = RelayHost(name: "192.0.2.1", port: 30, security: .none)
        let partner = RelayDomain(name: "partner.test", host: host, onlyAuthenticated: true)
        #expect(try await found("PARTNER.test") == partner)
        #expect(try await found("sub.partner.test") == nil)
        try sample.directory.change(by: "test") { try $0.setPostOffice("acme", enabled: false) }
        #expect(try await found("partner.test") == nil)
        try sample.directory.change(by: "test") { try $0.setPostOffice("acme", enabled: true) }
        try sample.directory.change(by: "test") { try $0.removeRelayDomain("partner.test") }
        #expect(try await found("partner.test") == nil)
    }

    static let refusals = [
        ChangeTests.Refusal("There is no smarthost of everybody.") { try $0.removeSmarthost(postOffice: nil) },
        ChangeTests.Refusal("There is no relay domain a.test.") { try $0.removeRelayDomain("a.test") },
        ChangeTests.Refusal("The relay domain a.test exists already.") {
            let relay = NewRelay(host: "b.test", port: 25, security: .opportunistic)
            try $0.addRelayDomain("a.test", to: relay)
            try $0.addRelayDomain("A.test", to: relay)
        },
        ChangeTests.Refusal(
            "\"opportunistic\" would show the password to everybody on the way: required, verified or implicit, please."
        ) {
            try $0.setSmarthost(
                NewRelay(host: "b.test", port: 25, security: .opportunistic, login: RelayEntryTests.login),
                postOffice: nil)
        },
    ]

    @Test(arguments: refusals)
    func `a refusal says what to do`(_ refusal: ChangeTests.Refusal) throws {
        let sample = try Sample()
        let error = #expect(throws: DirectoryError.self) {
            try sample.directory.change(by: "test") { try refusal.change($0) }
        }
        #expect(error?.description == refusal.testDescription)
        #expect(try sample.directory.relayDomains().isEmpty)
    }
}

extension RelayEntryTests {
    @Test func `a relay domain is changed, and its login does not go along`() async throws {
        let sample = try Sample()
        let directory = sample.directory
        try directory.change(by: "test") {
            try $0.addRelayDomain(
                "far.test", to: NewRelay(host: "own.example", port: 587, security: .verified, login: Self.login),
                postOffice: "acme", onlyAuthenticated: true)
        }
        try directory.change(by: "test") { try $0.setRelayDomain("far.test", onlyAuthenticated: false) }
        var entry = try #require(try directory.relayDomains().first)
        #expect(entry.login == "anna" && !entry.onlyAuthenticated && entry.host == "own.example")
        try directory.change(by: "test") {
            try $0.setRelayDomain("far.test", to: NewRelay(host: "new.example", port: 25, security: .required))
        }
        entry = try #require(try directory.relayDomains().first)
        #expect(entry.host == "new.example" && entry.login == nil && entry.postOffice == "acme")
        #expect(try await directory.relayLogin("relay/1", host: "own.example", port: 587) == nil)
        #expect(throws: DirectoryError.self) {
            try directory.change(by: "test") { try $0.setRelayDomain("for.test", onlyAuthenticated: true) }
        }
        let verbs = try directory.audit(object: "far.test", limit: 5).map(\.verb)
        #expect(verbs == ["relaydomain.set", "relaydomain.set", "relaydomain.add"])
    }

    @Test func `a backup domain has no host, and what it is asked and how long its mail is kept stays`() async throws {
        let sample = try Sample()
        let directory = sample.directory
        func found() async throws -> RelayDomain? {
            guard case .relayDomain(let found) = try await directory.answer(.relayDomain("back.test")) else {
                return nil
            }
            return found
        }
        try directory.change(by: "test") { try $0.addRelayDomain("back.test", to: .ownExchangers, giveUpAfter: "10d") }
        #expect(
            try await found() == RelayDomain(name: "back.test", host: nil, asksServer: true, giveUpAfter: "10d"))
        #expect(try await found()?.route == .exchanger(domain: "back.test"))
        #expect(directory.giveUpAfter(ofRelayDomain: "back.test") == "10d")
        #expect(directory.giveUpAfter(ofRelayDomain: "acme.test") == nil)
        #expect(try directory.backupDomains() == ["back.test"])
        #expect(try directory.nextServers().isEmpty, "it names none")

        try directory.change(by: "test") {
            try $0.setRelayDomain("back.test", to: NewRelay(host: "mx.test", port: 25, security: .opportunistic))
        }
        let host = RelayHost(name: "mx.test")
        #expect(try await found() == RelayDomain(name: "back.test", host: host, asksServer: true, giveUpAfter: "10d"))
        try directory.change(by: "test") {
            try $0.setRelayDomain("back.test", asksServer: false, giveUpAfter: .some(nil))
        }
        #expect(try await found() == RelayDomain(name: "back.test", host: host))
        try directory.change(by: "test") { try $0.setRelayDomain("back.test", to: .ownExchangers) }
        #expect(try await found() == RelayDomain(name: "back.test", host: nil))
        #expect(throws: DirectoryError.self) {
            var wrong = NewRelay.ownExchangers
            wrong.security = .verified
            wrong.login = Self.login
            try directory.change(by: "test") { [wrong] in try $0.setRelayDomain("back.test", to: wrong) }
        }
    }
}
