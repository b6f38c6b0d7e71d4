import Directory
import MailTypes
import Pipeline
import Testing

@Suite struct SenderTests {
    private static func may(_ mailbox: EmailAddress, _ address: EmailAddress, _ sample: Sample) async throws -> Bool {
        try await sample.directory.answer(.maySend(mailbox: mailbox, as: address)) == .maySend(true)
    }

    @Test func `an address is granted to several mailboxes and taken away from one`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addSender("Sales@acme.test", to: "anna@acme.test")
            try changes.addSender("sales@acme.test", to: "carl@acme.test")
            try changes.addSender("info@acme.test", to: "carl@acme.test")
            try changes.addSender("anna@elsewhere.test", to: "anna@acme.test")
        }
        #expect(try await Self.may("anna@acme.test", "sales@ACME.test", sample))
        #expect(try await Self.may("carl@acme.test", "Sales+x@acme.test", sample))
        #expect(try await Self.may("anna@acme.test", "anna@elsewhere.test", sample))
        #expect(try await !Self.may("anna@acme.test", "info@acme.test", sample))
        // Another server's details are other addresses.
        #expect(try await !Self.may("anna@acme.test", "anna+x@elsewhere.test", sample))
        #expect(try await !Self.may("sales@acme.test", "sales@acme.test", sample))
        let all = try sample.directory.senders()
        #expect(all.map(\.address.description) == ["info@acme.test", "Sales@acme.test", "anna@elsewhere.test"])
        #expect(all[1].mailboxes == ["anna@acme.test", "Carl@acme.test"])
        #expect(all.map(\.isHosted) == [true, true, false])
        #expect(try sample.directory.senders(of: "carl@acme.test").map(\.address.description).count == 2)

        try sample.directory.change(by: "test") { try $0.removeSender("sales@acme.test", from: "anna@acme.test") }
        #expect(try await !Self.may("anna@acme.test", "sales@acme.test", sample))
        #expect(try await Self.may("carl@acme.test", "sales@acme.test", sample))
        try sample.directory.change(by: "test") { try $0.removeSender("sales@acme.test") }
        #expect(try await !Self.may("carl@acme.test", "sales@acme.test", sample))
    }

    @Test func `each change is in the audit log`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "cli:eve") { try $0.addSender("sales@acme.test", to: "anna@acme.test") }
        try sample.directory.change(by: "cli:eve") { try $0.removeSender("sales@acme.test") }
        let entries = try sample.directory.audit(object: "anna@acme.test", limit: 2)
        #expect(entries.map(\.verb) == ["sender.remove", "sender.add"])
        #expect(entries[1].before == "[]" && entries[1].after == "[\"sales@acme.test\"]")
    }

    @Test func `a mailbox that is off or gone sends as nobody`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addSender("sales@acme.test", to: "anna@acme.test")
            try changes.setMailbox("anna@acme.test", enabled: false)
        }
        #expect(try await !Self.may("anna@acme.test", "sales@acme.test", sample))
        try sample.directory.change(by: "test") { try $0.removeMailbox("anna@acme.test", force: true) }
        #expect(try sample.directory.senders().isEmpty)
    }

    @Test func `what was granted in a domain ends when it comes or goes`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addSender("boss@new.test", to: "anna@acme.test")
            try changes.addPostOffice("rival")
            try changes.addDomain("new.test", postOffice: "rival")
        }
        #expect(try await !Self.may("anna@acme.test", "boss@new.test", sample))
        try sample.directory.change(by: "test") { changes in
            try changes.addSender("boss@new.test", to: "anna@acme.test")
            try changes.removeDomain("new.test")
        }
        #expect(try await !Self.may("anna@acme.test", "boss@new.test", sample))
    }

    static let refusals = [
        ChangeTests.Refusal("\"anna+x@acme.test\" is an address of anna@acme.test's own already.") {
            try $0.addSender("anna+x@acme.test", to: "anna@acme.test")
        },
        ChangeTests.Refusal("The sender address Sales@acme.test of anna@acme.test exists already.") {
            try $0.addSender("sales@acme.test", to: "anna@acme.test")
            try $0.addSender("Sales@acme.test", to: "anna@acme.test")
        },
        ChangeTests.Refusal("\"info@acme.test\" is an alias, not a mailbox.") {
            try $0.addSender("sales@acme.test", to: "info@acme.test")
        },
        ChangeTests.Refusal("There is no sender address slaes@acme.test; did you mean sales@acme.test?") {
            try $0.addSender("sales@acme.test", to: "anna@acme.test")
            try $0.removeSender("slaes@acme.test")
        },
        ChangeTests.Refusal("There is no sender address sales@acme.test of Carl@acme.test.") {
            try $0.removeSender("sales@acme.test", from: "carl@acme.test")
        },
    ]

    @Test(arguments: refusals)
    func `a refusal says what to do and changes nothing`(_ refusal: ChangeTests.Refusal) throws {
        let sample = try Sample()
        let error = #expect(throws: DirectoryError.self) {
            try sample.directory.change(by: "test") { try refusal.change($0) }
        }
        #expect(error?.description == refusal.testDescription)
        #expect(try sample.directory.senders().isEmpty)
    }
}
