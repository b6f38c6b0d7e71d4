import MailTypes
import Testing

@testable import Protocols

/// docs/milter.md, as a mail server speaks.
@Suite struct MilterClientMachineTests {
    static let hello = MilterStory.sample.hello("mx")
    static let mail = hello.mail("<a@out.example>")
    static let message = mail.to("<b@here.example>").message(["Subject": "one", "X-Two": "two"])

    @Test func `each step is said when it comes, and nothing twice`() throws {
        var dialog = MilterDialog()
        #expect(try dialog.ask(.sample) == MilterAnswer(.continue))
        #expect(dialog.codes() == "OC")
        #expect(try dialog.ask(Self.hello) == MilterAnswer(.continue))
        #expect(dialog.codes() == "H")
        _ = try dialog.ask(Self.mail)
        _ = try dialog.ask(Self.mail.to("<b@here.example>"))
        #expect(dialog.codes() == "MR")
        #expect(try dialog.ask(Self.message) == MilterAnswer(.continue))
        #expect(dialog.codes() == "TLLNBE")
        // The next message of the same client.
        _ = try dialog.ask(Self.hello.mail("<a@out.example>", id: "2"))
        #expect(dialog.codes() == "M")
    }

    @Test func `who has heard nothing is told all of it at once`() throws {
        var dialog = MilterDialog()
        #expect(try dialog.ask(Self.message) == MilterAnswer(.continue))
        #expect(dialog.codes() == "OCHMRTLLNBE")
    }

    @Test func `values of macros come before their command, those that were asked for`() throws {
        var dialog = MilterDialog()
        _ = try dialog.ask(Self.mail)
        #expect(dialog.heard.contains(.macros(for: UInt8(ascii: "C"), [MilterMacro("j", "mx.here.example")])))
        #expect(dialog.heard.contains(.macros(for: UInt8(ascii: "M"), [MilterMacro("i", "1")])))
        var picky = MilterDialog()
        picky.wish.macros = [.connect: ["x"], .hello: ["j"]]
        _ = try picky.ask(Self.mail)
        #expect(!picky.heard.contains { if case .macros(UInt8(ascii: "C"), _) = $0 { true } else { false } })
    }

    @Test func `what the milter does not want is not sent, and where it is silent nobody waits`() throws {
        var dialog = MilterDialog()
        dialog.wish.steps = [.noConnect, .noHello, .noBody, .noData, .noEndOfHeader, .noReplyToHeader, .noReplyToMail]
        #expect(try dialog.ask(Self.message) == MilterAnswer(.continue))
        #expect(dialog.codes() == "OMRLLE")
        dialog = MilterDialog()
        dialog.wish.steps = [.noMail, .noRecipient, .noHeader]
        #expect(try dialog.ask(Self.message) == MilterAnswer(.continue))
        #expect(dialog.codes() == "OCHTNBE")
        dialog = MilterDialog()
        dialog.wish.steps = MilterSteps.all.subtracting(.refusedRecipients).subtracting([.leadingSpace, .skip])
        #expect(try dialog.ask(Self.message) == MilterAnswer(.continue))
        #expect(dialog.codes() == "OE")
    }

    @Test func `skipping holds for the rest of that message`() throws {
        var dialog = MilterDialog()
        dialog.wish.steps = [.skip]
        dialog.replies = { command in
            switch command {
            case .recipient, .header, .body: [.skip]
            default: [.continue]
            }
        }
        let story = Self.mail.to("<b@here.example>", "<c@here.example>")
            .message(["A": "1", "B": "2"], body: Bytes([UInt8](repeating: 120, count: 200_000)))
        #expect(try dialog.ask(story) == MilterAnswer(.continue))
        #expect(dialog.codes() == "OCHMRTLNBE")
        var next = story
        next.mail?.macros = ["i": "2"]
        _ = try dialog.ask(next)
        #expect(dialog.codes() == "MRTLNBE")
        var faithless = MilterDialog()
        faithless.replies = dialog.replies
        #expect(throws: MilterFault.self) { try faithless.ask(story) }
    }

    @Test func `a body goes in pieces of 65535 octets, each answered`() throws {
        var dialog = MilterDialog()
        let body = Bytes((0..<140_000).map { UInt8(truncatingIfNeeded: $0) })
        _ = try dialog.ask(Self.mail.to("<b@here.example>").message([:], body: body))
        let pieces = dialog.heard.compactMap { if case .body(let octets) = $0 { octets } else { nil } }
        #expect(pieces.map(\.count) == [65535, 65535, 8930] && pieces.joined().elementsEqual(body.array))
        var silent = MilterDialog()
        silent.wish.steps = [.noReplyToBody]
        _ = try silent.ask(Self.mail.to("<b@here.example>").message([:], body: body))
        #expect(silent.codes() == "OCHMRTNBBBE")
        var empty = MilterDialog()
        _ = try empty.ask(Self.mail.to("<b@here.example>").message([:], body: .empty))
        #expect(empty.codes() == "OCHMRTNE")
    }

