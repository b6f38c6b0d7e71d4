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
        var content: [UInt8] = []
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
                case .content(let octets): content += octets
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
        #expect(
            pair.questions == [
                .connect(host: "mx.out.example", .address("192.0.2.7", port: 25)), .hello("mx"),
                .mail("<a@out.example>", []), .recipient("<b@here.example>", []), .message(isTooLarge: false),
            ])
        #expect(pair.content == Array("Subject: one\r\nX: two\r\n\r\n".utf8) + body.array)
        #expect(pair.server.macro("i") == "77" && pair.server.macro("j") == "mx.here.example")
        #expect(pair.server.actions?.contains(.changeSender) == true && pair.server.version == 6)
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
            (pair.questions, pair.content) = ([], [])
            let story = MilterStory.sample.mail("<a@out.example>", id: id).to("<b@here.example>").message(["A": id])
            _ = try pair.ask(story)
            #expect(pair.questions.last == .message(isTooLarge: false))
            #expect(String(decoding: pair.content, as: UTF8.self) == "A: \(id)\r\n\r\nHello.\r\n")
        }
        #expect(pair.aborts == 0)
        _ = try pair.ask(.sample.mail("<a@out.example>", id: "3"))
        _ = try pair.ask(.sample.mail("<a@out.example>", id: "4"))
        #expect(pair.aborts == 1)
        try pair.hear(MilterCommand.quitForNext.packet.octets)
        #expect(pair.questions.isEmpty && pair.server.macro("j") == nil)
        try pair.hear(pair.client.farewell)
        #expect(try pair.server.next() == .close)
    }

    @Test func `a server that speaks out of turn is at fault`() throws {
        let offer = MilterNegotiation(actions: .addHeaders, steps: [])
        let negotiated = MilterCommand.negotiate(offer)
        let wrong: [[MilterCommand]] = [
            [.hello("mx")], [negotiated, negotiated], [.negotiate(.init(version: 1, actions: .all, steps: .all))],
            [negotiated, .hello("mx"), .hello("mx")], [negotiated, .endOfHeader, .endOfHeader],
            [negotiated, .endOfHeader, .header(name: "A", value: "1")],
            [negotiated, .body([1]), .header(name: "A", value: "1")],
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
        var machine = MilterServerMachine(.init(actions: [.addHeaders, .changeSender], largestMessage: 1000))
        let commands: [MilterCommand] = [
            // What version 2 did not know it cannot have meant.
            .negotiate(.init(version: 2, actions: .all, steps: .all)),
            .header(name: "A", value: "1"), .endOfHeader, .body([1]),
        ]
        var content: [UInt8] = []
        for command in commands {
            machine.received(command.packet.octets)
            var action = try machine.next()
            while case .content(let octets) = action {
                content += octets
                action = try machine.next()
            }
            if case .negotiate = command {
                let agreed = MilterNegotiation(version: 2, actions: .addHeaders, steps: [])
                #expect(action == .send(MilterReply.negotiate(agreed).packet.octets))
            } else {
                #expect(action == .send(MilterReply.continue.packet.octets), "\(command)")
            }
        }
        #expect(String(decoding: content, as: UTF8.self) == "A: 1\r\n\r\n\u{1}")
        machine.received(MilterCommand.endOfMessage([]).packet.octets)
        #expect(try machine.next() == .ask(.message(isTooLarge: false)))
        let answer = try machine.answered(MilterAnswer(.accept, changes: [.addField(name: "X", value: " 2")]))
        let change = MilterReply.change(.addField(name: "X", value: "2"))
        #expect(answer == .send(change.packet.octets + MilterReply.accept.packet.octets))
    }

    @Test func `what a server does not let a milter do is known`() throws {
        var machine = MilterServerMachine(.init(actions: [.addHeaders, .changeBody], largestMessage: 0))
        machine.received(MilterCommand.negotiate(.init(actions: .addHeaders, steps: .all)).packet.octets)
        _ = try machine.next()
        #expect(machine.actions == .addHeaders)
        machine.received(MilterCommand.endOfMessage([]).packet.octets)
        while case .content = try machine.next() {}
        #expect(throws: MilterFault.self) {
            _ = try machine.answered(MilterAnswer(.accept, changes: [.replaceBody([1])]))
        }
    }

    @Test(arguments: [
        (" one\n\ttwo", " one\r\n\ttwo"), (" one\nBcc: x", " one\r\n Bcc: x"), ("", ""), (" a\n\n\n", " a"),
        (" a\r\n b", " a\r\n b"), (" a\n\nb", " a\r\n \r\n b"),
    ])
    func `whatever is said is one field`(_ value: String, _ written: String) throws {
        for hasLeadingSpace in [true, false] {
            let octets = MilterField.octets(
                name: Array("A".utf8), value: Array(value.utf8), hasLeadingSpace: hasLeadingSpace)
            let blank = hasLeadingSpace ? "" : " "
            #expect(String(decoding: octets, as: UTF8.self) == "A:\(blank)\(written)\r\n")
            let message = try Message(parsing: Bytes(octets + [.cr, .lf]))
            #expect(message.header.fields.count == 1)
        }
        let odd = MilterField.octets(name: Array("a b:\u{e4}".utf8), value: [0xFF], hasLeadingSpace: true)
        #expect(odd == Array("a-b---:".utf8) + [0xFF, .cr, .lf])
        #expect(MilterField.octets(name: [], value: [], hasLeadingSpace: true) == Array("-:\r\n".utf8))
    }

    @Test func `of a message that is too large nothing more comes out`() throws {
        var pair = Pair(largest: 20)
        let story = MilterStory.sample.mail("<a@out.example>").to("<b@here.example>")
        _ = try pair.ask(story.message(["A": "1"], body: Bytes([UInt8](repeating: 7, count: 13))))
        #expect(pair.questions.last == .message(isTooLarge: true) && pair.content.count == 8)
        pair.content = []
        _ = try pair.ask(story.message(["A": "1"], body: Bytes([UInt8](repeating: 7, count: 12))))
        #expect(pair.questions.last == .message(isTooLarge: false) && pair.content.count == 20)
    }

    @Test func `a macro holds for its command, and no longer than that`() throws {
        var machine = MilterServerMachine(.init(actions: [], largestMessage: 0))
        func tell(_ commands: MilterCommand...) throws {
            machine.received(commands.flatMap(\.packet.octets))
            while true {
                switch try machine.next() {
                case .wait: return
                case .ask: _ = try machine.answered(MilterAnswer(.continue))
                default: continue
                }
            }
        }
        func macros(_ command: MilterCommand, _ values: [MilterMacro]) -> MilterCommand {
            .macros(for: command.packet.code, values)
        }
        let mail = MilterCommand.mail("<a@b>", [])
        try tell(.negotiate(.init(actions: [], steps: [])), macros(.hello("x"), [MilterMacro("t", "1")]), .hello("x"))
        try tell(macros(mail, [MilterMacro("i", "7"), MilterMacro("t", "2")]), mail)
        #expect(machine.macro("i") == "7" && machine.macro("t") == "2")
        // Another transaction of somebody who has logged out, or was told for another command.
        try tell(macros(.hello("x"), [MilterMacro("i", "8")]), mail)
        #expect(machine.macro("i") == nil && machine.macro("t") == "1")
        try tell(.hello("y"))
        #expect(machine.macro("t") == nil)
        try tell(macros(mail, [MilterMacro("i", "9")]), mail, .abort)
        #expect(machine.macro("i") == nil)
    }

    @Test func `progress is told of a message alone`() throws {
        var machine = MilterServerMachine(.init(actions: [], largestMessage: 0))
        machine.received(
            [MilterCommand.negotiate(.init(actions: [], steps: [])), .hello("x")].flatMap(\.packet.octets))
        _ = try machine.next()
        #expect(try machine.next() == .ask(.hello("x")) && machine.progress == nil)
        _ = try machine.answered(MilterAnswer(.continue))
        machine.received(MilterCommand.endOfMessage([1]).packet.octets)
        while case .content = try machine.next() {}
        #expect(machine.progress == MilterReply.progress.packet.octets)
        _ = try machine.answered(MilterAnswer(.continue))
        #expect(machine.progress == nil)
    }

    @Test func `the envelope is read as a server tells it`() throws {
        let odd = try Envelope(
            milterPath: "<a@b.example>", ["SIZE=12", "BODY=8BITMIME", "SMTPUTF8", "X=1", "SIZE=no"], home: "h.example")
        #expect(odd.sender == "a@b.example" && odd.parameters.size == 12 && odd.parameters.smtpUTF8)
        #expect(try Envelope(milterPath: "<>", [], home: "h.example").sender == nil)
        #expect(try Envelope(milterPath: "anna", [], home: "h.example").sender == "anna@h.example")
        let one = try EnvelopeRecipient(milterPath: "<Postmaster>", ["NOTIFY=NEVER"], home: "h.example")
        #expect(one.address.key == "postmaster@h.example" && one.parameters.notify == .never)
        for path in ["<a@>", "<a@b@c>", "<", "@x:<a>"] {
            #expect(throws: Reply.self) { try EnvelopeRecipient(milterPath: path, [], home: "h.example") }
        }
    }
}
