import Directory
import MailTypes
import Pipeline
import Testing

@Suite struct LoginTests {
    static let secret = Array("secret".utf8)

    static let logins: [(String, String, MailDirectory.LoginOutcome)] = [
        ("anna@acme.test", "secret", .success("anna@acme.test")),
        ("ANNA@ACME.test", "secret", .success("anna@acme.test")),
        ("anna@acme.test", "Secret", .refused),
        ("anna@acme.test", "", .refused),
        ("anna@acme.test", "secret\0", .refused),
        ("anna@acme.test", "s", .refused),
        ("anna", "secret", .refused),
        ("anna+x@acme.test", "secret", .refused),
        ("info@acme.test", "secret", .refused),
        ("carl@acme.test", "", .refused),
        ("carl@acme.test", "secret", .refused),
        ("nobody@acme.test", "secret", .refused),
        ("anna@elsewhere.test", "secret", .refused),
        ("' or 1=1--", "secret", .refused),
        ("anna@acme.test' --", "secret", .refused),
        ("anna@acme.test\0", "secret", .refused),
        ("", "secret", .refused),
    ]

    @Test(arguments: logins)
    func login(_ name: String, _ password: String, _ outcome: MailDirectory.LoginOutcome) async throws {
        let sample = try Sample()
        #expect(await sample.directory.authenticate(login: name, password: Array(password.utf8)) == outcome)
    }

    @Test func `an unknown user costs a comparison too`() async throws {
        let sample = try Sample()
        for login in ["nobody@acme.test", "no address", "info@acme.test", "carl@acme.test", "x@elsewhere.test"] {
            _ = await sample.directory.authenticate(login: login, password: Self.secret)
        }
        #expect(sample.hasher.comparisons == Array(repeating: sample.hasher.decoy, count: 5))
    }

    @Test func `a right password is remembered for a while`() async throws {
        let sample = try Sample { $0.loginMemory = "5m" }
        for _ in 0..<3 { _ = await sample.directory.authenticate(login: "anna@acme.test", password: Self.secret) }
        #expect(sample.hasher.comparisons.count == 1)
        sample.clock.advance(by: "5m")
        _ = await sample.directory.authenticate(login: "anna@acme.test", password: Self.secret)
        #expect(sample.hasher.comparisons.count == 2)
    }

    @Test func `a wrong password is never remembered`() async throws {
        let sample = try Sample()
        for _ in 0..<3 {
            _ = await sample.directory.authenticate(login: "anna@acme.test", password: Array("wrong".utf8))
        }
        #expect(sample.hasher.comparisons.count == 3)
    }