    @Test(arguments: [true, false])
    func `a folded value has LF alone, and its blank if that was agreed`(_ isAgreed: Bool) throws {
        var dialog = MilterDialog()
        dialog.wish.steps = isAgreed ? .leadingSpace : []
        dialog.replies = { command in
            guard case .endOfMessage = command else { return [.continue] }
            return [.change(.addField(name: "X", value: isAgreed ? "  v" : " v")), .continue]
        }
        var story = Self.mail.to("<b@here.example>")
        let field = HeaderField(name: "Subject", foldedValue: " one\r\n\ttwo")
        story.message = Message(header: Header(fields: [field]), body: .empty)
        let answer = try dialog.ask(story)
        #expect(dialog.heard.contains(.header(name: "Subject", value: isAgreed ? " one\n\ttwo" : "one\n\ttwo")))
        // What comes back is what stands behind the colon.
        #expect(answer.changes == [.addField(name: "X", value: "  v")])
    }

    // MARK: Verdicts

    @Test(arguments: [
        (MilterReply.accept, MilterAnswer.Verdict.accept), (.reject, .reject(nil)), (.tempfail, .tempfail(nil)),
        (.shutdown, .tempfail(nil)), (.connectionFailure, .tempfail(nil)),
        (.refuse(Reply(554, "no")), .reject(Reply(554, "no"))),
        (.refuse(Reply(421, "no")), .tempfail(Reply(421, "no"))),
    ])
    func `a word on the session holds for all of it`(_ reply: MilterReply, _ verdict: MilterAnswer.Verdict) throws {
        var dialog = MilterDialog()
        dialog.replies = { if case .hello = $0 { [reply] } else { [.continue] } }
        #expect(try dialog.ask(.sample).verdict == .continue)
        #expect(try dialog.ask(Self.hello).verdict == verdict && dialog.machine.isSettled)
        _ = dialog.codes()
        #expect(try dialog.ask(Self.message).verdict == verdict)
        #expect(dialog.codes() == "")
    }

    /// THREATS.md, 1: a verdict must not stick to the next message.
    @Test func `a word on a message holds for that one and not for the next`() throws {
        for (code, reply, verdict) in [
            ("M", MilterReply.accept, MilterAnswer.Verdict.accept), ("M", .reject, .reject(nil)),
            ("M", .discard, .discard),
            ("R", .accept, .accept), ("R", .discard, .discard), ("T", .accept, .accept), ("L", .discard, .discard),
            ("N", .tempfail, .tempfail(nil)), ("B", .accept, .accept), ("E", .accept, .accept),
            ("E", .reject, .reject(nil)),
        ] {
            var dialog = MilterDialog()
            dialog.replies = { $0.packet.code == code.utf8.first ? [reply] : [.continue] }
            #expect(try dialog.ask(Self.message).verdict == verdict, "\(code)")
            #expect(dialog.codes().hasSuffix(code) && !dialog.machine.isSettled)
            dialog.replies = { _ in [.continue] }
            var next = Self.message
            next.mail?.macros["i"] = "2"
            #expect(try dialog.ask(next).verdict == .continue, "\(code)")
            #expect(dialog.codes() == (code == "E" ? "" : "A") + "MRTLLNBE")
        }
    }

    @Test func `a refused recipient is refused alone`() throws {
        var dialog = MilterDialog()
        dialog.replies = { if case .recipient("<b@here.example>", _) = $0 { [.reject] } else { [.continue] } }
        #expect(try dialog.ask(Self.mail.to("<b@here.example>")).verdict == .reject(nil))
        #expect(try dialog.ask(Self.mail.to("<c@here.example>")).verdict == .continue)
        let message = Self.mail.to("<c@here.example>").message(["A": "1"])
        #expect(try dialog.ask(message).verdict == .continue)
        #expect(dialog.codes() == "OCHMRRTLNBE")
    }

    @Test func `before the message it knows for whom that is, and of nobody else`() throws {
        var dialog = MilterDialog()
        _ = try dialog.ask(Self.mail.to("<b@here.example>"))
        // Another stage has refused that one; the next may be told all the same.
        _ = try dialog.ask(Self.mail.to("<c@here.example>"))
        #expect(dialog.codes() == "OCHMRR")
        _ = try dialog.ask(Self.mail.to("<c@here.example>").message([:]))
        #expect(dialog.codes() == "AMRTNBE")
        // Another part of a divided message.
        _ = try dialog.ask(Self.mail.to("<d@here.example>").message([:]))
        #expect(dialog.codes() == "MRTNBE")
    }

