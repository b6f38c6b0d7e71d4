import Foundation
import MailTypes
import SluiceTesting
import Testing

@testable import Pipeline

/// Writes into the body of copies that go to `far.example`, and into nobody else's.
struct Stamping: RecipientStage, MessageStage {
    static let name: StageName = "stamping"
    static let effects: Effects = [.editsBody, .editsHeader, .distinguishesRecipients]
    struct Configuration: Decodable { init() {} }
    init(_ configuration: Configuration = Configuration()) {}

    func recipient(_ recipient: Recipient, in transaction: Transaction) async throws(StageFailure) -> Finding {
        recipient.address.domain == "far.example" ? Finding(edits: [.policy("far")]) : .none
    }

    func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        guard transaction.policy == "far" else { return .none }
        let end = message.body.count
        return Finding(edits: [.spliceBody([BodySplice(end..<end, "Stamp.\r\n")])])
    }
}

/// Recipients for whom a stage only changes the copy share a transaction, and each gets its own.
@Suite struct DividedCopyTests {
    static let stamping = Link(number: 60, file: "60-stamping.toml", base: StageVariant(Stamping()))
    static let mixed: [EmailAddress] = ["bob@here.example", "eve@far.example", "ann@here.example"]

    @Test func `a stage that only changes copies makes nobody send twice`() async throws {
        let (outcome, replies, trace) = await Play([.router, Self.stamping]).run(to: Self.mixed)
        #expect(replies.map(\.code) == [250, 250, 250, 250])
        let copies = try #require(outcome).copies
        #expect(try #require(outcome).replies.map(\.code) == [250])
        #expect(copies.map { $0.recipients.map(\.address) } == [[Self.mixed[0], Self.mixed[2]], [Self.mixed[1]]])
        #expect(copies.map { $0.message.body } == ["Good day.\r\n", "Good day.\r\nStamp.\r\n"])
        #expect(trace.steps.filter { $0.stage == "stamping" && $0.phase == .message }.count == 2)
    }

    @Test func `a stage that may refuse still asks for a transaction of its own`() async {
        let numbered = Link(number: 50, file: "50-numbered.toml", base: StageVariant(Numbered()))
        let (_, replies, _) = await Play([.router, numbered, Self.stamping])
            .run(to: ["bob@here.example", "box3@far.example", "eve@far.example"])
        #expect(replies.map(\.code) == [250, 250, 451, 250])
    }

    @Test func `a copy that is refused behind it refuses the message, and nobody gets it`() async throws {
        let refusing = Link.scripted(70) { message, _ throws(StageFailure) in
            message.body == "Good day.\r\n" ? .none : Finding(.reject(Reply(550, .deliveryNotAuthorized, "No stamps")))
        }
        let (outcome, _, _) = await Play([.router, Self.stamping, refusing]).run(to: Self.mixed)
        #expect(try #require(outcome).replies.map(\.code) == [550])
        #expect(try #require(outcome).copies.isEmpty)
    }

    @Test func `splices are put in by their places`() {
        let body: Bytes = "0123456789"
        #expect(body.spliced([]) == body)
        #expect(
            body.spliced([BodySplice(0..<1, "a"), BodySplice(5..<5, "bc"), BodySplice(8..<10, "")]) == "a1234bc567")
        // What cannot be meant is passed over.
        #expect(body.spliced([BodySplice(4..<6, "x"), BodySplice(5..<7, "y"), BodySplice(9..<11, "z")]) == "0123x6789")
    }

    @Test(arguments: 0..<20)
    func `a trimmed splice does the same`(_ seed: Int) {
        var random = SeededRandom(UInt64(seed))
        let octets: [UInt8] = (0..<40).map { _ in UInt8.random(in: 0...2, using: &random) }
        let body = Bytes(octets)
        for _ in 0..<50 {
            let start = Int.random(in: 0...40, using: &random)
            let range = start..<Int.random(in: start...40, using: &random)
            let new = (0..<Int.random(in: 0...12, using: &random)).map { _ in UInt8.random(in: 0...2, using: &random) }
            let splice = BodySplice(range, Bytes(new))
            let trimmed = splice.trimmed(of: body)
            #expect(body.spliced([trimmed]) == body.spliced([splice]))
            #expect(trimmed.octets.count <= splice.octets.count && trimmed.range.count <= range.count)
        }
    }

    @Test func `a trace keeps the change and reads it again, and reads octets as they were kept before`() throws {
        let edit = Edit.spliceBody([BodySplice(3..<5, "ä")])
        let json = try JSONEncoder().encode(edit)
        #expect(try JSONDecoder().decode(Edit.self, from: json) == edit)
        #expect(try JSONDecoder().decode([Bytes].self, from: Data("[[104,105],\"aGk=\"]".utf8)) == ["hi", "hi"])
        #expect(throws: (any Error).self) { try JSONDecoder().decode([Bytes].self, from: Data("[\"a\"]".utf8)) }
    }
}
