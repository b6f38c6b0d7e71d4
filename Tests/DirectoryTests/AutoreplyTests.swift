import Directory
import Foundation
import MailTypes
import Pipeline
import Testing

/// What mailboxes answer, as the directory keeps it.
@Suite struct AutoreplyTests {
    static func change(_ text: String? = "I am away.", _ more: (inout AutoreplyChange) -> Void = { _ in })
        -> AutoreplyChange
    {
        var change = AutoreplyChange()
        change.isOn = true
        change.text = text
        more(&change)
        return change
    }

    @Test func `what is set is there, in the log, and gone with its mailbox`() throws {
        let sample = try Sample()
        let directory = sample.directory
        #expect(try directory.autoreply(of: "anna@acme.test") == nil)
        #expect(!directory.mayAnswer("anna@acme.test"))
        try directory.change(by: "cli:root") { changes in
            try changes.setAutoreply(
                "Anna@acme.test",
                Self.change { change in
                    change.from = .some(Date(timeIntervalSinceReferenceDate: 800_000_000))
                    change.until = .some(Date(timeIntervalSinceReferenceDate: 800_086_400))
                    change.subject = "Away"
                    change.html = "<p>Away"
                    change.period = "2d"
                    change.answersCatchAll = true
                })
        }
        let entry = try #require(try directory.autoreply(of: "anna@acme.test"))
        #expect(entry.mailbox == "anna@acme.test" && entry.reply.isOn && entry.reply.text == "I am away.")
        #expect(entry.reply.subject == "Away" && entry.reply.html == "<p>Away" && entry.reply.period == "2d")
        #expect(entry.reply.answersCatchAll && entry.reply.until?.timeIntervalSinceReferenceDate == 800_086_400)
        #expect(directory.mayAnswer("ANNA@acme.test") && !directory.mayAnswer("carl@acme.test"))
        #expect(try directory.autoreplies(domain: "acme.test") == [entry])
        #expect(try directory.audit(object: "anna@acme.test", limit: 1).map(\.verb) == ["mailbox.autoreply"])
        // What is not named stays.
        try directory.change(by: "cli:root") { changes in
            var change = AutoreplyChange()
            change.isOn = false
            change.subject = .some(nil)
            try changes.setAutoreply("anna@acme.test", change)
        }
        let off = try #require(try directory.autoreply(of: "anna@acme.test"))
        #expect(!off.reply.isOn && off.reply.subject == nil && off.reply.period == "2d")
        #expect(off.reply.text == "I am away.")
        #expect(!directory.mayAnswer("anna@acme.test"))
        try directory.change(by: "cli:root") { try $0.removeMailbox("anna@acme.test", force: true) }
        #expect(try directory.autoreply(of: "anna@acme.test") == nil)
    }

    @Test func `who was told something else has not been told this`() throws {
        let sample = try Sample()
        let clock = sample.clock
        func since(_ change: AutoreplyChange) throws -> Date {
            try sample.directory.change(by: "cli:root") { try $0.setAutoreply("anna@acme.test", change).reply.since }
        }
        let first = try since(Self.change())
        clock.advance(by: "1h")
        #expect(try since(Self.change()) == first, "nothing has changed")
        #expect(try since(Self.change(nil) { $0.period = "3d" }) == first)
        #expect(try since(Self.change("I am ill.")) == clock.now)
        clock.advance(by: "1h")
        var off = AutoreplyChange()
        off.isOn = false
        #expect(try since(off) != clock.now)
        #expect(try since(Self.change(nil)) == clock.now, "it is another absence")
    }