    @Test func `a client that greets anew begins anew, and its end is told`() throws {
        var dialog = MilterDialog()
        _ = try dialog.ask(Self.mail)
        _ = try dialog.ask(MilterStory.sample.hello("other"))
        #expect(dialog.codes() == "OCHMAH")
        #expect(dialog.machine.farewell == MilterCommand.quit.packet.octets)
        _ = try dialog.ask(MilterStory.sample.hello("other").mail("<a@out.example>", id: "3"))
        #expect(dialog.machine.farewell == [0, 0, 0, 1, 0x41, 0, 0, 0, 1, 0x51])
        var other = MilterStory.sample
        other.client.peer = .address("192.0.2.8", port: 25)
        #expect(!dialog.machine.canTell(other))
    }

    // MARK: Changes

    @Test func `changes come with the last word, in their order`() throws {
        var dialog = MilterDialog()
        let changes: [MilterChange] = [
            .changeField(number: 1, name: "Subject", value: ""), .replaceBody([1, 2, 3, 4]), .quarantine("q"),
            .addRecipient("<c@here.example>", parameters: nil),
        ]
        dialog.replies = { command in
            guard case .endOfMessage = command else { return [.continue] }
            let said: [MilterChange] = [
                changes[0], .replaceBody([1, 2]), .replaceBody([3, 4]), changes[2], changes[3],
            ]
            return said.map(MilterReply.change) + [.progress, .continue]
        }
        #expect(try dialog.ask(Self.message) == MilterAnswer(.continue, changes: changes))
    }

    /// THREATS.md, 3: what is half done counts for nothing.
    @Test(arguments: [MilterReply.reject, .tempfail, .discard])
    func `with a refusal changes count for nothing`(_ reply: MilterReply) throws {
        var dialog = MilterDialog()
        dialog.replies = { if case .endOfMessage = $0 { [.change(.replaceBody([1])), reply] } else { [.continue] } }
        #expect(try dialog.ask(Self.message).changes.isEmpty)
    }

    @Test func `R166: what was not agreed on, too large, too much or too early is a fault`() throws {
        let field = MilterChange.addField(name: "X", value: String(repeating: "x", count: 2000))
        let lies: [(String, [MilterReply])] = [
            ("E", [.change(.deleteRecipient("a@b"))]), ("E", [.change(.replaceBody(.init(repeating: 0, count: 1001)))]),
            ("E", Array(repeating: .change(.replaceBody(.init(repeating: 0, count: 600))), count: 2)),
            ("E", Array(repeating: .change(field), count: 600)),
            ("E", Array(repeating: .change(.addField(name: "X", value: "")), count: 1001)),
            ("H", [.change(.replaceBody([]))]), ("B", [.change(.addField(name: "X", value: "y"))]),
            ("C", [.discard]), ("H", [.continue, .continue]),
            ("M", [.negotiate(MilterNegotiation(actions: [], steps: []))]),
        ]
        for (code, replies) in lies {
            var dialog = MilterDialog(actions: [.addHeaders, .changeBody])
            dialog.wish.actions = [.addHeaders, .changeBody]
            dialog.replies = { $0.packet.code == code.utf8.first ? replies + [.continue] : [.continue] }
            #expect(throws: MilterFault.self, "\(code) \(replies.prefix(2))") { try dialog.ask(Self.message) }
        }
    }

    @Test(arguments: [
        MilterNegotiation(version: 1, actions: [], steps: []), MilterNegotiation(version: 7, actions: [], steps: []),
        MilterNegotiation(actions: [], steps: MilterSteps(rawValue: 1 << 28)),
    ])
    func `another version, or steps that there are not, are a fault`(_ wish: MilterNegotiation) {
        var dialog = MilterDialog(actions: .addHeaders)
        dialog.wish = wish
        #expect(throws: MilterFault.self) { try dialog.ask(.sample) }
    }

    @Test func `who wants more than is offered does not get it`() throws {
        for change in [MilterChange.replaceBody([]), .addRecipient("<a@b>", parameters: "NOTIFY=NEVER")] {
            var dialog = MilterDialog(actions: .addHeaders)
            dialog.wish = MilterNegotiation(actions: MilterActions(rawValue: .max), steps: .all)
            dialog.wish.steps.remove([.noReplyToConnect, .noReplyToHello])
            #expect(try dialog.ask(Self.message).verdict == .continue)
            dialog.replies = { if case .endOfMessage = $0 { [.change(change), .accept] } else { [.continue] } }
            var next = Self.message
            next.mail?.macros["i"] = "2"
            #expect(throws: MilterFault.self) { try dialog.ask(next) }
        }
    }

    @Test func `who speaks first, or anything but the protocol, is at fault`() throws {
        for octets in [MilterReply.continue.packet.octets, Array("220 mx ESMTP\r\n".utf8), [0, 0, 0, 0]] {
            var machine = MilterClientMachine(.init(actions: .all, largestBody: 1))
            machine.ask(.sample)
            guard case .send = machine.next() else { throw MilterFault("it has nothing to say") }
            #expect(throws: MilterFault.self) { try machine.received(octets) }
        }
    }
}
