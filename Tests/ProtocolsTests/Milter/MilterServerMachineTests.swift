import MailTypes
import Testing

@testable import Protocols

/// docs/milter.md, as a milter speaks; and both machines with one another.
@Suite struct MilterServerMachineTests {
    /// A mail server and a milter, joined by what they send.
    struct Pair {
        var client: MilterClientMachine
        var server: MilterServerMachine
        var questions: [MilterServerMachine.Question] = []
        var aborts = 0
        var answer: (MilterServerMachine.Question) -> MilterAnswer = { _ in MilterAnswer(.continue) }

        init(_ actions: MilterActions = .all, macros: [MilterPlace: [String]] = [:], largest: Int = 1_000_000) {
            client = MilterClientMachine(.init(actions: .all, largestBody: 1_000_000))
            server = MilterServerMachine(.init(actions: actions, macros: macros, largestMessage: largest))
        }

        mutating func ask(_ story: MilterStory) throws -> MilterAnswer {
            client.ask(story)
            while true {
                switch client.next() {
                case .answer(let answer): return answer
                case .send(let octets): try hear(octets)
                case .wait: throw MilterFault("both wait")
                }
            }
        }

        mutating func hear(_ octets: [UInt8]) throws {
            server.received(octets)
            while true {
                switch try server.next() {
                case .wait, .close: return
                case .send(let octets): try client.received(octets)
                case .ask(let question):
                    questions.append(question)
                    guard case .send(let octets) = try server.answered(answer(question)) else { return }
                    try client.received(octets)
                case .abort: aborts += 1
                case .beginAnew: questions = []
                }
            }
        }
    }

    @Test func `what one says the other hears`() throws {
        var pair = Pair(macros: [.mail: ["i"]])
        let body = Bytes((0..<200_000).map { UInt8(truncatingIfNeeded: $0) })
        let story = MilterStory.sample.hello("mx").mail("<a@out.example>", id: "77").to("<b@here.example>")
        let message = story.message(["Subject": "one", "X": "two"], body: body)
        #expect(try pair.ask(message) == MilterAnswer(.continue))
        let fields = [("Subject", " one"), ("X", " two")].map { MilterServerMachine.Field(name: $0.0, value: $0.1) }
        #expect(
            pair.questions == [
                .connect(host: "mx.out.example", .address("192.0.2.7", port: 25)), .hello("mx"),
                .mail("<a@out.example>", []), .recipient("<b@here.example>", []), .message(fields, body.array),
            ])
        #expect(pair.server.macros["i"] == "77" && pair.server.macros["j"] == "mx.here.example")
        #expect(pair.server.hasLeadingSpace && pair.server.actions.contains(.changeSender))
    }

    @Test func `answers come back as they were given`() throws {
        let words = Reply(550, .deliveryNotAuthorized, lines: ["100 %", "no"])
        let verdicts: [MilterAnswer.Verdict] = [
            .continue, .accept, .discard, .reject(nil), .tempfail(nil), .reject(words),
            .tempfail(Reply(451, .systemOther, "later")),
        ]
        for verdict in verdicts {
            var pair = Pair()
            pair.answer = { if case .mail = $0 { MilterAnswer(verdict) } else { MilterAnswer(.continue) } }
            #expect(try pair.ask(.sample.mail("<a@out.example>")) == MilterAnswer(verdict))
        }
        let changes: [MilterChange] = [
            .addField(name: "A", value: " 1"), .insertField(at: 2, name: "B", value: " 2\n\t3"),
            .changeField(number: 1, name: "C", value: ""), .replaceBody([UInt8](repeating: 7, count: 150_000)),
            .addRecipient("<c@d>", parameters: nil), .addRecipient("<c@d>", parameters: "NOTIFY=NEVER"),
            .deleteRecipient("<e@f>"), .changeSender("<>", parameters: nil), .quarantine("why"),
        ]
        var pair = Pair()
        pair.answer = {
            if case .message = $0 { MilterAnswer(.accept, changes: changes) } else { MilterAnswer(.continue) }
        }
        let story = MilterStory.sample.mail("<a@out.example>").to("<b@here.example>").message(["A": "1"])
        #expect(try pair.ask(story) == MilterAnswer(.accept, changes: changes))
    }

    @Test func `nothing of a message is left for the next`() throws {
        var pair = Pair()
        for id in ["1", "2"] {
            pair.questions = []
            let story = MilterStory.sample.mail("<a@out.example>", id: id).to("<b@here.example>").message(["A": id])
            _ = try pair.ask(story)
            guard case .message(let fields, _)? = pair.questions.last else { throw MilterFault("no message") }
            #expect(fields == [.init(name: "A", value: " \(id)")])
        }
        #expect(pair.aborts == 0)
        _ = try pair.ask(.sample.mail("<a@out.example>", id: "3"))
        _ = try pair.ask(.sample.mail("<a@out.example>", id: "4"))
        #expect(pair.aborts == 1)
        try pair.hear(MilterCommand.quitForNext.packet.octets)
        #expect(pair.questions.isEmpty && pair.server.macros.isEmpty)
        try pair.hear(pair.client.farewell)
        #expect(try pair.server.next() == .close)
    }

    @Test func `a server that offers less than is needed, or speaks out of turn, is at fault`() throws {
        let offer = MilterNegotiation(actions: .addHeaders, steps: [])
        let negotiated = MilterCommand.negotiate(offer)
        let wrong: [[MilterCommand]] = [
            [.hello("mx")], [negotiated, negotiated], [.negotiate(.init(version: 1, actions: .all, steps: .all))],
            [.negotiate(.init(actions: [], steps: []))], [negotiated, .hello("mx"), .hello("mx")],
            [negotiated, .mail("<a>", []), .body(.init(repeating: 0, count: 11))],
        ]
        for commands in wrong {
            var machine = MilterServerMachine(.init(actions: .addHeaders, largestMessage: 10))
            machine.received(commands.flatMap(\.packet.octets))
            #expect(throws: MilterFault.self, "\(commands)") {
                while try machine.next() != .wait {}
            }
        }
        var machine = MilterServerMachine(.init(actions: .addHeaders, largestMessage: 10))
        machine.received([negotiated, .mail("<a>", [])].flatMap(\.packet.octets))
        while case .send = try machine.next() {}
        #expect(throws: MilterFault.self) {
            _ = try machine.answered(MilterAnswer(.accept, changes: [.addField(name: "A", value: "1")]))
        }
    }

    @Test func `an older server, that knows less, is answered step by step`() throws {
        var machine = MilterServerMachine(.init(actions: .addHeaders, largestMessage: 1000))
        let commands: [MilterCommand] = [
            .negotiate(.init(version: 2, actions: .init(rawValue: 0x3F), steps: .init(rawValue: 0x7F))),
            .header(name: "A", value: "1"), .endOfHeader, .body([1]),
        ]
        for command in commands {
            machine.received(command.packet.octets)
            guard case .send(let octets) = try machine.next() else { throw MilterFault("no answer to \(command)") }
            if case .negotiate = command {
                #expect(
                    octets == MilterReply.negotiate(.init(version: 2, actions: .addHeaders, steps: [])).packet.octets)
            } else {
                #expect(octets == MilterReply.continue.packet.octets)
            }
        }
    }
}
