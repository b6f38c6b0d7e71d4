import MailTypes
import Testing

@testable import Pipeline

/// What follows for replies, copies and routes where a stage changes the envelope in the message phase.
@Suite struct EnvelopeFollowTests {
    /// Gives each copy a reverse-path made of the sender.
    struct Rewriting: MessageStage {
        static let name: StageName = "rewriting"
        static let effects: Effects = [.routes]
        struct Configuration: Decodable { init() {} }
        init(_ configuration: Configuration = Configuration()) {}

        func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
            guard let sender = transaction.sender else { return .none }
            return Finding(
                edits: transaction.recipients.map { recipient in
                    var destinations = recipient.destinations
                    for place in destinations.indices {
                        destinations[place].reversePath = EmailAddress(
                            localPart: "srs-\(sender.localPart)", domain: "here.example")
                    }
                    return .resolve(recipient.address, to: destinations)
                })
        }
    }

    static let rewriting = Link(number: 45, file: "45-rewriting.toml", base: StageVariant(Rewriting()))

    private static func refusing(_ number: Int, stamped: Bool) -> Link {
        .scripted(number) { message, _ throws(StageFailure) in
            guard stamped == (message.body != "Good day.\r\n") else { return .none }
            return Finding(.reject(Reply(550, .deliveryNotAuthorized, "No")))
        }
    }

    private static func lmtp(_ links: [Link]) -> Play {
        var play = Play(links)
        play.session = Session(language: .lmtp, listener: "test", client: "192.0.2.7", clientPort: 4711)
        return play
    }

    @Test func `who was replaced hears what became of the message`() async throws {
        let edits = [Edit.removeRecipient("bob@here.example"), .addRecipient("carl@here.example")]
        let links = [Link.router, EnvelopeEditTests.editing(60, edits[0], edits[1])]
        let (refused, _, _) = await Self.lmtp(links + [Self.refusing(70, stamped: false)])
            .run(to: ["bob@here.example", "dora@here.example"])
        #expect(refused?.replies.map(\.code) == [550, 550] && refused?.copies.isEmpty == true)
        let (taken, _, _) = await Self.lmtp(links).run(to: ["bob@here.example", "dora@here.example"])
        #expect(taken?.replies.map(\.code) == [250, 250])
        #expect(taken?.copies.flatMap(\.recipients).map(\.address) == ["dora@here.example", "carl@here.example"])
    }

    @Test func `who is added to several copies gets one, and it is no reply of his that counts`() async throws {
        let links = [
            Link.router, DividedCopyTests.stamping, EnvelopeEditTests.editing(65, .addRecipient("new@here.example")),
        ]
        let said: [EmailAddress] = ["eve@far.example", "bob@here.example"]
        let (outcome, _, _) = await Self.lmtp(links).run(to: said)
        let copies = try #require(outcome).copies
        #expect(copies.map { $0.recipients.map(\.address) } == [[said[0]], [said[1], "new@here.example"]])
        let (half, _, _) = await Self.lmtp(links + [Self.refusing(70, stamped: true)]).run(to: said)
        #expect(half?.replies.map(\.code) == [550, 250])
        #expect(half?.copies.map { $0.recipients.map(\.address) } == [[said[1], "new@here.example"]])
        let (other, _, _) = await Self.lmtp(links + [Self.refusing(70, stamped: false)]).run(to: said)
        #expect(other?.replies.map(\.code) == [250, 550])
        #expect(other?.copies.map { $0.recipients.map(\.address) } == [[said[0], "new@here.example"]])
    }

    @Test func `who is said elsewhere in the message is not added to another copy`() async throws {
        let links = [
            Link.router, DividedCopyTests.stamping, EnvelopeEditTests.editing(65, .addRecipient("eve@far.example")),
        ]
        let said: [EmailAddress] = ["bob@here.example", "eve@far.example"]
        let (outcome, _, _) = await Self.lmtp(links).run(to: said)
        #expect(outcome?.copies.map { $0.recipients.map(\.address) } == [[said[0]], [said[1]]])
    }

    @Test func `a message that is for nobody because an addition was refused is refused`() async throws {
        let edits = [Edit.removeRecipient("bob@here.example"), .addRecipient("nobody@here.example")]
        let chain = [Link.router, EnvelopeEditTests.editing(60, edits[0], edits[1])]
        let (outcome, _, _) = await Play(chain).run(to: ["bob@here.example"])
        #expect(outcome?.replies.map(\.code) == [550] && outcome?.copies.isEmpty == true)
    }

    @Test func `stages that route have their say of who is added`() async throws {
        let chain = [Link.router, Self.rewriting, EnvelopeEditTests.editing(60, .addRecipient("carl@here.example"))]
        let (outcome, _, _) = await Play(chain).run(to: ["bob@here.example"])
        let recipients = try #require(outcome?.copies.first).recipients
        #expect(recipients.map(\.address) == ["bob@here.example", "carl@here.example"])
        #expect(recipients.allSatisfy { $0.destinations.map(\.reversePath) == ["srs-a@here.example"] })
    }

    @Test(arguments: [nil, "new@out.example"] as [EmailAddress?])
    func `and of another sender`(_ sender: EmailAddress?) async throws {
        let chain = [Link.router, Self.rewriting, EnvelopeEditTests.editing(60, .changeSender(sender))]
        let (outcome, _, _) = await Play(chain).run(to: ["bob@here.example"])
        let copy = try #require(outcome?.copies.first)
        #expect(copy.sender == sender)
        let path: EmailAddress? = sender == nil ? nil : "srs-new@here.example"
        #expect(copy.recipients.flatMap(\.destinations).map(\.reversePath) == [path])
    }
}
