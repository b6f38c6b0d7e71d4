import MailTypes
import Pipeline
import Testing

@testable import Directory

@Suite struct ImportTests {
    let sample: Sample

    init() throws { sample = try Sample() }

    /// Tries it, and does it if nothing is wrong: as the command does.
    @discardableResult
    private func take(
        _ text: String, _ kind: TransferKind = .accounts, _ adjust: (inout ImportOptions) -> Void = { _ in },
        keeping keep: ([GeneratedPassword]) throws -> Void = { _ in }
    ) throws -> ImportReport {
        var options = ImportOptions()
        adjust(&options)
        let file = TransferFile(name: "f", kind: kind, content: Array(text.utf8))
        let transfer = DirectoryImport([file], into: sample.directory, options, by: "import")
        let report = try transfer.rehearse()
        #expect(report.isTrial)
        return report.problemCount > 0 ? report : try transfer.perform(keeping: keep)
    }

    private func problems(_ report: ImportReport) -> [String] { report.problems.map(\.description) }
    private func entries() throws -> Int { try sample.directory.audit(limit: 1_000).count }
    private func box(_ address: String) throws -> MailboxEntry? {
        try sample.directory.mailboxes().first { $0.address.description == address }
    }

    @Test func `users come with password, quota and name`() async throws {
        let text = """
            bob@acme.test,s3cret,2GB,Bob B.
            eve@acme.test,pass word ,unlimited
            dan@other.test,x

            """
        let report = try take(text) { $0.defaultQuota = 1 << 20 }
        #expect(problems(report) == [])
        #expect(report.kinds == ["accounts": .init(added: 3)] && !report.isTrial)
        #expect(try box("bob@acme.test")?.quota == 2 << 30)
        #expect(try box("bob@acme.test")?.fullName == "Bob B.")
        #expect(try box("eve@acme.test")?.quota == nil)
        #expect(try box("dan@other.test")?.quota == 1 << 20)
        for (login, password) in [("bob@acme.test", "s3cret"), ("eve@acme.test", "pass word ")] {
            let outcome = await sample.directory.authenticate(login: login, password: Array(password.utf8))
            #expect(outcome == .success(EmailAddress(stringLiteral: login)))
        }
        let audit = try sample.directory.audit(object: "bob@acme.test")
        #expect(audit.map(\.verb) == ["mailbox.add"] && audit[0].actor == "import")
        #expect(!"\(audit)".contains("s3cret") && !"\(audit)".contains("trial"))
    }

    @Test func `every problem is told with its place, and nothing is written`() throws {
        let before = try entries()
        let text = """
            emailaddress,password,quota,friendlyname,mail,redirect
            good@acme.test,x
            anna@acme.test,x
            bob@nowhere.test,x
            not an address,x
            "dan@acme.test",x,12
            don@acme.test,x,1TB
            eve@acme.test,x,,,maybe
            fay@acme.test,x,,"a\u{1}b"
            gus@acme.test,x,,,,gus@acme.test
            hal@acme.test,x,,,,nobody@acme.test
            good@acme.test,x
            ida@acme.test
            joe@acme.test,"x

            """
        let report = try take(text)
        #expect(report.isTrial && report.kinds["accounts"]?.added == 1)
        let wanted = [
            (3, 1, "The mailbox anna@acme.test exists already."),
            (4, 1, "The domain nowhere.test is not hosted here"),
            (5, 1, "\"not an address\" is not an address such as anna@example.org."),
            (6, 19, "\"12\" has no unit"),
            (7, 17, "\"1TB\" is not a size"),
            (8, 19, "\"maybe\" is neither on nor off"),
            (9, 18, "\"a\u{FFFD}b\" cannot be a full name"),
            (10, 20, "\"gus@acme.test\" cannot be redirected to itself"),
            (11, 20, "There is no address nobody@acme.test."),
            (12, 1, "good@acme.test stands in line 2 already"),
            (13, 1, "\"ida@acme.test\" has no password"),
            (14, 15, "this quotation mark is never closed"),
        ]
        #expect(report.problemCount == wanted.count, "\(problems(report).joined(separator: "\n"))")
        for (problem, (line, column, message)) in zip(report.problems, wanted) {
            #expect(problem.description.hasPrefix("f:\(line):\(column): error: \(message)"), "\(problem)")
        }
        #expect(try entries() == before)
        #expect(try box("good@acme.test") == nil)
    }

