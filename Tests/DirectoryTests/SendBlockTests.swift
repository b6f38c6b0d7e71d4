import Directory
import MailTypes
import Pipeline
import Testing

@Suite struct SendBlockTests {
    private static func standing(_ mailbox: EmailAddress, _ sample: Sample) async throws -> SendStanding? {
        guard case .sendStanding(let found) = try await sample.directory.answer(.sendStanding(mailbox)) else {
            return nil
        }
        return found
    }

    @Test func `a stage blocks, a person lifts it`() async throws {
        let sample = try Sample()
        let free = SendStanding(mailbox: "anna@acme.test", postOffice: "acme")
        #expect(try await Self.standing("ANNA@acme.test", sample) == free)
        #expect(try await Self.standing("nobody@acme.test", sample) == nil)
        #expect(try await Self.standing("info@acme.test", sample) == nil)

        let anna = SendParty.mailbox("anna@acme.test")
        try await sample.directory.block(SendBlockOrder(anna, reason: "too much"), by: "stage:send-limits")
        let since = sample.clock.now
        sample.clock.advance(by: "1h")
        // Who is blocked stays so for the first reason.
        try await sample.directory.block(SendBlockOrder(anna, reason: "more"), by: "stage:send-limits")
        var blocked = free
        blocked.block = SendBlock(anna, reason: "too much", since: since)
        #expect(try await Self.standing("anna@acme.test", sample) == blocked)
        #expect(try await Self.standing("carl@acme.test", sample)?.block == nil)
        #expect(try sample.directory.sendBlocks().map(\.author) == ["stage:send-limits"])

        try sample.directory.change(by: "cli:eve") { try $0.unblockSending(of: "anna@acme.test") }
        #expect(try sample.directory.sendBlocks().isEmpty)
        var pardoned = free
        pardoned.pardons = 1
        #expect(try await Self.standing("anna@acme.test", sample) == pardoned)
        let verbs = try sample.directory.audit(object: "anna@acme.test", limit: 2).map(\.verb)
        #expect(verbs == ["sending.unblock", "sending.block"])
    }

    @Test func `a post office is blocked for all its mailboxes`() async throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.blockSending(of: "ACME", reason: "unpaid")
            try changes.blockSending(of: "carl@acme.test", reason: "script")
        }
        #expect(try await Self.standing("anna@acme.test", sample)?.block?.reason == "unpaid")
        #expect(try await Self.standing("carl@acme.test", sample)?.block?.reason == "script")
        #expect(
            try sample.directory.sendBlocks().map(\.party) == [.mailbox("Carl@acme.test"), .postOffice("acme")])
        try sample.directory.change(by: "test") { try $0.unblockSending(of: "acme") }
        #expect(try await Self.standing("anna@acme.test", sample)?.postOfficePardons == 1)
        // With the mailbox its block goes.
        try sample.directory.change(by: "test") { try $0.removeMailbox("carl@acme.test", force: true) }
        #expect(try sample.directory.sendBlocks().isEmpty)
    }

    static let refusals = [
        ChangeTests.Refusal("\"anna@acme.test\" is not blocked.") { try $0.unblockSending(of: "anna@acme.test") },
        ChangeTests.Refusal("There is no mailbox anan@acme.test; did you mean anna@acme.test?") {
            try $0.blockSending(of: "anan@acme.test", reason: "r")
        },
        ChangeTests.Refusal("There is no post office amce; did you mean acme?") {
            try $0.blockSending(of: "amce", reason: "r")
        },
    ]

    @Test(arguments: refusals)
    func `a refusal says what to do`(_ refusal: ChangeTests.Refusal) throws {
        let sample = try Sample()
        let error = #expect(throws: DirectoryError.self) {
            try sample.directory.change(by: "test") { try refusal.change($0) }
        }
        #expect(error?.description == refusal.testDescription)
    }
}
