import MailTypes
import Synchronization
import Testing

@testable import Pipeline

/// Edits of the envelope in the message phase, and of places in the header.
@Suite struct EnvelopeEditTests {
    /// Asked in its order with what the ones before have left.
    struct Editing: MessageStage {
        static let name: StageName = "editing"
        static let effects: Effects = [.changesEnvelope, .editsHeader, .scores]
        struct Configuration: Decodable { init() {} }
        let answer: @Sendable (Message, Transaction) -> Finding
        init(_ configuration: Configuration) { self.init { _, _ in .none } }
        init(_ answer: @escaping @Sendable (Message, Transaction) -> Finding) { self.answer = answer }
        func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
            answer(message, transaction)
        }
    }

    static func editing(_ number: Int, _ edits: Edit...) -> Link {
        Link(
            number: number, file: "\(number)-editing.toml",
            base: StageVariant(Editing { _, _ in Finding(edits: edits) }))
    }

    /// Notes what it sees as a symbol.
    static func witness(_ number: Int) -> Link {
        Link(
            number: number, file: "\(number)-witness.toml",
            base: StageVariant(
                Editing { _, transaction in
                    let names = transaction.recipients.map(\.address.description).joined(separator: " ")
                    let text = "\(transaction.sender?.description ?? "<>") \(names)"
                    return Finding(edits: [.score(Symbol("SEEN", points: 0, description: text))])
                }))
    }

    @Test func `a recipient that is added is routed like any other, and later stages see it`() async throws {
        let chain = [Link.router, Self.editing(60, .addRecipient("carl@here.example")), Self.witness(61)]
        let (outcome, _, trace) = await Play(chain).run(to: ["bob@here.example"])
        let copy = try #require(outcome?.copies.first)
        #expect(copy.recipients.map(\.address) == ["bob@here.example", "carl@here.example"])
        #expect(copy.recipients[1].destinations.map(\.route) == [.mailbox("carl@here.example")])
        #expect(trace.symbols.last?.description == "a@out.example bob@here.example carl@here.example")
        #expect(trace.steps.contains { $0.phase == .recipient && $0.recipients == ["carl@here.example"] })
    }

    @Test func `who is there already is not added again`() async throws {
        let chain = [
            Link.router, Self.editing(60, .addRecipient("BOB@here.example"), .addRecipient("bob@here.example")),
        ]
        let (outcome, _, _) = await Play(chain).run(to: ["bob@here.example"])
        #expect(outcome?.copies.first?.recipients.count == 1)
    }

    @Test func `whom nobody routes is left out, and stands among the refused`() async throws {
        let chain = [Link.router, Self.editing(60, .addRecipient("nobody@here.example"))]
        let (outcome, _, trace) = await Play(chain).run(to: ["bob@here.example"])
        #expect(outcome?.replies.first?.code == 250)
        #expect(outcome?.copies.first?.recipients.map(\.address) == ["bob@here.example"])
        #expect(trace.refused.map(\.address) == ["nobody@here.example"])
    }

    @Test func `who is taken out gets nothing, and a message without anybody is discarded`() async throws {
        let chain = [Link.router, Self.editing(60, .removeRecipient("BOB@here.example")), Self.witness(61)]
        let (outcome, _, trace) = await Play(chain).run(to: ["bob@here.example", "eve@here.example"])
        #expect(outcome?.copies.first?.recipients.map(\.address) == ["eve@here.example"])
        #expect(trace.symbols.last?.description == "a@out.example eve@here.example")
        let (alone, _, lonely) = await Play(chain).run(to: ["bob@here.example"])
        #expect(alone?.replies.first?.code == 250 && alone?.copies.isEmpty == true)
        #expect(lonely.outcome == .discarded && lonely.symbols.isEmpty)
    }

    @Test func `one may be put in another's place`() async throws {
        let edits = [Edit.removeRecipient("bob@here.example"), .addRecipient("carl@here.example")]
        let chain = [Link.router, Self.editing(60, edits[0], edits[1])]
        let (outcome, _, _) = await Play(chain).run(to: ["bob@here.example"])
        #expect(outcome?.copies.first?.recipients.map(\.address) == ["carl@here.example"])
    }

    @Test(arguments: [nil, "new@here.example"] as [EmailAddress?])
    func `reports go to another sender, whom later stages see`(_ sender: EmailAddress?) async throws {
        let chain = [Link.router, Self.editing(60, .changeSender(sender)), Self.witness(61)]
        let (outcome, _, trace) = await Play(chain).run(to: ["bob@here.example"])
        #expect(outcome?.copies.first?.sender == sender)
        #expect(trace.envelope?.sender == "a@out.example")
        #expect(trace.symbols.last?.description == "\(sender?.description ?? "<>") bob@here.example")
    }

    @Test func `places count what was taken out and put in before`() async throws {
        let message = Message(
            header: Header(fields: ["A", "B", "C"].map { HeaderField(name: $0, value: "") }), body: .empty)
        let chain = [
            Link.router,
            Self.editing(
                60, .insertField(name: "X", value: " a\n\tb", at: 0), .insertField(name: "Y", value: "", at: 2),
                .insertField(name: "Z", value: "", at: 99), .removeFields(at: [0])),
        ]
        let (outcome, _, _) = await Play(chain).run(to: ["bob@here.example"], message: message)
        let fields = try #require(outcome?.copies.first?.message.header.fields)
        #expect(fields.map(\.name) == ["X", "B", "Y", "C", "Z"])
        #expect(fields[0].raw.elementsEqual("X: a\r\n\tb\r\n".utf8))
    }

    /// Says something about each recipient, and refuses one.
    struct Remarking: RecipientStage {
        static let name: StageName = "remarking"
        static let effects: Effects = [.editsHeader, .rejects]
        struct Configuration: Decodable { init() {} }
        init(_ configuration: Configuration = Configuration()) {}
        func recipient(_ recipient: Recipient, in transaction: Transaction) async throws(StageFailure) -> Finding {
            let name = recipient.address.localPart
            let verdict: Verdict = name == "eve" ? .reject(Reply(550, .deliveryNotAuthorized, "No")) : .continue
            return Finding(verdict, edits: [.prependField(name: "X-For", value: name == "bob" ? "one" : name)])
        }
    }

    @Test func `a field about a recipient is in the header once it is there, once`() async throws {
        let link = Link(number: 41, file: "41-remarking.toml", base: StageVariant(Remarking()))
        let (outcome, _, _) = await Play([Link.router, link]).run(
            to: ["bob@here.example", "eve@here.example", "bob@there.example", "carl@here.example"])
        let fields = try #require(outcome?.copies.first?.message.header.fields)
        #expect(fields.filter { $0.isNamed("X-For") }.map(\.value) == ["carl", "one"])
        #expect(fields.first?.name == "X-For")
    }

    @Test func `what is open for a session ends with it, and not before`() {
        final class Open: SessionResource {
            let ends = Mutex(0)
            func sessionEnded() { ends.withLock { $0 += 1 } }
        }
        var resources: SessionResources? = SessionResources()
        let first = resources?.resource("a") { Open() }
        #expect(resources?.resource("a") { Open() } === first && resources?.resource("b") { Open() } !== first)
        #expect(first?.ends.withLock { $0 } == 0)
        resources = nil
        #expect(first?.ends.withLock { $0 } == 1)
    }
}