    @Test func `what fails at the last moment leaves nothing behind`() throws {
        let before = try entries()
        let file = TransferFile(
            name: "f", kind: .accounts, content: Array("bob@acme.test,x\neve@acme.test,x\n".utf8))
        let transfer = DirectoryImport([file], into: sample.directory, ImportOptions(), by: "import")
        #expect(try transfer.rehearse().problemCount == 0)
        // Somebody else is quicker.
        try sample.directory.change(by: "other") { _ = try $0.addMailbox("eve@acme.test", passwordHash: nil) }
        let report = try transfer.perform()
        #expect(report.isTrial && problems(report) == ["f:2:1: error: The mailbox eve@acme.test exists already."])
        #expect(try box("bob@acme.test") == nil)
        #expect(try entries() == before + 1)
    }

    @Test func `domains of accounts are made where it is asked for`() throws {
        let text = "bob@new.test,x\neve@NEW.test,x\n"
        #expect(problems(try take(text)).count == 2)
        let report = try take(text) { $0.postOffice = "acme" }
        #expect(report.domainsAdded == ["new.test"] && report.kinds["accounts"]?.added == 2)
        let unknown = try take("fay@newer.test,x\n") { $0.postOffice = "acne" }
        #expect(problems(unknown) == ["f:1:1: error: There is no post office acne; did you mean acme?"])
    }