    @Test func `what cannot be is refused, and nothing is written`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "cli:root") { try $0.addMailbox("postmaster@acme.test", passwordHash: nil) }
        let mistakes: [(String, AutoreplyChange)] = [
            ("postmaster@acme.test", Self.change()), ("info@acme.test", Self.change()), ("x@acme.test", Self.change()),
            ("anna@acme.test", Self.change(nil)), ("anna@acme.test", Self.change(" \n\t")),
            ("anna@acme.test", Self.change(String(repeating: "x", count: 65_537))),
            ("anna@acme.test", Self.change("a\0b")),
            ("anna@acme.test", Self.change { $0.subject = "two\nlines" }),
            ("anna@acme.test", Self.change { $0.subject = "" }),
            ("anna@acme.test", Self.change { $0.subject = .some(String(repeating: "é", count: 101)) }),
            ("anna@acme.test", Self.change { $0.html = .some(String(repeating: "x", count: 262_145)) }),
            ("anna@acme.test", Self.change { $0.period = "59m" }),
            ("anna@acme.test", Self.change { $0.period = "366d" }),
            (
                "anna@acme.test",
                Self.change { change in
                    change.from = .some(Date(timeIntervalSince1970: 60))
                    change.until = .some(Date(timeIntervalSince1970: 60))
                }
            ),
        ]
        for (address, change) in mistakes {
            #expect(throws: DirectoryError.self, "\(address) \(change.text?.prefix(20) ?? "-")") {
                try sample.directory.change(by: "cli:root") { try $0.setAutoreply(address, change) }
            }
        }
        #expect(try sample.directory.autoreplies().isEmpty)
    }

    // MARK: Ledger

    static let now = Date(timeIntervalSince1970: 1_795_262_400)

    static func wanted(
        _ number: UInt32, from sender: String = "bob@far.test", source: String = "m1", at moment: Date = now
    ) -> AutoreplyRecord {
        AutoreplyRecord(
            mailbox: "anna@acme.test", sender: sender, source: source,
            id: TransactionID(milliseconds: 1_795_262_400_000, random: number), time: moment)
    }

    @Test func `a sender is told once in a period, by each mailbox, whatever the clock does`() throws {
        let folder = try TemporaryFolder()
        let ledger = try AutoreplyLedger(folder.file("autoreplies.sqlite"))
        defer { ledger.close() }
        func claim(_ record: AutoreplyRecord, since: Date = .distantPast) throws -> AutoreplyLedger.Claim {
            let claim = try ledger.claim(record, since: since, period: "7d")
            if case .granted(var granted) = claim {
                granted.state = .queued
                try ledger.write(granted)
            }
            return claim
        }
        guard case .granted = try claim(Self.wanted(1)) else { return #expect(Bool(false)) }
        #expect(try claim(Self.wanted(2, source: "m2", at: Self.now + 7 * 86_400 - 1)) == .toldBefore(Self.now))
        #expect(try claim(Self.wanted(2, source: "m2", at: Self.now - 86_400)) == .toldBefore(Self.now))
        guard case .granted = try claim(Self.wanted(3, from: "eve@far.test", source: "m3")) else {
            return #expect(Bool(false))
        }
        // It says something else now.
        guard case .granted = try claim(Self.wanted(4, source: "m4", at: Self.now + 60), since: Self.now + 30) else {
            return #expect(Bool(false))
        }
        guard case .granted = try claim(Self.wanted(5, source: "m5", at: Self.now + 60 + 7 * 86_400)) else {
            return #expect(Bool(false))
        }
        #expect(try ledger.records(mailbox: "anna@acme.test").count == 1, "what is over is cleared away")
    }

    @Test func `what was begun goes on under its id, and what was made is not made again`() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("autoreplies.sqlite")
        let first = try AutoreplyLedger(path)
        guard case .granted(let begun) = try first.claim(Self.wanted(1), since: .distantPast, period: "7d") else {
            return #expect(Bool(false))
        }
        // As a kill leaves it: not closed.
        let next = try AutoreplyLedger(path)
        guard case .granted(var again) = try next.claim(Self.wanted(2), since: .distantPast, period: "7d") else {
            return #expect(Bool(false))
        }
        #expect(again.id == begun.id)
        // Another message takes it up as well.
        guard case .granted(let other) = try next.claim(Self.wanted(3, source: "m2"), since: .distantPast, period: "7d")
        else { return #expect(Bool(false)) }
        #expect(other.id == begun.id)
        again.state = .queued
        try next.write(again)
        guard case .made(let made) = try next.claim(Self.wanted(4), since: .distantPast, period: "7d") else {
            return #expect(Bool(false))
        }
        #expect(made.id == begun.id && made.state == .queued)
        next.close()
        first.close()
    }

    @Test func `who writes in many names makes no flood of it`() throws {
        let folder = try TemporaryFolder()
        var limits = AutoreplyLedger.Limits()
        limits.perHour = 3
        limits.senders = 5
        let ledger = try AutoreplyLedger(folder.file("autoreplies.sqlite"), limits: limits)
        defer { ledger.close() }
        func claim(_ number: Int, hour: Double) throws -> AutoreplyLedger.Claim {
            let moment = Self.now + hour * 3_601
            let wanted = Self.wanted(
                UInt32(number), from: "u\(number)@far.test", source: "m\(number)", at: moment)
            return try ledger.claim(wanted, since: .distantPast, period: "7d")
        }
        for number in 0..<3 { guard case .granted = try claim(number, hour: 0) else { return #expect(Bool(false)) } }
        #expect(try claim(3, hour: 0) == .tooManyReplies(3))
        for number in 3..<5 { guard case .granted = try claim(number, hour: 1) else { return #expect(Bool(false)) } }
        #expect(try claim(5, hour: 2) == .tooManySenders(5))
        guard case .granted = try claim(6, hour: 24 * 8) else { return #expect(Bool(false)) }
    }
}