    @Test func `another mailbox's change costs nobody a comparison`() async throws {
        let sample = try Sample { $0.loginMemory = "5m" }
        for number in 0..<3 {
            #expect(
                await sample.directory.authenticate(login: "anna@acme.test", password: Self.secret)
                    == .success("anna@acme.test"))
            try sample.directory.change(by: "test") { try $0.addMailbox("new\(number)@acme.test", passwordHash: nil) }
            sample.clock.advance(by: "2m")
        }
        #expect(sample.hasher.comparisons.count == 1)
        // To be remembered does not prolong it.
        _ = await sample.directory.authenticate(login: "anna@acme.test", password: Self.secret)
        #expect(sample.hasher.comparisons.count == 2)
    }

    @Test func `what is remembered dies with the mailbox`() async throws {
        let sample = try Sample()
        _ = await sample.directory.authenticate(login: "anna@acme.test", password: Self.secret)
        try sample.directory.change(by: "test") { changes in
            try changes.removeMailbox("anna@acme.test", force: true)
            try changes.addMailbox("anna@acme.test", passwordHash: sample.hasher.hash(Array("other".utf8)))
        }
        #expect(await sample.directory.authenticate(login: "anna@acme.test", password: Self.secret) == .refused)
    }

    @Test func `a changed password is forgotten at once, by every process`() async throws {
        let sample = try Sample()
        let beside = try sample.opened()
        #expect(
            await sample.directory.authenticate(login: "anna@acme.test", password: Self.secret)
                == .success("anna@acme.test"))
        let hash = try beside.passwordHash(Array("other".utf8))
        try beside.change(by: "test") { try $0.setPassword("anna@acme.test", hash: hash) }
        #expect(await sample.directory.authenticate(login: "anna@acme.test", password: Self.secret) == .refused)
        #expect(
            await sample.directory.authenticate(login: "anna@acme.test", password: Array("other".utf8))
                == .success("anna@acme.test"))
        try beside.change(by: "test") { try $0.setMailbox("anna@acme.test", enabled: false) }
        #expect(await sample.directory.authenticate(login: "anna@acme.test", password: Array("other".utf8)) == .refused)
    }

    @Test func `login and password are never confused`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") {
            try $0.addMailbox("a@acme.test", passwordHash: sample.hasher.hash(Array("xsecret".utf8)))
        }
        _ = await sample.directory.authenticate(login: "a@acme.test", password: Array("xsecret".utf8))
        #expect(await sample.directory.authenticate(login: "a@acme.testx", password: Self.secret) == .refused)
    }

    @Test func `a hash of old parameters is made anew at the next login`() async throws {
        let folder = try Sample(hasher: CountingHasher(round: 1))
        let newer = CountingHasher(round: 2)
        let directory = try MailDirectory.open(folder.folder.file("directory.sqlite"), hasher: newer)
        _ = await directory.authenticate(login: "anna@acme.test", password: Self.secret)
        _ = await directory.authenticate(login: "ANNA@acme.test", password: Self.secret)
        #expect(newer.comparisons.first?.hasPrefix("1:") == true)
        #expect(newer.comparisons.dropFirst().first?.hasPrefix("2:") == true)
        #expect(try directory.audit(limit: 1).first?.verb == "mailbox.rehash")
    }

    @Test func `two ways to type a letter are one password`() async throws {
        let sample = try Sample()
        let hash = try sample.directory.passwordHash(Array("caf\u{e9}".utf8))
        try sample.directory.change(by: "test") { try $0.setPassword("anna@acme.test", hash: hash) }
        for spelling in ["caf\u{e9}", "cafe\u{301}"] {
            let outcome = await sample.directory.authenticate(login: "anna@acme.test", password: Array(spelling.utf8))
            #expect(outcome == .success("anna@acme.test"))
        }
    }

    @Test func `many logins at once all get their answer`() async throws {
        let sample = try Sample { options in
            options.loginMemory = "0s"
            options.waitingLogins = 8
        }
        let outcomes = await withTaskGroup(of: MailDirectory.LoginOutcome.self) { group in
            for _ in 0..<200 {
                group.addTask { await sample.directory.authenticate(login: "anna@acme.test", password: Self.secret) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.count == 200)
        #expect(outcomes.contains(.success("anna@acme.test")))
        #expect(outcomes.allSatisfy { $0 != .refused })
    }

    @Test func `random passwords are long enough and differ`() throws {
        let sample = try Sample()
        let password = try sample.directory.randomPassword(length: 12)
        #expect(password.split(separator: "-").map(\.count) == [4, 4, 4])
        #expect(password.utf8.allSatisfy { "abcdefghjkmnpqrstuvwxyz23456789-".utf8.contains($0) })
        #expect(try sample.directory.randomPassword() != sample.directory.randomPassword())
        #expect(throws: DirectoryError.self) { try sample.directory.randomPassword(length: 11) }
    }

    @Test(arguments: [0, 1_025])
    func `an empty or endless password is refused`(_ count: Int) throws {
        let sample = try Sample()
        #expect(throws: DirectoryError.self) {
            try sample.directory.passwordHash([UInt8](repeating: 120, count: count))
        }
    }
}
