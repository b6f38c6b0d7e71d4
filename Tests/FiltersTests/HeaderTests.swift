import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct HeaderTests {
    let stage = HeaderSanity(HeaderSanity.Configuration())

    private func added(_ finding: Finding) -> [String] {
        finding.edits.compactMap { if case .appendField(let name, let value) = $0 { "\(name): \(value)" } else { nil } }
    }

    private static func parsed(_ text: String) throws -> Message { try Message(parsing: Bytes(Array(text.utf8))) }

    static let rest = "To: b@here.example\r\nDate: 21 Nov 2026 03:00 +0000\r\nMessage-ID: <1@a>\r\n"

    @Test func `a sound message is left as it is`() async throws {
        #expect(try await stage.message(.sample(), in: .sample()) == .none)
    }

    /// The forms in which two readers see two authors, and some that are sound.
    @Test(arguments: [
        ("From: a@out.example\r\n", true), ("From: A <a@out.example>\r\n", true),
        ("From:\r\n A <a@out.example>\r\n", true),
        ("From: =?utf-8?q?b=40far.example?= <a@out.example>\r\n", true), ("From: a@x.example, b@y.example\r\n", true),
        ("From: G: a@x.example;\r\n", true),
        ("", false), ("From: a@x.example\r\nFrom: b@y.example\r\n", false),
        ("From: a@x.example\r\nfROM: b@y.example\r\n", false),
        ("From: a@x.example\r\nFrom : b@y.example\r\n", false),
        ("From: \r\n", false), ("From: G:;\r\n", false), ("From: \"b@y.example\" <c@z.example>\r\n", true),
    ])
    func `exactly one From field with an address`(_ from: String, _ passes: Bool) async throws {
        let message = try Self.parsed(from + Self.rest + "\r\nHello\r\n")
        let finding = try await stage.message(message, in: .sample())
        let text = "The message needs exactly one From field with an address"
        #expect(finding.verdict == (passes ? .continue : .reject(Reply(550, .contentOther, text))))
        #expect(passes || finding.decidedBy == ["from"])
    }

    /// There is one, and with an address in it.
    @Test(arguments: [
        "nobody", "a@x.example b@y.example", "<a@x.example> <b@y.example>", "<a@x.example", "(a@x.example",
        "\"a@x.example",
    ])
    func `a From field of odd syntax is refused for what it is`(_ from: String) async throws {
        let message = try Self.parsed("From: \(from)\r\n" + Self.rest + "\r\nHello\r\n")
        let text = "The addresses in the From field cannot be read without doubt"
        #expect(try await stage.message(message, in: .sample()).verdict == .reject(Reply(550, .contentOther, text)))
    }

    @Test(arguments: ["Subject", "date", "Content-Type", "Reply-To"])
    func `a single field twice costs points`(_ name: String) async throws {
        var message = Message.sample(["Content-Type": "text/plain", "Reply-To": "x@y.example"])
        message.header.append(HeaderField(name: name, value: "Sat, 21 Nov 2026 03:00:00 +0000"))
        #expect(try await stage.message(message, in: .sample()).symbols == ["HEADER_DUPLICATES"])
    }

    @Test func `the action is the option's`() async throws {
        var policy = HeaderSanity.Configuration()
        policy.points = 2.5
        let message = Message.sample(["Date": nil])
        let text = "The message needs a Date field that can be read"
        let scored = try await HeaderSanity(policy).message(message, in: .sample())
        #expect(scored.edits == [.score(Symbol("HEADER_DATE", points: 2.5, description: text))])
        policy.date = .reject
        let refused = try await HeaderSanity(policy).message(message, in: .sample())
        #expect(refused.verdict == .reject(Reply(550, .contentOther, text)))
        policy.date = .ignore
        #expect(try await HeaderSanity(policy).message(message, in: .sample()) == .none)
    }

    @Test(arguments: [
        (HeaderDefect.leadingContinuation, true), (.strayControl, true), (.missingEmptyLine, false),
        (.blankBeforeColon, false), (.blankContinuation, false), (.mailboxLine, false),
    ])
    func `what the parser put right is judged`(_ defect: HeaderDefect, _ isRefused: Bool) async throws {
        let sample = Message.sample()
        let message = Message(header: Header(fields: sample.header.fields, defects: [defect]), body: sample.body)
        let finding = try await stage.message(message, in: .sample())
        #expect((finding.verdict != .continue) == isRefused)
        if !isRefused {
            #expect(finding.symbols == ["HEADER_" + defect.rawValue.replacing("-", with: "_").uppercased()])
        }
    }

    @Test func `a header beyond its limits is refused`() async throws {
        var policy = HeaderSanity.Configuration()
        policy.maxFields = 5
        #expect(try await HeaderSanity(policy).message(.sample(), in: .sample()) == .none)
        let six = Message.sample(["X-Six": "6"])
        let many = try await HeaderSanity(policy).message(six, in: .sample())
        #expect(many.verdict == .reject(Reply(552, .messageTooBig, "The header has more than 5 fields")))
        policy.maxFields = 6
        policy.maxSize = ByteCount(six.header.serializedCount)
        #expect(try await HeaderSanity(policy).message(six, in: .sample()) == .none)
        policy.maxSize = ByteCount(six.header.serializedCount - 1)
        #expect(try await HeaderSanity(policy).message(six, in: .sample()).decidedBy == ["max_size"])
    }

    /// Multiparts in one another, as deep as `depth` says.
    private static func nested(_ depth: Int) -> Message {
        var body = ""
        for level in 1...depth {
            body += "--b\(level)\r\nContent-Type: multipart/mixed; boundary=b\(level + 1)\r\n\r\n"
        }
        return .sample(["Content-Type": "multipart/mixed; boundary=b1"], body: Bytes(Array(body.utf8)))
    }

    @Test func `parts too deep or too many are refused`() async throws {
        let text = "The message has parts deeper than 100 levels"
        let deep = try await stage.message(Self.nested(150), in: .sample())
        #expect(deep.verdict == .reject(Reply(552, .messageTooBig, text)))
        #expect(try await stage.message(Self.nested(50), in: .sample()).verdict == .continue)
        var policy = HeaderSanity.Configuration()
        policy.maxParts = 3
        let body = String(repeating: "--b\r\n\r\nx\r\n", count: 3) + "--b--\r\n"
        let many = Message.sample(["Content-Type": "multipart/mixed; boundary=b"], body: Bytes(Array(body.utf8)))
        #expect(try await HeaderSanity(policy).message(many, in: .sample()).decidedBy == ["max_parts"])
        policy.maxParts = 4
        #expect(try await HeaderSanity(policy).message(many, in: .sample()) == .none)
    }

    // MARK: Forged fields

    @Test(arguments: [
        ("mx.here.example; spf=pass", true), ("MX.Here.EXAMPLE; spf=pass", true), ("  mx.here.example 1; none", true),
        ("(a (nested) comment) mx.here.example(another); spf=pass", true), ("\"mx.here.example\"; spf=pass", true),
        ("\"mx.here\\.example\"; spf=pass", true), ("mx.here.example.; spf=pass", true),
        ("mx . here . example; spf=pass", true),
        ("mx.here.example", true), ("mx.here.example/1; spf=pass", true), ("(open mx.here.example; spf=pass", true),
        ("spf=pass; mx.here.example", true), ("other.example; spf=pass", true),
        ("mx.far.example; spf=pass", false), ("xmx.here.example; spf=pass", false),
        ("mx.far.example; dkim=pass header.d=mx.here.example", false),
    ])
    func `results in our name are taken out`(_ value: String, _ isForged: Bool) async throws {
        var policy = HeaderSanity.Configuration()
        policy.ownNames = ["other.example"]
        let message = Message.sample(["Authentication-Results": value])
        let finding = try await HeaderSanity(policy).message(message, in: .sample())
        #expect(finding.removed == (isForged ? [5] : []))
        #expect(finding.verdict == .continue)
    }

    /// What one reader takes for nobody's, and another one for ours.
    @Test(arguments: [
        ("", true), (";", true), ("spf=pass smtp.mailfrom=a@out.example", true), ("; dmarc=pass", true),
        ("\"\"; spf=pass", true),
        ("mx.here.example\u{A0}; spf=pass", true), ("\u{A0}mx.here.example; spf=pass", true),
        ("mx.here.example\u{A0}1; spf=pass", true), ("mx.here.example:25; spf=pass", true),
        ("‹mx.here.example›; spf=pass", true), ("[mx.here.example]; spf=pass", true),
        ("<mx.here.example>; spf=pass", true),
        ("#mx.here.example; spf=pass", true), ("mx.here.example=x; spf=pass", true),
        ("mx.here.example, spf=pass", true),
        ("'mx.here.example'; spf=pass", true), ("\"mx.here.example 1\"; spf=pass", true),
        ("mx.here.example spf=pass", true), ("ｍｘ.here.example; spf=pass", true), ("far.example 2; spf=pass", true),
        ("far.example 1; spf=pass", false), ("(a) far.example (b) 1 (c) ; spf=pass", false), ("far.example", false),
        ("\"far.example\"; spf=pass", false), ("FAR-1_2.example;spf=pass", false),
    ])
    func `a field of which nobody can say whose it is goes`(_ value: String, _ goes: Bool) async throws {
        let message = Message.sample(["Authentication-Results": value])
        #expect(try await stage.message(message, in: .sample()).removed == (goes ? [5] : []))
    }

    @Test func `folding and the field's own spelling hide nothing`() async throws {
        let forged = "AUTHENTICATION-Results :\r\n\t(x)\r\n mx.here\r\n .example;\r\n spf=pass\r\n"
        let message = try Self.parsed(forged + "From: a@out.example\r\n" + Self.rest + "\r\nHello\r\n")
        #expect(try await stage.message(message, in: .sample()).removed == [0])
    }

    @Test func `results of others stay, and the option keeps ours`() async throws {
        var policy = HeaderSanity.Configuration()
        policy.stripResults = false
        let message = Message.sample(["Authentication-Results": "mx.here.example; spf=pass"])
        #expect(try await HeaderSanity(policy).message(message, in: .sample()) == .none)
    }

    @Test func `fields that only we write are taken out`() async throws {
        let message = Message.sample([
            "X-Spam-Status": "No", "x-spam": "0", "X-Spa": "m", "Return-Path": "<>", "X-Sluice-Unchecked": "no",
            "Bcc": "c@x.example",
        ])
        #expect(try await stage.message(message, in: .sample()).removed == [5, 6, 8, 9])
    }

    // MARK: Users' messages

    static let bob = Session.sample(language: .submission, user: "bob@here.example")

    @Test func `a user's blind recipients are not told`() async throws {
        let message = Message.sample(["Bcc": "c@x.example"])
        #expect(try await stage.message(message, in: .sample(session: Self.bob)).removed == [5])
    }

    @Test func `a user's message is completed`() async throws {
        let message = Message.sample(["Date": nil, "Message-ID": nil])
        let transaction = Transaction.sample(session: Self.bob)
        let finding = try await stage.message(message, in: transaction)
        #expect(
            added(finding) == [
                "Date: Sat, 21 Nov 2026 03:00:00 +0000", "Message-ID: <\(transaction.id)@mx.here.example>",
            ])
        #expect(finding.symbols == [])
        #expect(try await stage.message(.sample(), in: transaction) == .none)
    }

    @Test func `a stranger's message is not`() async throws {
        let message = Message.sample(["Date": nil, "Message-ID": nil])
        let finding = try await stage.message(message, in: .sample())
        #expect(added(finding) == [])
        #expect(finding.symbols == ["HEADER_DATE", "HEADER_MESSAGE_ID"])
        var policy = HeaderSanity.Configuration()
        policy.complete = .always
        #expect(added(try await HeaderSanity(policy).message(message, in: .sample())).count == 2)
        policy.complete = .never
        #expect(added(try await HeaderSanity(policy).message(message, in: .sample(session: Self.bob))) == [])
    }
}
