import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct MilterTests {
    let world = MemoryServices()

    /// All that a milter can want, and that can be done.
    static let allChanges = MilterReport(
        .accept,
        changes: [
            .addField(name: "X-Last", value: " 1"), .insertField(at: 0, name: "X-First", value: " 2"),
            .changeField(number: 1, name: "subject", value: " 3"), .changeField(number: 1, name: "To", value: ""),
            .replaceBody("new"), .addRecipient("<carl@here.example>"), .deleteRecipient("bob@here.example"),
            .changeSender("<>", parameters: nil), .quarantine("look"),
        ])

    static func milter(_ change: (inout Milter.Configuration) -> Void = { _ in }) -> Milter {
        var policy = Milter.Configuration()
        change(&policy)
        return Milter(policy)
    }

    func find(_ report: MilterReport, on message: Message = .sample()) async throws -> Finding {
        world.answerAsMilter(report)
        let transaction = Transaction.sample(
            recipients: [.local("bob@here.example"), .local("eve@here.example")], services: world)
        return try await Self.milter().message(message, in: transaction)
    }

    @Test func `what it wants becomes edits`() async throws {
        let finding = try await find(Self.allChanges)
        #expect(finding.verdict == .quarantine(reason: "look"))
        let message = Message.sample()
        let places = ["To", "Subject"].map { name in message.header.fields.firstIndex { $0.isNamed(name) } ?? -1 }
        let count = message.header.fields.count
        let edits: [Edit] = [
            .addRecipient("carl@here.example"), .removeRecipient("bob@here.example"), .changeSender(nil),
            .removeFields(at: places.sorted()), .insertField(name: "X-First", value: " 2", at: 0),
            .insertField(name: "subject", value: " 3", at: places[1]),
            .insertField(name: "X-Last", value: " 1", at: count), .replaceBody("new"),
        ]
        #expect(finding.edits == edits)
        #expect(finding.note == "accepts, and wants to hear no more")
    }

    @Test(arguments: [
        (MilterReport.Verdict.reject(nil), Verdict.reject(MilterFinding.refusal)),
        (.reject(Reply(554, "Own words")), .reject(Reply(554, "Own words"))),
        (.tempfail(nil), .tempfail(MilterFinding.delay)), (.tempfail(Reply(421, "Go")), .tempfail(Reply(421, "Go"))),
        (.discard, .discard), (.continue, .continue), (.accept, .continue),
    ])
    func `each phase has its verdict`(_ said: MilterReport.Verdict, _ verdict: Verdict) async throws {
        #expect(try await find(MilterReport(said)).verdict == verdict)
        let transaction = Transaction.sample(services: world)
        let milter = Self.milter()
        #expect(try await milter.connect(transaction).verdict == verdict)
        #expect(try await milter.hello(transaction).verdict == verdict)
        #expect(try await milter.sender(transaction).verdict == verdict)
        #expect(try await milter.recipient(.said("bob@here.example"), in: transaction).verdict == verdict)
        let late = Self.milter { $0.early = false }
        #expect(try await late.connect(transaction) == .none)
        #expect(try await late.sender(transaction) == .none)
        #expect(try await late.recipient(.said("bob@here.example"), in: transaction) == .none)
    }

    /// The header as it is, what the milter does to it, and what it is then.
    @Test(
        arguments: [
            (["A", "B", "A"], [.changeField(number: 2, name: "a", value: " x")], ["A", "B", "a: x"]),
            // What was taken out keeps its number.
            (
                ["A", "A", "A"],
                [.changeField(number: 1, name: "A", value: ""), .changeField(number: 2, name: "A", value: "")], ["A"]
            ),
            (
                ["A", "A"],
                [.changeField(number: 1, name: "A", value: ""), .changeField(number: 1, name: "A", value: " y")],
                ["A: y", "A"]
            ),
            (["A"], [.changeField(number: 0, name: "A", value: " z")], ["A: z"]),
            (["A"], [.changeField(number: 2, name: "A", value: " z")], ["A", "A: z"]),
            (["A"], [.changeField(number: 2, name: "A", value: "")], ["A"]),
            (["A", "B"], [.insertField(at: 1, name: "C", value: " c")], ["A", "C: c", "B"]),
            (["A", "B"], [.insertField(at: 9, name: "C", value: " c")], ["A", "B", "C: c"]),
            // What was put in counts where it stands.
            (
                ["A"],
                [.insertField(at: 0, name: "A", value: " 0"), .changeField(number: 1, name: "A", value: " 1")],
                ["A: 1", "A"]
            ),
            (
                ["A", "B"],
                [.changeField(number: 1, name: "A", value: ""), .insertField(at: 1, name: "C", value: " c")],
                ["C: c", "B"]
            ),
            (["A"], [.addField(name: "C", value: " c"), .changeField(number: 1, name: "C", value: "")], ["A"]),
        ] as [([String], [MilterReport.Change], [String])])
    func `numbers and places are those of the header that it saw`(
        _ names: [String], _ changes: [MilterReport.Change], _ expected: [String]
    ) async throws {
        let message = Message(header: Header(fields: names.map { HeaderField(name: $0, value: "") }), body: .empty)
        let finding = try await find(MilterReport(.continue, changes: changes), on: message)
        var header = message.header
        for edit in finding.edits { if case .removeFields(let places) = edit { header.remove(at: places) } }
        for case .insertField(let name, let value, let place) in finding.edits {
            header.insert(HeaderField(name: name, foldedValue: value), at: place)
        }
        let fields = header.fields.map { $0.value.isEmpty ? $0.name : "\($0.name): \($0.value)" }
        #expect(fields == expected)
    }

    @Test(arguments: ["", "<>", "<a@b\r\nRCPT TO:<c@d>>", "no address", "<a@b.example> SIZE=1", "<@>"])
    func `R166: a recipient that is no address is a failure`(_ path: String) async throws {
        for change in [MilterReport.Change.addRecipient(path), .deleteRecipient(path)] {
            await #expect(throws: StageFailure.self) { try await find(MilterReport(.continue, changes: [change])) }
        }
        // Nobody is a sender.
        guard !["", "<>"].contains(path) else { return }
        await #expect(throws: StageFailure.self) {
            try await find(MilterReport(.continue, changes: [.changeSender(path, parameters: nil)]))
        }
    }

    @Test(arguments: [
        ("a\nb\n", "a\r\nb\r\n"), ("\na", "\r\na"), ("a\rb\r\nc\r", "a\r\nb\r\nc\r\n"), ("a\r\r\n", "a\r\n\r\n"),
        ("a\r\nb", "a\r\nb"), ("", ""),
    ])
    func `the lines of a body end as they do in mail`(_ said: String, _ wanted: String) async throws {
        let finding = try await find(MilterReport(.continue, changes: [.replaceBody(Bytes(Array(said.utf8)))]))
        #expect(finding.edits == [.replaceBody(Bytes(Array(wanted.utf8)))])
    }

    @Test func `a body that mail cannot have is a failure`() async throws {
        await #expect(throws: StageFailure.self) {
            _ = try await find(MilterReport(.continue, changes: [.replaceBody(Bytes([0x61, 0]))]))
        }
    }

    @Test func `its words are ASCII to clients`() async throws {
        let said = Reply(550, .deliveryNotAuthorized, "Zurückgewiesen")
        let finding = try await find(MilterReport(.reject(said)))
        #expect(finding.verdict == .reject(Reply(550, .deliveryNotAuthorized, "Zur?ckgewiesen")))
    }

    @Test func `what comes to nothing is noted`() async throws {
        let changes: [MilterReport.Change] = [
            .deleteRecipient("<nobody@here.example>"), .changeField(number: 3, name: "X-None", value: ""),
            .changeSender("<a@here.example>", parameters: "SIZE=1"),
        ]
        let finding = try await find(MilterReport(.continue, changes: changes))
        #expect(finding.edits == [.changeSender("a@here.example")])
        let note =
            "nobody@here.example is no recipient to take out; there is no X-None to take out; "
            + "not heeded for the sender: SIZE=1"
        #expect(finding.note == note)
    }

    @Test func `it is told of the session up to the step, and nothing of that is kept`() async throws {
        let transaction = Transaction.sample(recipients: [.local("bob@here.example")], services: world)
        let milter = Self.milter {
            ($0.socket, $0.may, $0.maxConnections) = ("unix:/run/milter.sock", [.header], 7)
        }
        _ = try await milter.recipient(.said("eve@here.example"), in: transaction)
        guard case .milter(let question)? = world.asked.last, let order = question.order else {
            Issue.record("not asked")
            return
        }
        #expect(question.milter == "unix:/run/milter.sock" && question.step == .recipient("eve@here.example"))
        #expect(order.recipients.map(\.address) == ["bob@here.example", "eve@here.example"])
        #expect(order.limits.permissions == [.header] && order.limits.mostConnections == 7 && order.message == nil)
        #expect(order.resources === transaction.resources)
        _ = try await milter.message(.sample(), in: transaction)
        guard case .milter(let kept)? = transaction.services.facts.last?.question else { return }
        #expect(kept.order == nil && kept.step == .message(MessageHandle(.sample()), for: ["bob@here.example"]))
    }

    @Test func `a message that is too large is not shown`() async throws {
        let milter = Self.milter { $0.maxSize = "10" }
        let finding = try await milter.message(.sample(), in: .sample(services: world))
        #expect(finding.decidedBy == ["max_size"] && world.asked.isEmpty)
    }

    @Test func `it may do what it is allowed to, and no more`() {
        #expect(Self.milter { $0.may = [] }.currentEffects == [.rejects, .tempfails, .discards])
        #expect(Self.milter { $0.may = [.header] }.currentEffects.contains(.editsHeader))
        #expect(Self.milter().currentEffects == Milter.effects)
    }

    @Test(arguments: [
        ("127.0.0.1:8891", "127.0.0.1:8891"), ("inet:127.0.0.1:8891", "127.0.0.1:8891"),
        ("inet:8891@localhost", "localhost:8891"), ("inet6:8891@::1", "[::1]:8891"), ("inet6:[::1]:8891", "[::1]:8891"),
        ("unix:/run/m", "unix:/run/m"), ("local:/run/m", "unix:/run/m"),
    ])
    func `a place is written as elsewhere`(_ text: String, _ place: String) {
        #expect(MilterSocket(text)?.address.description == place)
    }

    @Test(arguments: ["", "inet:", "inet:8891", "local:run", "unix:relative", "inet:0@localhost", "inet:x@localhost"])
    func `what is no place is refused`(_ text: String) { #expect(MilterSocket(text) == nil) }
}