    @Test func `a missing password is made up, set, or left out`() async throws {
        var kept: [GeneratedPassword] = []
        try take("a@acme.test\nb@acme.test,own\n", .accounts, { $0.missingPassword = .generate }) { kept = $0 }
        #expect(kept.map(\.address) == ["a@acme.test"])
        let made = try #require(kept.first?.password)
        #expect(await sample.directory.authenticate(login: "a@acme.test", password: Array(made.utf8)) != .refused)
        #expect(GeneratedPassword.csv(kept) == "emailaddress,password\r\na@acme.test,\(made)\r\n")
        try take("c@acme.test\n") { $0.missingPassword = .set("common") }
        #expect(await sample.directory.authenticate(login: "c@acme.test", password: Array("common".utf8)) != .refused)
        try take("d@acme.test\n") { $0.missingPassword = .none }
        #expect(await sample.directory.authenticate(login: "d@acme.test", password: []) == .refused)
        // Where the list of them cannot be kept, there are no accounts.
        struct Full: Error {}
        #expect(throws: Full.self) {
            try take("e@acme.test\n", .accounts, { $0.missingPassword = .generate }, keeping: { _ in throw Full() })
        }
        #expect(try box("e@acme.test") == nil)
    }

    @Test func `a bare number is a quota where its unit is said`() throws {
        #expect(problems(try take("a@acme.test,x,0\n") { $0.quotaUnit = 1024 }).count == 1)
        #expect(problems(try take("a@acme.test,x,9999999999999999\n") { $0.quotaUnit = 1 << 30 }).count == 1)
        try take("a@acme.test,x,512\n") { $0.quotaUnit = 1024 }
        #expect(try box("a@acme.test")?.quota == 512 * 1024)
    }

    @Test func `what there is already is refused, left or changed`() async throws {
        let text = "anna@acme.test,new,1GB,Anna\n"
        #expect(problems(try take(text)) == ["f:1:1: error: The mailbox anna@acme.test exists already."])
        #expect(try take(text) { $0.existing = .skip }.kinds == ["accounts": .init(skipped: 1)])
        #expect(try box("anna@acme.test")?.quota == nil)
        #expect(try take(text) { $0.existing = .change }.kinds == ["accounts": .init(changed: 1)])
        #expect(try box("anna@acme.test")?.quota == 1 << 30)
        #expect(await sample.directory.authenticate(login: "anna@acme.test", password: Array("new".utf8)) != .refused)
        // What the file does not say stays, and what it says again is no change.
        let before = try entries()
        let report = try take("anna@acme.test,,,Anna\nCarl@acme.test\n") { $0.existing = .change }
        #expect(report.kinds == ["accounts": .init(unchanged: 2)])
        #expect(try entries() == before)
        try take("anna@acme.test,,unlimited\n") { $0.existing = .change }
        #expect(try box("anna@acme.test")?.quota == nil)
        #expect(try box("anna@acme.test")?.fullName == "Anna")
    }

    @Test func `rows may need one another in any order, and other kinds likewise`() throws {
        let text = """
            alias,members
            a@acme.test,b@acme.test c@acme.test
            b@acme.test,c@acme.test
            c@acme.test,"anna@acme.test,x@far.test"

            """
        #expect(try take(text, .aliases).kinds == ["aliases": .init(added: 3)])
        let circle = try take("d@acme.test,e@acme.test\ne@acme.test,d@acme.test\n", .aliases)
        #expect(circle.problemCount == 2)
        let groups = "[{\"group\": \"g@acme.test\", \"members\": [\"h@acme.test\"]}, {\"group\": \"h@acme.test\"}]"
        #expect(try take(groups, .groups).kinds == ["groups": .init(added: 2)])
        let loop = "[{\"group\": \"h@acme.test\", \"members\": [\"g@acme.test\"]}]"
        let refused = try take(loop, .groups) { $0.existing = .change }
        #expect(problems(refused).first?.contains("Mail would go round for ever") == true)
    }

    @Test func `aliases, groups and senders become what the file says`() throws {
        let change: (inout ImportOptions) -> Void = { $0.existing = .change }
        try take("info@acme.test,carl@acme.test,off\n", .aliases, change)
        let alias = try #require(try sample.directory.aliases().first)
        #expect(alias.members.map(\.description) == ["carl@acme.test"] && !alias.isEnabled)
        try take("staff@acme.test,anna@acme.test,All,all@acme.test team@acme.test\n", .groups)
        try take("staff@acme.test,,,team@acme.test crew@acme.test\n", .groups, change)
        let group = try #require(try sample.directory.groups().first)
        #expect(group.furtherAddresses.map(\.localPart) == ["team", "crew"] && group.members.count == 1)
        try take("sales@acme.test,anna@acme.test carl@acme.test\n", .senders)
        #expect(try take("sales@acme.test,carl@acme.test\n", .senders, change).kinds["senders"]?.changed == 1)
        #expect(try sample.directory.senders().first?.mailboxes.map(\.localPart) == ["Carl"])
        #expect(problems(try take("@acme.test,anna@acme.test\n", .aliases))[0].contains("catch-all"))
        #expect(problems(try take("anna@acme.test,carl@acme.test\n", .aliases))[0].contains("mailbox"))
    }

    @Test func `a password is in no report and no log`() throws {
        let secret = "c4nary-S3cret"
        let text = "bob@acme.test,\(secret)\nbob@acme.test,\(secret)\neve@acme.test,\(secret),bad\n\"x,\(secret)\n"
        let report = try take(text)
        #expect(report.problemCount == 3)
        #expect(!"\(report)".contains(secret))
        try take("bob@acme.test,\(secret)\n")
        #expect(!"\(try sample.directory.audit(limit: 1_000))".contains(secret))
    }

    @Test func `many passwords are hashed, each its own, and counted`() async throws {
        let text = (0..<200).map { "u\($0)@acme.test,p\($0)\n" }.joined()
        let file = TransferFile(name: "f", kind: .accounts, content: Array(text.utf8))
        let transfer = DirectoryImport([file], into: sample.directory, ImportOptions(), by: "import")
        _ = try transfer.rehearse()
        #expect(transfer.passwordCount == 200)
        #expect(try transfer.perform().kinds["accounts"]?.added == 200)
        for number in [0, 1, 99, 199] {
            let outcome = await sample.directory.authenticate(
                login: "u\(number)@acme.test", password: Array("p\(number)".utf8))
            #expect(outcome == .success(EmailAddress(localPart: "u\(number)", domain: "acme.test")))
        }
    }
}
